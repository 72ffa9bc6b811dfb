# SPDX-License-Identifier: Apache-2.0
"""Locations and sales channels (zDirect docs: *ZFS Stock Locations*, *Sales Channels*, *Logistic Centers*)."""

from __future__ import annotations

from airflow_provider_zdirect.datasets.answer import Answer
from airflow_provider_zdirect.datasets.dataset import Dataset
from airflow_provider_zdirect.datasets.endpoint import Endpoint, Rate, RateLimits
from airflow_provider_zdirect.datasets.publication import History
from airflow_provider_zdirect.datasets.record import Flag, Number, OptionalInstant, Record, Text, TextSet, UuidKey
from airflow_provider_zdirect.datasets.selection import State


class LocationAddress(Record):
    """Where a stock location is."""

    name: Text = None
    street: Text = None
    postal_code: Text = None
    city: Text = None
    country_code: Text = None
    latitude: Number = None
    longitude: Number = None


class StockLocation(Record):
    """A warehouse or return center. Which fields are always there is unconfirmed, so only the id is required.

    The capabilities are a set, so they are in order.
    """

    id: UuidKey
    name: Text = None
    type: Text = None
    abbreviation: Text = None
    location: LocationAddress | None = None
    valid_from: OptionalInstant = None
    capabilities: TextSet = None


class SalesChannel(Record):
    """A country in which the merchant sells; no field but the id is declared required, which we need."""

    sales_channel_id: UuidKey
    country_name: Text = None
    country_code: Text = None
    live: Flag = None


class CenterAddress(Record):
    """Where a logistic center is."""

    street: Text = None
    additional: Text = None
    zip: Text = None
    city: Text = None
    country_code: Text = None


class LogisticCenter(Record):
    """A warehouse of the merchant."""

    logistic_center_id: UuidKey
    name: Text = None
    type: Text = None
    address: CenterAddress | None = None


STOCK_LOCATIONS = Dataset(
    name="stock_locations",
    title="Zalando's warehouses and return centers, the same list for every merchant",
    model=StockLocation,
    endpoint=Endpoint(
        "/zfs/stock-locations",
        "zfs/stock-location/read",
        RateLimits(Rate(100, 60, burst=5), Rate(10, 60, burst=3)),
    ),
    selection=State(),
    # The docs show a bare list, a public client reads an object.
    answer=Answer(("stock_locations",), may_be_bare_list=True),
    publish=History(("id",)),
    source="zDirect docs, ZFS Stock Locations, GET /zfs/stock-locations",
)

SALES_CHANNELS = Dataset(
    name="sales_channels",
    title="Countries in which the merchant sells, and whether they are live",
    model=SalesChannel,
    endpoint=Endpoint(
        "/sales-channels",
        "profile/sales-channels/read",
        # Unconfirmed: no limit is documented. This is the lowest of the comparable ones.
        RateLimits(Rate(10, 60, burst=3), Rate(10, 60, burst=3)),
        merchant_parameter="merchant_ids",
    ),
    selection=State(),
    answer=Answer(("items",)),
    publish=History(("sales_channel_id",)),
    source="zDirect docs, Sales Channels (OpenAPI 0.1.0), GET /sales-channels",
)

LOGISTIC_CENTERS = Dataset(
    name="logistic_centers",
    title="The merchant's own warehouses",
    model=LogisticCenter,
    endpoint=Endpoint(
        "/merchants/{merchant_id}/logistic-centers",
        "profile/logistic-centers/read",
        RateLimits(Rate(40, 60, burst=3), Rate(10, 60, burst=3)),
    ),
    selection=State(),
    answer=Answer(("items",)),
    publish=History(("logistic_center_id",)),
    source="zDirect docs, Logistic Centers (OpenAPI 1.0), GET /merchants/{merchantId}/logistic-centers",
)
