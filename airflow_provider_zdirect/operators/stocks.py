# SPDX-License-Identifier: Apache-2.0
"""A merchant's stock: from a feed to the levels in every sales channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_zdirect.merchant_files.tables import KINDS, table_kind
from airflow_provider_zdirect.operators import argument_table as table
from airflow_provider_zdirect.operators.arguments import instant
from airflow_provider_zdirect.operators.base import Flow, Outcome, Published, TaskRun, ZDirectOperator
from airflow_provider_zdirect.operators.task_run import end_without_file

if TYPE_CHECKING:
    from airflow_provider_zdirect.stocks.open_orders import OrdersWanted

FEED = "feed"
MAX_ORDERS_AGE = timedelta(hours=2)


def _feed_path(value: Any, name: str) -> str:
    feed = table.path(value, name)
    # A name without an ending is a folder.
    if "." in feed.rpartition("/")[2]:
        table_kind(feed, name=name)
    return feed


def _orders_since(value: Any, name: str) -> datetime | str:
    return FEED if isinstance(value, str) and value.strip().lower() == FEED else instant(value, name)


class ZDirectStockUpdateOperator(ZDirectOperator):
    """Sends a merchant's stock levels to zDirect: to every live sales channel, what has changed (``docs/stocks.md``).

    Rows that cannot be sent are rejected, and the others are sent. The outcome of every update is
    published as ``stock_updates``, what zDirect has now as ``stock_updates_current``. The task may be killed at any
    moment and retried, and may meet another run: a level of an older feed never stays in place of a newer one.

    :param base_path: URL for ObjectStoragePath, or absolute local path, below which the results are written.
    :param stock_path: the feed, a file or a folder; URL or absolute path; ``{merchant_id}`` in it stands for the
        merchant. None means ``<base_path>/_inbox/stock.csv``.
    :param mapping_path: a file with ``merchant_sku`` and ``ean``, for feeds and orders with merchant SKUs;
        ``{merchant_id}`` as above.
    :param merchant_id: id or name; None means the connection's merchant, or the only one that the app may use.
    :param sales_channel_ids: where rows go that name no sales channel; None: all that zDirect says are live.
    :param subtract_open_orders: subtract from each level the pieces that are ordered and not shipped, by the published
        orders under ``base_path`` (dataset ``orders``, complete for seven days); for feeds that do not know of them.
    :param include_zfs_orders: subtract those too that Zalando fulfils from its own warehouses.
    :param orders_since: subtract only what was ordered at this time or later (aware datetime or ISO 8601 text), or
        ``feed``: after the feed was made. None: all.
    :param max_orders_age: how old the published orders may be (timedelta or ISO 8601 text).
    :param full_sync: send everything, also what zDirect has already.
    :param resend_after: send again what zDirect took longer ago (timedelta or ISO 8601 text); None: never.
    :param feed_time: of when the feed's figures are; None means when its file was written last. The newest wins.
    :param max_rejected: how many rows and updates may be rejected before the task fails.
    :param missing_feed: ``fail``, or ``skip`` the task, if there is no feed.
    :param storage_conn_id: Airflow connection of the storage.
    :param format: ``parquet`` or ``jsonl``.
    :param conn_id: the zDirect connection.
    :param deferrable: wait in the triggerer after a retriable error.
    :returns: counts, see :func:`~airflow_provider_zdirect.stocks.stock_updates.update_stocks`.
    :raises ZDirectConfigurationError: at parse, if a literal argument is wrong.
    """

    asset_names = ("stock_updates",)
    arguments = (
        table.PLACE
        | table.FORMAT
        | {
            "stock_path": table.optional(_feed_path),
            "mapping_path": table.TABLE_FILE,
            "sales_channel_ids": table.UUIDS,
            "orders_since": table.optional(_orders_since),
            "max_orders_age": table.DURATION,
            "resend_after": table.OPTIONAL_DURATION,
            "feed_time": table.optional(instant),
            "max_rejected": table.COUNT,
            "missing_feed": table.FAIL_OR_SKIP,
        }
        | dict.fromkeys(("subtract_open_orders", "include_zfs_orders", "full_sync"), table.FLAG)
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

    @classmethod
    def flow(cls, values: Mapping[str, Any]) -> Flow:
        orders = ("orders_current", "order_items_current", "order_lines_current")
        return Flow(
            sent=("stocks",),
            read=orders if values["subtract_open_orders"] else (),
            published=("stock_updates", "stock_updates_current"),
            files=(values["stock_path"] or _inbox(values), values["mapping_path"]),
        )

    def perform(self, run: TaskRun) -> Outcome:
        from airflow_provider_zdirect.stocks.feed import MAPPING_COLUMNS, FeedFiles
        from airflow_provider_zdirect.stocks.stock_updates import update_stocks
        from airflow_provider_zdirect.stocks.update_plan import StockUpdateJob

        values, place = run.values, run.place("stock updates")
        feed = run.file("stock_path", place.merchant_id, default=_inbox(values))
        job = StockUpdateJob(
            place=place,
            feed=FeedFiles(feed.fs, feed.root, feed.uri, values["feed_time"]),
            mapping=run.table("mapping_path", MAPPING_COLUMNS, ("merchant_sku", "ean"), place.merchant_id),
            run=run.key,
            label=run.label,
            orders=_orders(values),
            **run.pick("sales_channel_ids", "full_sync", "resend_after", "max_rejected"),
        )
        result = run.ask(lambda client: update_stocks(job, client))
        if result is None:
            end_without_file(
                f"There is no stock feed at stock_path={feed.uri!r} for merchant {place.merchant}.",
                values["missing_feed"],
                f"Put a file there ({', '.join(f'.{kind}' for kind in KINDS)}), or a folder with such files; with "
                "missing_feed='skip' the task is skipped.",
            )
        published = {"stock_updates": Published(result["sent"], result["rejected"])}
        return Outcome(result, {"stock_updates": result}, published)


def _inbox(values: Mapping[str, Any]) -> str:
    return f"{values['base_path'].rstrip('/')}/_inbox/stock.csv"


def _orders(values: Mapping[str, Any]) -> OrdersWanted | None:
    from airflow_provider_zdirect.stocks.open_orders import OrdersWanted

    if not values["subtract_open_orders"]:
        return None
    since = values["orders_since"]
    return OrdersWanted(
        max_age=values["max_orders_age"],
        since=since if isinstance(since, datetime) else None,
        since_feed=since == FEED,
        include_zfs=values["include_zfs_orders"],
    )
