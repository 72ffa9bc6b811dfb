# SPDX-License-Identifier: Apache-2.0
"""Overdue orders: approved, and without tracking numbers, export or any update.

They are found among the published orders, compared with zDirect, and published as the table ``order_tracking_missing``;
people are notified of those that are new or due again.

zDirect docs, *Orders*: an approved order is exported within three hours; both tracking numbers are there before it is
shipped; every order is updated within seven days.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypedDict

import pyarrow as pa

from airflow_provider_zdirect.client import ZDirectClient
from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.datasets.arrow import INSTANT, arrow_schema
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.exceptions import (
    NotFoundError,
    ZDirectConfigurationError,
    ZDirectDataError,
    ZDirectError,
)
from airflow_provider_zdirect.orders.few_at_once import for_each
from airflow_provider_zdirect.orders.order_calls import OrderCalls
from airflow_provider_zdirect.orders.order_state import APPROVED, PARTNER_FULFILLED, OrderState
from airflow_provider_zdirect.orders.row_parts import EXPORT, RETURN_TRACKING, TRACKING
from airflow_provider_zdirect.publish.landed import landed_windows
from airflow_provider_zdirect.publish.latest import LatestTable
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.publish.read import Table, query
from airflow_provider_zdirect.storage.damaged import Instant

log = logging.getLogger(__name__)

DATASET = "order_tracking_missing"

PORTAL_URL = "https://partner.zalando.com"
"""Where partners log in. The address of a single order is not documented."""

MOST_READ = 500
"""Orders that are read live. If more are overdue, the cause is not that the table is an hour old."""

UPDATE = "update"
MISSING = (TRACKING, RETURN_TRACKING, EXPORT, UPDATE)
"""What may be overdue."""

SCHEMA = pa.schema(
    [
        *(
            (name, pa.string())
            for name in ("order_id", "order_number", "merchant_order_id", "sales_channel_id", "status")
        ),
        *((name, INSTANT) for name in ("order_date", "approved_at", "modified_at")),
        ("missing", pa.list_(pa.string())),
        ("portal_url", pa.string()),
        ("_merchant_id", pa.string()),
        ("_environment", pa.string()),
    ]
)

_VERSION = ("order_id", "status", "modified_at")
_ORDER = (
    *_VERSION,
    "order_number",
    "order_type",
    "exported",
    "merchant_order_id",
    "sales_channel_id",
    "tracking_number",
    "return_tracking_number",
    "order_date",
    "created_at",
)
"""Columns that are read; none is personal."""

_OVERDUE = """
WITH latest AS (
    SELECT * FROM current WHERE order_type IS DISTINCT FROM 'ZalandoFulfilled'
    QUALIFY row_number() OVER (PARTITION BY order_id ORDER BY modified_at DESC NULLS LAST) = 1
),
-- An order that was seen before its approval was approved when its first approved version was made.
approvals AS (
    SELECT order_id, min(modified_at) FILTER (status = 'approved') AS seen_at FROM versions
    GROUP BY order_id HAVING bool_or(status = 'initial')
),
approved AS (
    SELECT latest.*, coalesce(seen_at, created_at, order_date) AS approved_at
    FROM latest LEFT JOIN approvals USING (order_id) WHERE status = 'approved'
),
judged AS (
    SELECT *,
        CASE WHEN approved_at <= $tracking AND coalesce(tracking_number, '') = ''
            THEN ['tracking_number'] ELSE [] END
        || CASE WHEN approved_at <= $tracking AND coalesce(return_tracking_number, '') = ''
            THEN ['return_tracking_number'] ELSE [] END
        || CASE WHEN approved_at <= $export AND NOT coalesce(exported, false) AND coalesce(merchant_order_id, '') = ''
            THEN ['export'] ELSE [] END
        || CASE WHEN modified_at <= $update THEN ['update'] ELSE [] END AS missing
    FROM approved
)
SELECT order_id, order_number, merchant_order_id, sales_channel_id, order_date, approved_at, modified_at, missing
FROM judged WHERE len(missing) > 0 ORDER BY approved_at, order_id
"""


@dataclass(frozen=True)
class OverdueOrder:
    """An approved order with something overdue.

    :param approved_at: when it was approved; if that is unknown, when it was created.
    :param missing: what is overdue.
    """

    order_id: str
    order_number: str | None
    merchant_order_id: str | None
    sales_channel_id: str | None
    order_date: datetime | None
    approved_at: datetime
    modified_at: datetime | None
    missing: tuple[str, ...]


class _Notified(TypedDict):
    at: Instant
    missing: list[str]


@dataclass(frozen=True)
class TrackingCheck:
    """A check for overdue orders of one merchant.

    :param tracking: tracking numbers are overdue so long after the approval.
    :param export: likewise.
    :param update: an update is overdue so long after the last change of the order.
    :param lookback: how old the oldest orders are that are checked.
    :param max_orders_age: how long ago orders may have been extracted.
    :param live: read each overdue order at zDirect, because it may have changed since it was extracted.
    :param remind_after: notify of the same order again after this time.
    :param portal_url: a link to an order, with ``{order_id}``, ``{order_number}`` and ``{merchant_id}`` in it.
    """

    place: Place
    tracking: timedelta = timedelta(hours=24)
    export: timedelta = timedelta(hours=3)
    update: timedelta = timedelta(days=7)
    lookback: timedelta = timedelta(days=60)
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
        return self.place.store.read_json(self.notified_path, dict[str, _Notified]) or {}


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
        return self.check.place.data_uri(DATASET)

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
    :raises ZDirectError: if none can be read, or after so many failures that the rest was not tried.
    """
    now = (clock or SystemClock()).now()
    until = known_until(check.place, now, check.max_orders_age)
    found = overdue_orders(check, now)
    if check.live:
        found = await _as_they_are(check, client, found)
    place = check.place
    origin = {"status": APPROVED, "_merchant_id": place.merchant_id, "_environment": place.environment}
    rows = [{**vars(order), **origin, "portal_url": check.link(order)} for order in found]
    table = LatestTable(place, DATASET, SCHEMA)
    table.update(pa.Table.from_pylist(rows, schema=SCHEMA), now)
    notified = check.notified()
    to_notify = tuple(order for order in found if _is_due(order, notified.get(order.order_id), check, now))
    log.info(
        "%s: %d overdue, %d of them to be reported now.",
        place.subject("orders without tracking numbers", until, full_id=True),
        len(found),
        len(to_notify),
    )
    return Overdue(check, tuple(found), to_notify, until, now)


