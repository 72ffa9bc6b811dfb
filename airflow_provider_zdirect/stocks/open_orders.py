"""Pieces that customers have ordered and that have not left the merchant's warehouse, from the published orders.

A piece is open until its line is ``shipped``, ``returned`` or ``canceled``, or its order ``fulfilled`` (zDirect docs,
*Orders*). One that was shipped after the feed was made is still in the feed's figure, so it counts until the next feed;
a canceled one does not. The merchant's stock is one, so open pieces of all sales channels count.

Lines are read before orders, and orders before items: what is published meanwhile may be a line whose order is not
there yet. It counts, so that nothing is sold twice.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.exceptions import ConcurrentRunError, ZDirectConfigurationError, ZDirectDataError
from airflow_provider_zdirect.stocks.feed import SkuMapping
from airflow_provider_zdirect.stocks.wanted import OpenPieces, Piece
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import read_batches
from airflow_provider_zdirect.windows import Window

ORDERS, ITEMS, LINES = "orders_current", "order_items_current", "order_lines_current"
SHIPPED = ("shipped", "returned")
CANCELED = "canceled"
FULFILLED = "fulfilled"
PARTNER, ZFS = "PartnerFulfilled", "ZalandoFulfilled"
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

    @property
    def types(self) -> tuple[str, ...]:
        return (PARTNER, ZFS) if self.include_zfs else (PARTNER,)


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
    :param environment: whose orders count.
    """

    store: ObjectStore
    merchant_id: str
    base_uri: str
    environment: str

    def open_pieces(
        self, wanted: OrdersWanted, mapping: SkuMapping | None, now: datetime, feed_time: datetime
    ) -> OpenOrders:
        """Count them.

        :param feed_time: of the oldest file of the feed; what was shipped before counts for none.
        :raises ZDirectConfigurationError: if orders were never extracted to this base path.
        :raises ZDirectDataError: if they are older than ``max_age``, or a window of the last days is missing.
        :raises ConcurrentRunError: if the files keep changing.
        """
        needed_from = wanted.since or (feed_time if wanted.since_feed else None)
        needed_from = max(now - COMPLETE, needed_from) if needed_from else now - COMPLETE
        known_until = self._known_until(wanted, now, needed_from)
        for _ in range(MAX_LOOKS):
            # Another run may replace a file between our listing and our reading; then we look again.
            with contextlib.suppress(FileNotFoundError):
                return self._count(wanted, mapping or SkuMapping(), known_until, feed_time)
        raise ConcurrentRunError(
            f"{ORDERS} of merchant {self.merchant_id}: other runs replaced its files, {MAX_LOOKS} times in a row.",
            remedy="Let the retry do it.",
            retry_after=60,
        )

    def _known_until(self, wanted: OrdersWanted, now: datetime, needed_from: datetime) -> datetime:
        """The end of the last window of the orders that are wanted; all from ``needed_from`` on are there."""
        windows = self._windows(now)
        known_until = now
        for order_type in wanted.types:
            ours = sorted(window for window, types in windows if order_type in types)
            self._refuse_old(ours, order_type, wanted, now)
            self._refuse_gap(ours, order_type, needed_from)
            known_until = min(known_until, max(window.end for window in ours))
        return known_until

    def _windows(self, now: datetime) -> list[tuple[Window, tuple[str, ...]]]:
        """The complete windows of this environment that say something of the last days, and of which orders."""
        paths = [
            path
            for path in self.store.files_below(f"_manifests/orders/merchant_id={self.merchant_id}")
            if path.endswith(".json")
        ]
        labels = {path: Window.from_label(path.rpartition("/")[2].removesuffix(".json")) for path in paths}
        last = max((window.end for window in labels.values()), default=now)
        recent = [path for path, window in labels.items() if window.end >= min(last, now - COMPLETE)]
        found = []
        for data in self.store.read_many(recent):
            manifest = json.loads(data)
            span = manifest["window"]
            window = Window(datetime.fromisoformat(span["from"]), datetime.fromisoformat(span["to"]))
            if manifest["environment"] == self.environment:
                found.append((window, _types(manifest["filters"])))
        return found

    def _refuse_old(self, windows: list[Window], order_type: str, wanted: OrdersWanted, now: datetime) -> None:
        if not windows:
            raise ZDirectConfigurationError(
                f"The {order_type} orders of merchant {self.merchant_id} ({self.environment}) were never extracted to "
                f"{self.base_uri}, or not all of them, and open orders are to be subtracted from the stock. Nothing "
                "was sent.",
                remedy="Let the DAG zdirect_orders (dataset orders) write these orders to the same base_path, or "
                "switch subtract_open_orders off.",
            )
        known_until = max(window.end for window in windows)
        if now - known_until > wanted.max_age:
            raise ZDirectDataError(
                f"The {order_type} orders of merchant {self.merchant_id} are known until {known_until.isoformat()} "
                f"only, {now - known_until} ago ({wanted.max_age} is allowed). Orders that came since would not be "
                "subtracted, and their articles be sold again. Nothing was sent.",
                remedy="Run zdirect_orders up to now; or raise max_orders_age, or switch subtract_open_orders off.",
            )

    def _refuse_gap(self, windows: list[Window], order_type: str, needed_from: datetime) -> None:
        """Raise ZDirectDataError if a window is missing since ``needed_from``."""
        until = needed_from
        for window in windows:
            if window.start > until:
                raise ZDirectDataError(
                    f"The {order_type} orders of merchant {self.merchant_id} that changed between {until.isoformat()} "
                    f"and {window.start.isoformat()} were never extracted to {self.base_uri}. They would not be "
                    "subtracted, and their articles be sold again. Nothing was sent.",
                    remedy="Fetch that time with zdirect_orders (from and to in the trigger dialog, or a backfill); or "
                    "subtract only orders since a time from which they are known (orders_since).",
                )
            until = max(until, window.end)

    def _count(
        self, wanted: OrdersWanted, mapping: SkuMapping, known_until: datetime, feed_time: datetime
    ) -> OpenOrders:
        ids = self._line_ids(wanted, feed_time)
        lines = [line for line in self._latest(LINES, "order_line_id", ids, wanted) if line["status"] != CANCELED]
        found = self._latest(ORDERS, "order_id", {line["order_id"] for line in lines}, wanted)
        orders = {order["order_id"]: order for order in found}
        ours = []
        for line in lines:
            order = orders.get(line["order_id"])
            piece = Piece(_ordered_at(order, line), _shipped_at(order, line))
            is_there = piece.shipped_at is None or piece.shipped_at > feed_time
            if is_there and _counts(order, piece, wanted):
                ours.append((line["order_item_id"], piece))
        found = self._latest(ITEMS, "order_item_id", {item_id for item_id, _ in ours}, wanted)
        items = {item["order_item_id"]: item["external_id"] for item in found}
        pieces: dict[str, list[Piece]] = {}
        unmapped: Counter[str] = Counter()
        for item_id, piece in ours:
            called = (items.get(item_id) or "").strip()
            ean = mapping.ean_of(called)
            if ean is None:
                unmapped[called or f"(order item {item_id})"] += 1
            else:
                pieces.setdefault(ean, []).append(piece)
        return OpenOrders(OpenPieces(pieces, known_until), dict(unmapped))

    def _line_ids(self, wanted: OrdersWanted, feed_time: datetime) -> set[str]:
        """Lines that may count, by a row of theirs, which need not be the latest one. Few of a year's."""
        found: set[str] = set()
        done = pa.array([*SHIPPED, CANCELED], pa.string())
        for path in self._files(LINES, wanted.since):
            columns = ["order_line_id", "status", "modified_at"]
            for batch in read_batches(self.store, path, _SCHEMAS[LINES], columns):
                is_open = pc.invert(pc.is_in(batch["status"], done))
                is_later = pc.fill_null(pc.greater(batch["modified_at"], pa.scalar(feed_time, _INSTANT)), False)
                found.update(batch.filter(pc.or_(is_open, is_later))["order_line_id"].to_pylist())
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


