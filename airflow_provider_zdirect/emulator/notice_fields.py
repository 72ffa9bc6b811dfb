"""Strict reading of what clients write to shipping notices; what does not fit is a 400."""

from __future__ import annotations

import json
from typing import Any

from airflow_provider_zdirect.emulator.parameters import parse_date, parse_uuid
from airflow_provider_zdirect.emulator.problem import ProblemError
from airflow_provider_zdirect.merchant_files.ean import is_ean13

MERCHANT, ITEMS = "zalando_merchant_id", "announced_items"
TEXTS = (
    "carrier_name",
    "merchant_b2b_reference",
    "contact_email",
    "comments",
    "requested_zalando_location_name",
    "contact_name",
    "additional_contact_email",
)
COUNTS = ("pallets_count", "colli_count", "hanging_goods_count")
LOCATION, DELIVERY = "requested_zalando_location_id", "earliest_delivery_date"
FIELDS = (MERCHANT, ITEMS, *TEXTS, *COUNTS, LOCATION, DELIVERY)
# Quantities by EAN, in the order in which they were given.
Items = tuple[tuple[str, int], ...]


def parse_object(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except ValueError as error:
        raise ProblemError(400, f"the body is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ProblemError(400, "the body is not an object")
    return content


def parse_fields(body: bytes) -> tuple[dict[str, Any], Items]:
    """A notice as it is written, and the items that may come with it.

    Which fields are required is not confirmed; only the merchant is so here.
    """
    content = parse_object(body)
    unknown = sorted(set(content) - set(FIELDS))
    if unknown:
        raise ProblemError(400, f"unknown field {', '.join(unknown)}")
    if not isinstance(content.get(MERCHANT), str):
        raise ProblemError(400, f"{MERCHANT} is required")
    content[MERCHANT] = parse_uuid(content[MERCHANT], MERCHANT)
    for name in (*TEXTS, LOCATION, DELIVERY):
        if not isinstance(content.get(name), (str, type(None))):
            raise ProblemError(400, f"{name} is not a text")
    for name in COUNTS:
        if content.get(name) is not None and not is_whole(content[name], least=0):
            raise ProblemError(400, f"{name} is not a whole number, 0 or more")
    if content.get(LOCATION) is not None:
        parse_uuid(content[LOCATION], LOCATION)
    if content.get(DELIVERY) is not None:
        parse_date(content[DELIVERY], DELIVERY)
    items = content.pop(ITEMS, None)
    return content, () if items is None else parse_items(items)


def parse_items(content: Any) -> Items:
    """The items of ``{"items": [{"ean", "quantity"}]}``. An EAN that comes twice is refused (not confirmed)."""
    rows = content.get("items") if isinstance(content, dict) else None
    if not isinstance(rows, list) or not rows or set(content) != {"items"}:
        raise ProblemError(400, "items must be a list with something in it, and nothing beside it")
    found: dict[str, int] = {}
    for row in rows:
        if not isinstance(row, dict) or set(row) != {"ean", "quantity"}:
            raise ProblemError(400, "an item has the fields ean and quantity")
        ean, quantity = row["ean"], row["quantity"]
        if not isinstance(ean, str) or not is_ean13(ean):
            raise ProblemError(400, f"ean must be 13 digits with a good check digit: {str(ean)[:60]}")
        if not is_whole(quantity, least=1):
            raise ProblemError(400, f"quantity of {ean} must be a whole number, 1 or more")
        if ean in found:
            raise ProblemError(400, f"ean {ean} comes twice")
        found[ean] = quantity
    return tuple(found.items())


def is_whole(number: Any, least: int) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= least
