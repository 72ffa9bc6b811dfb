"""From overdue orders to a published list, and to those that somebody has to be told of now."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from fsspec import AbstractFileSystem

from airflow_provider_zdirect.client import ZDirectClient
from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.exceptions import NotFoundError, RateLimitedError, ZDirectRetriableError
from airflow_provider_zdirect.orders.at_once import MOST_AT_ONCE, for_each
from airflow_provider_zdirect.orders.missing_tracking import (
    DATASET,
    SCHEMA,
    Deadlines,
    OverdueOrder,
    TrackedOrders,
    still_missing,
)
from airflow_provider_zdirect.orders.order_calls import OrderCalls
from airflow_provider_zdirect.orders.order_state import APPROVED
from airflow_provider_zdirect.publish.latest import LatestTable
from airflow_provider_zdirect.storage.layout import FORMATS, Layout
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.windows import subject

log = logging.getLogger(__name__)

PORTAL_URL = "https://partner.zalando.com"
"""Where partners log in. Under which address zDirect shows one order is not documented."""

IN_VAIN = 10
"""Failures without one look that worked, after which no further order is looked at."""

MOST_LOOKS = 500
"""Orders that are looked at live; if more are overdue, something else is wrong than that the list is an hour old."""


@dataclass(frozen=True)
class TrackingCheck:
    """A look for overdue orders of one merchant.

    :param live: look at each of them at zDirect, because it may have changed since orders were extracted.
    :param remind_after: tell of the same order again after that.
    :param portal_url: a link to an order, with ``{order_id}``, ``{order_number}`` and ``{merchant_id}`` in it.
    """

    merchant_id: str
    fs: AbstractFileSystem
    root: str
    base_uri: str
    deadlines: Deadlines = field(default_factory=Deadlines)
    max_orders_age: timedelta = timedelta(hours=6)
    live: bool = True
    remind_after: timedelta = timedelta(hours=24)
    portal_url: str = PORTAL_URL
    format: str = "parquet"
    environment: str = "production"

    @property
    def store(self) -> ObjectStore:
        return ObjectStore(self.fs, self.root)

    @property
    def memory(self) -> str:
        return f"_states/{DATASET}/merchant_id={self.merchant_id}/told.json"

    def link(self, order: OverdueOrder) -> str:
        values = {
            "order_id": order.order_id,
            "order_number": order.order_number or "",
            "merchant_id": self.merchant_id,
        }
        url = self.portal_url
        for name, value in values.items():
            url = url.replace(f"{{{name}}}", value)
        return url


@dataclass(frozen=True)
class Overdue:
    """What was found.

    :param orders: all that are overdue.
    :param untold: those that somebody has to be told of now.
    :param known_until: orders are known until then.
    """

    check: TrackingCheck
    orders: tuple[OverdueOrder, ...]
    untold: tuple[OverdueOrder, ...]
    known_until: datetime
    at: datetime

    @property
    def uri(self) -> str:
        return f"{self.check.base_uri.rstrip('/')}/{DATASET}/merchant_id={self.check.merchant_id}"

    def as_dict(self) -> dict[str, Any]:
        """Small, for XCom."""
        counts = {name: sum(name in order.missing for order in self.orders) for name in _COUNTED}
        return {
            "merchant_id": self.check.merchant_id,
            "overdue": len(self.orders),
            "told": len(self.untold),
            **{f"without_{name}": count for name, count in counts.items()},
            "known_until": self.known_until.isoformat(),
            "uri": self.uri,
        }

    def told_rows(self) -> list[dict[str, Any]]:
        """The untold ones, as notifications have them."""
        return [
            {
                "order_id": order.order_id,
                "order_number": order.order_number,
                "merchant_order_id": order.merchant_order_id,
                "approved_at": order.approved_at.isoformat(timespec="seconds"),
                "age_hours": int((self.at - order.approved_at).total_seconds() // 3600),
                "missing": list(order.missing),
                "portal_url": self.check.link(order),
            }
            for order in self.untold
        ]

    def remember(self) -> None:
        """Note that somebody was told; after that, so that a kill tells twice, and never nobody."""
        store = self.check.store
        told = _remembered(store, self.check.memory)
        new = {order.order_id for order in self.untold}
        kept = {
            order.order_id: {"at": self.at.isoformat(), "missing": list(order.missing)}
            if order.order_id in new
            else told[order.order_id]
            for order in self.orders
            if order.order_id in new or order.order_id in told
        }
        if kept != told:
            store.write_json(self.check.memory, kept)


_COUNTED = ("tracking_number", "return_tracking_number", "export", "update")


async def check_tracking(check: TrackingCheck, client: ZDirectClient, clock: Clock | None = None) -> Overdue:
    """Find overdue orders, and publish them as the table ``order_tracking_missing``.

    :raises ZDirectConfigurationError: if orders were never extracted to the base path.
    :raises ZDirectDataError: if they were extracted too long ago.
    """
    clock = clock or SystemClock()
    now = clock.now()
    orders = TrackedOrders(check.store, check.merchant_id, check.base_uri)
    known_until = orders.check_age(now, check.max_orders_age)
    found: Sequence[OverdueOrder] = orders.overdue(check.deadlines, now)
    if check.live:
        found = await _as_they_are(check, client, found)
    _publish(check, found, now)
    told = _remembered(check.store, check.memory)
    untold = tuple(order for order in found if _is_due(order, told.get(order.order_id), check, now))
    log.info(
        "%s: %d overdue, %d of them to be reported now.",
        subject("orders without tracking numbers", check.merchant_id, known_until, full_id=True),
        len(found),
        len(untold),
    )
    return Overdue(check, tuple(found), untold, known_until, now)


async def _as_they_are(
    check: TrackingCheck, client: ZDirectClient, orders: Sequence[OverdueOrder]
) -> list[OverdueOrder]:
    """The orders of which it is still so. One that cannot be looked at stays as it was published.

    :raises ZDirectRetriableError: if none can be.
    """
    calls = OrderCalls(client, check.merchant_id)
    if len(orders) > MOST_LOOKS:
        log.warning("%d orders are overdue; only the oldest %d are looked at live.", len(orders), MOST_LOOKS)
    missing: dict[str, tuple[str, ...]] = {}
    failures: list[ZDirectRetriableError] = []

    async def look(order: OverdueOrder) -> None:
        try:
            missing[order.order_id] = still_missing(order, await calls.get(order.order_id))
        except NotFoundError:
            log.warning("Order %s is not found at zDirect; it is told as it was published.", order.order_id)
        except RateLimitedError:
            raise
        except ZDirectRetriableError as error:
            log.warning("Order %s cannot be looked at, and is told as it was published: %s", order.order_id, error)
            failures.append(error)
            if len(failures) >= IN_VAIN and not missing:
                raise

    await for_each(orders[:MOST_LOOKS], look, MOST_AT_ONCE[client.config.environment])
    if failures and not missing:
        raise failures[0]
    looked = [replace(order, missing=missing.get(order.order_id, order.missing)) for order in orders]
    return [order for order in looked if order.missing]


def _publish(check: TrackingCheck, orders: Sequence[OverdueOrder], now: datetime) -> None:
    table = LatestTable(check.store, Layout(DATASET, check.merchant_id), SCHEMA, FORMATS[check.format])
    rows = [
        {
            **{name: getattr(order, name) for name in SCHEMA.names if hasattr(order, name)},
            "status": APPROVED,
            "missing": list(order.missing),
            "portal_url": check.link(order),
            "_merchant_id": check.merchant_id,
            "_environment": check.environment,
        }
        for order in orders
    ]
    found = pa.Table.from_pylist(rows, schema=SCHEMA)
    if (table.made_at() is None and rows) or not table.read().equals(found):
        table.replace(found, now)
    else:
        table.tidy()


def _is_due(order: OverdueOrder, told: Mapping[str, Any] | None, check: TrackingCheck, now: datetime) -> bool:
    """Whether nobody was told of it, or of what is missing by now, or too long ago."""
    if told is None or not set(order.missing) <= set(told["missing"]):
        return True
    return now - datetime.fromisoformat(told["at"]) >= check.remind_after


def _remembered(store: ObjectStore, path: str) -> dict[str, Any]:
    return store.read_json(path) or {}