def _types(filters: Mapping[str, str]) -> tuple[str, ...]:
    """Order types of which all orders were asked for."""
    given = {name: value for name, value in filters.items() if value}
    if given.keys() - {"order_type"}:
        return ()
    return tuple(given.values()) or (PARTNER, ZFS)


def _counts(order: Mapping[str, Any] | None, piece: Piece, wanted: OrdersWanted) -> bool:
    if order is not None and order["order_type"] == ZFS and not wanted.include_zfs:
        return False
    return wanted.since is None or piece.ordered_at >= wanted.since


def _shipped_at(order: Mapping[str, Any] | None, line: Mapping[str, Any]) -> datetime | None:
    """When a piece left the warehouse, or a little later; None if it is there."""
    if line["status"] in SHIPPED:
        return _modified(line)
    if order is not None and order["status"] == FULFILLED:
        return max(_modified(order), _modified(line))
    return None


def _ordered_at(order: Mapping[str, Any] | None, line: Mapping[str, Any]) -> datetime:
    at = (order["created_at"] or order["order_date"]) if order is not None else None
    ordered_at: datetime = at or line["order_date"] or datetime.max.replace(tzinfo=UTC)
    return ordered_at


def _modified(row: Mapping[str, Any]) -> datetime:
    return row["modified_at"] or datetime.min.replace(tzinfo=UTC)