def known_until(place: Place, now: datetime, max_age: timedelta) -> datetime:
    """Until when all orders have landed that the partner fulfils.

    :raises ZDirectConfigurationError: if orders were never extracted to this base path.
    :raises ZDirectDataError: if that is longer ago than ``max_age``.
    """
    last = next(landed_windows(place, "orders", {"order_type": PARTNER_FULFILLED}), None)
    if last is None:
        raise ZDirectConfigurationError(
            f"Orders of merchant {place.merchant} that the partner fulfils were never extracted to {place.uri}, or not "
            "all of them, so it is unknown which of them have no tracking numbers.",
            remedy="Let the DAG zdirect_orders (dataset orders) write these orders to the same base_path.",
        )
    if now - last.end > max_age:
        raise ZDirectDataError(
            f"The orders of merchant {place.merchant} are known until {last.end.isoformat()} only, more than "
            f"{max_age} ago, so orders without tracking numbers would be missed.",
            remedy="Run zdirect_orders up to now, or raise max_orders_age.",
        )
    return last.end


def overdue_orders(check: TrackingCheck, now: datetime) -> list[OverdueOrder]:
    """The published orders with something overdue, those approved longest ago first.

    :raises ConcurrentRunError: if other runs keep replacing the files.
    """
    # A day more, because the date in a path is the order's, which may be a little older than its approval.
    since = (now - check.lookback - timedelta(days=1)).date().isoformat()
    schema = arrow_schema(get_dataset("orders").model)
    tables = {
        name: Table(dataset, pa.schema([schema.field(column) for column in columns]), lambda day: day >= since)
        for name, dataset, columns in (("current", "orders_current", _ORDER), ("versions", "orders", _VERSION))
    }
    latest = {"tracking": now - check.tracking, "export": now - check.export, "update": now - check.update}
    found = query(check.place, _OVERDUE, tables, latest).to_pylist()
    return [OverdueOrder(**{**row, "missing": tuple(row["missing"])}) for row in found]


async def _as_they_are(
    check: TrackingCheck, client: ZDirectClient, orders: Sequence[OverdueOrder]
) -> list[OverdueOrder]:
    """The orders that are still overdue. One that cannot be read stays as it was published."""
    calls = OrderCalls(client, check.place.merchant_id)
    if len(orders) > MOST_READ:
        log.warning("%d orders are overdue; only the oldest %d are read live.", len(orders), MOST_READ)
    missing: dict[str, tuple[str, ...]] = {}
    failures: list[ZDirectError] = []

    async def read(order: OverdueOrder) -> None:
        try:
            missing[order.order_id] = _still_missing(order, await calls.get(order.order_id))
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


def _still_missing(order: OverdueOrder, state: OrderState) -> tuple[str, ...]:
    """What is still overdue in its present state; nothing if it need not be shipped any more."""
    if state.status != APPROVED:
        return ()
    there = {
        TRACKING: state.tracking_number,
        RETURN_TRACKING: state.return_tracking_number,
        EXPORT: state.exported or state.merchant_order_id,
        UPDATE: state.modified_at and order.modified_at and state.modified_at > order.modified_at,
    }
    return tuple(name for name in order.missing if not there.get(name))


def _is_due(order: OverdueOrder, notified: Mapping[str, Any] | None, check: TrackingCheck, now: datetime) -> bool:
    """Whether no notification named the order and what is missing now, or the last one is too long ago."""
    if notified is None or not set(order.missing) <= set(notified["missing"]):
        return True
    return now - datetime.fromisoformat(notified["at"]) >= check.remind_after
