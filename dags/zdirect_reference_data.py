"""Stock locations, sales channels and logistic centers of every merchant, day by day, with their history."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_zdirect.airflow_sdk import DAG
from airflow_provider_zdirect.dag_support.params import BASE_PATH, CONN_ID, place_params
from airflow_provider_zdirect.dag_support.tasks import merchants
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator
from airflow_provider_zdirect.operators.retry import retry_arguments

DOC = """
### Locations, channels and centers

Every day, for every merchant: Zalando's stock locations, the merchant's sales channels and its logistic centers.

* `<base_path>/<dataset>_current/` holds what is so now.
* `<base_path>/<dataset>/` holds every version of every record once, with from when (`_valid_from`) until when
  (`_valid_to`, null: still so) it was seen. What was so at `t`: `_valid_from <= t AND (_valid_to IS NULL OR t <
  _valid_to)`.
* A day without changes writes nothing. A record that is no longer there ends; but an answer without any record at all
  fails the task, and ends none.
* There is no backfill: zDirect only returns the current state.
"""

with DAG(
    dag_id="zdirect_reference_data",
    schedule=CronDataIntervalTimetable("0 4 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=retry_arguments(),
    params=place_params(),
    tags=["zdirect", "zfs", "reference"],
    doc_md=DOC,
) as dag:
    merchant_ids = merchants()
    for dataset in ("stock_locations", "sales_channels", "logistic_centers"):
        ZDirectExtractOperator.partial(
            task_id=dataset,
            dataset=dataset,
            base_path=BASE_PATH,
            conn_id=CONN_ID,
            map_index_template="{{ task.merchant }}",
        ).expand(merchant_id=merchant_ids)
