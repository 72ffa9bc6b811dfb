from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from stock_world import StockWorld, stock_emulator

from airflow_provider_zdirect.emulator.server import EmulatorServer


@pytest.fixture(scope="session")
def emulator() -> Iterator[EmulatorServer]:
    with stock_emulator() as server:
        yield server


@pytest.fixture
def world(emulator: EmulatorServer, tmp_path: Path, storage: str) -> StockWorld:
    emulator.reset()
    return StockWorld(emulator, tmp_path / "zdirect")
