# SPDX-License-Identifier: Apache-2.0
"""Stock in Zalando warehouses (zDirect docs: *Item Quantities*; shapes: fixtures of public clients)."""

from __future__ import annotations

from airflow_provider_zdirect.datasets.answer import Answer, Grouping
from airflow_provider_zdirect.datasets.assumptions import DEFAULTS
from airflow_provider_zdirect.datasets.dataset import Dataset
from airflow_provider_zdirect.datasets.endpoint import Endpoint, Rate, RateLimits
from airflow_provider_zdirect.datasets.publication import Snapshots
from airflow_provider_zdirect.datasets.record import Count, EanKey, Instant, Record, Uuid
from airflow_provider_zdirect.datasets.selection import KeptDays, State


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


_BY_LOCATION = Grouping(
    "quantities_by_location",
    {
        "ean": ("ean",),
        "total_quantity": ("total_quantity",),
        "total_quantities_by_state": ("quantities_by_state",),
    },
    keeps_empty=True,
)

ITEM_QUANTITY_SNAPSHOTS = Dataset(
    name="item_quantity_snapshots",
    title="Stock in Zalando warehouses once a day: a row per EAN and location that is not empty",
    model=ItemQuantitySnapshot,
    endpoint=Endpoint(
        "/zfs/item-quantity-snapshots/{merchant_id}",
        "zfs-inventory/item-quantity/read",
        RateLimits(Rate(60, 3600, burst=5), Rate(10, 60, burst=3)),
    ),
    selection=State(),
    answer=Answer(
        ("item_quantities",), within="item_quantity_snapshot", snapshot_time_key="created", grouping=_BY_LOCATION
    ),
    publish=Snapshots(("ean", "stock_location_id"), "created"),
    assumes={"empty_snapshot": lambda row, meaning: row.but(publish={"refuses_empty": meaning == "refuse"})},
    source="zDirect docs, Item Quantities, GET /zfs/item-quantity-snapshots/{merchant_ID}; "
    "shape: fixtures of public clients",
)

ITEM_QUANTITIES = Dataset(
    name="item_quantities",
    title="Current stock in Zalando warehouses, of given EANs or of those that changed",
    model=ItemQuantity,
    endpoint=Endpoint(
        "/zfs/item-quantities/{merchant_id}",
        "zfs-inventory/item-quantity/read",
        RateLimits(Rate(200, 60, burst=10), Rate(10, 60, burst=3)),
    ),
    selection=State(
        since_parameter="from",
        retention=KeptDays(1),
        filters={"ean": "eans"},
        values_per_request=DEFAULTS.eans_per_request,
    ),
    # Unconfirmed: the body is probably like that of the snapshots.
    answer=Answer(("item_quantities",), answered_at_field="observed_at", grouping=_BY_LOCATION),
    publish=Snapshots(("ean", "stock_location_id"), "observed_at"),
    assumes={
        "changed_since_parameter": lambda row, name: row.but(selection={"since_parameter": name}),
        "eans_per_request": lambda row, most: row.but(selection={"values_per_request": most}),
    },
    source="zDirect docs, Item Quantities, GET /zfs/item-quantities/{merchant_ID}",
)
