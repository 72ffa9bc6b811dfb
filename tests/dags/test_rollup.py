"""When the monthly DAG runs: Airflow's own asset manager and scheduler decide, on a database of this test."""

from __future__ import annotations

import json
import os
from pathlib import Path

import airflow_home
import pytest
from warm_airflow import run_file, run_forked, run_module

from airflow_provider_zdirect.airflow_sdk import AIRFLOW_V_3_3_PLUS

if not AIRFLOW_V_3_3_PLUS:
    pytest.skip("before Airflow 3.3 there is no rollup of partitions", allow_module_level=True)

PROGRAM = """
import json
from airflow.assets.manager import AssetManager
from airflow.jobs.job import Job
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.asset import AssetModel
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from sqlalchemy import select

from airflow_provider_zdirect.assets import daily_asset
from airflow_provider_zdirect.dag_support.params import place_params

MONTHLY = "zdirect_intrastat_monthly"
DAYS = [f"2026-10-{day:02d}" for day in range(1, 32)]


def tell(days):
    with create_session() as session:
        daily = AssetModel.uri == daily_asset("intra_community_movements", place_params()["base_path"].value).uri
        asset = session.scalar(select(AssetModel).where(daily)).to_serialized()
        for day in days:
            AssetManager().register_asset_change(asset=asset, partition_key=day, session=session)


def runs():
    with create_session() as session:
        SchedulerJobRunner(Job())._create_dagruns_for_partitioned_asset_dags(session)
    with create_session() as session:
        return sorted(session.scalars(select(DagRun.partition_key).where(DagRun.dag_id == MONTHLY)))


with create_session() as session:
    session.get(DagModel, MONTHLY).is_paused = False
seen = {}
tell(reversed(DAYS[:30]))
seen["a day is missing"] = runs()
tell(["2026-11-01"])
seen["another month has begun"] = runs()
tell(DAYS[30:])
seen["all days"] = runs()
tell(DAYS[16:17])
seen["a day again"] = runs()
print("\\nseen: " + json.dumps(seen))
"""


def test_the_monthly_dag_runs_once_when_all_days_of_a_month_have_been_told(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
        "AIRFLOW__CORE__DAGS_FOLDER": str(airflow_home.PROJECT / "dags"),
    }

    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    airflow_home.copy_migrated(tmp_path / "airflow.db")
    filled = run_forked(run_module, "airflow", "dags", "reserialize", environment=environment)
    assert filled.returncode == 0, (filled.stdout + filled.stderr)[-5000:]
    done = run_forked(run_file, str(program), environment=environment)
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    seen = json.loads(done.stdout.rpartition("seen: ")[2])
    assert seen == {
        "a day is missing": [],
        "another month has begun": [],
        "all days": ["2026-10"],
        "a day again": ["2026-10"],
    }
