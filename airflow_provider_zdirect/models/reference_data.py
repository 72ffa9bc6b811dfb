"""Locations and sales channels (zDirect docs: *ZFS Stock Locations*, *Sales Channels*, *Logistic Centers*)."""

from __future__ import annotations

from airflow_provider_zdirect.models.record import AnyText, Flag, Key, Number, OptionalInstant, Record, Text


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
    """A warehouse or return center. Which fields are always there is unconfirmed, so only the id is required."""

    id: Key
    name: Text = None
    type: Text = None
    abbreviation: Text = None
    location: LocationAddress | None = None
    valid_from: OptionalInstant = None
    capabilities: list[AnyText] | None = None


class SalesChannel(Record):
    """A country in which the merchant sells; no field but the id is declared required, which we need."""

    sales_channel_id: Key
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

    logistic_center_id: Key
    name: Text = None
    type: Text = None
    address: CenterAddress | None = None
