"""Every case of the table, by ``make certify``."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_zdirect.emulator.server import EmulatorServer
from certification.case import Case, secrets
from certification.table import CASES
from certification.world import World, certified_emulator

pytestmark = pytest.mark.certification


@pytest.fixture(scope="session")
def emulator() -> Iterator[EmulatorServer]:
    with certified_emulator() as server:
        yield server


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_case(case: Case, emulator: EmulatorServer, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    world = World.of(emulator, tmp_path, case.dataset)
    with caplog.at_level(logging.DEBUG):
        case.situation.play(world)
    assert not secrets(world) & set(re.findall(r"[\w.-]+", caplog.text)), "a secret is in the log"
