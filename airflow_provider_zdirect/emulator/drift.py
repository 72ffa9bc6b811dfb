"""Records that differ from the documentation: tolerable ones (drift) and broken ones (bad records)."""

from __future__ import annotations

from random import Random
from typing import Any

OPTIONAL = (
    "merchant_b2b_reference",
    "merchant_article_id",
    "merchant_item_id",
    "merchant_sku",
    "order_id",
    "merchant_name",
    "parent",
    "defect_levels",
    "average_price_per_item",
    "total_price",
)
LOCATIONS = ("location_id", "stock_location_id")
NESTED_LOCATIONS = ("source_stock_location", "destination_stock_location")
NOT_A_TIME = "not-a-time"
NOT_A_NUMBER = "many"


def drifted(body: dict[str, Any], label: str) -> dict[str, Any]:
    """The record with one to three oddities that a client must survive; same label, same oddities."""
    rng = Random(f"drift/{label}")  # noqa: S311 - reproducible, not secret
    changed = dict(body)
    for change in rng.sample(CHANGES, rng.randint(1, 3)):
        change(changed, rng)
    return changed


def loosened(body: dict[str, Any], label: str, share: float, optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """A record of standing facts, with that share of them in a shape that a client must survive.

    What identifies a record stays as it is; numbers become strings at every depth.

    :param optional: fields that can be missing or ``null``.
    """
    rng = Random(f"drift/{label}")  # noqa: S311 - reproducible, not secret
    if rng.random() >= share:
        return body
    oddities = rng.sample(("strings", "unknown", "missing", "null"), rng.randint(1, 3))
    changed: dict[str, Any] = _stringified(body) if "strings" in oddities else dict(body)
    if "unknown" in oddities:
        _unknown_fields(changed, rng)
    for name in optional:
        if "missing" in oddities:
            changed.pop(name, None)
        elif "null" in oddities and name in changed:
            changed[name] = None
    return changed


def _stringified(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _stringified(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_stringified(part) for part in value]
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def spoiled(body: dict[str, Any], dataset: str, label: str) -> tuple[dict[str, Any], str]:
    """The record in an invalid form, and what is wrong with it."""
    rng = Random(f"bad/{label}")  # noqa: S311 - reproducible, not secret
    changed = dict(body)
    if dataset == "liquidated_items":
        changed["liquidation_date"] = NOT_A_TIME
        return changed, f"liquidation_date is {NOT_A_TIME}"
    if dataset == "intra_community_movements":
        changed["quantity"] = NOT_A_NUMBER
        return changed, f"quantity is {NOT_A_NUMBER}"
    if dataset == "cross_border_movements":
        del changed["movement_id"]
        return changed, "movement_id is missing"
    time_field = "received_timestamp" if dataset == "received_items" else "consumed_timestamp"
    kind = rng.randrange(3)
    if kind == 0:
        del changed["quality_label"]
        return changed, "quality_label is missing"
    if kind == 1:
        changed["quality_label"] = None
        return changed, "quality_label is null"
    changed[time_field] = NOT_A_TIME
    return changed, f"{time_field} is {NOT_A_TIME}"


def _numbers_as_strings(body: dict[str, Any], rng: Random) -> None:
    for name, value in body.items():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            body[name] = str(value)


def _ean_as_number(body: dict[str, Any], rng: Random) -> None:
    body["ean"] = int(body["ean"])


def _advice_as_number(body: dict[str, Any], rng: Random) -> None:
    if "zalando_advice_id" in body:
        body["zalando_advice_id"] = int(body["zalando_advice_id"])


def _unknown_fields(body: dict[str, Any], rng: Random) -> None:
    body["handling_unit"] = f"HU{rng.randrange(10_000)}"
    body["sustainability"] = {"repaired": rng.random() < 0.5, "grade": rng.randrange(5)}


def _unknown_enum_value(body: dict[str, Any], rng: Random) -> None:
    if "quality_category" in body:
        body["quality_category"] = "REFURBISHED"
    if "movement_type" in body:
        body["movement_type"] = "drone_relocation"


def _optional_missing(body: dict[str, Any], rng: Random) -> None:
    for name in OPTIONAL:
        body.pop(name, None)


def _optional_null(body: dict[str, Any], rng: Random) -> None:
    for name in OPTIONAL:
        if name in body:
            body[name] = None


def _empty_string_for_null(body: dict[str, Any], rng: Random) -> None:
    body["merchant_b2b_reference"] = ""


def _blank_in_uuid(body: dict[str, Any], rng: Random) -> None:
    for name in LOCATIONS:
        if name in body:
            body[name] = body[name].replace("-", " -", 1)
    for name in NESTED_LOCATIONS:
        if name in body:
            body[name] = {**body[name], "location_id": body[name]["location_id"].replace("-", " -", 1)}


CHANGES = (
    _numbers_as_strings,
    _ean_as_number,
    _advice_as_number,
    _unknown_fields,
    _unknown_enum_value,
    _optional_missing,
    _optional_null,
    _empty_string_for_null,
    _blank_in_uuid,
)
