"""How the movements of one daily report are made: documented field names and shapes, invented values.

Sources of the fields: zDirect docs, Intra-Community Movements; Cross-Border Movements specification 1.1.0.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import date, timedelta
from itertools import permutations
from operator import itemgetter
from random import Random
from typing import Any

from airflow_provider_zdirect.emulator.catalog import ADDRESSES, WAREHOUSE_COUNT, articles, warehouse_id

MOST_DAYS_BEFORE = 5
PUNCTUAL_SHARE = 0.85
CORRECTION_SHARE = 0.04
DUPLICATE_SHARE = 0.05
# Only customer_order_relocation is confirmed as a value; the docs give the others as headings.
INTRA_COMMUNITY_TYPES = (
    "customer_order_relocation",
    "customer_return_inbound",
    "return_center_inbound",
    "automatic_relocation",
)
# Unconfirmed: older docs describe such corrections, but no value of theirs.
CORRECTION = "customer_order_relocation_correction"
CROSS_BORDER_TYPES = (
    "relocation_inbound",
    "relocation_inbound",
    "relocation_inbound",
    "customer_return_inbound",
    "customer_return_inbound",
    "external_treatment_inbound",
    "reconciliation_inbound",
)
# Each warehouse is in a country of its own, so any two of them make a movement between countries.
WAYS = tuple(permutations(range(WAREHOUSE_COUNT), 2))
# Inbound and outbound, by warehouse.
ACTIVE = ((True, True), (True, True), (False, True), (True, False))


def intra_community_bodies(
    rng: Random, seed: int, merchant_id: str, reported: date, count: int
) -> list[dict[str, Any]]:
    """The movements of one report, in order of transaction date; flat, with the dates that the API sends apart."""
    pool, locations, transactions = articles(seed, merchant_id), _locations(seed), _transaction_dates(reported)
    bodies: list[dict[str, Any]] = []
    for _ in range(count):
        article, (source, destination) = _one_of(rng, pool), _one_of(rng, WAYS)
        transaction_date = _one_of(rng, transactions)
        quantity = 1 if rng.random() < 0.9 else 2 + int(rng.random() * 4)
        is_correction, movement_type = rng.random() < CORRECTION_SHARE, _one_of(rng, INTRA_COMMUNITY_TYPES)
        if rng.random() < DUPLICATE_SHARE and bodies:
            bodies.append(bodies[-1])
            continue
        way = f"{locations[source]['name']}-{locations[destination]['name']}"
        bodies.append(
            {
                "report_date": reported.isoformat(),
                "transaction_date": transaction_date,
                "product_sku": article.sku_simple,
                "ean": article.ean,
                "merchant_sku": f"UPOS-{article.number}",
                "quantity": -quantity if is_correction else quantity,
                "destination_stock_location": locations[destination],
                "source_stock_location": locations[source],
                "order_number": f"{transaction_date}-{way}".replace("-", "", 2).replace(" ", "-").lower(),
                "movement_type": CORRECTION if is_correction else movement_type,
            }
        )
    # Stable, so that a duplicate stays behind its original.
    return sorted(bodies, key=itemgetter("transaction_date"))


def cross_border_bodies(rng: Random, seed: int, merchant_id: str, reported: date, count: int) -> list[dict[str, Any]]:
    """The movements of one report, as the API sends them."""
    pool, transactions = articles(seed, merchant_id), _transaction_dates(reported)
    locations = [
        {**location, "inbound_active": inbound, "outbound_active": outbound}
        for location, (inbound, outbound) in zip(_locations(seed), ACTIVE, strict=True)
    ]
    bodies = []
    for _ in range(count):
        article, (source, destination) = _one_of(rng, pool), _one_of(rng, WAYS)
        body: dict[str, Any] = {
            "movement_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
            "report_date": reported.isoformat(),
            "transaction_date": _one_of(rng, transactions),
            "product_sku": article.sku_simple,
            "ean": article.ean,
            "movement_type": _one_of(rng, CROSS_BORDER_TYPES),
            "source_stock_location": locations[source],
            "destination_stock_location": locations[destination],
        }
        has_merchant_sku, order = rng.random() < 0.8, rng.randrange(10**12)
        if has_merchant_sku:
            body["merchant_sku"] = f"UPOS-{article.number}"
        if body["movement_type"] == "customer_return_inbound":
            body["order_id"] = f"1{order:013d}"
        bodies.append(body)
    return bodies


REPORTS: dict[str, Callable[[Random, int, str, date, int], list[dict[str, Any]]]] = {
    "intra_community_movements": intra_community_bodies,
    "cross_border_movements": cross_border_bodies,
}


def _locations(seed: int) -> list[dict[str, Any]]:
    return [
        {"location_id": warehouse_id(seed, index), "name": ADDRESSES[index][0], "country_code": ADDRESSES[index][1]}
        for index in range(WAREHOUSE_COUNT)
    ]


def _transaction_dates(reported: date) -> tuple[str, ...]:
    # As often as they are likely: drawing one is then a single cheap step, and large worlds draw many.
    earlier = [(reported - timedelta(days=days)).isoformat() for days in range(1, MOST_DAYS_BEFORE + 1)]
    punctual = round(len(earlier) * PUNCTUAL_SHARE / (1 - PUNCTUAL_SHARE))
    return (*[reported.isoformat()] * punctual, *earlier)


def _one_of(rng: Random, values: Any) -> Any:
    # Several times faster than choice(), which matters for reports of thousands.
    return values[int(rng.random() * len(values))]
