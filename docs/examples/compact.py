"""One file per past date instead of many small ones."""

from datetime import UTC, datetime

from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_zdirect.airflow_sdk import DAG
from airflow_provider_zdirect.operators.compact import ZDirectCompactOperator

with DAG(
    "compact",
    schedule=CronDataIntervalTimetable("0 2 * * *", timezone="UTC"),
    start_date=datetime(2026, 11, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
):
    ZDirectCompactOperator(
        task_id="compact",
        datasets=["received_items", "returned_items"],
        merchant_id="01234567-89ab-cdef-0123-456789abcdef",
        older_than="P2D",
        base_path="/data/zdirect",
    )
