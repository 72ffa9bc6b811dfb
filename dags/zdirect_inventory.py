"""Stock in Zalando's warehouses: every snapshot, and optionally the current quantities."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_zdirect.airflow_sdk import DAG
from airflow_provider_zdirect.dag_support.params import BASE_PATH, CONN_ID, place_params, quantity_params
from airflow_provider_zdirect.dag_support.tasks import merchants, merchants_to_ask
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator
from airflow_provider_zdirect.operators.retry import retry_arguments

DOC = """
### Stock in Zalando's warehouses

Four times a day, for every merchant: the latest snapshot of its stock, a row per EAN and location, under
`<base_path>/item_quantity_snapshots/`. zDirect makes one snapshot a day, at no fixed time, and returns it until the
next one exists. Each snapshot is stored once, by its time (`created`), although several runs fetch it; a run that fails
loses none. It takes one request of 60 an hour.

* A snapshot without any stock is a file without rows, and its manifest says `"stock": "none"`. The sandbox, which
  answers without values, publishes nothing.
* `eans`: also the current stock of these EANs, under `<base_path>/item_quantities/` (`observed_at`).
* `changed_quantities`: also the current stock of all EANs whose stock has changed since the start of the run's data
  interval. Off by default, because the snapshots hold everything once a day; switch it on to see changes in between.
  zDirect returns the changes of the last 24 hours, so a later run fails.
* There is no backfill: zDirect only returns the current stock.
"""

with DAG(
    dag_id="zdirect_inventory",
    # Six hours, so that the start of the interval is within the 24 hours of changes even for a late run.
    schedule=CronDataIntervalTimetable("30 3,9,15,21 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=retry_arguments(),
    params={**place_params(), **quantity_params()},
    tags=["zdirect", "zfs", "inventory"],
    doc_md=DOC,
) as dag:
    common = {"base_path": BASE_PATH, "conn_id": CONN_ID, "map_index_template": "{{ task.merchant }}"}
    ZDirectExtractOperator.partial(
        task_id="item_quantity_snapshots", dataset="item_quantity_snapshots", **common
    ).expand(merchant_id=merchants())
    ZDirectExtractOperator.partial(
        task_id="item_quantities",
        dataset="item_quantities",
        filters={"ean": "{{ (params.eans or []) | join(',') }}"},
        **common,
    ).expand(merchant_id=merchants_to_ask())
