# SPDX-License-Identifier: Apache-2.0
"""Shipping documents of Zalando Shipping Solutions (ZSS), with Airflow around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_zdirect.operators import argument_table as table
from airflow_provider_zdirect.operators.arguments import count
from airflow_provider_zdirect.operators.base import Flow, Outcome, Published, TaskRun, ZDirectOperator
from airflow_provider_zdirect.shipping_documents.listed import COLUMNS, listed_orders, orders_of_file

if TYPE_CHECKING:
    from airflow_provider_zdirect.publish.place import Place

FLAGS = ("fill_tracking", "overwrite_tracking", "require_documents")


class ZDirectShippingDocumentsOperator(ZDirectOperator):
    """Fetches labels and delivery slips of orders to object storage, and fills in the tracking codes of the labels.

    For merchants who ship with Zalando Shipping Solutions (``docs/shipping-documents.md``). Each document is fetched
    once; all of it is safe to retry and to repeat. Labels carry names and addresses: restrict who can read them.

    :param order_ids: of these orders: a list, comma separated text, or the result of another task; 1,000 at most.
    :param orders_path: or of those in the column ``order_id`` of a CSV, Parquet or JSON-lines file. Without both, of
        the published orders (``orders_current``) that are approved, fulfilled by the partner, and lack a tracking code.
    :param merchant_id: id or name; None means the connection's merchant, or the only one that the app may use.
    :param base_path: URL for ObjectStoragePath, or absolute local path, below which the documents are written.
    :param storage_conn_id: Airflow connection of the storage.
    :param fill_tracking: fill in tracking codes.
    :param overwrite_tracking: also where the order has others; without it that is a conflict.
    :param require_documents: an order without documents is an error, for which the task waits and tries again.
    :param max_failed: orders that may fail or be in conflict before the task fails; None (or a blank text): any number.
    :param format: of the results: ``parquet`` or ``jsonl``.
    :param conn_id: the zDirect connection.
    :param deferrable: wait in the triggerer after a retriable error.
    :returns: ``merchant_id``, ``orders``, of them ``fetched``, ``already``, ``missing``, ``erased``, ``conflict`` and
        ``failed``; ``documents``, ``downloaded``, ``missing_orders`` (the first ten), ``tracking`` (rows by outcome),
        ``uri``, ``results_uri``, ``requests``.
    :raises ZDirectConfigurationError: at parse, if a literal argument is wrong.
    """

    asset_names = ("shipping_documents",)
    arguments = (
        table.PLACE
        | table.FORMAT
        | {
            "order_ids": table.optional(table.from_template(listed_orders)),
            "orders_path": table.TABLE_FILE,
            "max_failed": table.optional(count),
        }
        | dict.fromkeys(FLAGS, table.FLAG)
    )

    def __init__(
        self,
        *,
        base_path: str,
        order_ids: Sequence[str] | str | None = None,
        orders_path: str | None = None,
        merchant_id: str | None = None,
        storage_conn_id: str | None = None,
        fill_tracking: bool | str = True,
        overwrite_tracking: bool | str = False,
        require_documents: bool | str = False,
        max_failed: int | str | None = 0,
        format: str = "parquet",
        conn_id: str = "zdirect_default",
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(values=locals(), **kwargs)

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> None:
        table.check_one_source(values, "order_ids", "orders_path")

    @classmethod
    def flow(cls, values: Mapping[str, Any]) -> Flow:
        is_listed = values["order_ids"] is not None or values["orders_path"] is not None
        return Flow(
            fetched=("shipping_documents",),
            sent=("orders",) if values["fill_tracking"] else (),
            read=() if is_listed else ("orders_current",),
            published=("shipping_documents", "shipping_document_results"),
            files=(values["orders_path"],),
        )

    def perform(self, run: TaskRun) -> Outcome:
        from airflow_provider_zdirect.shipping_documents.job import DocumentsJob, fetch_documents

        place = run.place("shipping documents")
        job = DocumentsJob(place, _orders(run, place), run=run.key, **run.pick("max_failed", *FLAGS))
        summary = run.ask(lambda client: fetch_documents(job, client)).as_dict()
        published = {"shipping_document_results": Published(summary["orders"])}
        return Outcome(summary, {"shipping_documents": summary}, published)


def _orders(run: TaskRun, place: Place) -> list[str]:
    from airflow_provider_zdirect.shipping_documents.orders import orders_without_codes

    listed: list[str] | None = run.values["order_ids"]
    if listed is not None:
        return listed
    file = run.table("orders_path", COLUMNS, ("order_id",))
    return orders_of_file(file, place.merchant_id, run.hook.merchants()) if file else orders_without_codes(place)
