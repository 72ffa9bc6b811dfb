"""Shipping documents of Zalando Shipping Solutions (ZSS), with Airflow around them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError, ZDirectRetriableError
from airflow_provider_zdirect.merchant_files.tables import table_kind
from airflow_provider_zdirect.operators import arguments
from airflow_provider_zdirect.operators.base import ZDirectOperator
from airflow_provider_zdirect.operators.base_path import check_path, check_place, open_base_path, open_path
from airflow_provider_zdirect.operators.retry import fail_fast
from airflow_provider_zdirect.operators.window_job import resume_key, wait_out
from airflow_provider_zdirect.shipping_documents.listed import listed_orders, orders_file, orders_of_file

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_zdirect.hooks.zdirect import ZDirectHook
    from airflow_provider_zdirect.operators.base_path import BasePath
    from airflow_provider_zdirect.shipping_documents.job import DocumentsJob, DocumentsResult


class ZDirectShippingDocumentsOperator(ZDirectOperator):
    """Fetches labels and delivery slips of orders to object storage, and fills in the tracking codes of the labels.

    For merchants who ship partner-fulfilled orders with Zalando Shipping Solutions (ZSS). Each document is fetched
    once, to ``<base_path>/shipping_documents/merchant_id=<id>/order_id=<id>/<document id>-<type>.pdf``, beside a
    ``documents.json`` that says what they are; documents of unknown types are kept as well. Then the outbound and the
    return label's codes become the order's ``tracking_number`` and ``return_tracking_number``, as
    ``ZDirectOrderUpdateOperator`` would do it. All of it is safe to retry and to repeat.

    What became of each order is published as ``shipping_document_results`` (and ``order_updates`` for the codes), one
    file per run. An order without documents counts as ``missing`` and is looked for again by the next run; one whose
    labels have several codes for the same thing is in ``conflict``, and none of them is filled in.

    Labels carry names and addresses: restrict who can read the base path, and let the erasure of deletion requests
    delete them.

    :param order_ids: of these orders: a list, comma separated text, or the result of another task; 1,000 at most.
    :param orders_path: or of those in the column ``order_id`` of a CSV, Parquet or JSON-lines file. Without both, of
        the published orders (``orders_current``) that are approved, fulfilled by the partner, and lack a tracking code.
    :param merchant_id: UUID; None means the connection's merchant, or the only one that the app may use.
    :param base_path: where to put them.
    :param storage_conn_id: Airflow connection of the storage.
    :param fill_tracking: fill in tracking codes.
    :param overwrite_tracking: also where the order has others; without it that is a conflict.
    :param require_documents: an order without documents is an error, for which the task waits and tries again.
    :param max_failed: orders that may fail or be in conflict before the task fails, after all were tried; None (or a
        blank text): any number.
    :param format: of the results: ``parquet`` or ``jsonl``.
    :param conn_id: the zDirect connection.
    :param deferrable: wait in the triggerer after a retriable error.
    :returns: ``merchant_id``, ``orders``, of them ``fetched``, ``already``, ``missing``, ``erased``, ``conflict`` and
        ``failed``; ``documents``, ``downloaded``, ``missing_orders`` (the first ten), ``tracking`` (rows by outcome),
        ``uri``, ``results_uri``, ``requests``.
    :raises ZDirectConfigurationError: at parse, if a literal argument is wrong.
    :raises AirflowFailException: if a retry cannot help; chained to the typed error.
    :raises ZDirectRetriableError: if it can.
    """

    asset_names = ("shipping_documents",)
    template_fields: Sequence[str] = (
        "base_path",
        "order_ids",
        "orders_path",
        "merchant_id",
        "storage_conn_id",
        "fill_tracking",
        "overwrite_tracking",
        "require_documents",
        "max_failed",
        "format",
        "conn_id",
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
        self.base_path = base_path
        self.order_ids = order_ids
        self.orders_path = orders_path
        self.merchant_id = merchant_id
        self.storage_conn_id = storage_conn_id
        self.fill_tracking = fill_tracking
        self.overwrite_tracking = overwrite_tracking
        self.require_documents = require_documents
        self.max_failed = max_failed
        self.format = format
        self.conn_id = conn_id
        self.deferrable = deferrable

    @classmethod
    def check_literals(cls, values: Mapping[str, Any]) -> None:
        check_place(values)
        for name in ("fill_tracking", "overwrite_tracking", "require_documents"):
            arguments.check_flag(values[name], name=name)
        arguments.check(values["max_failed"], lambda value: arguments.count(value, name="max_failed"))
        arguments.check(values["format"], arguments.file_format)
        arguments.check(values["order_ids"], lambda value: listed_orders(arguments.from_text(value), name="order_ids"))
        arguments.check(values["orders_path"], _check_file)
        _check_one_source(arguments.literal(values["order_ids"]), arguments.literal(values["orders_path"]))

    def execute(self, context: Context) -> dict[str, Any]:
        return self._fetch(context, waits=0)

    def resume(self, context: Context, event: Any = None, waits: int = 0) -> dict[str, Any]:
        """Go on after a wait in the triggerer; what was fetched lies there."""
        return self._fetch(context, waits=waits)

    def _fetch(self, context: Context, *, waits: int) -> dict[str, Any]:
        from airflow_provider_zdirect.hooks.zdirect import ZDirectHook

        try:
            with fail_fast():
                hook = ZDirectHook(self.conn_id)
                summary = asyncio.run(_carry_out(hook, self._job(hook, context))).as_dict()
        except ZDirectRetriableError as error:
            if not self.deferrable:
                raise
            wait_out(self, error, waits)
        self.record_change(context, "shipping_documents", summary)
        return summary

    def _job(self, hook: ZDirectHook, context: Context) -> DocumentsJob:
        """Everything that can be wrong is looked at before the first request, which may be that for the merchant."""
        from airflow_provider_zdirect.shipping_documents.job import DocumentsJob

        max_failed = arguments.given(self.max_failed)
        settings: dict[str, Any] = {
            "run": resume_key(context["ti"]),
            "max_failed": None if max_failed is None else arguments.count(max_failed, name="max_failed"),
            "format": arguments.file_format(self.format),
            "environment": hook.config().environment,
        }
        for name in ("fill_tracking", "overwrite_tracking", "require_documents"):
            settings[name] = arguments.flag(getattr(self, name), name=name)
        orders_path = arguments.given_text(self.orders_path)
        if orders_path is not None:
            _check_file(orders_path)
        merchant_id = arguments.own_merchant_id(self)
        base_path = open_base_path(
            self.base_path, arguments.given_text(self.storage_conn_id), environment=settings["environment"]
        )
        merchant_id = merchant_id or hook.merchant_id()
        return DocumentsJob(
            merchant_id=merchant_id,
            order_ids=self._order_ids(base_path, merchant_id),
            fs=base_path.fs,
            root=base_path.root,
            base_uri=base_path.uri,
            **settings,
        )

    def _order_ids(self, base_path: BasePath, merchant_id: str) -> list[str]:
        from airflow_provider_zdirect.shipping_documents.orders import orders_without_codes
        from airflow_provider_zdirect.storage.object_store import ObjectStore

        listed, path = arguments.given(self.order_ids), arguments.given_text(self.orders_path)
        _check_one_source(listed, path)
        if listed is not None:
            return listed_orders(arguments.from_text(listed), name="order_ids")
        if path is not None:
            opened = open_path(path, arguments.given_text(self.storage_conn_id), name="orders_path")
            return orders_of_file(orders_file(opened.fs, opened.root, opened.uri, "orders_path"), merchant_id)
        return orders_without_codes(ObjectStore(base_path.fs, base_path.root), merchant_id)


def _check_one_source(listed: Any, path: Any) -> None:
    if listed is not None and path is not None:
        raise ZDirectConfigurationError(
            "order_ids and orders_path are both given.", remedy="Give one of them; the other one may be left out."
        )


def _check_file(path: Any) -> None:
    check_path(str(path), name="orders_path")
    table_kind(str(path), name="orders_path")


async def _carry_out(hook: ZDirectHook, job: DocumentsJob) -> DocumentsResult:
    from airflow_provider_zdirect.shipping_documents.job import fetch_documents

    async with hook.client() as client:
        return await fetch_documents(job, client)
