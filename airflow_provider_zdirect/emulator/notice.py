"""A shipping notice: what is in it, and how far it has come."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

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

    def with_delivery_date(self, moment: datetime) -> Notice:
        wanted = self.fields.get("earliest_delivery_date")
        day = date.fromisoformat(wanted) if wanted else (moment + USUAL_DELIVERY).date()
        return replace(self, delivery_set_at=moment, delivery_date=day)

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


def _past(moment: datetime | None, now: datetime) -> datetime | None:
    return moment if moment and moment <= now else None
