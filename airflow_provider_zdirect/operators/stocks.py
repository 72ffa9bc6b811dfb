"""A merchant's stock: from a feed to the levels in every sales channel."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError, ZDirectRetriableError
from airflow_provider_zdirect.merchant_files.tables import KINDS, TableFile, table_kind
from airflow_provider_zdirect.operators import arguments
from airflow_provider_zdirect.operators.base import ZDirectOperator
from airflow_provider_zdirect.operators.base_path import (
    check_base_path,
    check_path,
    check_place,
    open_path,
    open_place,
)
from airflow_provider_zdirect.operators.retry import fail_fast
from airflow_provider_zdirect.operators.window_job import resume_key, wait_or_raise
from airflow_provider_zdirect.windows import parse_instant

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_zdirect.hooks.zdirect import ZDirectHook
    from airflow_provider_zdirect.stocks.open_orders import OrdersWanted
    from airflow_provider_zdirect.stocks.update_job import StockUpdateJob, StockUpdateResult

MERCHANT = "{merchant_id}"
FEED = "feed"
MAX_ORDERS_AGE = timedelta(hours=2)
MAX_TURNS = 50
"""Waits for a rate limit that others use up, one after the other."""


class ZDirectStockUpdateOperator(ZDirectOperator):
    """Sends a merchant's stock levels to zDirect: to every live sales channel, what has changed, as fast as it allows.

    The feed is a CSV, TSV, Parquet or JSON-lines file, or a folder of such files, with the columns ``ean``
    or ``merchant_sku``, ``quantity`` and, if wanted, ``sales_channel_id``: a row with one is for that channel only, all
    others are for all channels. What it does not name stays as it is. Rows that cannot be sent are put aside under
    ``_rejected/`` with place and reason, and the others are sent all the same; then the task fails if more came to
    nothing than ``max_rejected``.

    What became of every update is published as ``stock_updates``, what zDirect has now as ``stock_updates_current``.
    Only what zDirect does not have yet is sent. The task may be killed at any moment and retried, and may meet another
    run: a level of an older feed never stays in place of a newer one, and each pair is once in the results of a run.

    zDirect allows 60 requests and 2,000 updates a minute, which all tasks of a host keep together. The task stays for
    waits of up to two minutes; longer ones it waits out without a worker slot, or, with ``deferrable=False``, fails for
    its retry. All arguments but ``deferrable`` are templates; what is wrong and known at parse is refused at parse.

    :param base_path: URL for ObjectStoragePath, or absolute local path, below which the results are written.
    :param stock_path: the feed, a file or a folder; URL or absolute path; ``{merchant_id}`` in it stands for the
        merchant. None means ``<base_path>/_inbox/stock.csv``.
    :param mapping_path: a file with the columns ``merchant_sku`` and ``ean``, for feeds and orders with merchant SKUs;
        ``{merchant_id}`` as above.
    :param merchant_id: UUID; None means the connection's merchant, or the only one that the app may use.
    :param sales_channel_ids: where rows go that name no sales channel; a list, or comma separated; None means all that
        zDirect says are live.
    :param subtract_open_orders: subtract from each level the pieces that are ordered and not shipped, by the published
        orders under ``base_path`` (dataset ``orders``, complete for seven days); for feeds that do not know of them.
    :param include_zfs_orders: subtract those too that Zalando fulfils from its own warehouses.
    :param orders_since: subtract only what was ordered at this time or later (aware datetime or ISO 8601 text), or
        ``feed``: after the feed was made. None: all.
    :param max_orders_age: how old the published orders may be (timedelta, or ISO 8601 text such as ``PT2H``).
    :param full_sync: send everything, also what zDirect has already.
    :param resend_after: send again what zDirect took longer ago (timedelta, or ISO 8601 text such as ``P7D``); None:
        never.
    :param feed_time: of when the feed's figures are; None means when its file was written last. The newest wins.
    :param max_rejected: how many rows and updates may come to nothing before the task fails.
    :param missing_feed: ``fail``, or ``skip`` the task, if there is no feed.
    :param storage_conn_id: Airflow connection of the storage.
    :param format: ``parquet`` or ``jsonl``, of the results.
    :param conn_id: the zDirect connection.
    :param deferrable: wait in the triggerer after a retriable error.
    :returns: counts, see :class:`~airflow_provider_zdirect.stocks.update_job.StockUpdateResult`.
    :raises ZDirectConfigurationError: at parse, if a literal argument is wrong.
    :raises AirflowFailException: if a retry cannot help; chained to the typed error.
    :raises ZDirectRetriableError: if it can.
    """

    asset_names = ("stock_updates",)
    template_fields: Sequence[str] = (
        "base_path",
        "stock_path",
        "mapping_path",
        "merchant_id",
        "sales_channel_ids",
        "subtract_open_orders",
        "include_zfs_orders",
        "orders_since",
        "max_orders_age",
        "full_sync",
        "resend_after",
        "feed_time",
        "max_rejected",
        "missing_feed",
        "storage_conn_id",
        "format",
        "conn_id",
    )

    def __init__(
        self,
        *,
        base_path: str,
        stock_path: str | None = None,
        mapping_path: str | None = None,
        merchant_id: str | None = None,
        sales_channel_ids: Sequence[str] | str | None = None,
        subtract_open_orders: bool | str = False,
        include_zfs_orders: bool | str = False,
        orders_since: datetime | str | None = None,
        max_orders_age: timedelta | str = MAX_ORDERS_AGE,
        full_sync: bool | str = False,
        resend_after: timedelta | str | None = None,
        feed_time: datetime | str | None = None,
        max_rejected: int | str = 0,
        missing_feed: str = "fail",
        storage_conn_id: str | None = None,
        format: str = "parquet",
        conn_id: str = "zdirect_default",
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(values=locals(), **kwargs)
        self.base_path = base_path
        self.stock_path = stock_path
        self.mapping_path = mapping_path
        self.merchant_id = merchant_id
        self.sales_channel_ids = sales_channel_ids
        self.subtract_open_orders = subtract_open_orders
        self.include_zfs_orders = include_zfs_orders
        self.orders_since = orders_since
        self.max_orders_age = max_orders_age
        self.full_sync = full_sync
        self.resend_after = resend_after
        self.feed_time = feed_time
        self.max_rejected = max_rejected
        self.missing_feed = missing_feed
        self.storage_conn_id = storage_conn_id
        self.format = format
        self.conn_id = conn_id
        self.deferrable = deferrable

    @classmethod
    def check_literals(cls, values: Mapping[str, Any]) -> None:
        check_place(values)
        arguments.check(values["stock_path"], _check_feed_path)
        arguments.check(values["mapping_path"], _check_mapping_path)
        arguments.check(values["sales_channel_ids"], channel_ids)
        for name in ("subtract_open_orders", "include_zfs_orders", "full_sync"):
            arguments.check_flag(values[name], name=name)
        arguments.check(values["orders_since"], _orders_since)
        arguments.check(values["feed_time"], lambda at: parse_instant(at, name="feed_time"))
        arguments.check(values["max_orders_age"], lambda age: arguments.duration(age, name="max_orders_age"))
        arguments.check(values["resend_after"], lambda after: arguments.duration(after, name="resend_after"))
        arguments.check(values["max_rejected"], lambda most: arguments.count(most, name="max_rejected"))
        arguments.check(values["missing_feed"], _missing_feed)
        arguments.check(values["format"], arguments.file_format)

    def execute(self, context: Context) -> dict[str, Any]:
        return self._update(context, waits=0, turns=0)

    def resume(self, context: Context, event: Any = None, waits: int = 0, turns: int = 0) -> dict[str, Any]:
        """Go on after a wait in the triggerer: read the feed again, and send what zDirect does not have yet."""
        return self._update(context, waits=waits, turns=turns)

    def _update(self, context: Context, *, waits: int, turns: int) -> dict[str, Any]:
        from airflow_provider_zdirect.hooks.zdirect import ZDirectHook

        try:
            with fail_fast():
                hook = ZDirectHook(self.conn_id)
                job = self._job(hook, context)
                result = asyncio.run(_update(hook, job))
                if result is None:
                    self._end_without_feed(job)
        except ZDirectRetriableError as error:
            wait_or_raise(self, error, waits, turns, MAX_TURNS)
        assert result is not None
        summary = result.as_dict()
        self.record_change(context, "stock_updates", summary)
        return summary

    def _end_without_feed(self, job: StockUpdateJob) -> NoReturn:
        said = f"There is no stock feed at stock_path={job.feed.uri!r} for merchant {job.place.merchant_id}."
        if _missing_feed(self.missing_feed) == "skip":
            raise AirflowSkipException(said)
        raise ZDirectConfigurationError(
            said,
            remedy=f"Put a file there ({', '.join(f'.{kind}' for kind in KINDS)}), or a folder with such files; with "
            "missing_feed='skip' the task is skipped.",
        )

    def _job(self, hook: ZDirectHook, context: Context) -> StockUpdateJob:
        """Everything that can be wrong is looked at before the first request, which may be that for the merchant."""
        from airflow_provider_zdirect.stocks.feed import MAPPING_COLUMNS, FeedFiles
        from airflow_provider_zdirect.stocks.update_job import StockUpdateJob

        storage_conn_id = arguments.given_text(self.storage_conn_id)
        check_base_path(self.base_path)
        stock_path = arguments.given_text(self.stock_path) or f"{str(self.base_path).rstrip('/')}/_inbox/stock.csv"
        mapping_path = arguments.given_text(self.mapping_path)
        feed_time, resend_after = arguments.given(self.feed_time), arguments.given(self.resend_after)
        settings: dict[str, Any] = {
            "sales_channel_ids": channel_ids(self.sales_channel_ids),
            "orders": self._orders(),
            "full_sync": arguments.flag(self.full_sync, name="full_sync"),
            "resend_after": None if resend_after is None else arguments.duration(resend_after, name="resend_after"),
            "max_rejected": arguments.count(self.max_rejected, name="max_rejected"),
        }
        at = None if feed_time is None else parse_instant(feed_time, name="feed_time")
        _missing_feed(self.missing_feed)
        _check_feed_path(stock_path)
        if mapping_path is not None:
            _check_mapping_path(mapping_path)
        place = open_place(self, hook)
        merchant_id = place.merchant_id
        feed = open_path(stock_path.replace(MERCHANT, merchant_id), storage_conn_id, name="stock_path")
        mapping = None
        if mapping_path is not None:
            opened = open_path(mapping_path.replace(MERCHANT, merchant_id), storage_conn_id, name="mapping_path")
            mapping = TableFile(
                opened.fs, opened.root, opened.uri, "mapping_path", MAPPING_COLUMNS, ("merchant_sku", "ean")
            )
        ti = context["ti"]
        return StockUpdateJob(
            place=place,
            feed=FeedFiles(feed.fs, feed.root, feed.uri, at),
            mapping=mapping,
            run=resume_key(ti),
            label=f"{ti.dag_id}/{ti.run_id}/{ti.task_id}/{getattr(ti, 'map_index', -1)}",
            **settings,
        )

    def _orders(self) -> OrdersWanted | None:
        from airflow_provider_zdirect.stocks.open_orders import OrdersWanted

        include_zfs = arguments.flag(self.include_zfs_orders, name="include_zfs_orders")
        since = _orders_since(self.orders_since)
        max_age = arguments.duration(self.max_orders_age, name="max_orders_age")
        if not arguments.flag(self.subtract_open_orders, name="subtract_open_orders"):
            return None
        return OrdersWanted(
            max_age=max_age,
            since=since if isinstance(since, datetime) else None,
            since_feed=since == FEED,
            include_zfs=include_zfs,
        )


def channel_ids(value: Any) -> tuple[str, ...]:
    """Sales channel ids of a list or of a text with commas; none for what is not given.

    :raises ZDirectConfigurationError: as :func:`~.arguments.entries`.
    """
    return tuple(arguments.entries(value, name="sales_channel_ids", parse=arguments.uuid))


def _orders_since(value: Any) -> datetime | str | None:
    value = arguments.given(value)
    if value is None or (isinstance(value, str) and value.strip().lower() == FEED):
        return None if value is None else FEED
    return parse_instant(value, name="orders_since")


def _missing_feed(value: Any) -> str:
    if value not in ("fail", "skip"):
        raise ZDirectConfigurationError(f"missing_feed={value!r} is unknown.", remedy="Use fail or skip.")
    return str(value)


def _check_feed_path(path: Any) -> None:
    check_path(str(path), name="stock_path")
    # A name without an ending is a folder.
    if "." in str(path).rstrip("/").rpartition("/")[2] and not str(path).endswith("/"):
        table_kind(str(path), name="stock_path")


def _check_mapping_path(path: Any) -> None:
    check_path(str(path), name="mapping_path")
    table_kind(str(path), name="mapping_path")


async def _update(hook: ZDirectHook, job: StockUpdateJob) -> StockUpdateResult | None:
    from airflow_provider_zdirect.stocks.stock_updates import update_stocks

    async with hook.client() as client:
        return await update_stocks(job, client)
