# SPDX-License-Identifier: Apache-2.0
"""Announced returns of the Orders API (zDirect docs: *Orders*, and its OpenAPI file)."""

from __future__ import annotations

from datetime import timedelta

from airflow_provider_zdirect.datasets.answer import Answer
from airflow_provider_zdirect.datasets.dataset import Dataset
from airflow_provider_zdirect.datasets.endpoint import Endpoint, Rate, RateLimits
from airflow_provider_zdirect.datasets.orders import JSON_API, LenientRecord
from airflow_provider_zdirect.datasets.paging import Cursor
from airflow_provider_zdirect.datasets.publication import Once
from airflow_provider_zdirect.datasets.record import AnyText, Instant, Text, Uuid, UuidKey
from airflow_provider_zdirect.datasets.selection import KeptDays, Timestamps


class ReturnedOrderLine(LenientRecord):
    """A line that a customer sends back, and the customer's reason."""

    order_line_id: Uuid = None
    order_item_id: Uuid = None
    return_reason: AnyText = None


class ReturnedOrder(LenientRecord):
    """What an announced return holds of one order."""

    order_id: Uuid = None
    order_number: Text = None
    merchant_order_id: Text = None
    order_lines: list[ReturnedOrderLine] | None = None


class AnnouncedReturn(LenientRecord):
    """A return that a customer announced; it may hold lines of several orders."""

    announced_return_id: UuidKey
    return_registered_at: Instant
    sales_channel_id: Uuid = None
    return_tracking_number: Text = None
    type: Text = None
    orders: list[ReturnedOrder] | None = None


ANNOUNCED_RETURNS = Dataset(
    name="announced_returns",
    title="Returns that customers have announced",
    model=AnnouncedReturn,
    endpoint=Endpoint(
        "/merchants/{merchant_id}/announced-returns",
        "orders/read",
        RateLimits(Rate(2000, 60, burst=20), Rate(40, 60, burst=5)),
        JSON_API,
        fixed_parameters={"sort": "return_registered_at"},
    ),
    # Unconfirmed: no retention of its own is documented; orders are kept for a year.
    selection=Timestamps(retention=KeptDays(365), overlap=timedelta(hours=1), names=("after", "before")),
    # 50 is the documented page without a wish; the most is not documented.
    paging=Cursor(limit=50, next_within="links", next_is_link=True),
    answer=Answer(("data",)),
    publish=Once(("announced_return_id",), "return_registered_at"),
    source="zDirect docs, Orders (OpenAPI), GET /merchants/{merchant-id}/announced-returns",
)
