# SPDX-License-Identifier: Apache-2.0
"""Pieces that customers have ordered and that have not left the merchant's warehouse, from the published orders.

A piece is open until its line is ``shipped``, ``returned`` or ``canceled``, or its order ``fulfilled`` (zDirect docs,
*Orders*). One that was shipped after the feed was made is still in the feed's figure, so it counts until the next feed;
a canceled one does not. The merchant's stock is one, so open pieces of all sales channels count.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from airflow_provider_zdirect.datasets.arrow import INSTANT
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError, ZDirectDataError
from airflow_provider_zdirect.publish.landed import landed_windows
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.publish.read import Table, query
from airflow_provider_zdirect.stocks.feed import SkuMapping
from airflow_provider_zdirect.stocks.wanted_levels import OpenPieces, Piece
from airflow_provider_zdirect.windows import Window

PARTNER, ZFS = "PartnerFulfilled", "ZalandoFulfilled"
COMPLETE = timedelta(days=7)
"""So far back no window may be missing: zDirect expects every order to be updated within 7 days (zDirect docs, orders
with pending updates)."""

OPEN_PIECES = """
WITH line AS (  -- while a run replaces a file, a reader may meet a row of it twice
    SELECT DISTINCT ON (order_line_id) * FROM lines ORDER BY modified_at DESC NULLS LAST),
customer_order AS (SELECT DISTINCT ON (order_id) * FROM orders ORDER BY modified_at DESC NULLS LAST),
item AS (SELECT DISTINCT ON (order_item_id) * FROM items ORDER BY modified_at DESC NULLS LAST)
SELECT order_item_id, external_id,
       coalesce(o.created_at, o.order_date, l.order_date, TIMESTAMPTZ '9999-12-31') AS ordered_at,
       CASE WHEN l.status IN ('shipped', 'returned') THEN coalesce(l.modified_at, '-infinity')
            WHEN o.status = 'fulfilled' THEN coalesce(greatest(o.modified_at, l.modified_at), '-infinity')
       END AS shipped_at  -- or a little earlier
FROM line l LEFT JOIN customer_order o USING (order_id) LEFT JOIN item USING (order_item_id)
WHERE l.status IS DISTINCT FROM 'canceled' AND (order_type IS DISTINCT FROM 'ZalandoFulfilled' OR $include_zfs)
    AND ordered_at >= $since AND coalesce(shipped_at > $feed_time, true)
"""

MAY_COUNT = "coalesce(status, '') NOT IN ('shipped', 'returned', 'canceled') OR modified_at > TIMESTAMPTZ '{}'"
"""Of a row of a line, which need not be its latest one. Few of a year's."""

_DATED = [("status", pa.string()), ("order_date", INSTANT), ("modified_at", INSTANT)]
_LINE = [("order_line_id", pa.string()), ("order_item_id", pa.string()), ("order_id", pa.string()), *_DATED]
_ORDER = [("order_id", pa.string()), ("order_type", pa.string()), ("created_at", INSTANT), *_DATED]
_ITEM = [("order_item_id", pa.string()), ("external_id", pa.string()), ("modified_at", INSTANT)]


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


def open_orders(
    place: Place, wanted: OrdersWanted, mapping: SkuMapping, now: datetime, feed_time: datetime
) -> OpenPieces:
    """Count the open pieces of the published orders.

    :param feed_time: of the oldest file of the feed; what was shipped before does not count.
    :raises ZDirectConfigurationError: if orders were never extracted to this base path.
    :raises ZDirectDataError: if they are older than ``max_age``, or a window of the last days is missing.
    :raises ConcurrentRunError: if the files keep changing.
    """
    first_wanted = wanted.since or (feed_time if wanted.since_feed else now - COMPLETE)
    known_until = _known_until(place, wanted, now, max(now - COMPLETE, first_wanted))
    pieces: dict[str, list[Piece]] = {}
    unmapped: Counter[str] = Counter()
    for row in _open_pieces(place, wanted, feed_time).to_pylist():
        called = (row["external_id"] or "").strip()
        ean = mapping.ean_of(called)
        if ean is None:
            unmapped[called or f"(order item {row['order_item_id']})"] += 1
        else:
            pieces.setdefault(ean, []).append(Piece(row["ordered_at"], row["shipped_at"]))
    return OpenPieces(pieces, known_until, wanted.since_feed, unmapped)


