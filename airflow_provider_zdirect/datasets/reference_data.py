"""Locations and sales channels (zDirect docs: *ZFS Stock Locations*, *Sales Channels*, *Logistic Centers*)."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from airflow_provider_zdirect.datasets.record import AnyText, Flag, Number, OptionalInstant, Record, Text, UuidKey


def _as_set(values: list[str | None] | None) -> list[str | None] | None:
    return values and sorted(set(values), key=lambda value: (value is None, value or ""))


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
    capabilities: Annotated[list[AnyText] | None, AfterValidator(_as_set)] = None


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
