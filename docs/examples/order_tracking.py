"""Tracking numbers from a file, every hour, and a notification of orders that still lack them."""

from datetime import UTC, datetime

from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_zdirect.airflow_sdk import DAG
from airflow_provider_zdirect.operators.order_tracking import ZDirectMissingTrackingOperator
from airflow_provider_zdirect.operators.orders import ZDirectOrderUpdateOperator

PLACE = {"merchant_id": "01234567-89ab-cdef-0123-456789abcdef", "base_path": "/data/zdirect"}


def post(context):
    """Or a notifier of Airflow, such as SlackNotifier(text="{{ missing_orders_text }}")."""
    print(context["missing_orders_text"])


with DAG(
    "order_tracking",
    schedule=CronDataIntervalTimetable("20 * * * *", timezone="UTC"),
    start_date=datetime(2026, 11, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
):
    update = ZDirectOrderUpdateOperator(
        task_id="update",
        updates_path="/data/zdirect/_inbox/tracking.csv",
        skip_applied=True,
        missing_file="skip",
        **PLACE,
    )
    missing = ZDirectMissingTrackingOperator(
        task_id="missing",
        notifier=[post],
        trigger_rule="all_done",  # also if no file was there
        **PLACE,
    )
    update >> missing