def _open_pieces(place: Place, wanted: OrdersWanted, feed_time: datetime) -> pa.Table:
    since = wanted.since or datetime(1970, 1, 2, tzinfo=UTC)
    # A day of grace: an order may be created a little after the time that it carries.
    first_day = (since - timedelta(days=1)).date().isoformat()

    def table(dataset: str, columns: list[tuple[str, pa.DataType]], where: str) -> Table:
        return Table(dataset, pa.schema(columns), days=lambda day: day >= first_day, where=where)

    # In this order: of a line that is published meanwhile, the order may be missing. It counts, so that nothing is sold
    # twice.
    tables = {
        "candidates": table("order_lines_current", [_LINE[0], *_DATED], MAY_COUNT.format(feed_time.isoformat())),
        "lines": table("order_lines_current", _LINE, "order_line_id IN (SELECT order_line_id FROM candidates)"),
        "orders": table("orders_current", _ORDER, "order_id IN (SELECT order_id FROM lines)"),
        "items": table("order_items_current", _ITEM, "order_item_id IN (SELECT order_item_id FROM lines)"),
    }
    values = {"since": since, "feed_time": feed_time, "include_zfs": wanted.include_zfs}
    return query(place, OPEN_PIECES, tables, values)


def _known_until(place: Place, wanted: OrdersWanted, now: datetime, needed_from: datetime) -> datetime:
    """The end of the last window of the orders that are wanted; all from ``needed_from`` on are there."""
    known_until = now
    for order_type in (PARTNER, ZFS) if wanted.include_zfs else (PARTNER,):
        ours = _windows(place, order_type, now)
        what = f"The {order_type} orders of merchant {place.merchant}"
        if not ours:
            raise ZDirectConfigurationError(
                f"{what} ({place.environment}) were never extracted to {place.uri}, or not all of them, and open "
                "orders are to be subtracted from the stock. Nothing was sent.",
                remedy="Let the DAG zdirect_orders (dataset orders) write these orders to the same base_path, or "
                "switch subtract_open_orders off.",
            )
        last = max(window.end for window in ours)
        if now - last > wanted.max_age:
            raise ZDirectDataError(
                f"{what} are known until {last.isoformat()} only, {now - last} ago ({wanted.max_age} is allowed). "
                "Orders that came since would not be subtracted, and their articles be sold again. Nothing was sent.",
                remedy="Run zdirect_orders up to now; or raise max_orders_age, or switch subtract_open_orders off.",
            )
        covered = needed_from
        for window in ours:
            if window.start > covered:
                raise ZDirectDataError(
                    f"{what} that changed between {covered.isoformat()} and {window.start.isoformat()} were never "
                    f"extracted to {place.uri}. They would not be subtracted, and their articles be sold again. "
                    "Nothing was sent.",
                    remedy="Fetch that time with zdirect_orders (from and to in the trigger dialog, or a backfill); or "
                    "subtract only orders since a time from which they are known (orders_since).",
                )
            covered = max(covered, window.end)
        known_until = min(known_until, last)
    return known_until


def _windows(place: Place, order_type: str, now: datetime) -> list[Window]:
    """Where all orders of that type have landed in the last days, in order; at least the last window of all."""
    windows: list[Window] = []
    for window in landed_windows(place, "orders", {"order_type": order_type}):
        if windows and window.end < now - COMPLETE:
            break
        windows.append(window)
    return sorted(windows)
