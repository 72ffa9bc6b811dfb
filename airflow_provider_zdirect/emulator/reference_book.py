# SPDX-License-Identifier: Apache-2.0
"""Warehouses, sales channels and logistic centers of an emulated world, and how tests change them."""

from __future__ import annotations

from functools import lru_cache
from random import Random
from typing import Any, NamedTuple

from airflow_provider_zdirect.emulator.catalog import ADDRESSES, stable_uuid, warehouse_id
from airflow_provider_zdirect.emulator.drift import drifted

STOCK_LOCATIONS, SALES_CHANNELS, LOGISTIC_CENTERS = "stock_locations", "sales_channels", "logistic_centers"
KEY = {STOCK_LOCATIONS: "id", SALES_CHANNELS: "sales_channel_id", LOGISTIC_CENTERS: "logistic_center_id"}
OPTIONAL = {
    STOCK_LOCATIONS: ("abbreviation", "valid_from", "capabilities"),
    SALES_CHANNELS: ("country_name",),
    LOGISTIC_CENTERS: (),
}
# By warehouse: kind, abbreviation, latitude, longitude and what it can do.
WAREHOUSES = (
    ("FULFILLMENT_CENTER", "ERF", 51.0286, 10.9837, ("INBOUND_ITEM", "INBOUND_SHIPMENT", "OUTBOUND_SHIPMENT")),
    ("RETURN_CENTER", "GAR", 53.1731, 14.6139, ("INBOUND_RETURN", "OUTBOUND_RETURN")),
    ("FULFILLMENT_CENTER", "NOG", 45.2936, 10.8854, ("BEAUTY_ITEMS", "INBOUND_SHIPMENT", "OUTBOUND_SHIPMENT")),
    ("INBOUND_DISTRIBUTION_CENTER", "BLE", 52.0221, 4.5403, ("CROSS_DOCKING", "INBOUND_REPLENISHMENT")),
)
# zDirect docs: Sales Channels.
CHANNELS = (
    ("01924c48-49bb-40c2-9c32-ab582e6db6f4", "Germany", "de"),
    ("00f2a393-6889-4fc0-8cd9-86e454e6dfa3", "Netherlands", "nl"),
    ("733af55a-4133-4d7c-b5f3-d64d42c135fe", "France", "fr"),
    ("ebf57ebf-e26d-4ebd-8009-6ad519073d2a", "Italy", "it"),
    ("83c4e87f-6819-41bb-af61-46cddb8453f5", "United Kingdom", "uk"),
    ("53075bd4-0205-4b5d-8145-e7a7745ab137", "Austria", "at"),
    ("c2bd90da-0090-4751-8f16-35dea7002071", "Switzerland", "ch"),
    ("ca9d5f22-2a1b-4799-b3b7-83f47c191489", "Poland", "pl"),
    ("043ec789-a3c7-4556-92df-bf1845c741ab", "Belgium", "be"),
    ("091dcbdd-7839-4f39-aa05-324eb4599df0", "Sweden", "se"),
    ("aadd3adf-500f-4372-8137-dc0e4b2f0582", "Finland", "fi"),
    ("7ce94f55-7a4d-4416-95c1-bf34193a47e8", "Denmark", "dk"),
    ("1e161d6e-0427-4cfc-a357-e2b501188a15", "Spain", "es"),
)
CENTERS = (
    {"street": "Hafenstr. 8", "city": "Hamburg", "zip": "20457", "country_code": "DE", "additional": "Tor 3"},
    {"street": "Industrieweg 5", "city": "Venlo", "zip": "5928", "country_code": "NL"},
    {"street": "Rue du Depot 2", "city": "Lille", "zip": "59000", "country_code": "FR"},
)


class Change(NamedTuple):
    """A test's change of one record; without ``fields`` the record is removed."""

    dataset: str
    id: str
    fields: dict[str, Any] | None
    merchant_id: str | None


class ReferenceBook:
    """The records as they are now."""

    def __init__(self, seed: int, merchant_ids: tuple[str, ...]) -> None:
        self._seed, self._merchant_ids = seed, merchant_ids
        self._changes: tuple[Change, ...] = ()

    def change(self, dataset: str, id: str, fields: dict[str, Any] | None, merchant_id: str | None) -> None:
        """Merge fields into a record, add one, or remove it with ``None``; for one merchant or all."""
        # A new tuple, because routes read it in other threads.
        self._changes = (*self._changes, Change(_known(dataset), id, fields, merchant_id))

    def records(self, dataset: str, merchant_id: str, drift: float) -> list[dict[str, Any]]:
        """The current list of a merchant, as sent."""
        key, original = KEY[_known(dataset)], _records(self._seed, dataset, merchant_id)
        current = {record[key]: record for record in original}
        for change in self._changes:
            if change.dataset != dataset or change.merchant_id not in (None, merchant_id):
                continue
            if change.fields is None:
                current.pop(change.id, None)
            elif change.id in current or change.merchant_id or not self._is_of_another(change, merchant_id):
                # What is not said about a new record is as in the first one.
                current[change.id] = {**current.get(change.id, original[0]), key: change.id, **change.fields}
        return [
            drifted(record, f"{self._seed}/{dataset}/{id}", drift, OPTIONAL[dataset]) for id, record in current.items()
        ]

    def _is_of_another(self, change: Change, merchant_id: str) -> bool:
        others = (id for id in self._merchant_ids if id != merchant_id)
        lists = (_records(self._seed, change.dataset, id) for id in others)
        return any(record[KEY[change.dataset]] == change.id for records in lists for record in records)


def _known(dataset: str) -> str:
    if dataset not in KEY:
        raise ValueError(f"dataset must be one of {', '.join(KEY)}")
    return dataset


@lru_cache(maxsize=2048)
def _records(seed: int, dataset: str, merchant_id: str) -> tuple[dict[str, Any], ...]:
    if dataset == STOCK_LOCATIONS:
        return tuple(_stock_location(seed, number) for number in range(len(WAREHOUSES)))
    rng = Random(f"{seed}/{merchant_id}/{dataset}")  # noqa: S311 - reproducible, not secret
    if dataset == SALES_CHANNELS:
        closed = rng.sample(range(len(CHANNELS)), 4)
        return tuple(
            {"sales_channel_id": id, "country_name": name, "country_code": code, "live": number not in closed}
            for number, (id, name, code) in enumerate(CHANNELS)
        )
    return tuple(
        {
            "logistic_center_id": stable_uuid(seed, "logistic center", merchant_id, number),
            "name": f"{address['city']} {number + 1}",
            "type": "OUTBOUND_WAREHOUSE",
            "address": address,
        }
        for number, address in enumerate(rng.sample(CENTERS, rng.randint(2, 3)))
    )


def _stock_location(seed: int, number: int) -> dict[str, Any]:
    """Source of the fields: zDirect docs, *ZFS Stock Locations*."""
    kind, abbreviation, latitude, longitude, capabilities = WAREHOUSES[number]
    city, country_code, *_, street, postal_code = ADDRESSES[number]
    return {
        "id": warehouse_id(seed, number),
        "name": city,
        "type": kind,
        "location": {
            "name": f"Zalando {city}",
            "postal_code": postal_code,
            "country_code": country_code,
            "street": street,
            "city": city,
            "latitude": latitude,
            "longitude": longitude,
        },
        "abbreviation": abbreviation,
        "valid_from": f"201{number + 2}-04-01T00:00:00Z",
        "capabilities": list(capabilities),
    }
