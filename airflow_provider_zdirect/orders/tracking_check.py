"""Checking for overdue orders: publishes them as a table, and selects those to notify people of now."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from airflow_provider_zdirect.client import ZDirectClient
from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.exceptions import NotFoundError, ZDirectError
from airflow_provider_zdirect.orders.few_at_once import for_each
from airflow_provider_zdirect.orders.missing_tracking import (
    MISSING,
    SCHEMA,
    Deadlines,
    OverdueOrder,
    known_until,
    overdue_orders,
    still_missing,
)
from airflow_provider_zdirect.orders.order_calls import OrderCalls
from airflow_provider_zdirect.orders.order_state import APPROVED
from airflow_provider_zdirect.publish.latest import LatestTable
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.windows import subject

log = logging.getLogger(__name__)

DATASET = "order_tracking_missing"

PORTAL_URL = "https://partner.zalando.com"
"""Where partners log in. The address of a single order is not documented."""

MOST_READ = 500
"""Orders that are read live. If more are overdue, the cause is not that the table is an hour old."""


@dataclass(frozen=True)
class TrackingCheck:
    """A check for overdue orders of one merchant.

    :param live: read each overdue order at zDirect, because it may have changed since it was extracted.
    :param remind_after: notify of the same order again after this time.
    :param portal_url: a link to an order, with ``{order_id}``, ``{order_number}`` and ``{merchant_id}`` in it.
    """

    place: Place
    deadlines: Deadlines = field(default_factory=Deadlines)
    max_orders_age: timedelta = timedelta(hours=6)
    live: bool = True
    remind_after: timedelta = timedelta(hours=24)
    portal_url: str = PORTAL_URL

    def link(self, order: OverdueOrder) -> str:
        url = self.portal_url.replace("{merchant_id}", self.place.merchant_id)
        return url.replace("{order_id}", order.order_id).replace("{order_number}", order.order_number or "")

    @property
    def notified_path(self) -> str:
        return f"_states/{self.place.layout(DATASET).merchant}/notified.json"

    def notified(self) -> dict[str, dict[str, Any]]:
        """By order id: when the last notification was sent, and what was missing then."""
        return self.place.store.read_json(self.notified_path) or {}


@dataclass(frozen=True)
class Overdue:
    """The result of a check.

    :param orders: all overdue orders.
    :param to_notify: those to notify people of now.
    :param known_until: end of the last window of orders that was extracted.
    """

    check: TrackingCheck
    orders: tuple[OverdueOrder, ...]
    to_notify: tuple[OverdueOrder, ...]
    known_until: datetime
    at: datetime

    @property
    def uri(self) -> str:
        return self.check.place.uri_of(self.check.place.layout(DATASET).merchant)

    def as_dict(self) -> dict[str, Any]:
        """Small, for XCom."""
        return {
            "merchant_id": self.check.place.merchant_id,
            "overdue": len(self.orders),
            "notified": len(self.to_notify),
            **{f"without_{name}": sum(name in order.missing for order in self.orders) for name in MISSING},
            "known_until": self.known_until.isoformat(),
            "uri": self.uri,
        }

    def notification_rows(self) -> list[dict[str, Any]]:
        """The orders to notify people of, as rows for notifications."""
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
            for order in self.to_notify
        ]

    def record_notified(self) -> None:
        """Record the notification. Call this after sending it, so that a kill may repeat it but never drops it."""
        before = self.check.notified()
        new = {order.order_id: {"at": self.at.isoformat(), "missing": list(order.missing)} for order in self.to_notify}
        known = {**before, **new}
        kept = {order.order_id: known[order.order_id] for order in self.orders if order.order_id in known}
        if kept != before:
            self.check.place.store.write_json(self.check.notified_path, kept)


async def check_tracking(check: TrackingCheck, client: ZDirectClient, clock: Clock | None = None) -> Overdue:
    """Find overdue orders, and publish them as the table ``order_tracking_missing``.

    :raises ZDirectConfigurationError: if orders were never extracted to the base path.
    :raises ZDirectDataError: if they were extracted too long ago.
    """
    now = (clock or SystemClock()).now()
    until = known_until(check.place, now, check.max_orders_age)
    found: Sequence[OverdueOrder] = overdue_orders(check.place, check.deadlines, now)
    if check.live:
        found = await _as_they_are(check, client, found)
    _publish(check, found, now)
    notified = check.notified()
    to_notify = tuple(order for order in found if _is_due(order, notified.get(order.order_id), check, now))
    log.info(
        "%s: %d overdue, %d of them to be reported now.",
        subject("orders without tracking numbers", check.place.merchant_id, until, full_id=True),
        len(found),
        len(to_notify),
    )
    return Overdue(check, tuple(found), to_notify, until, now)


async def _as_they_are(
    check: TrackingCheck, client: ZDirectClient, orders: Sequence[OverdueOrder]
) -> list[OverdueOrder]:
    """The orders that are still overdue. One that cannot be read stays as it was published.

    :raises ZDirectError: if none can be read, or after so many failures that the rest was not tried.
    """
    calls = OrderCalls(client, check.place.merchant_id)
    if len(orders) > MOST_READ:
        log.warning("%d orders are overdue; only the oldest %d are read live.", len(orders), MOST_READ)
    missing: dict[str, tuple[str, ...]] = {}
    failures: list[ZDirectError] = []

    async def read(order: OverdueOrder) -> None:
        try:
            missing[order.order_id] = still_missing(order, await calls.get(order.order_id))
        except NotFoundError:
            log.warning("zDirect does not find order %s; it is reported as it was published.", order.order_id)

    def failed(order: OverdueOrder, error: ZDirectError) -> None:
        log.warning("Order %s cannot be read, and is reported as it was published: %s", order.order_id, error)
        failures.append(error)

    end = await for_each(orders[:MOST_READ], read, failed, environment=client.config.environment)
    if end is not None or (failures and not missing):
        raise end or failures[0]
    read_now = [replace(order, missing=missing.get(order.order_id, order.missing)) for order in orders]
    return [order for order in read_now if order.missing]


def _publish(check: TrackingCheck, orders: Sequence[OverdueOrder], now: datetime) -> None:
    place = check.place
    rows = [
        {
            **vars(order),
            "status": APPROVED,
            "portal_url": check.link(order),
            "_merchant_id": place.merchant_id,
            "_environment": place.environment,
        }
        for order in orders
    ]
    LatestTable(place, DATASET, SCHEMA).update(pa.Table.from_pylist(rows, schema=SCHEMA), now)


def _is_due(order: OverdueOrder, notified: Mapping[str, Any] | None, check: TrackingCheck, now: datetime) -> bool:
    """Whether no notification named the order and what is missing now, or the last one is too long ago."""
    if notified is None or not set(order.missing) <= set(notified["missing"]):
        return True
    return now - datetime.fromisoformat(notified["at"]) >= check.remind_after
