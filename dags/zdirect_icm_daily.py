"""Intra-community movements: the report of every day and merchant, as soon as it is there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_zdirect.airflow_sdk import DAG
from airflow_provider_zdirect.dag_support.deadline import report_deadline
from airflow_provider_zdirect.dag_support.params import path_param, place_params, window_params
from airflow_provider_zdirect.dag_support.tasks import daily_reports
from airflow_provider_zdirect.operators.retry import retry_arguments

DOC = """
### Intra-community movements

Every day, for every merchant: goods that Zalando moved between warehouses of different countries.

It waits without a worker slot until Zalando's report of the day is there (not before 12:00 UTC of the next day), and
lands it under `base_path`. A report replaces what was fetched of its date before. When all merchants have theirs, the
asset `daily_asset("intra_community_movements")` of the DAG's base path is updated, with the report date as partition
key where Airflow has partitions. (Not by a run that was triggered with another connection,
base path or other merchants.)

* An empty report counts once Zalando has one of a later day, or after six days; the day is then complete, without rows.
* With `ZDIRECT_DEADLINE_HOURS` set (Airflow 3.1 and later), a report that is later than that raises an alert.
* **Triggered by hand** it takes `from` and `to` (midnights, UTC), a report per day; both empty means the day before the
  logical date (which the dialog fills in; over the REST API, give one).
* **Backfill** (UI or `airflow backfill create`) takes up to 100 days; days long past are not waited for. On Airflow
  2.11 it is `airflow dags backfill`; should that end with "BackfillJob is deadlocked", give the same command again.
"""

with DAG(
    dag_id="zdirect_icm_daily",
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=16,
    default_args=retry_arguments(),
    **report_deadline(timedelta(hours=12)),
    params={**place_params(), **window_params(), **path_param()},
    tags=["zdirect", "zfs", "icm"],
    doc_md=DOC,
) as dag:
    daily_reports("intra_community_movements")
