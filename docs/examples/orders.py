"""Orders of every hour, their shipping documents, and the erasure of customers who ask for it."""

from datetime import UTC, datetime

from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_zdirect.airflow_sdk import DAG
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator
from airflow_provider_zdirect.operators.order_erasure import ZDirectOrderErasureOperator
from airflow_provider_zdirect.operators.shipping_documents import ZDirectShippingDocumentsOperator

PLACE = {"merchant_id": "01234567-89ab-cdef-0123-456789abcdef", "base_path": "/data/zdirect"}

with DAG(
    "orders",
    schedule=CronDataIntervalTimetable("0 * * * *", timezone="UTC"),
    start_date=datetime(2026, 11, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=4,
):
    orders = ZDirectExtractOperator(
        task_id="orders",
        dataset="orders",  # order_items and order_lines come with it
        filters={"order_type": "PartnerFulfilled"},
        **PLACE,
    )
    documents = ZDirectShippingDocumentsOperator(task_id="shipping_documents", **PLACE)
    orders >> documents

with DAG(
    "erasure",
    schedule=CronDataIntervalTimetable("0 1 * * *", timezone="UTC"),
    start_date=datetime(2026, 11, 1, tzinfo=UTC),
    catchup=False,
):
    ZDirectOrderErasureOperator(task_id="erase_customers", **PLACE)
