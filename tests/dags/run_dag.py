"""Runs one DAG as ``dag.test()`` does and prints what came of it.

In a process of its own, because dag.test() takes over logging, signals and the process's Airflow.
"""

from __future__ import annotations

import json
from datetime import datetime
from importlib.util import module_from_spec, spec_from_file_location
from inspect import signature
from pathlib import Path
from typing import Any

from airflow import settings


def main(dag_id: str, logical_date: str, conf: str, run_type: str) -> None:
    if run_type:
        make_runs(run_type)
    spec = spec_from_file_location(dag_id, Path(settings.DAGS_FOLDER) / f"{dag_id}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    if hasattr(module.dag, "sync_to_db"):
        # On Airflow 2 dag.test() does not make the assets known; without it their events are lost.
        module.dag.sync_to_db()
    date_name = "logical_date" if "logical_date" in signature(module.dag.test).parameters else "execution_date"
    run = module.dag.test(**{date_name: datetime.fromisoformat(logical_date)}, run_conf=json.loads(conf))
    instances = run.get_task_instances()
    events = asset_events(dag_id, run.run_id)
    report = {
        "state": str(run.state),
        "tasks": sorted((ti.task_id, ti.map_index, str(ti.state), ti.try_number) for ti in instances),
        "names": sorted((ti.task_id, ti.map_index, ti.rendered_map_index) for ti in instances if ti.map_index >= 0),
        "events": [(uri, extra, partition) for uri, extra, partition in events],
    }
    print(f"\nreport: {json.dumps(report)}")


def make_runs(run_type: str) -> None:
    """Let the runs of this process be of another type than by hand, as the scheduler and backfills make them."""
    from airflow.models.dagrun import DagRun
    from sqlalchemy import event

    @event.listens_for(DagRun, "before_insert")
    def set_type(mapper: Any, connection: Any, run: DagRun) -> None:
        run.run_type = run_type


def asset_events(dag_id: str, run_id: str) -> list[tuple[str, dict[str, Any], str | None]]:
    """URI, extra and partition key of what the run told its assets."""
    from airflow.utils.session import create_session
    from sqlalchemy import inspect, text

    with create_session() as session:
        # Assets were called datasets before Airflow 3.
        kind = "asset" if inspect(session.bind).has_table("asset_event") else "dataset"
        columns = {column["name"] for column in inspect(session.bind).get_columns(f"{kind}_event")}
        partition = "event.partition_key" if "partition_key" in columns else "NULL"
        query = (
            f"SELECT {kind}.uri, event.extra, {partition} FROM {kind}_event event "
            f"JOIN {kind} ON {kind}.id = event.{kind}_id "
            "WHERE event.source_dag_id = :dag_id AND event.source_run_id = :run_id ORDER BY 1, 3"
        )
        found = session.execute(text(query), {"dag_id": dag_id, "run_id": run_id}).fetchall()
    return [(uri, json.loads(extra), key) for uri, extra, key in found]
