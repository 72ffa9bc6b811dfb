# SPDX-License-Identifier: Apache-2.0
"""The Orders API (zDirect docs: *Orders*, and its OpenAPI file): orders, their items and lines, returns."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar, Self

from pydantic import ValidationError, model_validator
from pydantic.functional_validators import ModelWrapValidatorHandler

from airflow_provider_zdirect.datasets.answer import Answer
from airflow_provider_zdirect.datasets.assumptions import DEFAULTS
from airflow_provider_zdirect.datasets.dataset import Dataset
from airflow_provider_zdirect.datasets.endpoint import Endpoint, Rate, RateLimits
from airflow_provider_zdirect.datasets.order_answer import MISSING, OrderAnswer
from airflow_provider_zdirect.datasets.paging import Cursor, TimeWalk
from airflow_provider_zdirect.datasets.publication import History, Once
from airflow_provider_zdirect.datasets.record import (
    AnyText,
    Count,
    Flag,
    Instant,
    Money,
    OptionalInstant,
    Record,
    Text,
    Uuid,
    UuidKey,
)
from airflow_provider_zdirect.datasets.selection import KeptDays, State, Timestamps

JSON_API = "application/vnd.api+json"
"""Media type of the Orders API (zDirect docs, Orders, getting orders)."""

# A burst costs a long series of pages its part of the rate.
_LIST_LIMITS = RateLimits(Rate(40, 60, burst=2), Rate(10, 60, burst=3))


class LenientRecord(Record):
    """A record of the Orders API, or an object in one.

    ``lenient``: fields that neither identify a record, nor place it, nor count; the sandbox has strange values in them
    (public clients' experience). One that cannot be read is null, and stands among the unknown fields as it came.
    """

    lenient: ClassVar[frozenset[str]] = frozenset()
    looks_at = {"_whatever_can_be_read": frozenset({MISSING})}
    empty_is_absent = True

    @model_validator(mode="wrap")
    @classmethod
    def _whatever_can_be_read(cls, content: Any, read: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(content, dict):
            return read(content)
        if missing := content.get(MISSING):
            names = ", ".join(map(str, missing)) if isinstance(missing, list) else str(missing)
            raise ValueError(f"the answer has not {names[:200]} that belongs to it")
        content = {name: value for name, value in content.items() if value != ""}
        try:
            return read(content)
        except ValidationError as error:
            strange = {str(item["loc"][0]) for item in error.errors() if item["loc"]}
            if not strange or not strange <= cls.lenient:
                raise
        record = read({name: value for name, value in content.items() if name not in strange})
        assert record.__pydantic_extra__ is not None
        record.__pydantic_extra__.update({name: content[name] for name in strange})
        return record


class ServicePoint(LenientRecord):
    """Where a parcel is left for its receiver."""

    service_point_name: Text = None
    service_point_id: Text = None
    service_point_member_id: Text = None


class Address(LenientRecord):
    """A postal address. Personal data."""

    lenient = frozenset({"service_point_details"})

    address_id: Text = None
    first_name: Text = None
    last_name: Text = None
    address_type: Text = None
    address_line_1: Text = None
    address_line_2: Text = None
    address_line_3: Text = None
    zip_code: Text = None
    city: Text = None
    country_code: Text = None
    service_point_details: ServicePoint | None = None


class Phone(LenientRecord):
    """Personal data."""

    number: Text = None


class Price(LenientRecord):
    """An amount in major units, and its currency (ISO 4217)."""

    amount: Money = None
    currency: Text = None


class Refund(LenientRecord):
    """Money that went back to the customer; seen in answers, not in the OpenAPI file."""

    date: AnyText = None
    amount: Money = None
    reason: AnyText = None
    trigger: AnyText = None
    currency: Text = None


class TransitionReason(LenientRecord):
    """Why a line changed its status: a code and what it means."""

    code: AnyText = None
    description: AnyText = None


class Transition(LenientRecord):
    """A change of the status of a line."""

    lenient = frozenset({"created_at", "transition_reason"})

    original_status: Text = None
    final_status: Text = None
    created_at: OptionalInstant = None
    created_by: Text = None
    transition_reason: TransitionReason | None = None


class MerchantIdentifier(LenientRecord):
    """The merchant's own mark of one item."""

    type: Text = None
    value: AnyText = None


class Order(LenientRecord):
    """An order, as it was at ``modified_at``."""

    lenient = frozenset(
        {
            "billing_address",
            "created_at",
            "customer_phone",
            "delivery_end_date",
            "exported",
            "shipping_address",
            "shipping_costs",
        }
    )

    order_id: UuidKey
    order_number: Text = None
    merchant_order_id: Text = None
    order_type: Text = None
    status: Text = None
    exported: Flag = None
    order_date: Instant
    sales_channel_id: Uuid = None
    merchant_id: Text = None
    stock_location_id: Uuid = None
    logistics_provider_id: Text = None
    shipment_number: Text = None
    tracking_number: Text = None
    return_tracking_number: Text = None
    locale: Text = None
    customer_number: Text = None
    customer_email: Text = None
    customer_phone: Phone | None = None
    shipping_address: Address | None = None
    billing_address: Address | None = None
    order_lines_count: Count = None
    order_lines_price_amount: Money = None
    order_lines_price_currency: Text = None
    shipping_costs: Price | None = None
    delivery_end_date: OptionalInstant = None
    created_by: Text = None
    created_at: OptionalInstant = None
    modified_by: Text = None
    modified_at: Instant


class _OfOrder(LenientRecord):
    """What belongs to an order.

    ``order_modified_at`` is that of the order with which this version was first seen.
    """

    not_content = frozenset({"order_modified_at"})
    lenient = frozenset({"created_at", "merchant_specified_identifier", "transitions"})

    order_id: UuidKey
    order_date: Instant
    order_modified_at: Instant
    created_by: Text = None
    created_at: OptionalInstant = None
    modified_by: Text = None
    modified_at: Instant


class OrderItem(_OfOrder):
    """An article of an order, with how many of it are in which status."""

    order_item_id: UuidKey
    article_id: Text = None
    external_id: Text = None
    description: Text = None
    quantity_initial: Count = None
    quantity_reserved: Count = None
    quantity_shipped: Count = None
    quantity_returned: Count = None
    quantity_canceled: Count = None


class OrderLine(_OfOrder):
    """One piece of an order item."""

    order_line_id: UuidKey
    order_item_id: UuidKey
    status: Text = None
    price: Price | None = None
    discounted_price: Price | None = None
    refunds: list[Refund] | None = None
    source_stock_location_id: Uuid = None
    outbound_logistic_center_id: Uuid = None
    return_stock_location_id: Uuid = None
    merchant_specified_identifier: MerchantIdentifier | None = None
    transitions: list[Transition] | None = None


class OrderDeletionRequest(LenientRecord):
    """An order of a customer who asked that his data be deleted, without these data."""

    lenient = frozenset({"requested_at"})

    order_id: UuidKey
    order_number: Text = None
    merchant_id: Text = None
    sales_channel_id: Uuid = None
    requested_at: OptionalInstant = None


def _versions(key: str, window_field: str) -> Once:
    """Every version of a record, and the latest ones under the date of the order.

    :param window_field: field with the time that the endpoint is asked for.
    """
    latest = Once((key,), "order_date", window_field=window_field, version_field="modified_at")
    return Once((key, "modified_at"), "modified_at", window_field=window_field, latest=latest)


ORDERS = Dataset(
    name="orders",
    title="Orders, in every version that was seen, and the latest ones",
    model=Order,
    endpoint=Endpoint(
        "/merchants/{merchant_id}/orders",
        "orders/read",
        _LIST_LIMITS,
        JSON_API,
        fixed_parameters={
            "sort": "modified_at",
            "include": "order_items,order_lines,order_lines.order_line_transitions",
        },
    ),
    selection=Timestamps(
        retention=KeptDays(365),
        overlap=timedelta(hours=1),
        names=("last_updated_after", "last_updated_before"),
        exclusive=True,
        filters={
            "order_type": "order_type",
            "sales_channel_id": "sales_channel_id",
            "status": "order_status",
            "order_number": "order_number",
        },
    ),
    # The docs recommend pages of 1000; 50 is the size of a page for which nothing is asked.
    paging=TimeWalk("modified_at", "last_updated_after", size=DEFAULTS.orders_page_size, smallest=50),
    answer=OrderAnswer(),
    publish=_versions("order_id", "modified_at"),
    personal_data=("customer_number", "customer_email", "customer_phone", "shipping_address", "billing_address"),
    assumes={
        "orders_page_size": lambda row, size: row.but(paging={"size": size}),
        "orders_page_parameters": lambda row, name: row.but(
            paging={"number_parameter": name, "size_parameter": name.replace("number", "size")}
        ),
    },
    source="zDirect docs, Orders (OpenAPI), GET /merchants/{merchant-id}/orders",
)


def _part(name: str, title: str, model: type[OrderItem | OrderLine], key: str) -> Dataset:
    """A row for what comes with the orders."""
    return replace(
        ORDERS.but(selection={"filters": {}}),
        name=name,
        title=title,
        model=model,
        part_of="orders",
        answer=Answer(("included",)),
        publish=_versions(key, "order_modified_at"),
        personal_data=(),
        assumes={},
        source=f"{ORDERS.source}, included",
    )


ORDER_ITEMS = _part("order_items", "Articles of the orders", OrderItem, "order_item_id")
ORDER_LINES = _part(
    "order_lines", "Single pieces of the orders' articles, with their status", OrderLine, "order_line_id"
)

ORDER_DELETION_REQUESTS = Dataset(
    name="order_deletion_requests",
    title="Orders of customers who asked in the last 30 days that their data be deleted",
    model=OrderDeletionRequest,
    endpoint=Endpoint("/merchants/{merchant_id}/orders-deletion-requests", "orders/read", _LIST_LIMITS),
    selection=State(),
    paging=Cursor(limit=1000, next_within="cursor"),
    answer=Answer(("items",), left_out=("customer_number", "shipping_address")),
    # Each is shown for 30 days, so there may be none left.
    publish=History(("order_id",), ends_all=True),
    source="zDirect docs, Orders (OpenAPI), GET /merchants/{merchant-id}/orders-deletion-requests",
)
