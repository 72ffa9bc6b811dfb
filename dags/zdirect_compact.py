"""The small files of past dates of every merchant, put together once a day."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_zdirect.airflow_sdk import DAG
from airflow_provider_zdirect.dag_support.params import BASE_PATH, CONN_ID, OLDER_THAN, compact_params, place_params
from airflow_provider_zdirect.dag_support.tasks import merchants
from airflow_provider_zdirect.operators.compact import ZDirectCompactOperator
from airflow_provider_zdirect.operators.retry import retry_arguments

DOC = """
### Compaction

Every day, for every merchant: the small files that hourly runs leave of each date are put together into one, with the
same rows. Queries over many dates then open far fewer files.

* For datasets that are published record by record (received and returned items, orders with items and lines), and the
  `_current` tables of their latest versions. Dates younger than `older_than_days` are left alone, since late records
  may still come for them.
* It is safe beside running extractions and erasures, and may be stopped at any time: the next run goes on.
* It updates no asset, because the data stay the same, and asks zDirect for nothing but the merchants, where neither
  `merchant_ids` nor the connection names them.
"""

with DAG(
    dag_id="zdirect_compact",
    schedule=CronDataIntervalTimetable("0 2 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=retry_arguments(),
    params={**place_params(), **compact_params()},
    tags=["zdirect", "storage"],
    doc_md=DOC,
) as dag:
    ZDirectCompactOperator.partial(
        task_id="compact",
        datasets="{{ (params.datasets or []) | tojson }}",
        older_than=OLDER_THAN,
        base_path=BASE_PATH,
        conn_id=CONN_ID,
        map_index_template="{{ task.merchant }}",
    ).expand(merchant_id=merchants())
