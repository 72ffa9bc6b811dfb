from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from orders.order_world import OrderWorld, order_emulator

from airflow_provider_zdirect.emulator.server import EmulatorServer


@pytest.fixture(scope="session")
def order_server() -> Iterator[EmulatorServer]:
    with order_emulator() as running:
        yield running


@pytest.fixture
def emulator(order_server: EmulatorServer) -> EmulatorServer:
    order_server.reset()
    return order_server


@pytest.fixture
def world(emulator: EmulatorServer, tmp_path: Path) -> OrderWorld:
    return OrderWorld(emulator, tmp_path)
