"""The items that Zalando's warehouses received, day by day, as Parquet files under ~/zdirect."""

from datetime import UTC, datetime
from pathlib import Path

from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_zdirect.airflow_sdk import DAG
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator

with DAG(
    "first_dag",
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=datetime(2026, 11, 1, tzinfo=UTC),
    catchup=False,
):
    ZDirectExtractOperator(
        task_id="received_items",
        dataset="received_items",
        base_path=str(Path.home() / "zdirect"),
    )
