from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import airflow_home
import pytest
from clocks import NOON
from emulated_time import EmulatedTime
from outlet_events import OutletEvents
from own_emulator import connection_to, own_emulator

from airflow_provider_zdirect.clock import SystemClock
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
    """The emulator's clock stands at ``NOON``, and operators that make their own clock follow it."""
    emulator.clock.set(NOON)
    clock = EmulatedTime(emulator)
    for name in ("now", "sleep"):
        monkeypatch.setattr(SystemClock, name, staticmethod(getattr(clock, name)))


@pytest.fixture
def context() -> dict[str, Any]:
    """What Airflow hands to a task, without a data interval."""
    return {
        "ti": SimpleNamespace(dag_id="a_dag", run_id="a_run", task_id="a_task", map_index=-1),
        "outlet_events": OutletEvents(),
    }
