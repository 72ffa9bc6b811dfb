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
UNKNOWN_VALUES = {"quality_category": "REFURBISHED", "movement_type": "drone_relocation"}
CHANGES = (
    "numbers as strings",
    "ean as number",
    "advice as number",
    "unknown fields",
    "unknown enum value",
    "optional missing",
    "optional null",
    "empty string for null",
    "blank in uuid",
)
MISSING = "(missing)"
# By dataset, the field that is wrong and what stands there instead.
DEFECTS: dict[str, tuple[tuple[str, str | None], ...]] = {
    "received_items": (("quality_label", MISSING), ("quality_label", None), ("received_timestamp", "not-a-time")),
    "returned_items": (("quality_label", MISSING), ("quality_label", None), ("consumed_timestamp", "not-a-time")),
    "liquidated_items": (("liquidation_date", "not-a-time"),),
    "intra_community_movements": (("quantity", "many"),),
    "cross_border_movements": (("movement_id", MISSING),),
}


def drifted(body: dict[str, Any], label: str) -> dict[str, Any]:
    """The record with one to three oddities that a client must survive; same label, same oddities."""
    rng = Random(f"drift/{label}")  # noqa: S311 - reproducible, not secret
    changed = dict(body)
    for change in rng.sample(CHANGES, rng.randint(1, 3)):
        _change(changed, change, rng)
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
    defects = DEFECTS[dataset]
    name, value = defects[rng.randrange(len(defects))]
    if value is MISSING:
        return {key: part for key, part in body.items() if key != name}, f"{name} is missing"
    return {**body, name: value}, f"{name} is {'null' if value is None else value}"


def _change(body: dict[str, Any], change: str, rng: Random) -> None:
    """Make one of CHANGES in the record."""
    if change == "numbers as strings":
        body.update({name: str(value) for name, value in body.items() if type(value) in (int, float)})
    elif change == "ean as number":
        body["ean"] = int(body["ean"])
    elif change == "advice as number" and "zalando_advice_id" in body:
        body["zalando_advice_id"] = int(body["zalando_advice_id"])
    elif change == "unknown fields":
        _unknown_fields(body, rng)
    elif change == "unknown enum value":
        body.update({name: value for name, value in UNKNOWN_VALUES.items() if name in body})
    elif change == "optional missing":
        for name in OPTIONAL:
            body.pop(name, None)
    elif change == "optional null":
        body.update({name: None for name in OPTIONAL if name in body})
    elif change == "empty string for null":
        body["merchant_b2b_reference"] = ""
    elif change == "blank in uuid":
        for name in {*LOCATIONS, *NESTED_LOCATIONS} & set(body):
            nested = name in NESTED_LOCATIONS
            blank = (body[name]["location_id"] if nested else body[name]).replace("-", " -", 1)
            body[name] = {**body[name], "location_id": blank} if nested else blank


def _unknown_fields(body: dict[str, Any], rng: Random) -> None:
    body["handling_unit"] = f"HU{rng.randrange(10_000)}"
    body["sustainability"] = {"repaired": rng.random() < 0.5, "grade": rng.randrange(5)}
