"""What tasks cost an Airflow that is warm: one that updates an asset, and the first extract, which finds nothing.

Before, it runs an empty task and two with an asset, so what Airflow imports for any task and any asset is there. What
is timed is a DAG of one task, from its definition to its end. The extract imports the package, reads the connection,
gets the token, asks once and writes its manifest.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from measured import cpu_seconds, measured

from airflow_provider_zdirect.airflow_sdk import DAG, Asset, BaseOperator

TASK: Mapping[str, Any] = json.loads(sys.argv[1])
START = datetime.fromisoformat(TASK["from"])


class Nothing(BaseOperator):
    """An empty task."""

    def execute(self, context: Any) -> None:
        pass


def define(dag_id: str) -> DAG:
    """:param dag_id: begins with the kind of its task."""
    with DAG(dag_id, schedule=None, start_date=START) as dag:
        if dag_id.startswith("extract"):
            from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator

            ZDirectExtractOperator(
                task_id="task",
                dataset="returned_items",
                merchant_id=TASK["merchant_id"],
                window_from=START,
                window_to=START + timedelta(hours=1),
                base_path=f"file://{TASK['folder']}/data",
                retries=0,
            )
        else:
            Nothing(task_id="task", outlets=[Asset(uri="bench://asset")] if dag_id.startswith("asset") else [])
    return dag


def cost(kind: str) -> dict[str, float]:
    """Of a DAG that Airflow does not know yet.

    :raises RuntimeError: if it fails.
    """
    dag_id = os.environ["BENCH_DAG"] = f"{kind}_{time.time_ns()}"
    cpu, started = cpu_seconds(), time.monotonic()
    state = define(dag_id).test().state
    taken = {"seconds": round(time.monotonic() - started, 3), "cpu": round(cpu_seconds() - cpu, 3)}
    if getattr(state, "value", state) != "success":
        raise RuntimeError(f"The task {kind}: {state}")
    return taken


def run(task: Mapping[str, Any]) -> dict[str, Any]:
    for kind in ("empty", "asset", "asset"):
        cost(kind)
    return {kind: cost(kind) for kind in ("asset", "extract")}


if __name__ == "__main__":
    measured(run)
else:
    # dag.test() reads this file once more, as a file of DAGs.
    dag = define(os.environ["BENCH_DAG"])
