# SPDX-License-Identifier: Apache-2.0
"""Item sets of a merchant's shipping notices: which goods were announced and dispatched, as a published table.

zDirect allows 30 requests an hour for either kind of set (zDirect docs, *Shipping Notices*), so a set is fetched again
only if it may have changed: not once it is locked, which it is after the confirmation that follows it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.datasets.arrow import Lineage, arrow_schema, to_table
from airflow_provider_zdirect.datasets.inbound import ShippingNotice
from airflow_provider_zdirect.datasets.record import AdviceId, Count, Ean, Key, Record, Text
from airflow_provider_zdirect.exceptions import MalformedResponseError, RateLimitedError
from airflow_provider_zdirect.inbound.item_set import ANNOUNCED, DISPATCHED, ItemSet
from airflow_provider_zdirect.publish.latest import LatestTable
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.words import counted

log = logging.getLogger(__name__)

PUBLISH_EVERY = 20
"""Sets that are fetched before they are published; a kill loses fewer than that."""

TABLE = "shipping_notice_items"
NOTICES = "shipping_notices_current"
LOCKED = {
    ANNOUNCED: frozenset({"ready_for_delivery_date", "ready_for_dispatch", "ready_for_receive"}),
    DISPATCHED: frozenset({"ready_for_receive"}),
}
"""States in which a set is locked (zDirect docs, *Shipping Notices*; ``ready_for_dispatch``: a public client). In any
other state, known or unknown, it may change."""

COUNT_FIELDS = {ANNOUNCED: "announced_item_count", DISPATCHED: "dispatch_item_count"}

FetchSet = Callable[[str, str], Awaitable[ItemSet | None]]
"""Notice id and kind -> pieces by EAN; None if there is no such set."""

Row = Mapping[str, Any]


class NoticeItem(Record):
    """One EAN of an item set. ``ean`` is null where zDirect said that there is no such set."""

    shipping_notice_id: Key
    zalando_advice_id: AdviceId = None
    item_set: Key
    ean: Ean = None
    quantity: Count = None
    notice_state: Text = None
    notice_item_count: Count = None


SCHEMA = arrow_schema(NoticeItem)


async def sync_item_sets(place: Place, fetch: FetchSet, clock: Clock | None = None) -> dict[str, Any]:
    """Fetch what may have changed, and publish the table; safe to repeat.

    :returns: ``notices``, ``sets_fetched``, ``sets_pending``, ``items``, ``uri``: small, for XCom; ``retry_after``, the
        seconds until the rate limit lets the next set be fetched, if that is why some are pending.
    :raises MalformedResponseError: if a set cannot be read; all others are published.
    :raises ZDirectError: if a set cannot be fetched otherwise; those before it are published.
    """
    clock = clock or SystemClock()
    table = LatestTable(place, TABLE, SCHEMA)
    held: dict[tuple[str, str], list[Row]] = {}
    for row in table.read().to_pylist():
        held.setdefault((row["shipping_notice_id"], row["item_set"]), []).append(row)
    notices = LatestTable(place, NOTICES, arrow_schema(ShippingNotice)).read().to_pylist()
    wanted = [
        (notice, kind)
        for notice in notices
        for kind in (ANNOUNCED, DISPATCHED)
        if _may_have_changed(notice, kind, held.get((notice["shipping_notice_id"], kind)))
    ]
    what = place.subject("item sets", full_id=True)
    log.info("%s: %s, %s to fetch.", what, counted(len(notices), "notice"), counted(len(wanted), "set"))
    fetched, retry_after = 0, None
    unreadable: MalformedResponseError | None = None

    def publish() -> None:
        rows = [dict(row) for key in sorted(held) for row in held[key]]
        table.update(pa.Table.from_pylist(rows, schema=SCHEMA), clock.now())

    try:
        for notice, kind in wanted:
            try:
                items = await _fetched(place, notice, kind, fetch)
            except MalformedResponseError as error:
                # The sets of other notices must not wait for this one.
                unreadable = unreadable or error
                continue
            if items is not None:
                held[notice["shipping_notice_id"], kind] = _rows(notice, kind, items, place, clock.now())
                fetched += 1
                if fetched % PUBLISH_EVERY == 0:
                    publish()
    except RateLimitedError as error:
        retry_after = error.retry_after
    finally:
        # Else another run may have published more than was read here.
        if fetched:
            publish()
    if unreadable is not None and retry_after is None:
        raise unreadable
    item_count = sum(row["ean"] is not None for rows in held.values() for row in rows)
    summary = {
        "merchant_id": place.merchant_id,
        "uri": place.data_uri(TABLE),
        "notices": len(notices),
        "sets_fetched": fetched,
        "sets_pending": len(wanted) - fetched,
        "retry_after": retry_after,
        "items": item_count,
    }
    log.info(
        "%s: %s fetched, %d left; %s -> %s",
        place.subject("item sets"),
        counted(fetched, "set"),
        summary["sets_pending"],
        counted(item_count, "item"),
        summary["uri"],
    )
    return summary


def _may_have_changed(notice: Row, kind: str, held: list[Row] | None) -> bool:
    """:param held: the published rows of the set; None: it was never fetched."""
    state, count = notice["state"], notice[COUNT_FIELDS[kind]]
    if kind == DISPATCHED and state == "initial" and not count:
        return False
    if held is None:
        return True
    was, of = held[0]["notice_state"], held[0]["notice_item_count"]
    return bool(count != of or (state != was and not {was, state} <= LOCKED[kind]))


def _rows(notice: Row, kind: str, items: ItemSet, place: Place, now: datetime) -> list[Row]:
    common = {
        "shipping_notice_id": notice["shipping_notice_id"],
        "zalando_advice_id": notice["zalando_advice_id"],
        "item_set": kind,
        "notice_state": notice["state"],
        "notice_item_count": notice[COUNT_FIELDS[kind]],
    }
    rows = [{**common, "ean": ean, "quantity": items[ean]} for ean in sorted(items)] or [common]
    lineage = Lineage(place.merchant_id, place.environment, now, now + timedelta(microseconds=1), now)
    records, sources = map(NoticeItem.model_validate, rows), [json.dumps(row).encode() for row in rows]
    return list(to_table(NoticeItem, list(records), sources, lineage).to_pylist())


async def _fetched(place: Place, notice: Row, kind: str, fetch: FetchSet) -> ItemSet | None:
    """The set, empty if there is none; None if zDirect contradicts itself, so that it is asked again."""
    count = notice[COUNT_FIELDS[kind]]
    if count == 0:
        return {}
    items = await fetch(notice["shipping_notice_id"], kind)
    if count and not items:
        what = place.subject(f"shipping notice {notice['shipping_notice_id']}")
        log.warning(
            "%s: zDirect counts %s, but has no such set. The next run asks for it again.",
            what,
            counted(count, f"{kind} item"),
        )
        return None
    return items or {}
