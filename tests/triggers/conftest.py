from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import airflow_home
import pytest
from own_emulator import connection_to

from airflow_provider_zdirect.emulator.server import EmulatorServer


@pytest.fixture(scope="session")
def database() -> None:
    airflow_home.migrate()


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let a connection point to an emulator."""

    def point(emulator: EmulatorServer, conn_id: str = "zdirect_default", **fields: Any) -> None:
        connection = connection_to(emulator, **fields)
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))

    return point
