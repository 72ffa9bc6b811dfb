# SPDX-License-Identifier: Apache-2.0
"""Shipping notices: what they are, those of the world (one for each advice of a day), and what clients wrote."""

from __future__ import annotations

import hashlib
import itertools
import json
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from random import Random
from typing import Any

from airflow_provider_zdirect.emulator.catalog import ADDRESSES, WAREHOUSE_COUNT, articles, stable_uuid, warehouse_id
from airflow_provider_zdirect.emulator.clock import DAY, EmulatorClock, moment
from airflow_provider_zdirect.emulator.options import Options
from airflow_provider_zdirect.emulator.records import ADVICES_PER_DAY, advice_id
from airflow_provider_zdirect.emulator.truth import Timeline

INITIAL = "initial"
READY_FOR_DELIVERY_DATE = "ready_for_delivery_date"
READY_FOR_DISPATCH = "ready_for_dispatch"
READY_FOR_RECEIVE = "ready_for_receive"
# Kinds of item sets.
ANNOUNCED, DISPATCH = "announced", "dispatch"
USUAL_DELIVERY = timedelta(days=2)


@dataclass(frozen=True)
class ItemSet:
    """Items that were announced or dispatched; a later set replaces it."""

    id: str
    posted_at: datetime
    items: tuple[tuple[str, int], ...]

    def as_rows(self) -> list[dict[str, Any]]:
        return [{"ean": ean, "quantity": quantity} for ean, quantity in self.items]


@dataclass(frozen=True)
class Notice:
    """One notice with the moments at which it moves on, some of which may lie in the future.

    :param fields: what its merchant wrote, as it was written.
    :param announced_at: the announcement was confirmed.
    :param delivery_set_at: ZFS Operations confirmed ``delivery_date``.
    :param dispatched_at: the dispatch was confirmed.
    """

    id: str
    merchant_id: str
    zalando_advice_id: str
    fields: dict[str, Any]
    created_at: datetime
    announced_sets: tuple[ItemSet, ...] = ()
    dispatch_sets: tuple[ItemSet, ...] = ()
    announced_at: datetime | None = None
    delivery_set_at: datetime | None = None
    delivery_date: date | None = None
    dispatched_at: datetime | None = None

    def as_of(self, now: datetime, delivery_date_after: timedelta | None) -> Notice:
        """The notice without what is still to come.

        :param delivery_date_after: time from the announcement to a delivery date that nothing else sets.
        """
        notice = self
        if self.announced_at and not self.delivery_set_at and delivery_date_after is not None:
            notice = self.with_delivery_date(self.announced_at + delivery_date_after)
        reached = notice.delivery_set_at is not None and notice.delivery_set_at <= now
        return replace(
            notice,
            announced_sets=tuple(one for one in notice.announced_sets if one.posted_at <= now),
            dispatch_sets=tuple(one for one in notice.dispatch_sets if one.posted_at <= now),
            announced_at=_past(notice.announced_at, now),
            delivery_set_at=notice.delivery_set_at if reached else None,
            delivery_date=notice.delivery_date if reached else None,
            dispatched_at=_past(notice.dispatched_at, now),
        )

    def with_delivery_date(self, at: datetime) -> Notice:
        wanted = self.fields.get("earliest_delivery_date")
        day = date.fromisoformat(wanted) if wanted else (at + USUAL_DELIVERY).date()
        return replace(self, delivery_set_at=at, delivery_date=day)

    @property
    def state(self) -> str:
        """Of a notice as of a moment (source: zDirect docs, *Shipping Notices*)."""
        if self.dispatched_at:
            return READY_FOR_RECEIVE
        if self.delivery_set_at:
            return READY_FOR_DISPATCH
        return READY_FOR_DELIVERY_DATE if self.announced_at else INITIAL

    def sets(self, kind: str) -> tuple[ItemSet, ...]:
        return self.announced_sets if kind == ANNOUNCED else self.dispatch_sets

    def with_sets(self, kind: str, sets: tuple[ItemSet, ...]) -> Notice:
        return replace(self, announced_sets=sets) if kind == ANNOUNCED else replace(self, dispatch_sets=sets)

    def count(self, kind: str) -> int:
        """Items of the set that counts."""
        sets = self.sets(kind)
        return sum(quantity for _, quantity in sets[-1].items) if sets else 0

    @property
    def etag(self) -> str:
        """Changes with every change of a notice as of a moment, its item sets and its state."""
        sets = [[one.id, one.items] for one in (*self.announced_sets, *self.dispatch_sets)]
        content = [self.id, self.fields, sets, self.state, str(self.delivery_date)]
        return etag_of(json.dumps(content).encode())


