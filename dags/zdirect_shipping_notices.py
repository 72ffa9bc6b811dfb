"""Deliveries to Zalando's warehouses: notices, tours, item sets, and what was received of them."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_zdirect.airflow_sdk import DAG, task_group
from airflow_provider_zdirect.dag_support.params import BASE_PATH, CONN_ID, inbound_params, place_params
from airflow_provider_zdirect.dag_support.tasks import advices_to_track, merchants
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator
from airflow_provider_zdirect.operators.inbound import ZDirectInboundReconciliationOperator
from airflow_provider_zdirect.operators.item_sets import ZDirectItemSetsOperator
from airflow_provider_zdirect.operators.retry import retry_arguments

DOC = """
### Inbound deliveries

Every day, for every merchant, under `base_path`:

* `shipping_notices` and `tours`: each version of a record once, and the present ones in `..._current`;
* `shipping_notice_items`: the goods of every notice as announced and as dispatched. zDirect allows 30 requests an hour
  for them, so a first run over many notices takes hours (without a worker slot); later ones ask for what is new;
* `inbound_reconciliation`: announced, dispatched, received and the difference, per advice and EAN. What was received
  comes from `received_items` under the same `base_path`: let `zdirect_stock_movements` run, and backfill it first.

Do not backfill it: zDirect returns notices and tours as they are now.
"""

with DAG(
    dag_id="zdirect_shipping_notices",
    schedule=CronDataIntervalTimetable("0 4 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=retry_arguments(),
    params={**place_params(), **inbound_params()},
    tags=["zdirect", "zfs", "inbound"],
    doc_md=DOC,
) as dag:

    @task_group
    def inbound(merchant_id: str) -> None:
        """The deliveries of one merchant."""
        place = {
            "merchant_id": merchant_id,
            "base_path": BASE_PATH,
            "conn_id": CONN_ID,
            "map_index_template": "{{ task.merchant }}",
        }
        notices = ZDirectExtractOperator(
            task_id="shipping_notices",
            dataset="shipping_notices",
            **place,
        )
        advices = advices_to_track(merchant_id)
        tours = ZDirectExtractOperator(
            task_id="tours", dataset="tours", filters={"zalando_advice_id": advices}, **place
        )
        item_sets = ZDirectItemSetsOperator(task_id="item_sets", **place)
        # Tours are skipped if no delivery is under way.
        reconcile = ZDirectInboundReconciliationOperator(task_id="reconcile", trigger_rule="none_failed", **place)
        notices >> [advices, item_sets]
        [tours, item_sets] >> reconcile

    inbound.expand(merchant_id=merchants())
