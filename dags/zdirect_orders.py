"""Orders with their items and lines, announced returns, and the erasure of customers who asked for it."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_zdirect.airflow_sdk import DAG
from airflow_provider_zdirect.dag_support.params import (
    BASE_PATH,
    CONN_ID,
    MAX_REJECTED,
    MERCHANT_AND_DAY,
    ORDER_PERSONAL_DATA,
    ORDER_TYPE,
    WINDOW_FROM,
    WINDOW_TO,
    order_params,
    place_params,
    window_params,
)
from airflow_provider_zdirect.dag_support.tasks import (
    fail_if_any_failed,
    merchants,
    merchants_to_erase_from,
    merchants_with_documents,
)
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator
from airflow_provider_zdirect.operators.order_erasure import ZDirectOrderErasureOperator
from airflow_provider_zdirect.operators.retry import retry_arguments
from airflow_provider_zdirect.operators.shipping_documents import ZDirectShippingDocumentsOperator

DOC = """
### Orders

Every hour, for every merchant: the orders that were modified in the hour before, with their items and lines.
`<base_path>/orders/`, `order_items/` and `order_lines/` hold every version that was seen, once; `orders_current/`,
`order_items_current/` and `order_lines_current/` hold the latest one. Returns that customers have announced are under
`announced_returns/`.

* **Triggered by hand** it takes `from` and `to`, or, if both are empty, the last full hour. **Backfill** works for the
  last year. zDirect returns each order as it is now: versions that were replaced before a run saw them are lost.
* `personal_data`: keep it, drop it, or store keyed hashes; `level` = `stock only` always drops it.
* `shipping_documents`: labels and slips of Zalando Shipping Solutions, and both tracking codes from them.
* Once a day (`erase_customers`), customers who asked zDirect to delete their data are erased from everything that is
  stored, and a certificate is written; see `docs/personal-data.md`.
"""

with DAG(
    dag_id="zdirect_orders",
    # Hourly, because an approved order is to be exported within three hours (zDirect docs, Orders, exporting).
    schedule=CronDataIntervalTimetable("0 * * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=4,
    default_args=retry_arguments(),
    params={**place_params(), **window_params(), **order_params()},
    tags=["zdirect", "orders"],
    doc_md=DOC,
) as dag:
    place = {"base_path": BASE_PATH, "conn_id": CONN_ID, "map_index_template": "{{ task.merchant }}"}
    window = {
        **place,
        "window_from": WINDOW_FROM,
        "window_to": WINDOW_TO,
        "max_rejected": MAX_REJECTED,
        "map_index_template": MERCHANT_AND_DAY,
    }
    merchant_ids = merchants()
    orders = ZDirectExtractOperator.partial(
        task_id="orders",
        dataset="orders",
        filters={"order_type": ORDER_TYPE},
        personal_data=ORDER_PERSONAL_DATA,
        **window,
    ).expand(merchant_id=merchant_ids)
    returns = ZDirectExtractOperator.partial(task_id="announced_returns", dataset="announced_returns", **window).expand(
        merchant_id=merchant_ids
    )
    documents = ZDirectShippingDocumentsOperator.partial(
        task_id="shipping_documents", fill_tracking=True, **place
    ).expand(merchant_id=merchants_with_documents())
    to_erase = merchants_to_erase_from()
    requests = ZDirectExtractOperator.partial(
        task_id="order_deletion_requests",
        dataset="order_deletion_requests",
        **place,
    ).expand(merchant_id=to_erase)
    erasure = ZDirectOrderErasureOperator.partial(
        task_id="erase_customers",
        # Deletion requests are applied even if another task of the run failed.
        trigger_rule="all_done",
        **place,
    ).expand(merchant_id=to_erase)
    orders >> documents >> erasure
    requests >> erasure
    [orders, returns, documents, requests, erasure] >> fail_if_any_failed()
