"""How one record of each dataset is made: documented field names and shapes, invented values.

Source of the fields: zDirect docs, ZFS Stock Movements specification 4.2.0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
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
NO_DEFECT = {"level_1": "", "level_2": ""}


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
        "defect_levels": dict(NO_DEFECT) if category == "A" else {"level_1": defect[0], "level_2": defect[1]},
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
