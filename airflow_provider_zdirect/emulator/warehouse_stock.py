# SPDX-License-Identifier: Apache-2.0
"""How much of each article is in which warehouse: a pure function of seed, merchant, article, warehouse and hour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from random import Random
from typing import Any

from airflow_provider_zdirect.emulator.catalog import WAREHOUSE_COUNT, articles, warehouse_id
from airflow_provider_zdirect.emulator.clock import HOUR

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Of all articles: those that always have stock, and those that have some only half of the time.
ALWAYS_SHARE, SOMETIMES_SHARE = 0.4, 0.2
SHORTEST_PERIOD, LONGEST_PERIOD = 2, 36
CACHED_HOURS = 64
CACHED_LEVELS = 50_000
# Offerable and non-offerable items by warehouse, without warehouses that have neither.
Level = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Habit:
    """How the stock of an article behaves: it may change every so many hours."""

    kind: float
    warehouse_ids: tuple[str, ...]
    period: int
    shift: int

    def step(self, hour: int) -> int:
        """Number of the change that is in force in that hour."""
        return (hour - self.shift) // self.period


def hour_of(moment: datetime) -> int:
    return (moment - EPOCH) // HOUR


@lru_cache(maxsize=CACHED_HOURS)
def levels(seed: int, merchant_id: str, hour: int) -> dict[str, Level]:
    """The stock of every article by EAN, articles without stock included; not to be changed."""
    habits = _habits(seed, merchant_id)
    return {ean: _level(seed, merchant_id, ean, habit.step(hour)) for ean, habit in habits.items()}


def changed_eans(seed: int, merchant_id: str, since: datetime, now: datetime) -> list[str]:
    """Articles whose stock changed after ``since``, also those that changed back."""
    first, last = hour_of(since), hour_of(now)
    found = []
    for ean, habit in _habits(seed, merchant_id).items():
        steps = range(habit.step(first), habit.step(last) + 1)
        if len({_level(seed, merchant_id, ean, step) for step in steps}) > 1:
            found.append(ean)
    return found


def item(ean: str, level: Level) -> dict[str, Any]:
    """An item quantity (source: zDirect docs, *Item Quantities*)."""
    offerable, non_offerable = sum(entry[1] for entry in level), sum(entry[2] for entry in level)
    return {
        "ean": ean,
        "total_quantity": offerable + non_offerable,
        "quantities_by_state": {"offerable": offerable, "non_offerable": non_offerable},
        "quantities_by_location": [
            {
                "stock_location_id": location_id,
                "quantities_by_state": {"offerable": on_shelf, "non_offerable": elsewhere},
            }
            for location_id, on_shelf, elsewhere in level
        ],
    }


@lru_cache(maxsize=1024)
def _habits(seed: int, merchant_id: str) -> dict[str, Habit]:
    rng = Random(f"{seed}/{merchant_id}/stock")  # noqa: S311 - reproducible, not secret
    warehouses = [warehouse_id(seed, number) for number in range(WAREHOUSE_COUNT)]
    return {
        article.ean: Habit(
            rng.random(),
            tuple(sorted(rng.sample(warehouses, rng.randint(1, 3)))),
            rng.randint(SHORTEST_PERIOD, LONGEST_PERIOD),
            rng.randrange(LONGEST_PERIOD),
        )
        for article in articles(seed, merchant_id)
    }


@lru_cache(maxsize=CACHED_LEVELS)
def _level(seed: int, merchant_id: str, ean: str, step: int) -> Level:
    habit = _habits(seed, merchant_id)[ean]
    rng = Random(f"{seed}/{merchant_id}/stock/{ean}/{step}")  # noqa: S311 - reproducible, not secret
    is_sold_out = rng.random() < 0.5
    if habit.kind >= ALWAYS_SHARE + SOMETIMES_SHARE or (habit.kind >= ALWAYS_SHARE and is_sold_out):
        return ()
    found = []
    for location_id in habit.warehouse_ids:
        offerable = 0 if rng.random() < 0.15 else rng.randint(1, 250)
        non_offerable = 0 if rng.random() < 0.4 else rng.randint(1, 12)
        if offerable or non_offerable:
            found.append((location_id, offerable, non_offerable))
    # An article that always has stock keeps one item at least.
    return tuple(found) or ((habit.warehouse_ids[0], 1, 0),)
