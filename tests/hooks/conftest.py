from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import airflow_home
import pytest
from own_emulator import connection_to, own_emulator

from airflow_provider_zdirect.emulator.server import EmulatorServer


@pytest.fixture(scope="session")
def database() -> None:
    airflow_home.migrate()


@pytest.fixture
def emulator() -> Iterator[EmulatorServer]:
    with own_emulator(seed=7) as server:
        yield server


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch, emulator: EmulatorServer) -> Callable[..., None]:
    """Set the fields of zdirect_default; without any it is a working connection to the emulator."""

    def set_fields(**fields: Any) -> None:
        connection = connection_to(emulator, **fields)
        monkeypatch.setenv("AIRFLOW_CONN_ZDIRECT_DEFAULT", json.dumps(connection))

    set_fields()
    return set_fields
