"""A DAG that says so when one of its tasks has failed."""

from datetime import UTC, datetime

from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_zdirect.airflow_sdk import DAG
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator
from airflow_provider_zdirect.operators.retry import retry_arguments


def post(context):
    task = context["task_instance"]
    # The context has no exception if the worker died.
    error = context.get("exception") or "its worker has stopped"
    print(f"{task.dag_id}, {task.task_id}: {error}")  # or to where your team reads it


with DAG(
    "watched_returns",
    schedule=CronDataIntervalTimetable("0 * * * *", timezone="UTC"),
    start_date=datetime(2026, 11, 1, tzinfo=UTC),
    catchup=False,
    default_args={**retry_arguments(), "on_failure_callback": post},
):
    ZDirectExtractOperator(
        task_id="returned_items",
        dataset="returned_items",
        merchant_id="01234567-89ab-cdef-0123-456789abcdef",
        base_path="/data/zdirect",
    )
