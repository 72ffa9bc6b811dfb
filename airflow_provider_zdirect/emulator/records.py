# SPDX-License-Identifier: Apache-2.0
"""How one record of each dataset is made: documented field names and shapes, invented values.

Sources of the fields: zDirect docs, ZFS Stock Movements specification 4.2.0; Intra-Community Movements; Cross-Border
Movements specification 1.1.0.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import permutations
from operator import itemgetter
from random import Random
from typing import Any

from airflow_provider_zdirect.emulator.catalog import (
    ADDRESSES,
    WAREHOUSE_COUNT,
    Article,
    articles,
    stable_uuid,
    warehouse_id,
)

ADDRESS_FIELDS = ("city", "country_code", "first_name", "last_name", "salutation", "street", "zip")
DEFECTS = (
    ("Worn", "Traces of use on the sole"),
    ("Damaged", "Seam is open"),
    ("Dirty", "Make-up stain"),
    ("Packaging", "Box is missing"),
)
# So that filtering by advice finds several items.
ADVICES_PER_DAY = 4


@dataclass(frozen=True)
class Place:
    """Where and when in the world a record is made."""

    seed: int
    merchant_id: str
    time: datetime
    label: str


def rfc3339(time: datetime) -> str:
    """``2017-07-21T17:32:28Z``, with milli- or microseconds only where there are any."""
    precision = "seconds" if not time.microsecond else "microseconds" if time.microsecond % 1000 else "milliseconds"
    return time.replace(tzinfo=None).isoformat(timespec=precision) + "Z"


def received_body(rng: Random, place: Place) -> dict[str, Any]:
    article = _article(rng, place)
    body: dict[str, Any] = {
        "zalando_advice_id": advice_id(place.merchant_id, place.time.date(), rng.randrange(ADVICES_PER_DAY)),
        "ean": article.ean,
        "quality_label": place.label,
        "location_id": warehouse_id(place.seed, rng.randrange(WAREHOUSE_COUNT)),
        "received_timestamp": rfc3339(place.time),
    }
    optional = {
        "merchant_article_id": f"UPOS-{article.number}",
        "merchant_item_id": f"UPOS-{article.number}-{rng.randrange(100_000)}",
        "merchant_b2b_reference": f"PO-{place.time:%Y%m}-{rng.randrange(40):02d}",
    }
    for name, value in optional.items():
        if rng.random() < 0.8:
            body[name] = value
    return body


def returned_body(rng: Random, place: Place) -> dict[str, Any]:
    shipped = place.time - timedelta(minutes=rng.randrange(2880))
    address = ADDRESSES[rng.randrange(len(ADDRESSES))]
    category = "ABCD"[rng.randrange(4)] if rng.random() < 0.97 else "X"
    defect = DEFECTS[rng.randrange(len(DEFECTS))]
    return {
        "merchant_b2b_reference": f"RET-{rng.randrange(1000):04d}" if rng.random() < 0.7 else None,
        "ean": _article(rng, place).ean,
        "parent": {"id": str(rng.randint(1, 9999))} if rng.random() < 0.6 else None,
        "quality_label": place.label,
        "location_id": warehouse_id(place.seed, rng.randrange(WAREHOUSE_COUNT)),
        "shipped_timestamp": rfc3339(shipped),
        "consumed_timestamp": rfc3339(place.time),
        "zalando_shipment_number": f"{rng.randrange(10**16):016d}",
        "destination": dict(zip(ADDRESS_FIELDS, address, strict=True)),
        "quality_category": category,
        "defect_levels": dict(zip(("level_1", "level_2"), ("", "") if category == "A" else defect, strict=True)),
    }


def liquidated_body(rng: Random, place: Place, reporting_delay_days: int) -> dict[str, Any]:
    article = _article(rng, place)
    quantity, price = rng.randint(1, 60), round(article.price * rng.uniform(0.1, 0.4), 2)
    purchase_order = f"PO{rng.randint(100, 130)}"
    return {
        "merchant_name": f"Emulated Merchant {place.merchant_id[:4]}",
        "merchant_id": place.merchant_id,
        "purchase_order_number": purchase_order,
        "shipping_notice_number": stable_uuid(place.seed, purchase_order, place.time.date()),
        "ean": article.ean,
        "sku_simple": article.sku_simple,
        "quantity": quantity,
        "stock_location_id": warehouse_id(place.seed, rng.randrange(WAREHOUSE_COUNT)),
        "liquidation_date": place.time.date().isoformat(),
        "reporting_date": (place.time.date() + timedelta(days=reporting_delay_days)).isoformat(),
        "average_price_per_item": price,
        "total_price": round(price * quantity, 2),
    }


BODIES: dict[str, Callable[[Random, Place], dict[str, Any]]] = {
    "received_items": received_body,
    "returned_items": returned_body,
}


def _article(rng: Random, place: Place) -> Article:
    pool = articles(place.seed, place.merchant_id)
    return pool[rng.randrange(len(pool))]


def advice_id(merchant_id: str, day: date, number: int) -> str:
    """One of a merchant's advices of a day.

    :param number: from 0, below ``ADVICES_PER_DAY``.
    """
    merchant = int(merchant_id[:2], 16)
    return f"{10_000_000 + (day.toordinal() % 90_000 * ADVICES_PER_DAY + number) * 200 + merchant % 200:08d}"


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
