"""Received and returned items of every merchant, hour by hour."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_zdirect.airflow_sdk import DAG
from airflow_provider_zdirect.dag_support.params import (
    BASE_PATH,
    CONN_ID,
    MAX_REJECTED,
    MERCHANT_AND_DAY,
    WINDOW_FROM,
    WINDOW_TO,
    place_params,
    window_params,
)
from airflow_provider_zdirect.dag_support.tasks import merchants
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator
from airflow_provider_zdirect.operators.retry import retry_arguments

DOC = """
### ZFS stock movements

Every hour: the items that Zalando's warehouses received and returned in the hour before, for every merchant,
as Parquet files under `base_path`. Runs may be repeated, run in any order, at once, or backfilled: each record is
published once.

* **Triggered by hand** it takes `from` and `to`, or, if both are empty, the last full hour before the logical date
  (which the dialog fills in; over the REST API, give one).
* **Backfill** (UI or `airflow backfill create`) takes the hours that are missing. On Airflow 2.11 it is
  `airflow dags backfill`; should that end with "BackfillJob is deadlocked", which Airflow 2 does now and then with
  mapped tasks, give the same command again: it goes on where it stopped.
"""

with DAG(
    dag_id="zdirect_stock_movements",
    # A timetable with data intervals: a bare cron string has a zero-width one on Airflow 3.
    schedule=CronDataIntervalTimetable("0 * * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=4,
    default_args=retry_arguments(),
    params={**place_params(), **window_params()},
    tags=["zdirect", "zfs"],
    doc_md=DOC,
) as dag:
    merchant_ids = merchants()
    for dataset in ("received_items", "returned_items"):
        ZDirectExtractOperator.partial(
            task_id=dataset,
            dataset=dataset,
            window_from=WINDOW_FROM,
            window_to=WINDOW_TO,
            max_rejected=MAX_REJECTED,
            base_path=BASE_PATH,
            conn_id=CONN_ID,
            map_index_template=MERCHANT_AND_DAY,
        ).expand(merchant_id=merchant_ids)
