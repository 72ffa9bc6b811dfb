"""One emulator per module, with the options in its ``EMULATOR``, and one base path per test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from state_extraction import StateExtraction

from airflow_provider_zdirect.emulator.server import EmulatorServer


@pytest.fixture(scope="module")
def shared_emulator(request: pytest.FixtureRequest) -> Iterator[EmulatorServer]:
    with EmulatorServer(rate_limits=False, **request.module.EMULATOR) as emulator:
        yield emulator


@pytest.fixture
def runs(shared_emulator: EmulatorServer, tmp_path: Path) -> StateExtraction:
    shared_emulator.reset()
    return StateExtraction(shared_emulator, tmp_path)
