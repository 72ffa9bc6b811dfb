# SPDX-License-Identifier: Apache-2.0
"""Deliveries to Zalando warehouses (zDirect docs: *Shipping Notices*, getting, creating and tracking)."""

from __future__ import annotations

from typing import Any

from pydantic import model_validator

from airflow_provider_zdirect.datasets.answer import Answer
from airflow_provider_zdirect.datasets.dataset import Dataset
from airflow_provider_zdirect.datasets.endpoint import Endpoint, Rate, RateLimits
from airflow_provider_zdirect.datasets.paging import Cursor
from airflow_provider_zdirect.datasets.publication import History
from airflow_provider_zdirect.datasets.record import (
    AdviceId,
    AnyText,
    Count,
    Key,
    LocalDate,
    OptionalInstant,
    Record,
    Text,
    Uuid,
    UuidKey,
)
from airflow_provider_zdirect.datasets.selection import State

LINKS = (
    "self",
    "announced_item_sets",
    "dispatch_item_sets",
    "delivery_date_request",
    "delivery_date_confirmation",
    "delivery_time_slot",
    "inbound_tour",
)


class ShippingNotice(Record):
    """A delivery. What is required is unconfirmed, so only its id is.

    zDirect gives the id as the end of the link ``self``; fields that are nothing but links are left out.
    """

    looks_at = {"_id_from_link": frozenset(LINKS)}

    shipping_notice_id: UuidKey
    zalando_merchant_id: Uuid = None
    zalando_advice_id: AdviceId = None
    state: Text = None
    carrier_name: Text = None
    requested_zalando_location_id: Text = None
    requested_zalando_location_name: Text = None
    pallets_count: Count = None
    colli_count: Count = None
    hanging_goods_count: Count = None
    announced_item_count: Count = None
    dispatch_item_count: Count = None
    earliest_delivery_date: LocalDate = None
    confirmed_delivery_date: OptionalInstant = None
    merchant_b2b_reference: Text = None
    contact_name: Text = None
    contact_email: Text = None
    additional_contact_email: Text = None
    comments: Text = None

    @model_validator(mode="before")
    @classmethod
    def _id_from_link(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        fields = {name: content for name, content in value.items() if name not in LINKS or not _is_link(content)}
        if not fields.get("shipping_notice_id"):
            fields["shipping_notice_id"] = fields.pop("id", None) or _end_of_link(value.get("self"))
        return fields


class LoadingUnits(Record):
    """How much a tour brings."""

    pallets: Count = None
    colli: Count = None
    hanging_garments: Count = None


class TourStatus(Record):
    """Where a tour is."""

    status: Text = None
    status_text: Text = None
    last_updated: OptionalInstant = None


class Tour(Record):
    """A lorry with announced goods."""

    tour_number: Key
    zalando_advice_id: AdviceId = None
    shipping_notice_id: Uuid = None
    type: Text = None
    from_location: AnyText = None
    to_location: AnyText = None
    planned_arrival_time_at_dock: OptionalInstant = None
    planned_arrival_time_at_yard: OptionalInstant = None
    planned_amount_of_loading_units: LoadingUnits | None = None
    actual_amount_of_loading_units: LoadingUnits | None = None
    current_status: TourStatus | None = None


def _is_link(content: Any) -> bool:
    return content is None or isinstance(content, str) or (isinstance(content, dict) and content.keys() <= {"href"})


def _end_of_link(link: Any) -> str | None:
    href = link.get("href") if isinstance(link, dict) else link
    return href.rstrip("/").rpartition("/")[2] if isinstance(href, str) else None


_LIMITS = RateLimits(Rate(60, 60, burst=5), Rate(10, 60, burst=3))

SHIPPING_NOTICES = Dataset(
    name="shipping_notices",
    title="Deliveries to Zalando warehouses that the merchant announced",
    model=ShippingNotice,
    # Unconfirmed: the full text of the scope.
    endpoint=Endpoint("/zfs/shipping-notices", "/shipping-notices/read", _LIMITS),
    selection=State(),
    paging=Cursor(limit=None),
    answer=Answer(("shipping-notices",), merchant_field="zalando_merchant_id"),
    publish=History(("shipping_notice_id",)),
    personal_data=("contact_name", "contact_email", "additional_contact_email"),
    assumes={"notices_cursor_parameter": lambda row, name: row.but(paging={"parameter": name})},
    source="zDirect docs, Shipping Notices, GET /zfs/shipping-notices",
)

TOURS = Dataset(
    name="tours",
    title="Lorries that bring announced deliveries",
    model=Tour,
    # Unconfirmed: the full text of the scope.
    endpoint=Endpoint("/zfs/tours", "/shipping-notices/read", _LIMITS),
    selection=State(filters={"zalando_advice_id": "zalando_advice_id"}),
    answer=Answer(("tours",)),
    publish=History(("zalando_advice_id", "tour_number")),
    source="zDirect docs, Shipping Notices, tracking, GET /zfs/tours",
)
