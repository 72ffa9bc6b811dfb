from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import airflow_home
import pytest
from clocks import NOON
from emulated_time import replace_system_clock
from outlet_events import OutletEvents
from own_emulator import connection_to, own_emulator

from airflow_provider_zdirect.client import FileRateLimiter
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


@pytest.fixture(scope="session")
def empty_emulator() -> Iterator[EmulatorServer]:
    with own_emulator(seed=7, now="2026-03-10T08:00:00+00:00", notice_days=0, order_days=0) as server:
        yield server


@pytest.fixture
def world(
    empty_emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> EmulatorServer:
    """An emulator without orders and notices that zdirect_default points to, on whose time client and task wait."""
    # Its time starts anew with every test, and so do the limits that it is held to.
    limits = tmp_path_factory.mktemp("limits")
    monkeypatch.setattr("airflow_provider_zdirect.client.client.FileRateLimiter", partial(FileRateLimiter, limits))
    empty_emulator.reset()
    extra = {"merchant_id": empty_emulator.merchant_ids[0], "share_access": False}
    monkeypatch.setenv("AIRFLOW_CONN_ZDIRECT_DEFAULT", json.dumps(connection_to(empty_emulator, extra=extra)))
    replace_system_clock(monkeypatch, empty_emulator)
    return empty_emulator


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
