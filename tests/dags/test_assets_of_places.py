"""Two places and DAGs that are scheduled on one, the other or both: for real, events and runs from the database."""

from __future__ import annotations

import json
import os
import re
import shutil
from datetime import timedelta
from pathlib import Path

import airflow_home
import pytest
import real_time
from own_emulator import connection_to
from warm_airflow import run_file, run_forked

from airflow_provider_zdirect.assets import dataset_asset

HOUR = timedelta(hours=1)
NOW = real_time.this_hour() - 7 * HOUR
SOME_MERCHANT = "01924c48-49bb-40c2-9c32-ab582e6db6f4"
DOCUMENTED = re.findall(r"```python\n(.*?)```", (airflow_home.PROJECT / "docs" / "assets.md").read_text(), re.DOTALL)
PRODUCERS_AND_CONSUMERS = """
import os
from datetime import UTC, datetime

from airflow_provider_zdirect.airflow_sdk import DAG

from airflow_provider_zdirect.assets import dataset_asset
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator

START = datetime(2026, 1, 1, tzinfo=UTC)
HERE, THERE = os.environ["HERE"], os.environ["THERE"]

with DAG("literal_there", schedule=None, start_date=START, params={"from": "", "to": "", "merchant": ""}):
    ZDirectExtractOperator(
        task_id="extract",
        dataset="returned_items",
        merchant_id="{{ params.merchant }}",
        window_from="{{ params['from'] }}",
        window_to="{{ params.to }}",
        base_path=THERE,
    )

for dag_id, schedule in {
    "on_here": dataset_asset("returned_items", HERE),
    "on_there": dataset_asset("returned_items", THERE + "/"),
    "on_any": dataset_asset("returned_items"),
}.items():
    globals()[dag_id] = DAG(dag_id, schedule=[schedule], start_date=START)
"""
PROGRAM = """
import json, sys
from inspect import signature

from airflow.jobs.job import Job
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from airflow.utils.sqlalchemy import prohibit_commit
from run_dag import asset_events, sync, run_by_test, unpause
from sqlalchemy import select

FOLDER, RUNS = sys.argv[1], json.loads(sys.argv[2])
DOCUMENTED = "load_returned_items"
dags = sync(FOLDER)
unpause(DOCUMENTED, *(dag_id for dag_id in dags if dag_id.startswith("on_")))


def started():
    "The DAGs that the scheduler starts for the events since the last time."
    query = select(DagRun.dag_id, DagRun.run_id).where(~DagRun.dag_id.in_([dag_id for dag_id, _, _ in RUNS]))
    with create_session() as session:
        before = set(session.execute(query).all())
    with create_session() as session, prohibit_commit(session) as guard:
        SchedulerJobRunner(Job())._create_dagruns_for_dags(guard, session)
    with create_session() as session:
        return sorted(dag_id for dag_id, _ in set(session.execute(query).all()) - before)


def loaded():
    "What the runs of the documented DAG return."
    with create_session() as session:
        runs = session.scalars(select(DagRun).where(DagRun.dag_id == DOCUMENTED).order_by(DagRun.id)).all()
        return [load(run, session) for run in runs]


def load(run, session):
    ti, task = run.get_task_instance("load", session=session), dags[DOCUMENTED].get_task("load")
    try:
        from airflow.sdk.definitions.dag import _run_task
    except ImportError:
        ti.task, ti.state = task, "queued"
        session.flush()
        ti._run_raw_task(test_mode=False, session=session)
    else:
        run.state, run.start_date = "running", run.queued_at
        session.commit()
        ti.task = task
        _run_task(ti=ti, **({"task": task} if "task" in signature(_run_task).parameters else {}))
    session.commit()
    return run.get_task_instance("load").xcom_pull(task_ids="load")


seen = []
for dag_id, logical_date, conf in RUNS:
    run = run_by_test(dags[dag_id], logical_date, conf)
    events = [event[:2] for event in asset_events(run)]
    seen.append({"state": str(run.state), "events": events, "started": started()})
print("\\nreport: " + json.dumps({"seen": seen, "loaded": loaded()}))
"""


