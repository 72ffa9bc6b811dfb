"""Records of the Orders API (zDirect docs: *Orders*, and its OpenAPI file): orders, their items and lines, returns."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import model_validator

from airflow_provider_zdirect.models.record import (
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

MISSING = "_missing"
"""What an answer should have had beside a record, and has not; :mod:`~airflow_provider_zdirect.client.resources`."""


class _Resource(Record):
    """A record that is complete only with what belongs to it."""

    @model_validator(mode="before")
    @classmethod
    def _is_complete(cls, content: Any) -> Any:
        if isinstance(content, dict) and (missing := content.pop(MISSING, None)):
            raise ValueError(f"the answer has not {', '.join(map(str, missing))[:200]} that belongs to it")
        return content


class ServicePoint(Record):
    """Where a parcel is left for its receiver."""

    service_point_name: Text = None
    service_point_id: Text = None
    service_point_member_id: Text = None


class Address(Record):
    """A postal address. Personal data."""

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


class Phone(Record):
    """Personal data."""

    number: Text = None


class Price(Record):
    """An amount in major units, and its currency (ISO 4217)."""

    amount: Money = None
    currency: Text = None


class Refund(Record):
    """Money that went back to the customer; seen in answers, not in the OpenAPI file."""

    date: AnyText = None
    amount: Money = None
    reason: AnyText = None
    trigger: AnyText = None
    currency: Text = None


class TransitionReason(Record):
    """Why a line changed its status: a code and what it means."""

    code: AnyText = None
    description: AnyText = None


class Transition(Record):
    """A change of the status of a line."""

    original_status: Text = None
    final_status: Text = None
    created_at: OptionalInstant = None
    created_by: Text = None
    transition_reason: TransitionReason | None = None


class MerchantIdentifier(Record):
    """The merchant's own mark of one item."""

    type: Text = None
    value: AnyText = None


class Order(_Resource):
    """An order, as it was at ``modified_at``."""

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


class _OfOrder(_Resource):
    """What belongs to an order.

    ``order_modified_at`` is that of the order with which this version was first seen.
    """

    not_content: ClassVar[frozenset[str]] = frozenset({"order_modified_at"})

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


class ReturnedOrderLine(Record):
    """A line that a customer sends back, and the customer's reason."""

    order_line_id: Uuid = None
    order_item_id: Uuid = None
    return_reason: AnyText = None


class ReturnedOrder(Record):
    """What an announced return holds of one order."""

    order_id: Uuid = None
    order_number: Text = None
    merchant_order_id: Text = None
    order_lines: list[ReturnedOrderLine] | None = None


class AnnouncedReturn(Record):
    """A return that a customer announced; it may hold lines of several orders."""

    announced_return_id: UuidKey
    return_registered_at: Instant
    sales_channel_id: Uuid = None
    return_tracking_number: Text = None
    type: Text = None
    orders: list[ReturnedOrder] | None = None


class OrderDeletionRequest(Record):
    """An order of a customer who asked that his data be deleted, without these data."""

    order_id: UuidKey
    order_number: Text = None
    merchant_id: Text = None
    sales_channel_id: Uuid = None
    requested_at: OptionalInstant = None
