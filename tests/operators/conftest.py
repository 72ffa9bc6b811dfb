from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import airflow_home
import pytest
from clocks import NOON
from emulated_time import replace_system_clock
from outlet_events import OutletEvents
from own_emulator import connection_to, own_emulator

from airflow_provider_zdirect.emulator.server import EmulatorServer


@pytest.fixture(scope="session", autouse=True)
def database() -> None:
    airflow_home.migrate()


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmulatorServer]:
    """An emulator that zdirect_default points to."""
    with own_emulator(seed=7) as server:
        connection = connection_to(server)
        monkeypatch.setenv("AIRFLOW_CONN_ZDIRECT_DEFAULT", json.dumps(connection))
        yield server


@pytest.fixture
def fixed_present(emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ``NOON`` for the emulator and for operators that cannot be given a clock."""
    emulator.clock.set(NOON)
    replace_system_clock(monkeypatch, emulator)


@pytest.fixture
def context() -> dict[str, Any]:
    """What Airflow hands to a task, without a data interval."""
    return {
        "ti": SimpleNamespace(dag_id="a_dag", run_id="a_run", task_id="a_task", map_index=-1),
        "outlet_events": OutletEvents(),
    }