@pytest.fixture
def run(emulator, tmp_path):
    """Runs DAGs beside DAGs that are scheduled on their assets, on a database of its own."""
    dags, program = tmp_path / "dags", tmp_path / "program.py"
    dags.mkdir()
    here, there = f"file://{tmp_path}/here", f"file://{tmp_path}/ERP [prod]"
    (consumer,) = DOCUMENTED
    for said, meant in (("s3://bucket/zdirect", here), (SOME_MERCHANT, emulator.merchant_ids[0])):
        assert said in consumer
        consumer = consumer.replace(said, meant)
    shutil.copy(airflow_home.PROJECT / "dags" / "zdirect_stock_movements.py", dags)
    (dags / "places.py").write_text(PRODUCERS_AND_CONSUMERS)
    (dags / "documented.py").write_text(consumer)
    program.write_text(PROGRAM)

    def run(*runs):
        airflow_home.copy_migrated(tmp_path / "airflow.db")
        done = run_forked(
            run_file,
            *(str(program), str(dags), json.dumps(runs)),
            environment={
                **os.environ,
                "AIRFLOW_HOME": str(tmp_path),
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
                "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
                "AIRFLOW_CONN_ZDIRECT_DEFAULT": json.dumps(connection_to(emulator)),
                "ZDIRECT_BASE_PATH": here,
                "HERE": here,
                "THERE": there,
            },
            seconds=300,
        )
        log = done.stdout + done.stderr
        assert done.returncode == 0, log[-8000:]
        report = json.loads(done.stdout.rpartition("\nreport: ")[2].partition("\n")[0])
        assert [each["state"] for each in report["seen"]] == ["success"] * len(runs), log[-8000:]
        return report

    run.here, run.there = here, there
    return run


def events_of(seen, asset):
    extras = [dict(extra) for uri, extra in seen["events"] if uri == asset.uri]
    return [extra | json.loads(extra.pop("nested", "{}")) for extra in extras]


@pytest.mark.newest_airflow
def test_a_dag_scheduled_on_one_place_is_started_by_that_place_alone_and_learns_what_was_published_there(run, emulator):
    merchant, other = emulator.merchant_ids
    window = {"from": (NOW - 2 * HOUR).isoformat(), "to": (NOW - HOUR).isoformat()}
    report = run(
        # To the DAG's own place, for one merchant and the other; by a DAG with another base path; and to that one by
        # the dialog. (Last, as in the process of dag.test() what the dialog gave stays the parameter's default.)
        ("zdirect_stock_movements", (NOW - HOUR).isoformat(), {"merchant_ids": [merchant]}),
        ("zdirect_stock_movements", (NOW - 2 * HOUR).isoformat(), {"merchant_ids": [other]}),
        ("literal_there", NOW.isoformat(), {**window, "merchant": merchant}),
        ("zdirect_stock_movements", NOW.isoformat(), {"merchant_ids": [merchant, other], "base_path": run.there}),
    )
    own, again, literal, dialog = report["seen"]
    assert own["started"] == again["started"] == ["load_returned_items", "on_any", "on_here"]
    # Of a task whose base path is written in the DAG file, the asset itself is an outlet.
    assert literal["started"] == ["on_any", "on_there"]
    assert dialog["started"] == ["on_any", "on_there"]

    everywhere = dataset_asset("returned_items")
    here, there = (dataset_asset("returned_items", place) for place in (run.here, run.there))
    assert not events_of(own, there) + events_of(literal, here) + events_of(dialog, here)
    for seen, asset, merchants in (
        (own, here, [merchant]),
        (again, here, [other]),
        (literal, there, [merchant]),
        (dialog, there, sorted([merchant, other])),
    ):
        assert events_of(seen, everywhere) == events_of(seen, asset)
        assert sorted(extra["merchant_id"] for extra in events_of(seen, asset)) == merchants
    (extra,) = events_of(literal, there)
    records = emulator.truth("returned_items", merchant, NOW - 2 * HOUR, NOW - HOUR)
    manifest = json.loads(Path(extra["manifest"].removeprefix("file://")).read_text())
    expected = {
        "base_path": run.there,
        "environment": "production",
        "window_from": window["from"],
        "window_to": window["to"],
        "records": len(records),
        "rejected": 0,
        "files": [f"{run.there}/{file['path']}" for file in manifest["files"]][:10],
        "file_count": len(manifest["files"]),
    }
    assert extra.items() >= expected.items()
    assert manifest["records"] == len(records)
    # The documented DAG was started twice and took what is its merchant's; the second time it was skipped.
    assert report["loaded"] == [[events_of(own, here)[0]["manifest"]], None]
