"""This package as its users run it: the DAG of one extract task in one process.

The seconds are the operator's own; CPU and memory are those of the whole process, Airflow included.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from measured import NOTES, measured, peak_mb

from airflow_provider_zdirect.airflow_sdk import DAG
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator

TASK: Mapping[str, Any] = json.loads(sys.argv[1])
START, END = map(datetime.fromisoformat, (TASK["from"], TASK["to"]))


class TimedOperator(ZDirectExtractOperator):
    def execute(self, context: Any) -> Any:
        NOTES["before_mb"], began = round(peak_mb(), 1), time.monotonic()
        try:
            return super().execute(context)
        finally:
            NOTES["seconds"] = round(time.monotonic() - began, 3)


# Airflow reads this file once more, as a file of DAGs.
with DAG("bench", schedule=None, start_date=START) as dag:
    TimedOperator(
        task_id="extract",
        dataset=TASK["dataset"],
        merchant_id=TASK["merchant_id"],
        window_from=START,
        window_to=END,
        base_path=f"file://{TASK['folder']}/data",
        retries=0,
    )


def run(task: Mapping[str, Any]) -> dict[str, Any]:
    state = dag.test().state
    return {"state": getattr(state, "value", state)}


if __name__ == "__main__":
    measured(run, "apache-airflow", "pyarrow")
