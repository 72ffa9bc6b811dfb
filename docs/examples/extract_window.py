"""Returned items of every hour, for two merchants."""

from datetime import UTC, datetime

from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_zdirect.airflow_sdk import DAG
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator

MERCHANTS = ["01234567-89ab-cdef-0123-456789abcdef", "fedcba98-7654-3210-fedc-ba9876543210"]

with DAG(
    "returned_items",
    schedule=CronDataIntervalTimetable("0 * * * *", timezone="UTC"),  # a plain cron string has no data interval
    start_date=datetime(2026, 11, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=4,
):
    ZDirectExtractOperator.partial(
        task_id="returned_items",
        dataset="returned_items",
        base_path="/data/zdirect",  # or "s3://my_aws@my-bucket/zdirect", where my_aws is an Airflow connection
        map_index_template="{{ task.merchant_id }}",
    ).expand(merchant_id=MERCHANTS)
