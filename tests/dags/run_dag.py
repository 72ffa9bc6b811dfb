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

from airflow_provider_zdirect.airflow_sdk import AIRFLOW_V_3_0_PLUS, AIRFLOW_V_3_1_PLUS, AIRFLOW_V_3_2_PLUS

BUNDLE = "dags-folder"


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
    elif not AIRFLOW_V_3_1_PLUS:
        # On Airflow 3.0 neither; there its tasks would fail.
        sync(settings.DAGS_FOLDER)
    run = run_by_test(module.dag, logical_date, json.loads(conf))
    instances = run.get_task_instances()
    report = {
        "state": str(run.state),
        "run_id": run.run_id,
        "tasks": sorted((ti.task_id, ti.map_index, str(ti.state), ti.try_number) for ti in instances),
        "names": sorted((ti.task_id, ti.map_index, ti.rendered_map_index) for ti in instances if ti.map_index >= 0),
        "events": [event[:3] for event in asset_events(run)],
    }
    print(f"\nreport: {json.dumps(report)}")


def make_runs(run_type: str) -> None:
    """Let the runs of this process be of another type than by hand, as the scheduler and backfills make them."""
    from airflow.models.dagrun import DagRun
    from sqlalchemy import event

    @event.listens_for(DagRun, "before_insert")
    def set_type(mapper: Any, connection: Any, run: DagRun) -> None:
        run.run_type = run_type


def run_by_test(dag: Any, logical_date: str, conf: dict[str, Any]) -> Any:
    """What ``dag.test()`` returns."""
    date_name = "logical_date" if "logical_date" in signature(dag.test).parameters else "execution_date"
    return dag.test(**{date_name: datetime.fromisoformat(logical_date)}, run_conf=conf)


def sync(folder: str) -> Any:
    """Make all DAGs of the folder known to the database; them."""
    try:
        from airflow.dag_processing import dagbag
    except ImportError:  # before Airflow 3.2
        from airflow.models import dagbag
    if AIRFLOW_V_3_0_PLUS:
        from airflow.dag_processing.bundles.manager import DagBundlesManager

        DagBundlesManager().sync_bundles_to_db()
    bag = dagbag.DagBag(folder, **({"bundle_name": BUNDLE} if AIRFLOW_V_3_2_PLUS else {}))
    if AIRFLOW_V_3_1_PLUS:
        dagbag.sync_bag_to_db(bag, BUNDLE, None)
    else:
        bag.sync_to_db(*((BUNDLE, None) if AIRFLOW_V_3_0_PLUS else ()))
    assert not bag.import_errors, bag.import_errors
    return bag.dags


def unpause(*dag_ids: str) -> None:
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session

    with create_session() as session:
        for dag_id in dag_ids:
            session.get(DagModel, dag_id).is_paused = False


def asset_events(run: Any) -> list[tuple[str, dict[str, Any], str | None, int]]:
    """URI, extra, partition key and map index of what the run told its assets."""
    from airflow.utils.session import create_session
    from sqlalchemy import inspect, text

    with create_session() as session:
        # Assets were called datasets before Airflow 3.
        kind = "asset" if inspect(session.bind).has_table("asset_event") else "dataset"
        columns = {column["name"] for column in inspect(session.bind).get_columns(f"{kind}_event")}
        partition = "event.partition_key" if "partition_key" in columns else "NULL"
        query = (
            f"SELECT {kind}.uri, event.extra, {partition}, event.source_map_index FROM {kind}_event event "
            f"JOIN {kind} ON {kind}.id = event.{kind}_id "
            "WHERE event.source_dag_id = :dag_id AND event.source_run_id = :run_id ORDER BY 1, 3, event.id"
        )
        found = session.execute(text(query), {"dag_id": run.dag_id, "run_id": run.run_id}).fetchall()
    return [(uri, json.loads(extra), key, index) for uri, extra, key, index in found]
