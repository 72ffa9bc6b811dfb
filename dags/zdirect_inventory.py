"""Stock in Zalando's warehouses: every snapshot, and quantities of the moment where they are wanted."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.providers.common.compat.sdk import DAG
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_zdirect.dag_support.params import BASE_PATH, CONN_ID, place_params, quantity_params
from airflow_provider_zdirect.dag_support.tasks import merchants, merchants_to_ask
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator
from airflow_provider_zdirect.operators.retry import retry_arguments

DOC = """
### Stock in Zalando's warehouses

Four times a day, for every merchant: the latest snapshot of its stock, a row per EAN and location, under
`<base_path>/item_quantity_snapshots/`. zDirect makes one a day, at a time that it does not promise, and shows it until
the next is there. So each is met several times, and stored once, by the time that it is of (`created`); a run that
fails loses none. It takes one request of 60 an hour.

* A snapshot of no stock at all is a file without rows, and its manifest says `"stock": "none"`. The sandbox, which
  answers without values, publishes nothing.
* `eans`: also the stock of these EANs at this moment, under `<base_path>/item_quantities/` (`observed_at`).
* `changed_quantities`: also that of all EANs whose stock has changed since the start of the run's data interval. Off by
  default, because the snapshots hold all that is there once a day; switch it on in the DAG's params for what happens in
  between. zDirect tells the changes of the last 24 hours, so a run that comes later than that fails.
* There is no backfill: what the stock was can only be seen while it is so.
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
    common = {"base_path": BASE_PATH, "conn_id": CONN_ID, "map_index_template": "{{ task.merchant_id }}"}
    ZDirectExtractOperator.partial(
        task_id="item_quantity_snapshots", dataset="item_quantity_snapshots", **common
    ).expand(merchant_id=merchants())
    ZDirectExtractOperator.partial(
        task_id="item_quantities",
        dataset="item_quantities",
        filters={"ean": "{{ (params.eans or []) | join(',') }}"},
        **common,
    ).expand(merchant_id=merchants_to_ask())
