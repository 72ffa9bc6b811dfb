from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import airflow_home
import pytest
from emulated_time import EmulatedTime
from own_emulator import connection_to, own_emulator

from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.sensors.report import ZDirectReportReadySensor


@pytest.fixture(scope="session", autouse=True)
def database() -> None:
    airflow_home.migrate()


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmulatorServer]:
    """An emulator that zdirect_default points to; it is the morning after Friday, 20 November 2026."""
    with own_emulator(seed=7, now="2026-11-21T06:00:00Z", empty_reports=0.0, token_seconds=10**7) as server:
        connection = connection_to(server)
        monkeypatch.setenv("AIRFLOW_CONN_ZDIRECT_DEFAULT", json.dumps(connection))
        yield server


@pytest.fixture
def context() -> dict[str, Any]:
    """What Airflow hands to a task: the run of 20 November."""
    start = datetime(2026, 11, 20, tzinfo=UTC)
    return {
        "ti": SimpleNamespace(
            dag_id="a_dag",
            run_id="a_run",
            task_id="ready",
            map_index=-1,
            max_tries=0,
            get_first_reschedule_date=lambda context: None,
        ),
        "data_interval_start": start,
        "data_interval_end": start + timedelta(days=1),
    }


MakeSensor = Callable[..., ZDirectReportReadySensor]


@pytest.fixture
def make_sensor(emulator: EmulatorServer) -> MakeSensor:
    """A sensor in the emulator's time."""

    def make(**arguments: Any) -> ZDirectReportReadySensor:
        usual = {
            "task_id": "ready",
            "dataset": "intra_community_movements",
            "merchant_id": emulator.merchant_ids[0],
        }
        sensor = ZDirectReportReadySensor(**usual | arguments)
        sensor.clock = EmulatedTime(emulator)
        return sensor

    return make
