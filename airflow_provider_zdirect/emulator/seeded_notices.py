"""The shipping notices that belong to the received items: one for each advice of a day."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from random import Random
from typing import Any

from airflow_provider_zdirect.emulator.catalog import ADDRESSES, WAREHOUSE_COUNT, articles, stable_uuid, warehouse_id
from airflow_provider_zdirect.emulator.notice import ItemSet, Notice
from airflow_provider_zdirect.emulator.records import ADVICES_PER_DAY, advice_id
from airflow_provider_zdirect.emulator.truth import Timeline

DAY = timedelta(days=1)
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
        return _midnight(self.day - ANNOUNCED_BEFORE * DAY)


@dataclass(frozen=True)
class SeededNotices:
    """Those of the days from ``first`` to ``last``, on which their goods arrive.

    :param timeline: the received items with nothing wrong about them.
    """

    timeline: Timeline
    first: date
    last: date

    @classmethod
    def around(cls, timeline: Timeline, today: date, days: int) -> SeededNotices:
        """The last so many days, and those days to come whose notices are there already; none if it is no day."""
        plain = Timeline(timeline.seed, timeline.merchant_ids, timeline.volume)
        if not days:
            return cls(plain, today, today - DAY)
        return cls(plain, today - (days - 1) * DAY, today + ANNOUNCED_BEFORE * DAY)

    def of_merchant(self, merchant_id: str) -> Iterator[tuple[str, Seed]]:
        """Their ids, and what they are made of."""
        day = self.first
        while day <= self.last:
            yield from _seeds(self.timeline.seed, merchant_id, day)
            day += DAY

    def find(self, id: str) -> Notice | None:
        seed = _index(self).get(id)
        return _notice(self.timeline, id, seed) if seed else None


@lru_cache(maxsize=16)
def _index(world: SeededNotices) -> dict[str, Seed]:
    return {id: seed for merchant_id in world.timeline.merchant_ids for id, seed in world.of_merchant(merchant_id)}


@lru_cache(maxsize=20_000)
def _seeds(seed: int, merchant_id: str, day: date) -> tuple[tuple[str, Seed], ...]:
    rng = Random(f"{seed}/{merchant_id}/notices/{day}")  # noqa: S311 - reproducible, not secret
    return tuple(
        (str(uuid.UUID(int=rng.getrandbits(128), version=4)), Seed(merchant_id, day, number))
        for number in range(ADVICES_PER_DAY)
    )


@lru_cache(maxsize=2048)
def _notice(timeline: Timeline, id: str, seed: Seed) -> Notice:
    rng = Random(f"{timeline.seed}/notice/{id}")  # noqa: S311 - reproducible, not secret
    advice = advice_id(seed.merchant_id, seed.day, seed.number)
    received = _received(timeline, seed.merchant_id, seed.day).get(advice, Counter())
    pool = [article.ean for article in articles(timeline.seed, seed.merchant_id)]
    announced = _announced(rng, received, pool)
    dispatched = _dispatched(rng, announced)
    created, arrives = seed.created_at, _midnight(seed.day)
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
    start = _midnight(day)
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


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
