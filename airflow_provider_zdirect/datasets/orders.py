"""Records of the Orders API (zDirect docs: *Orders*, and its OpenAPI file): orders, their items and lines, returns."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from pydantic import ModelWrapValidatorHandler, ValidationError, model_validator

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

MISSING = "_missing"
"""What an answer should have had beside a record, and has not; :mod:`~airflow_provider_zdirect.client.resources`."""


class _Part(Record):
    """A record of the Orders API, or an object in one.

    ``lenient``: fields that neither identify a record, nor place it, nor count; the sandbox has strange values in them
    (public clients' experience). One that cannot be read is null, and stands among the unknown fields as it came.
    """

    lenient: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="wrap")
    @classmethod
    def _whatever_can_be_read(cls, content: Any, read: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(content, dict):
            return read(content)
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


class _Resource(_Part):
    """A record that is complete only with what belongs to it."""

    @model_validator(mode="before")
    @classmethod
    def _is_complete(cls, content: Any) -> Any:
        if isinstance(content, dict) and (missing := content.pop(MISSING, None)):
            raise ValueError(f"the answer has not {', '.join(map(str, missing))[:200]} that belongs to it")
        return content


class ServicePoint(_Part):
    """Where a parcel is left for its receiver."""

    service_point_name: Text = None
    service_point_id: Text = None
    service_point_member_id: Text = None


class Address(_Part):
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


class Phone(_Part):
    """Personal data."""

    number: Text = None


class Price(_Part):
    """An amount in major units, and its currency (ISO 4217)."""

    amount: Money = None
    currency: Text = None


class Refund(_Part):
    """Money that went back to the customer; seen in answers, not in the OpenAPI file."""

    date: AnyText = None
    amount: Money = None
    reason: AnyText = None
    trigger: AnyText = None
    currency: Text = None


class TransitionReason(_Part):
    """Why a line changed its status: a code and what it means."""

    code: AnyText = None
    description: AnyText = None


class Transition(_Part):
    """A change of the status of a line."""

    lenient = frozenset({"created_at", "transition_reason"})

    original_status: Text = None
    final_status: Text = None
    created_at: OptionalInstant = None
    created_by: Text = None
    transition_reason: TransitionReason | None = None


class MerchantIdentifier(_Part):
    """The merchant's own mark of one item."""

    type: Text = None
    value: AnyText = None


class Order(_Resource):
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


class _OfOrder(_Resource):
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


class ReturnedOrderLine(_Part):
    """A line that a customer sends back, and the customer's reason."""

    order_line_id: Uuid = None
    order_item_id: Uuid = None
    return_reason: AnyText = None


class ReturnedOrder(_Part):
    """What an announced return holds of one order."""

    order_id: Uuid = None
    order_number: Text = None
    merchant_order_id: Text = None
    order_lines: list[ReturnedOrderLine] | None = None


class AnnouncedReturn(_Part):
    """A return that a customer announced; it may hold lines of several orders."""

    announced_return_id: UuidKey
    return_registered_at: Instant
    sales_channel_id: Uuid = None
    return_tracking_number: Text = None
    type: Text = None
    orders: list[ReturnedOrder] | None = None


class OrderDeletionRequest(_Part):
    """An order of a customer who asked that his data be deleted, without these data."""

    lenient = frozenset({"requested_at"})

    order_id: UuidKey
    order_number: Text = None
    merchant_id: Text = None
    sales_channel_id: Uuid = None
    requested_at: OptionalInstant = None
