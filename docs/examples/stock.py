"""Stock levels of partner-fulfilled articles, from a feed to every sales channel."""

from datetime import UTC, datetime

from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_zdirect.airflow_sdk import DAG
from airflow_provider_zdirect.operators.stocks import ZDirectStockUpdateOperator

with DAG(
    "stock",
    schedule=CronDataIntervalTimetable("*/15 * * * *", timezone="UTC"),
    start_date=datetime(2026, 11, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
):
    ZDirectStockUpdateOperator(
        task_id="stock",
        merchant_id="01234567-89ab-cdef-0123-456789abcdef",
        base_path="/data/zdirect",
        stock_path="/data/zdirect/_inbox/stock.csv",
        missing_feed="skip",
    )
