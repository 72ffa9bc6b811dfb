"""Stock in Zalando warehouses (zDirect docs: *Item Quantities*; shapes: fixtures of public clients)."""

from __future__ import annotations

from airflow_provider_zdirect.datasets.record import Count, EanKey, Instant, Record, Uuid


class QuantitiesByState(Record):
    """Pieces on the shelf, free or reserved (``offerable``), and not on the shelf (picking, packing, transit)."""

    offerable: Count = None
    non_offerable: Count = None


class StockAtLocation(Record):
    """Pieces of one EAN at one location.

    ``total_quantity`` and ``total_quantities_by_state`` are of the EAN at all locations: the same on each of its rows,
    not to be added up. ``stock_location_id`` is null if zDirect gave no locations.
    """

    ean: EanKey
    stock_location_id: Uuid = None
    quantities_by_state: QuantitiesByState | None = None
    total_quantity: Count = None
    total_quantities_by_state: QuantitiesByState | None = None


class ItemQuantitySnapshot(StockAtLocation):
    """As in the snapshot that zDirect ``created`` at that time."""

    created: Instant


class ItemQuantity(StockAtLocation):
    """As answered at that time."""

    observed_at: Instant
