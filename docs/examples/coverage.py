"""Which windows have landed, and which are missing."""

from datetime import UTC, datetime

from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_zdirect.airflow_sdk import DAG
from airflow_provider_zdirect.operators.coverage import ZDirectCoverageOperator


def post(context):
    print(context["coverage_gaps_text"])  # or to where your team reads it


with DAG(
    "coverage",
    schedule=CronDataIntervalTimetable("0 5 * * *", timezone="UTC"),
    start_date=datetime(2026, 11, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
):
    ZDirectCoverageOperator(
        task_id="coverage",
        datasets=["received_items", "returned_items"],
        warn_days=30,
        fail_on_gap=False,
        notifier=post,
        base_path="/data/zdirect",
    )
