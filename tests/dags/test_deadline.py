from __future__ import annotations

import asyncio
import logging
import sys
from datetime import timedelta

import airflow_home
import pytest
from airflow.models.dagbag import DagBag

from airflow_provider_zdirect.airflow_sdk import AIRFLOW_V_3_1_PLUS, AIRFLOW_V_3_3_PLUS
from airflow_provider_zdirect.dag_support.deadline import OWN_CALLBACK, log_late, report_deadline
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError

deadlines = pytest.mark.skipif(not AIRFLOW_V_3_1_PLUS, reason="deadlines came with Airflow 3.1")

DUE = {
    "zdirect_icm_daily": timedelta(hours=12),
    "zdirect_cross_border_daily": timedelta(hours=12),
    "zdirect_intrastat_monthly": timedelta(),
}


def test_without_hours_there_is_no_deadline(monkeypatch):
    monkeypatch.delenv("ZDIRECT_DEADLINE_HOURS", raising=False)
    assert report_deadline(timedelta(hours=12)) == {}


@pytest.mark.skipif(AIRFLOW_V_3_1_PLUS, reason="Airflow before 3.1")
def test_where_airflow_has_no_deadlines_the_hours_change_nothing(monkeypatch):
    monkeypatch.setenv("ZDIRECT_DEADLINE_HOURS", "6")
    assert report_deadline(timedelta(hours=12)) == {}


@deadlines
@pytest.mark.parametrize("hours", ["six", "0", "-1", "nan", "1e300"])
def test_hours_that_are_no_positive_number_are_refused_with_the_name_of_the_variable(hours, monkeypatch):
    monkeypatch.setenv("ZDIRECT_DEADLINE_HOURS", hours)
    with pytest.raises(ZDirectConfigurationError, match=r"ZDIRECT_DEADLINE_HOURS=.* What to do: "):
        report_deadline(timedelta(hours=12))


@deadlines
@pytest.mark.parametrize(("callback", "path"), [("", OWN_CALLBACK), ("my_package.alerts.notify",) * 2])
@pytest.mark.parametrize("dag_id", DUE)
def test_a_dag_of_reports_is_late_so_many_hours_after_its_report_is_due(dag_id, callback, path, monkeypatch):
    monkeypatch.setenv("ZDIRECT_DEADLINE_HOURS", "6.5")
    monkeypatch.setenv("ZDIRECT_DEADLINE_CALLBACK", callback)
    bag = DagBag(airflow_home.PROJECT / "dags" / f"{dag_id}.py")
    assert not bag.import_errors
    deadline = bag.dags[dag_id].deadline
    (alert,) = deadline if isinstance(deadline, list) else [deadline]
    assert alert.interval == DUE[dag_id] + timedelta(hours=6.5)
    assert alert.callback.path == path


def test_the_log_says_which_run_is_late_and_what_to_do(caplog):
    with caplog.at_level(logging.ERROR):
        asyncio.run(log_late(context={"dag_run": {"dag_id": "zdirect_icm_daily", "dag_run_id": "scheduled__x"}}))
    assert caplog.messages[0].startswith("zdirect_icm_daily: the run scheduled__x has not ended by its deadline.")
    assert "What to do: " in caplog.messages[0]


DAG_FILE = """
import os
from datetime import timedelta

from airflow_provider_zdirect.airflow_sdk import DAG, BaseOperator, TimeDeltaTrigger
from airflow_provider_zdirect.dag_support.deadline import report_deadline
from airflow_provider_zdirect.operators.task_run import TaskRun

os.environ["ZDIRECT_DEADLINE_HOURS"] = "0.002"


class Waits(BaseOperator):
    def execute(self, context):
        TaskRun({}, context, None).progress_note()("3 of 60 requests done")
        self.defer(trigger=TimeDeltaTrigger(timedelta(minutes=10)), method_name="execute")


with DAG("late", schedule=None, is_paused_upon_creation=False, **report_deadline(timedelta())):
    Waits(task_id="waits")
"""


@pytest.mark.exhaustive
@pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="LocalAirflow is an Airflow 3.3")
def test_a_real_airflow_calls_back_when_a_run_is_late_and_shows_the_progress_of_its_task(tmp_path):
    sys.path.insert(0, str(airflow_home.PROJECT / "scripts"))
    from local_airflow import LocalAirflow

    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "late.py").write_text(DAG_FILE)
    airflow = LocalAirflow(tmp_path / "home", {"CORE__DAGS_FOLDER": str(tmp_path / "dags")})

    def said() -> bool:
        logs = (path.read_text(errors="replace") for path in (tmp_path / "home").rglob("*.log"))
        return any(f"late: the run {run} has not ended by its deadline" in text for text in logs)

    with airflow.running():
        airflow.start_scheduling()
        airflow.wait_for("the DAG", lambda: not airflow.api("/dags/late")["is_paused"])
        run = airflow.api("/dags/late/dagRuns", {"logical_date": None})["dag_run_id"]
        airflow.wait_for("the callback", said, 120)
        store = f"/dags/late/dagRuns/{run}/taskInstances/waits/state-store"
        (state,) = airflow.wait_for("the progress", lambda: airflow.api(store)["task_state_store"])
        assert (state["key"], state["value"]) == ("progress", "3 of 60 requests done")
        assert airflow.api(f"/dags/late/dagRuns/{run}")["state"] == "running"
