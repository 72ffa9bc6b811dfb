"""A real Airflow: the triggerer dies while a sensor waits, and another one goes on where it was."""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from datetime import timedelta

import airflow_home
import pytest
import real_time
from listeners import StatsdServer

from airflow_provider_zdirect.airflow_sdk import AIRFLOW_V_3_3_PLUS

sys.path.insert(0, str(airflow_home.PROJECT / "scripts"))

from local_airflow import LocalAirflow

from airflow_provider_zdirect.emulator import catalog
from airflow_provider_zdirect.emulator.state import Settings

if not AIRFLOW_V_3_3_PLUS:
    pytest.skip("LocalAirflow is an Airflow 3", allow_module_level=True)

DAG_FILE = """
from airflow.sdk import DAG
from airflow_provider_zdirect.sensors.report import ZDirectReportReadySensor

with DAG("waits", schedule=None, is_paused_upon_creation=False):
    ZDirectReportReadySensor(
        task_id="ready",
        dataset="cross_border_movements",
        merchant_id="{{ dag_run.conf['merchant_id'] }}",
        report_date="{{ dag_run.conf['report_date'] }}",
        not_before="{{ dag_run.conf['not_before'] }}",
        deferrable=True,
    )
"""
SETTINGS = {
    "CORE__MAX_ACTIVE_TASKS_PER_DAG": "1",
    # A dead triggerer is noticed sooner than after half a minute.
    "TRIGGERER__JOB_HEARTBEAT_SEC": "1",
    "TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "6",
}


@pytest.fixture
def statsd():
    with StatsdServer() as server:
        yield server


@pytest.fixture
def airflow(tmp_path, statsd):
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "waits.py").write_text(DAG_FILE)
    airflow = LocalAirflow(tmp_path / "home", {**SETTINGS, **statsd.settings(), "CORE__DAGS_FOLDER": str(dags)})
    with airflow.running():
        airflow.start_scheduling()
        yield airflow


def looks(airflow):
    requests = airflow.emulator("/_emulator/requests")["requests"]
    return [request for request in requests if "cross-border" in request["path"]]


def set_options(airflow, **options):
    request = urllib.request.Request(
        f"{airflow.emulator_url}/_emulator/options", data=json.dumps(options).encode(), method="PATCH"
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200


@pytest.mark.exhaustive
def test_a_waiting_sensor_survives_the_death_of_its_triggerer(airflow, statsd):
    set_options(airflow, empty_reports=1.0, report_time="00:00")
    merchant_id = catalog.merchant_id(Settings().seed, 0)
    airflow.wait_for("the DAG", lambda: not airflow.api("/dags/waits")["is_paused"])
    due = real_time.now().replace(microsecond=0) + timedelta(seconds=60)
    conf = {
        "merchant_id": merchant_id,
        "report_date": (due.date() - timedelta(days=1)).isoformat(),
        "not_before": due.strftime("%H:%M:%S"),
    }
    run = airflow.api("/dags/waits/dagRuns", {"logical_date": None, "conf": conf})["dag_run_id"]

    def task():
        return airflow.api(f"/dags/waits/dagRuns/{run}/taskInstances/ready")

    airflow.wait_for("deferral", lambda: task()["state"] == "deferred", 60)
    assert not looks(airflow), "the worker started only when the report was due already"
    airflow.wait_for("the first look", lambda: looks(airflow), 90)
    airflow.kill("triggerer")
    started = task()["start_date"]

    set_options(airflow, empty_reports=0.0)
    time.sleep(3)
    assert task()["state"] == "deferred"
    assert airflow.api("/pools/default_pool")["running_slots"] == 0
    assert len(looks(airflow)) == 1

    airflow.start("triggerer")
    airflow.wait_for("success", lambda: task()["state"] == "success", 90)
    assert (task()["try_number"], task()["start_date"] >= started) == (1, True)
    result = airflow.api(f"/dags/waits/dagRuns/{run}/taskInstances/ready/xcomEntries/return_value?deserialize=true")
    assert result["value"] == {
        "dataset": "cross_border_movements",
        "merchant_id": merchant_id,
        "report_date": conf["report_date"],
        "why": "movements",
    }
    assert len(looks(airflow)) == 2
    # Both were made by triggers, whose process has other metrics than a task's.
    assert statsd.counters()["zdirect.requests,endpoint=cross_border_movements,outcome=200"] == 2
