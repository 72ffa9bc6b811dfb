"""Liquidated items of a day, and once more 48 hours later, when zDirect has completed them."""

from datetime import UTC, datetime

from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_zdirect.airflow_sdk import DAG
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator
from airflow_provider_zdirect.operators.liquidation import ZDirectLiquidationRefetchOperator

PLACE = {"merchant_id": "01234567-89ab-cdef-0123-456789abcdef", "base_path": "/data/zdirect"}

with DAG(
    "liquidation",
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=datetime(2026, 11, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=32,  # each run waits for two days, in the triggerer
):
    first = ZDirectExtractOperator(task_id="extract", dataset="liquidated_items", **PLACE)
    again = ZDirectLiquidationRefetchOperator(task_id="refetch", passes="PT48H", **PLACE)
    first >> again
