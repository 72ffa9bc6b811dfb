"""Every case fails as soon as what protects it is taken out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from time_limit import time_limit

from airflow_provider_zdirect.emulator.server import EmulatorServer
from certification.case import Case, requests_needed
from certification.table import CASES
from certification.world import World, certified_emulator

pytestmark = pytest.mark.certification

ENDLESS, LONGEST = 10, 60
"""Seconds after which a case that is to be endless counts as that, and after which any other fails this test."""
PLAYS = 5
"""On a busy machine, runs that are under way at the same time do not meet every time."""
BROKEN = (NameError, AttributeError, TypeError, ImportError, SyntaxError)

CHOSEN = {(case.situation.id, case.protection): case for case in reversed(CASES)}
"""Of each situation one dataset, and one more for each other protection."""


class NeverEnds(BaseException):
    """Nothing handles it but the test."""


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorServer]:
    with certified_emulator() as server:
        yield server


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=case.id, marks=() if case in CHOSEN.values() else pytest.mark.mutation) for case in CASES],
)
def test_a_case_fails_without_its_protection(case: Case, emulator: EmulatorServer, tmp_path: Path) -> None:
    # Counted with everything in place, and kept for others.
    requests_needed(World.of(emulator, tmp_path, case.dataset))

    def play() -> None:
        for number in range(PLAYS):
            case.situation.play(World.of(emulator, tmp_path / str(number), case.dataset))

    expected, seconds = (NeverEnds, ENDLESS) if case.protection.endless else (Exception, LONGEST)
    with case.protection.taken_out(), pytest.raises(expected) as failed, time_limit(seconds, NeverEnds()):
        play()
    assert not isinstance(failed.value, BROKEN), "it fails because of what is missing, not because it cannot run"
