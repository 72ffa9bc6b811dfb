"""A DAG of one task, which does nothing, nothing but update an asset, or fetch an hour in which nothing happened.

Run as a program, it runs it.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG, Asset, BaseOperator

START = datetime.fromisoformat(os.environ.get("BENCH_START", "2026-01-01T00:00:00+00:00"))


class Nothing(BaseOperator):
    """An empty task."""

    def execute(self, context: Any) -> None:
        pass


with DAG(dag_id="bench_one_task", schedule=None, start_date=START) as dag:
    if os.environ.get("BENCH_TASK") == "extract":
        from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator

        ZDirectExtractOperator(
            task_id="task",
            dataset="returned_items",
            merchant_id=os.environ["BENCH_MERCHANT_ID"],
            window_from=START,
            window_to=START + timedelta(hours=1),
            base_path=os.environ["BENCH_BASE_PATH"],
            retries=0,
        )
    else:
        Nothing(task_id="task", outlets=[Asset(uri="bench://asset")] if os.environ.get("BENCH_TASK") == "asset" else [])

if __name__ == "__main__":
    run = dag.test()
    raise SystemExit(str(getattr(run.state, "value", run.state)) != "success")
