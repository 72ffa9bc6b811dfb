"""Liquidated items: fetched once a day for every merchant, and again 48 hours later."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_zdirect.airflow_sdk import DAG, task_group
from airflow_provider_zdirect.dag_support.params import (
    BASE_PATH,
    CONN_ID,
    MAX_REJECTED,
    MERCHANT_AND_DAY,
    PURCHASE_ORDER_NUMBER,
    REFETCH_PASSES,
    WINDOW_FROM,
    WINDOW_TO,
    liquidation_params,
    place_params,
    window_params,
)
from airflow_provider_zdirect.dag_support.tasks import merchants
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator
from airflow_provider_zdirect.operators.liquidation import ZDirectLiquidationRefetchOperator
from airflow_provider_zdirect.operators.retry import retry_arguments

DOC = """
### Liquidated items

Every day, for every merchant: the items of the day before that were sold to Zalando's off-price channel.

zDirect's first answer may lack rows, and asks for a second fetch within 48 hours. So the day is published at once
(`liquidated_items`), and fetched again 48 hours after its end (`refetch`), which waits without a worker slot; a run
therefore lasts two days, and three run side by side. If the second answer differs, it replaces the first: the former
file is kept under `_revisions/`, the rows that were added, removed or changed under `_changes/`.

* The first fetch updates the assets of `liquidated_items`; the second does so only if it changed something. The
  event, the log and the XCom say what. A DAG scheduled on the asset alias `zdirect_liquidated_items_changed` runs for
  these changes only.
* **Triggered by hand** it takes `from` and `to` (midnights, UTC); both empty means the day before the logical date
  (which the dialog fills in; over the REST API, give one). What ended more than 48 hours ago is fetched once.
* **Backfill** (UI or `airflow backfill create`) takes up to 100 days. On Airflow 2.11 it is `airflow dags backfill`;
  should that end with "BackfillJob is deadlocked", give the same command again.
* **One purchase order**: give `purchase_order_number`, and a `base_path` of its own. If zDirect ignores the filter, the
  task fails and says so; try the other spelling of the assumption `purchase_order_parameter` of the connection.
"""

with DAG(
    dag_id="zdirect_liquidation",
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    # A run lasts as long as its last pass is away; there has to be room for the runs of other days.
    max_active_runs=32,
    default_args=retry_arguments(),
    params={**place_params(), **window_params(), **liquidation_params()},
    tags=["zdirect", "zfs"],
    doc_md=DOC,
) as dag:

    @task_group(prefix_group_id=False)
    def merchant(merchant_id: str) -> None:
        """One merchant; another one's failure does not stop it."""
        first = ZDirectExtractOperator(
            task_id="liquidated_items",
            dataset="liquidated_items",
            merchant_id=merchant_id,
            window_from=WINDOW_FROM,
            window_to=WINDOW_TO,
            max_rejected=MAX_REJECTED,
            filters={"purchase_order_number": PURCHASE_ORDER_NUMBER},
            base_path=BASE_PATH,
            conn_id=CONN_ID,
            deferrable=True,
            map_index_template=MERCHANT_AND_DAY,
        )
        refetch = ZDirectLiquidationRefetchOperator(
            task_id="refetch",
            merchant_id=merchant_id,
            window_from=WINDOW_FROM,
            window_to=WINDOW_TO,
            max_rejected=MAX_REJECTED,
            passes=REFETCH_PASSES,
            purchase_order_number=PURCHASE_ORDER_NUMBER,
            base_path=BASE_PATH,
            conn_id=CONN_ID,
            map_index_template=MERCHANT_AND_DAY,
        )
        first >> refetch

    merchant.expand(merchant_id=merchants())
