"""Airflow's own ``HttpOperator`` with pagination, then pyarrow: nothing is validated, and nothing is resumable."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from airflow.providers.http.operators.http import HttpOperator
from measured import measured


def extract(task: Mapping[str, Any]) -> None:
    window = {"from": task["from"], "to": task["to"]}
    os.environ["AIRFLOW_CONN_BENCH"] = json.dumps({"conn_type": "http", "host": task["url"]})

    def next_page(response: Any) -> dict[str, Any] | None:
        cursor = response.json().get("next")
        return {"data": {**window, "cursor": cursor}} if cursor else None

    def write(responses: list[Any]) -> int:
        rows = [row for response in responses for row in response.json()["received_items"]]
        pq.write_table(pa.Table.from_pylist(rows), f"{task['folder']}/received_items.parquet")
        return len(rows)

    HttpOperator(
        task_id="received_items",
        http_conn_id="bench",
        endpoint=task["path"].lstrip("/"),
        method="GET",
        data=window,
        headers={"Authorization": f"Bearer {task['token']}"},
        pagination_function=next_page,
        response_filter=write,
        log_response=False,
    ).execute({})


if __name__ == "__main__":
    measured(extract, "apache-airflow", "apache-airflow-providers-http", "pyarrow")
