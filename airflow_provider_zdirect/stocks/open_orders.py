"""Pieces that customers have ordered and that have not left the merchant's warehouse, from the published orders.

A piece is open while its line is ``initial`` or ``reserved`` and its order is not ``fulfilled`` (zDirect docs,
*Orders*). The merchant's stock is one, so open pieces of all sales channels count.

Lines are read before orders, and orders before items: what is published meanwhile may be a line whose order is not
there yet. It counts, so that nothing is sold twice.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.exceptions import ConcurrentRunError, ZDirectConfigurationError, ZDirectDataError
from airflow_provider_zdirect.stocks.feed import SkuMapping
from airflow_provider_zdirect.stocks.wanted import OpenPieces
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import read_batches
from airflow_provider_zdirect.windows import Window

ORDERS, ITEMS, LINES = "orders_current", "order_items_current", "order_lines_current"
OPEN = ("initial", "reserved")
FULFILLED = "fulfilled"
ZFS = "ZalandoFulfilled"
COMPLETE = timedelta(days=7)
"""So far back no window may be missing: zDirect expects every order to be updated within 7 days (zDirect docs, orders
with pending updates)."""

MAX_LOOKS = 10
_INSTANT = pa.timestamp("us", "UTC")
_SCHEMAS = {
    ORDERS: pa.schema(
        [
            ("order_id", pa.string()),
            ("order_type", pa.string()),
            ("status", pa.string()),
            ("order_date", _INSTANT),
            ("created_at", _INSTANT),
            ("modified_at", _INSTANT),
        ]
    ),
    LINES: pa.schema(
        [
            ("order_line_id", pa.string()),
            ("order_item_id", pa.string()),
            ("order_id", pa.string()),
            ("status", pa.string()),
            ("order_date", _INSTANT),
            ("modified_at", _INSTANT),
        ]
    ),
    ITEMS: pa.schema([("order_item_id", pa.string()), ("external_id", pa.string()), ("modified_at", _INSTANT)]),
}


@dataclass(frozen=True)
class OrdersWanted:
    """Which orders are subtracted.

    :param max_age: how long ago the orders may have been extracted.
    :param since: only orders of that time or later; None: all.
    :param since_feed: only orders that came after the feed was made.
    :param include_zfs: also those that Zalando fulfils from its own warehouses.
    """

    max_age: timedelta = timedelta(hours=2)
    since: datetime | None = None
    since_feed: bool = False
    include_zfs: bool = False


@dataclass(frozen=True)
class OpenOrders:
    """What was found.

    :param unmapped: open pieces by what the order calls the article, where that is no known EAN.
    """

    pieces: OpenPieces
    unmapped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class PublishedOrders:
    """The published orders of a merchant.

    :param base_uri: the base path as people name it.
    """

    store: ObjectStore
    merchant_id: str
    base_uri: str

    def open_pieces(self, wanted: OrdersWanted, mapping: SkuMapping | None, now: datetime) -> OpenOrders:
        """Count them.

        :raises ZDirectConfigurationError: if orders were never extracted to this base path.
        :raises ZDirectDataError: if they are older than ``max_age``, or a window of the last days is missing.
        :raises ConcurrentRunError: if the files keep changing.
        """
        known_until = self._known_until(wanted, now)
        for _ in range(MAX_LOOKS):
            # Another run may replace a file between our listing and our reading; then we look again.
            with contextlib.suppress(FileNotFoundError):
                return self._count(wanted, mapping or SkuMapping(), known_until)
        raise ConcurrentRunError(
            f"{ORDERS} of merchant {self.merchant_id}: other runs replaced its files, {MAX_LOOKS} times in a row.",
            remedy="Let the retry do it.",
            retry_after=60,
        )

    def _known_until(self, wanted: OrdersWanted, now: datetime) -> datetime:
        """The end of the last window that is complete, as are all of the days before."""
        paths = self.store.files_below(f"_manifests/orders/merchant_id={self.merchant_id}")
        labels = [path.rpartition("/")[2].removesuffix(".json") for path in paths if path.endswith(".json")]
        windows = sorted(Window.from_label(label) for label in labels)
        if not windows:
            raise ZDirectConfigurationError(
                f"The orders of merchant {self.merchant_id} were never extracted to {self.base_uri}, and open orders "
                "are to be subtracted from the stock. Nothing was sent.",
                remedy="Let the DAG zdirect_orders (dataset orders) write to the same base_path, or switch "
                "subtract_open_orders off.",
            )
        known_until = max(window.end for window in windows)
        if now - known_until > wanted.max_age:
            raise ZDirectDataError(
                f"The orders of merchant {self.merchant_id} are known until {known_until.isoformat()} only, "
                f"{now - known_until} ago ({wanted.max_age} is allowed). Orders that came since would not be "
                "subtracted, and their articles be sold again. Nothing was sent.",
                remedy="Run zdirect_orders up to now; or raise max_orders_age, or switch subtract_open_orders off.",
            )
        self._refuse_gap(windows, now)
        return min(known_until, now)

    def _refuse_gap(self, windows: list[Window], now: datetime) -> None:
        """Raise ZDirectDataError if a window of the last days is missing between others."""
        until = windows[0].end
        for window in windows:
            if window.start > until and window.start > now - COMPLETE:
                raise ZDirectDataError(
                    f"The orders of merchant {self.merchant_id} that changed between {until.isoformat()} and "
                    f"{window.start.isoformat()} were never extracted to {self.base_uri}. They would not be "
                    "subtracted, and their articles be sold again. Nothing was sent.",
                    remedy="Fetch that window with zdirect_orders (from and to in the trigger dialog, or a backfill).",
                )
            until = max(until, window.end)

    def _count(self, wanted: OrdersWanted, mapping: SkuMapping, known_until: datetime) -> OpenOrders:
        open_ids = self._open_ids(wanted)
        lines = [line for line in self._latest(LINES, "order_line_id", open_ids, wanted) if line["status"] in OPEN]
        found = self._latest(ORDERS, "order_id", {line["order_id"] for line in lines}, wanted)
        orders = {order["order_id"]: order for order in found}
        ours = [line for line in lines if _counts(orders.get(line["order_id"]), line, wanted)]
        found = self._latest(ITEMS, "order_item_id", {line["order_item_id"] for line in ours}, wanted)
        items = {item["order_item_id"]: item["external_id"] for item in found}
        pieces: dict[str, list[datetime]] = {}
        unmapped: Counter[str] = Counter()
        for line in ours:
            called = (items.get(line["order_item_id"]) or "").strip()
            ean = mapping.ean_of(called)
            if ean is None:
                unmapped[called or f"(order item {line['order_item_id']})"] += 1
            else:
                pieces.setdefault(ean, []).append(_ordered_at(orders.get(line["order_id"]), line))
        return OpenOrders(OpenPieces(pieces, known_until), dict(unmapped))

    def _open_ids(self, wanted: OrdersWanted) -> set[str]:
        """Lines that are open by a row of theirs, which need not be the latest one. Few of a year's."""
        found: set[str] = set()
        for path in self._files(LINES, wanted.since):
            for batch in read_batches(self.store, path, _SCHEMAS[LINES], ["order_line_id", "status"]):
                is_open = pc.is_in(batch["status"], pa.array(OPEN, pa.string()))
                found.update(batch.filter(is_open)["order_line_id"].to_pylist())
        return found

    def _latest(self, table: str, key: str, among: set[str], wanted: OrdersWanted) -> Iterable[dict[str, Any]]:
        """The latest row of each of these keys; while a run replaces a file, a reader may meet a row of it twice."""
        found: dict[str, dict[str, Any]] = {}
        keys = pa.array(sorted(among), pa.string())
        for path in self._files(table, wanted.since) if among else ():
            for batch in read_batches(self.store, path, _SCHEMAS[table]):
                for row in batch.filter(pc.is_in(batch[key], keys)).to_pylist():
                    known = found.get(row[key])
                    if known is None or _modified(known) <= _modified(row):
                        found[row[key]] = row
        return found.values()

    def _files(self, table: str, since: datetime | None) -> Iterator[str]:
        for path in self.store.files_below(f"{table}/merchant_id={self.merchant_id}"):
            day = path.rpartition("/date=")[2].partition("/")[0]
            # A day of grace: an order may be created a little after the time that it carries.
            if since is None or day >= (since - timedelta(days=1)).date().isoformat():
                yield path


def _counts(order: Mapping[str, Any] | None, line: Mapping[str, Any], wanted: OrdersWanted) -> bool:
    if order is not None and order["status"] == FULFILLED:
        return False
    if order is not None and order["order_type"] == ZFS and not wanted.include_zfs:
        return False
    return wanted.since is None or _ordered_at(order, line) >= wanted.since


def _ordered_at(order: Mapping[str, Any] | None, line: Mapping[str, Any]) -> datetime:
    at = (order["created_at"] or order["order_date"]) if order is not None else None
    ordered_at: datetime = at or line["order_date"] or datetime.max.replace(tzinfo=UTC)
    return ordered_at


def _modified(row: Mapping[str, Any]) -> datetime:
    return row["modified_at"] or datetime.min.replace(tzinfo=UTC)
