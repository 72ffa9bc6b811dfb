"""One window of received items; address, window and base path come from the benchmark that runs it."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator

DAY = datetime.fromisoformat(os.environ.get("BENCH_DAY", "2026-01-01")).replace(tzinfo=UTC)

with DAG(dag_id="bench_received_items", schedule=None, start_date=DAY) as dag:
    ZDirectExtractOperator(
        task_id="received_items",
        dataset="received_items",
        merchant_id=os.environ.get("BENCH_MERCHANT_ID"),
        window_from=DAY,
        window_to=DAY + timedelta(days=1),
        base_path=os.environ.get("BENCH_BASE_PATH", "file:///nowhere"),
        retries=0,
    )
