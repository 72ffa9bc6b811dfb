"""Inbound deliveries: what was announced, dispatched and received."""

from datetime import UTC, datetime

from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_zdirect.airflow_sdk import DAG
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator
from airflow_provider_zdirect.operators.inbound import ZDirectInboundReconciliationOperator
from airflow_provider_zdirect.operators.item_sets import ZDirectItemSetsOperator

PLACE = {"merchant_id": "01234567-89ab-cdef-0123-456789abcdef", "base_path": "/data/zdirect"}

with DAG(
    "inbound",
    schedule=CronDataIntervalTimetable("0 4 * * *", timezone="UTC"),
    start_date=datetime(2026, 11, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
):
    notices = ZDirectExtractOperator(task_id="shipping_notices", dataset="shipping_notices", **PLACE)
    goods = ZDirectItemSetsOperator(task_id="item_sets", **PLACE)
    reconciliation = ZDirectInboundReconciliationOperator(task_id="reconciliation", **PLACE)
    notices >> goods >> reconciliation
