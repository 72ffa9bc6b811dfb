from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import airflow_home
import pytest
from own_emulator import connection_to, own_emulator

from airflow_provider_zdirect.emulator.server import EmulatorServer


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def database() -> None:
    airflow_home.migrate()


@pytest.fixture(scope="module")
def one_emulator() -> Iterator[EmulatorServer]:
    with own_emulator(seed=7) as server:
        yield server


@pytest.fixture
def emulator(one_emulator: EmulatorServer) -> EmulatorServer:
    """Without a reset: a token that is shared from test to test saves the half second in which one is asked for."""
    one_emulator.faults.clear()
    one_emulator.state.log.clear()
    one_emulator.state.limiter.clear()
    return one_emulator


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch, emulator: EmulatorServer, tmp_path: Path) -> Callable[..., None]:
    """Set the fields of zdirect_default; without any it is a working connection to the emulator."""
    # Each test has the token requests of a minute for itself.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def set_fields(**fields: Any) -> None:
        connection = connection_to(emulator, **fields)
        monkeypatch.setenv("AIRFLOW_CONN_ZDIRECT_DEFAULT", json.dumps(connection))

    set_fields()
    return set_fields
