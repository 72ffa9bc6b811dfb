"""The stock locations of a merchant, once a day, with their history."""

from datetime import UTC, datetime

from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_zdirect.airflow_sdk import DAG
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator

with DAG(
    "stock_locations",
    schedule=CronDataIntervalTimetable("0 4 * * *", timezone="UTC"),
    start_date=datetime(2026, 11, 1, tzinfo=UTC),
    catchup=False,
):
    ZDirectExtractOperator(
        task_id="stock_locations",
        dataset="stock_locations",
        merchant_id="01234567-89ab-cdef-0123-456789abcdef",
        base_path="/data/zdirect",
    )
