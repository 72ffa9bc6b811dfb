"""Item sets of a merchant's shipping notices: which goods were announced and dispatched, as a published table.

zDirect allows 30 requests an hour for either kind of set (zDirect docs, *Shipping Notices*), so a set is fetched again
only if it may have changed: not once it is locked, which it is after the confirmation that follows it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pyarrow as pa

from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.datasets.arrow import Lineage, arrow_schema, to_table
from airflow_provider_zdirect.datasets.inbound import ShippingNotice
from airflow_provider_zdirect.datasets.record import AdviceId, Count, Ean, Key, Record, Text
from airflow_provider_zdirect.exceptions import MalformedResponseError, RateLimitedError
from airflow_provider_zdirect.inbound.item_set import ANNOUNCED, DISPATCHED
from airflow_provider_zdirect.publish.latest import LatestTable
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.windows import subject

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

FetchSet = Callable[[str, str], Awaitable[dict[str, int] | None]]
"""Notice id and kind -> pieces by EAN; None if there is no such set."""


class NoticeItem(Record):
    """One EAN of an item set. ``ean`` is null where zDirect said that there is no such set."""

    shipping_notice_id: Key
    zalando_advice_id: AdviceId = None
    item_set: Key
    ean: Ean = None
    quantity: Count = None
    notice_state: Text = None
    notice_item_count: Count = None


async def sync_item_sets(place: Place, fetch: FetchSet, clock: Clock | None = None) -> dict[str, Any]:
    """Fetch what may have changed, and publish the table; safe to repeat.

    :returns: ``notices``, ``sets_fetched``, ``sets_pending``, ``items``, ``uri``: small, for XCom; ``retry_after``, the
        seconds until the rate limit lets the next set be fetched, if that is why some are pending.
    :raises MalformedResponseError: if a set cannot be read; all others are published.
    :raises ZDirectError: if a set cannot be fetched otherwise; those before it are published.
    """
    sets = _ItemSets(place, clock or SystemClock())
    wanted = [
        (notice, kind)
        for notice in sets.notices
        for kind in (ANNOUNCED, DISPATCHED)
        if sets.may_have_changed(notice, kind)
    ]
    what = subject("item sets", place.merchant_id, full_id=True)
    log.info("%s: %d notices, %d sets to fetch.", what, len(sets.notices), len(wanted))
    fetched, retry_after = 0, None
    unreadable: MalformedResponseError | None = None
    try:
        for notice, kind in wanted:
            try:
                pieces = await _fetched(notice, kind, fetch)
            except MalformedResponseError as error:
                # The sets of other notices must not wait for this one.
                unreadable = unreadable or error
                continue
            if pieces is None:
                continue
            sets.take(notice, kind, pieces)
            fetched += 1
            if fetched % PUBLISH_EVERY == 0:
                sets.publish()
    except RateLimitedError as error:
        retry_after = error.retry_after
    finally:
        sets.publish()
    if unreadable is not None and retry_after is None:
        raise unreadable
    summary = {
        "merchant_id": place.merchant_id,
        "uri": place.uri_of(place.layout(TABLE).merchant),
        "notices": len(sets.notices),
        "sets_fetched": fetched,
        "sets_pending": len(wanted) - fetched,
        "retry_after": retry_after,
        "items": sum(row["ean"] is not None for rows in sets.held.values() for row in rows),
    }
    log.info(
        "%s: %d sets fetched, %d left; %d items -> %s",
        subject("item sets", place.merchant_id),
        *(summary[name] for name in ("sets_fetched", "sets_pending", "items", "uri")),
    )
    return summary


class _ItemSets:
    """The table in memory: rows by notice and kind of set."""

    def __init__(self, place: Place, clock: Clock) -> None:
        self._place = place
        self._clock = clock
        self._table = LatestTable(place.store, place.layout(TABLE), arrow_schema(NoticeItem), place.suffix)
        self._unpublished = False
        self.held: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for row in self._table.read().to_pylist():
            self.held.setdefault((row["shipping_notice_id"], row["item_set"]), []).append(row)
        notices = LatestTable(place.store, place.layout(NOTICES), arrow_schema(ShippingNotice))
        self.notices: list[dict[str, Any]] = notices.read().to_pylist()

    def may_have_changed(self, notice: dict[str, Any], kind: str) -> bool:
        state, count = notice["state"], notice[COUNT_FIELDS[kind]]
        if kind == DISPATCHED and state == "initial" and not count:
            return False
        held = self.held.get((notice["shipping_notice_id"], kind))
        if held is None:
            return True
        was, of = held[0]["notice_state"], held[0]["notice_item_count"]
        still_locked = {was, state} <= LOCKED[kind]
        return bool(count != of or (state != was and not still_locked))

    def take(self, notice: dict[str, Any], kind: str, pieces: dict[str, int]) -> None:
        now, instant = self._clock.now(), timedelta(microseconds=1)
        common = {
            "shipping_notice_id": notice["shipping_notice_id"],
            "zalando_advice_id": notice["zalando_advice_id"],
            "item_set": kind,
            "notice_state": notice["state"],
            "notice_item_count": notice[COUNT_FIELDS[kind]],
        }
        records = [NoticeItem(**common, ean=ean, quantity=pieces[ean]) for ean in sorted(pieces)]
        records = records or [NoticeItem(**common)]
        lineage = Lineage(self._place.merchant_id, self._place.environment, now, now + instant, now)
        sources = [json.dumps(record.model_dump(mode="json")).encode() for record in records]
        rows = to_table(NoticeItem, records, sources, lineage).to_pylist()
        self.held[notice["shipping_notice_id"], kind] = rows
        self._unpublished = True

    def publish(self) -> None:
        if self._unpublished:
            rows = [row for key in sorted(self.held) for row in self.held[key]]
            self._table.replace(pa.Table.from_pylist(rows, schema=arrow_schema(NoticeItem)), self._clock.now())
            self._unpublished = False


async def _fetched(notice: dict[str, Any], kind: str, fetch: FetchSet) -> dict[str, int] | None:
    """Pieces by EAN, none if there is no such set; None if zDirect contradicts itself, so that it is asked again."""
    count = notice[COUNT_FIELDS[kind]]
    if count == 0:
        return {}
    pieces = await fetch(notice["shipping_notice_id"], kind)
    if count and not pieces:
        log.warning(
            "%s: it says that %d items are %s, and there is no such set. The next run asks for it again.",
            subject(f"shipping notice {notice['shipping_notice_id']}", notice["zalando_merchant_id"]),
            count,
            kind,
        )
        return None
    return pieces or {}
