"""Records of the ZFS Stock Movements API (zDirect docs: *Stock Movements*, OpenAPI 4.2.0)."""

from __future__ import annotations

from airflow_provider_zdirect.datasets.record import (
    AdviceId,
    Count,
    Ean,
    Instant,
    Key,
    Money,
    OptionalDate,
    OptionalInstant,
    Record,
    ShipmentNumber,
    Text,
    Uuid,
)


class LoadingUnit(Record):
    """The box that an item came or left in."""

    id: Text = None


class Destination(Record):
    """Address that returned items are sent to. Personal data."""

    city: Text = None
    country_code: Text = None
    first_name: Text = None
    last_name: Text = None
    salutation: Text = None
    street: Text = None
    zip: Text = None


class DefectLevels(Record):
    """Why an item is not of quality A; both levels "not always present"."""

    level_1: Text = None
    level_2: Text = None


class ReceivedItem(Record):
    """One item that a Zalando warehouse received (``InboundedItem``, and the older shape's fields)."""

    zalando_advice_id: AdviceId = None
    ean: Ean = None
    quality_label: Key
    location_id: Text = None
    received_timestamp: Instant
    merchant_article_id: Text = None
    merchant_item_id: Text = None
    merchant_b2b_reference: Text = None
    parent: LoadingUnit | None = None
    consumed_timestamp: OptionalInstant = None
    tour_number: Text = None


class ReturnedItem(Record):
    """One item that a Zalando warehouse returned to the merchant (``returnedItem``)."""

    quality_label: Key
    consumed_timestamp: Instant
    ean: Ean = None
    merchant_b2b_reference: Text = None
    parent: LoadingUnit | None = None
    location_id: Text = None
    shipped_timestamp: OptionalInstant = None
    zalando_shipment_number: ShipmentNumber = None
    destination: Destination | None = None
    quality_category: Text = None
    defect_levels: DefectLevels | None = None


class LiquidatedItem(Record):
    """Items sold to Zalando's off-price channel (``LiquidatedItem``). It has no identity of its own."""

    merchant_name: Text = None
    merchant_id: Text = None
    purchase_order_number: Text = None
    shipping_notice_number: Uuid = None
    ean: Ean = None
    sku_simple: Text = None
    quantity: Count = None
    stock_location_id: Uuid = None
    liquidation_date: OptionalDate = None
    reporting_date: OptionalDate = None
    average_price_per_item: Money = None
    total_price: Money = None
