"""Overdue orders among the published ones: approved, and without tracking numbers, export or any update.

zDirect docs, *Orders*: an approved order is exported within three hours; both tracking numbers are there before it is
shipped; every order is updated within seven days.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa

from airflow_provider_zdirect.datasets.arrow import INSTANT, arrow_schema
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError, ZDirectDataError
from airflow_provider_zdirect.orders.order_state import APPROVED, ZALANDO_FULFILLED, OrderState
from airflow_provider_zdirect.orders.row_parts import EXPORT, RETURN_TRACKING, TRACKING
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.publish.read import Table, query
from airflow_provider_zdirect.windows import Window

ORDERS, CURRENT = "orders", "orders_current"

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
class Deadlines:
    """When something is overdue.

    :param tracking: after the approval.
    :param export: likewise.
    :param update: after the last change of the order.
    :param lookback: how old the oldest orders are that are checked.
    """

    tracking: timedelta = timedelta(hours=24)
    export: timedelta = timedelta(hours=3)
    update: timedelta = timedelta(days=7)
    lookback: timedelta = timedelta(days=60)


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


def known_until(place: Place, now: datetime, max_age: timedelta) -> datetime:
    """The end of the last window of orders that is complete, the partner's orders among them.

    :raises ZDirectConfigurationError: if orders were never extracted to this base path.
    :raises ZDirectDataError: if that is longer ago than ``max_age``.
    """
    paths = place.store.files_below(f"_manifests/{place.layout(ORDERS).merchant}")
    names = ((path, path.rpartition("/")[2].removesuffix(".json")) for path in paths if path.endswith(".json"))
    ends = {path: Window.from_label(name).end for path, name in names}
    for path in sorted(ends, key=ends.__getitem__, reverse=True):
        manifest = place.store.read_json(path) or {}
        if (manifest.get("filters") or {}).get("order_type") == ZALANDO_FULFILLED:
            continue
        if now - ends[path] > max_age:
            raise ZDirectDataError(
                f"The orders of merchant {place.merchant_id} are known until {ends[path].isoformat()} only, more than "
                f"{max_age} ago, so orders without tracking numbers would be missed.",
                remedy="Run zdirect_orders up to now, or raise max_orders_age.",
            )
        return ends[path]
    raise ZDirectConfigurationError(
        f"Orders of merchant {place.merchant_id} that the partner fulfils were never extracted to {place.uri}, so it "
        "is unknown which of them have no tracking numbers.",
        remedy="Let the DAG zdirect_orders (dataset orders) write to the same base_path.",
    )


def overdue_orders(place: Place, deadlines: Deadlines, now: datetime) -> list[OverdueOrder]:
    """The published orders with something overdue, those approved longest ago first.

    :raises ConcurrentRunError: if other runs keep replacing the files.
    """
    # A day more, because the date in a path is the order's, which may be a little older than its approval.
    since = (now - deadlines.lookback - timedelta(days=1)).date().isoformat()
    schema = arrow_schema(get_dataset(ORDERS).model)
    tables = {
        name: Table(dataset, pa.schema([schema.field(column) for column in columns]), lambda day: day >= since)
        for name, dataset, columns in (("current", CURRENT, _ORDER), ("versions", ORDERS, _VERSION))
    }
    latest = {name: now - getattr(deadlines, name) for name in ("tracking", "export", "update")}
    found = query(place, _OVERDUE, tables, latest).to_pylist()
    return [OverdueOrder(**{**row, "missing": tuple(row["missing"])}) for row in found]


def still_missing(order: OverdueOrder, state: OrderState) -> tuple[str, ...]:
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