def etag_of(content: bytes) -> str:
    """A strong entity tag."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def _past(time: datetime | None, now: datetime) -> datetime | None:
    return time if time and time <= now else None


# Days before the goods arrive on which a notice is announced, and on which its delivery date is set.
ANNOUNCED_BEFORE, CONFIRMED_BEFORE = 7, 2
NOT_ANNOUNCED_SHARE, MORE_SHARE, LESS_SHARE = 0.04, 0.07, 0.06
NEVER_RECEIVED = 3
NO_DISPATCH_SHARE, OTHER_DISPATCH_SHARE = 0.15, 0.3
CARRIERS = ("DHL", "Hellmann", "Dachser", "UPS")


@dataclass(frozen=True)
class Seed:
    """Which notice: the advice of a merchant on a day."""

    merchant_id: str
    day: date
    number: int

    @property
    def created_at(self) -> datetime:
        return moment(self.day - ANNOUNCED_BEFORE * DAY)


@lru_cache(maxsize=16)
def _world(timeline: Timeline, today: date, days: int) -> dict[str, Seed]:
    """The notices of the last so many days and of the coming ones whose notices exist already; none without ``days``.

    :param timeline: the received items with nothing wrong about them.
    """
    arrivals = [today + number * DAY for number in range(1 - days, ANNOUNCED_BEFORE + 1)] if days else []
    found = {}
    for merchant_id in timeline.merchant_ids:
        for day in arrivals:
            rng = Random(f"{timeline.seed}/{merchant_id}/notices/{day}")  # noqa: S311 - reproducible, not secret
            for number in range(ADVICES_PER_DAY):
                found[str(uuid.UUID(int=rng.getrandbits(128), version=4))] = Seed(merchant_id, day, number)
    return found


@lru_cache(maxsize=2048)
def _notice(timeline: Timeline, id: str, seed: Seed) -> Notice:
    rng = Random(f"{timeline.seed}/notice/{id}")  # noqa: S311 - reproducible, not secret
    advice = advice_id(seed.merchant_id, seed.day, seed.number)
    received = _received(timeline, seed.merchant_id, seed.day).get(advice, Counter())
    pool = [article.ean for article in articles(timeline.seed, seed.merchant_id)]
    announced = _announced(rng, received, pool)
    dispatched = _dispatched(rng, announced)
    created, arrives = seed.created_at, moment(seed.day)
    return Notice(
        id=id,
        merchant_id=seed.merchant_id,
        zalando_advice_id=advice,
        fields=_fields(rng, timeline.seed, seed),
        created_at=created,
        announced_sets=(_item_set(id, "announced", created, announced),),
        dispatch_sets=() if dispatched is None else (_item_set(id, "dispatch", arrives, dispatched),),
        announced_at=created,
        delivery_set_at=arrives - CONFIRMED_BEFORE * DAY,
        delivery_date=seed.day,
        dispatched_at=arrives,
    )


@lru_cache(maxsize=512)
def _received(timeline: Timeline, merchant_id: str, day: date) -> dict[str, Counter[str]]:
    start = moment(day)
    counts: dict[str, Counter[str]] = {}
    for record in timeline.records("received_items", merchant_id, start, start + DAY):
        counts.setdefault(record.body["zalando_advice_id"], Counter())[record.body["ean"]] += 1
    return counts


def _announced(rng: Random, received: Mapping[str, int], pool: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for ean, count in sorted(received.items()):
        draw = rng.random()
        if draw < NOT_ANNOUNCED_SHARE:
            count = 0
        elif draw < NOT_ANNOUNCED_SHARE + MORE_SHARE:
            count += rng.randint(1, 3)
        elif draw < NOT_ANNOUNCED_SHARE + MORE_SHARE + LESS_SHARE:
            count -= 1
        if count:
            found[ean] = count
    others = [ean for ean in pool if ean not in received]
    for ean in rng.sample(others, min(NEVER_RECEIVED, len(others))):
        found[ean] = rng.randint(1, 5)
    return found


def _dispatched(rng: Random, announced: dict[str, int]) -> dict[str, int] | None:
    draw = rng.random()
    if draw < NO_DISPATCH_SHARE:
        return None
    found = dict(announced)
    if draw < NO_DISPATCH_SHARE + OTHER_DISPATCH_SHARE:
        for ean in rng.sample(sorted(announced), max(1, len(announced) // 20)):
            found[ean] += 1 if rng.random() < 0.5 else -1
    return {ean: count for ean, count in found.items() if count}


def _item_set(id: str, kind: str, posted_at: datetime, items: dict[str, int]) -> ItemSet:
    return ItemSet(stable_uuid(id, kind), posted_at, tuple(items.items()))


def _fields(rng: Random, world: int, seed: Seed) -> dict[str, Any]:
    """Source of the fields: zDirect docs, *Shipping Notices*."""
    warehouse = rng.randrange(WAREHOUSE_COUNT)
    fields = {
        "zalando_merchant_id": seed.merchant_id,
        "carrier_name": rng.choice(CARRIERS),
        "requested_zalando_location_id": warehouse_id(world, warehouse),
        "pallets_count": rng.randint(1, 8),
        "colli_count": rng.randint(0, 60),
        "hanging_goods_count": rng.randint(0, 20),
        "earliest_delivery_date": seed.day.isoformat(),
        "merchant_b2b_reference": f"PO-{seed.day:%Y%m}-{rng.randrange(40):02d}",
        "contact_email": "inbound@merchant.example",
        "comments": rng.choice(("", "Ramp 4, please call before", "Fragile")),
    }
    newer = {
        "requested_zalando_location_name": ADDRESSES[warehouse][0],
        "contact_name": "Erika Mustermann",
        "additional_contact_email": "logistics@merchant.example",
    }
    return fields | {name: value for name, value in newer.items() if rng.random() < 0.5}


# Above the advices of received items.
FIRST_ADVICE = 90_000_001
# When a notice was created, and its id.
Key = tuple[datetime, str]


class NoticeBook:
    """The notices of the world, and those that clients created or changed."""

    def __init__(self, clock: EmulatorClock, options: Callable[[], Options], timeline: Callable[[], Timeline]) -> None:
        # Held by whoever reads a notice in order to write it.
        self.lock = threading.RLock()
        self._clock, self._options, self._timeline = clock, options, timeline
        self._written: dict[str, Notice] = {}
        self._advices = itertools.count(FIRST_ADVICE)

    def find(self, id: str) -> Notice | None:
        """A notice with all that is still to come, of whatever merchant."""
        timeline, world = self._plain_world()
        with self.lock:
            notice = self._written.get(id) or (_notice(timeline, id, world[id]) if id in world else None)
        return notice if notice and notice.created_at <= self._clock.now() else None

    def keys(self, merchant_ids: Iterable[str]) -> list[Key]:
        """Those of some merchants, in the order of their creation."""
        merchant_ids, (_, world) = set(merchant_ids), self._plain_world()
        with self.lock:
            every: dict[str, Seed | Notice] = {**world, **self._written}
        created = [(one.created_at, id) for id, one in every.items() if one.merchant_id in merchant_ids]
        return sorted(key for key in created if key[0] <= self._clock.now())

    def as_of_now(self, notice: Notice) -> Notice:
        minutes = self._options().delivery_date_after_minutes
        return notice.as_of(self._clock.now(), None if minutes is None else timedelta(minutes=minutes))

    def of(self, merchant_ids: Iterable[str]) -> list[Notice]:
        """All notices of some merchants as of now."""
        found = [self.find(id) for _, id in self.keys(merchant_ids)]
        return [self.as_of_now(notice) for notice in found if notice]

    def write(self, notice: Notice) -> None:
        with self.lock:
            self._written[notice.id] = notice

    def next_advice_id(self) -> str:
        return str(next(self._advices))

    def _plain_world(self) -> tuple[Timeline, dict[str, Seed]]:
        timeline = self._timeline()
        plain = Timeline(timeline.seed, timeline.merchant_ids, timeline.volume)
        return plain, _world(plain, self._clock.now().date(), self._options().notice_days)
