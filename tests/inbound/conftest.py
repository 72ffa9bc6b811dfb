from __future__ import annotations

from collections.abc import Iterator

import pytest
from notice_world import NoticeWorld, notice_emulator

from airflow_provider_zdirect.emulator.server import EmulatorServer


@pytest.fixture(scope="session")
def emulator() -> Iterator[EmulatorServer]:
    with notice_emulator() as running:
        yield running


@pytest.fixture
def world(emulator: EmulatorServer) -> NoticeWorld:
    emulator.reset()
    return NoticeWorld(emulator)
