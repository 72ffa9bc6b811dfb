"""Cross-border movements: the report of every day and merchant, as soon as it is there."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.providers.common.compat.sdk import DAG, task_group
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_zdirect.dag_params import BASE_PATH, CONN_ID, PATH, path_param, place_params, window_params
from airflow_provider_zdirect.dag_tasks import all_landed, reports
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator
from airflow_provider_zdirect.operators.retry import retry_arguments
from airflow_provider_zdirect.sensors.report import ZDirectReportReadySensor

DATASET = "cross_border_movements"

DOC = """
### Cross-border movements

Every day, for every merchant: items that moved between any of Zalando's facilities in different countries.

It waits without a worker slot until Zalando's report of the day is there (not before 12:00 UTC of the next day), and
lands it under `base_path`. A report replaces what was fetched of its date before. When all merchants have theirs, the
asset `zdirect://cross_border_movements/daily` is updated, with the report date as partition key where Airflow has
partitions.

* A report that is still empty six hours later counts as empty; the day is then complete, without rows.
* **Triggered by hand** it takes `from` and `to` (midnights, UTC), a report per day; both empty means the day before the
  logical date (which the dialog fills in; over the REST API, give one).
* **Backfill** (UI or `airflow backfill create`) takes up to 100 days; days long past are not waited for.
"""

with DAG(
    dag_id="zdirect_cross_border_daily",
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=8,
    default_args=retry_arguments(),
    params={**place_params(), **window_params(), **path_param()},
    tags=["zdirect", "zfs", "cross-border"],
    doc_md=DOC,
) as dag:

    @task_group
    def report(merchant_id: str, report_date: str, window_from: str, window_to: str) -> None:
        """One report of one merchant."""
        ready = ZDirectReportReadySensor(
            task_id="ready",
            dataset=DATASET,
            merchant_id=merchant_id,
            report_date=report_date,
            path=PATH,
            conn_id=CONN_ID,
            deferrable=True,
        )
        extract = ZDirectExtractOperator(
            task_id="extract",
            dataset=DATASET,
            merchant_id=merchant_id,
            window_from=window_from,
            window_to=window_to,
            path=PATH,
            base_path=BASE_PATH,
            conn_id=CONN_ID,
        )
        ready >> extract

    planned = reports()
    report.expand_kwargs(planned) >> all_landed(DATASET, planned)
