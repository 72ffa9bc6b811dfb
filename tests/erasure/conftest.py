from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from erasure_world import NOW, ErasureWorld

from airflow_provider_zdirect.emulator.server import EmulatorServer


@pytest.fixture(scope="package")
def running() -> Iterator[EmulatorServer]:
    with EmulatorServer(now=NOW) as emulator:
        yield emulator


@pytest.fixture
def emulator(running: EmulatorServer) -> EmulatorServer:
    running.reset()
    running.clock.set(NOW)
    running.set_options(order_days=0)
    return running


@pytest.fixture
def world(emulator: EmulatorServer, tmp_path: Path) -> ErasureWorld:
    return ErasureWorld(emulator, tmp_path)


@pytest.fixture
def tmp_path(tmp_path: Path, storage: str) -> Path:
    """Where every test has its base path."""
    return tmp_path
