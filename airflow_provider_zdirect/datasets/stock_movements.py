# SPDX-License-Identifier: Apache-2.0
"""The ZFS Stock Movements API (zDirect docs: *Stock Movements*, OpenAPI 4.2.0)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from airflow_provider_zdirect.datasets.answer import Answer
from airflow_provider_zdirect.datasets.assumptions import DEFAULTS
from airflow_provider_zdirect.datasets.dataset import Dataset
from airflow_provider_zdirect.datasets.endpoint import Endpoint, per_second
from airflow_provider_zdirect.datasets.paging import Cursor, OnePage
from airflow_provider_zdirect.datasets.publication import Days, Once
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
from airflow_provider_zdirect.datasets.selection import Dates, KeptCalendarYears, KeptDays, Timestamps


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


_RECEIVED_ITEMS = Dataset(
    name="received_items",
    title="Items received by Zalando warehouses",
    model=ReceivedItem,
    endpoint=Endpoint(
        "/zfs/stock-movements/reports/received-items/{merchant_id}", "zfs/received-item/read", per_second(20)
    ),
    selection=Timestamps(
        retention=KeptCalendarYears(previous=1),
        overlap=timedelta(hours=1),
        # Unconfirmed: whether from/to select received_timestamp or the time the record was made available.
        filter_confirmed=False,
    ),
    paging=Cursor(limit=100_000),
    answer=Answer(("received_items",)),
    publish=Once(("quality_label", "received_timestamp"), "received_timestamp"),
    source="zDirect docs, Stock Movements (OpenAPI 4.2.0), GET /reports/received-items/{merchant-id}",
)

RECEIVED_ITEMS = replace(
    _RECEIVED_ITEMS,
    variants={
        "legacy": replace(
            _RECEIVED_ITEMS.but(
                endpoint={"path": "/zfs/stock-movements/received-items/{merchant_id}"},
                selection={"retention": KeptDays(100), "request_window": timedelta(minutes=60)},
                publish={"replaces_known": False},
            ),
            paging=OnePage(),
            source="zDirect docs, Tracking Stock Movements (older copy), GET /received-items/{merchant_ID}",
        )
    },
)

RETURNED_ITEMS = Dataset(
    name="returned_items",
    title="Items returned from Zalando warehouses to the merchant",
    model=ReturnedItem,
    endpoint=Endpoint("/zfs/stock-movements/returned-items/{merchant_id}", "zfs/returned-item/read", per_second(100)),
    selection=Timestamps(retention=KeptDays(100), overlap=timedelta(hours=1), request_window=timedelta(minutes=60)),
    answer=Answer(("returned_items",)),
    publish=Once(("quality_label", "consumed_timestamp"), "consumed_timestamp"),
    personal_data=("destination",),
    source="zDirect docs, Stock Movements (OpenAPI 4.2.0), GET /returned-items/{merchant-id}",
)

LIQUIDATED_ITEMS = Dataset(
    name="liquidated_items",
    title="Items sold to Zalando's off-price channel",
    model=LiquidatedItem,
    endpoint=Endpoint("/zfs/stock-movements/liquidated-items/{merchant_id}", "zfs/liquidated-item/read", per_second(5)),
    selection=Dates(
        retention=KeptDays(100),
        # Unconfirmed: whether from/to select liquidation_date or reporting_date.
        dated_by=("liquidation_date", "reporting_date"),
        filter_confirmed=False,
        filters={"purchase_order_number": DEFAULTS.liquidation_order_parameter},
    ),
    answer=Answer(("liquidated_items", "received_items")),
    publish=Days(
        (),
        "liquidation_date",
        alike=("purchase_order_number", "shipping_notice_number", "ean", "stock_location_id"),
        # zDirect docs, Stock Movements: fetch the same window again within the next 48 hours.
        fetch_again=timedelta(hours=48),
    ),
    assumes={
        "liquidation_order_parameter": lambda row, name: row.but(
            selection={"filters": {"purchase_order_number": name}}
        ),
        "liquidation_last_date": lambda row, last: row.but(selection={"to_inclusive": last == "inclusive"}),
    },
    source="zDirect docs, Stock Movements (OpenAPI 4.2.0), GET /liquidated-items/{merchant-id}",
)
