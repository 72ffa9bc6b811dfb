"""Every case fails as soon as what protects it is taken out."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from airflow_provider_zdirect.emulator.server import EmulatorServer
from certification.case import Case
from certification.table import CASES
from certification.world import World, certified_emulator

pytestmark = pytest.mark.certification

LONGEST = 10
"""Seconds after which a case counts as one that never ends."""
PLAYS = 3
"""Runs that are under way at the same time do not meet every time."""

BROKEN = (NameError, AttributeError, TypeError, SyntaxError)

CHOSEN = {(case.situation.id, case.protection): case for case in reversed(CASES)}
"""Of each situation one dataset, and one more for each other protection."""


class NeverEnds(BaseException):
    """Nothing handles it but the test."""


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorServer]:
    with certified_emulator() as server:
        yield server


@contextmanager
def limited() -> Iterator[None]:
    def end(*_: object) -> None:
        raise NeverEnds

    former = signal.signal(signal.SIGALRM, end)
    signal.alarm(LONGEST)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, former)


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=case.id, marks=() if case in CHOSEN.values() else pytest.mark.exhaustive) for case in CASES],
)
def test_a_case_fails_without_its_protection(case: Case, emulator: EmulatorServer, tmp_path: Path) -> None:
    def play() -> None:
        for number in range(PLAYS):
            with limited():
                case.situation.play(World.of(emulator, tmp_path / str(number), case.dataset))

    with case.protection.taken_out(), pytest.raises((Exception, NeverEnds)) as failed:
        play()
    assert not isinstance(failed.value, BROKEN), "it fails because of what is missing, not because it cannot run"
