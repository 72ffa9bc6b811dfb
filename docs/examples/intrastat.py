"""The daily report of movements between countries, as soon as it is there, and the report of each month."""

from datetime import UTC, datetime

from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_zdirect.airflow_sdk import DAG
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator
from airflow_provider_zdirect.operators.intrastat import ZDirectIntrastatReportOperator
from airflow_provider_zdirect.sensors.report import ZDirectReportReadySensor

MERCHANT = "01234567-89ab-cdef-0123-456789abcdef"

with DAG(
    "movements",
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=datetime(2026, 11, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=16,
):
    ready = ZDirectReportReadySensor(
        task_id="ready",
        dataset="intra_community_movements",
        merchant_id=MERCHANT,
        deferrable=True,
    )
    extract = ZDirectExtractOperator(
        task_id="extract",
        dataset="intra_community_movements",
        merchant_id=MERCHANT,
        base_path="/data/zdirect",
    )
    ready >> extract

with DAG(
    "intrastat",
    # The run of December 7 has the interval November 7 to December 7, and reports November.
    schedule=CronDataIntervalTimetable("0 18 7 * *", timezone="UTC"),
    start_date=datetime(2026, 10, 1, tzinfo=UTC),
    catchup=False,
):
    ZDirectIntrastatReportOperator(
        task_id="intrastat",
        countries=["DE", "PL"],
        merchant_id=MERCHANT,
        base_path="/data/zdirect",
    )
