"""Item sets of a merchant's shipping notices: which goods were announced and dispatched, as a published table.

zDirect allows 30 requests an hour for either kind of set (zDirect docs, *Shipping Notices*), so a set is fetched again
only if it may have changed: not once it is locked, which it is after the confirmation that follows it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pyarrow as pa
from fsspec import AbstractFileSystem

from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.datasets.arrow import Lineage, arrow_schema, to_table
from airflow_provider_zdirect.datasets.inbound import ShippingNotice
from airflow_provider_zdirect.datasets.record import AdviceId, Count, Ean, Key, Record, Text
from airflow_provider_zdirect.exceptions import MalformedResponseError, RateLimitedError
from airflow_provider_zdirect.inbound.reconciliation import ANNOUNCED, DISPATCHED
from airflow_provider_zdirect.publish.latest import LatestTable
from airflow_provider_zdirect.storage.layout import FORMATS, Layout
from airflow_provider_zdirect.storage.object_store import ObjectStore
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
other state, also one of an unknown name, it may change."""

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


@dataclass(frozen=True)
class ItemSetJob:
    """Whose item sets to fetch, and where the notices lie and the items go."""

    merchant_id: str
    fs: AbstractFileSystem
    root: str
    base_uri: str
    environment: str
    format: str = "parquet"

    @property
    def store(self) -> ObjectStore:
        return ObjectStore(self.fs, self.root)

    @property
    def items(self) -> LatestTable:
        return LatestTable(self.store, Layout(TABLE, self.merchant_id), arrow_schema(NoticeItem), FORMATS[self.format])

    @property
    def notices(self) -> LatestTable:
        return LatestTable(self.store, Layout(NOTICES, self.merchant_id), arrow_schema(ShippingNotice))


@dataclass(frozen=True)
class WantedSet:
    """An item set that may have changed since it was fetched."""

    notice: dict[str, Any]
    kind: str

    @property
    def key(self) -> tuple[str, str]:
        return self.notice["shipping_notice_id"], self.kind


async def sync_item_sets(job: ItemSetJob, fetch: FetchSet, clock: Clock | None = None) -> dict[str, Any]:
    """Fetch what may have changed, and publish the table; safe to repeat.

    :returns: ``notices``, ``sets_fetched``, ``sets_pending``, ``items``, ``uri``: small, for XCom; ``retry_after``, the
        seconds until the rate limit lets the next set be fetched, if that is why some are pending.
    :raises MalformedResponseError: if a set cannot be read; all others are published.
    :raises ZDirectError: if a set cannot be fetched otherwise; those before it are published.
    """
    syncing = _Syncing(job, clock or SystemClock())
    wanted = list(syncing.wanted())
    what = subject("item sets", job.merchant_id, full_id=True)
    log.info("%s: %d notices, %d sets to fetch.", what, len(syncing.notices), len(wanted))
    fetched, retry_after = 0, None
    unreadable: MalformedResponseError | None = None
    try:
        for want in wanted:
            try:
                pieces = await _fetched(want, fetch)
            except MalformedResponseError as error:
                # The sets of other notices are not to wait for this one.
                unreadable = unreadable or error
                continue
            if pieces is None:
                continue
            syncing.take(want, pieces)
            fetched += 1
            if fetched % PUBLISH_EVERY == 0:
                syncing.publish()
    except RateLimitedError as error:
        retry_after = error.retry_after
    finally:
        syncing.publish()
    if unreadable is not None and retry_after is None:
        raise unreadable
    summary = {
        "merchant_id": job.merchant_id,
        "uri": f"{job.base_uri.rstrip('/')}/{TABLE}/merchant_id={job.merchant_id}",
        "notices": len(syncing.notices),
        "sets_fetched": fetched,
        "sets_pending": len(wanted) - fetched,
        "retry_after": retry_after,
        "items": sum(1 for rows in syncing.held.values() for row in rows if row["ean"] is not None),
    }
    log.info(
        "%s: %d sets fetched, %d left; %d items -> %s",
        subject("item sets", job.merchant_id),
        *(summary[name] for name in ("sets_fetched", "sets_pending", "items", "uri")),
    )
    return summary


class _Syncing:
    """The table in memory: rows by notice and kind of set."""

    def __init__(self, job: ItemSetJob, clock: Clock) -> None:
        self.job = job
        self.clock = clock
        self.held: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for row in job.items.read().to_pylist():
            self.held.setdefault((row["shipping_notice_id"], row["item_set"]), []).append(row)
        self.notices = job.notices.read().to_pylist()
        self._unpublished = False

    def wanted(self) -> Iterator[WantedSet]:
        for notice in self.notices:
            for kind in (ANNOUNCED, DISPATCHED):
                want = WantedSet(notice, kind)
                if self._may_have_changed(want):
                    yield want

    def _may_have_changed(self, want: WantedSet) -> bool:
        state, count = want.notice["state"], want.notice[COUNT_FIELDS[want.kind]]
        if want.kind == DISPATCHED and state == "initial" and not count:
            return False
        held = self.held.get(want.key)
        if held is None:
            return True
        was, of = held[0]["notice_state"], held[0]["notice_item_count"]
        still_locked = {was, state} <= LOCKED[want.kind]
        return count != of or (state != was and not still_locked)

    def take(self, want: WantedSet, pieces: dict[str, int]) -> None:
        notice, now = want.notice, self.clock.now()
        common = {
            "shipping_notice_id": notice["shipping_notice_id"],
            "zalando_advice_id": notice["zalando_advice_id"],
            "item_set": want.kind,
            "notice_state": notice["state"],
            "notice_item_count": notice[COUNT_FIELDS[want.kind]],
        }
        records = [NoticeItem(**common, ean=ean, quantity=pieces[ean]) for ean in sorted(pieces)]
        records = records or [NoticeItem(**common)]
        instant = timedelta(microseconds=1)
        lineage = Lineage(self.job.merchant_id, self.job.environment, now, now + instant, now)
        sources = [json.dumps(record.model_dump(mode="json")).encode() for record in records]
        self.held[want.key] = to_table(NoticeItem, records, sources, lineage).to_pylist()
        self._unpublished = True

    def publish(self) -> None:
        if not self._unpublished:
            return
        rows = [row for key in sorted(self.held) for row in self.held[key]]
        self.job.items.replace(pa.Table.from_pylist(rows, schema=arrow_schema(NoticeItem)), self.clock.now())
        self._unpublished = False


async def _fetched(want: WantedSet, fetch: FetchSet) -> dict[str, int] | None:
    """Pieces by EAN, none if there is no such set; None if zDirect contradicts itself, so that it is asked again."""
    count = want.notice[COUNT_FIELDS[want.kind]]
    if count == 0:
        return {}
    pieces = await fetch(*want.key)
    if count and not pieces:
        log.warning(
            "%s: it says that %d items are %s, and there is no such set. It is asked for again by the next run.",
            subject(f"shipping notice {want.notice['shipping_notice_id']}", want.notice["zalando_merchant_id"]),
            count,
            want.kind,
        )
        return None
    return pieces or {}
