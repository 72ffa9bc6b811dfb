# SPDX-License-Identifier: Apache-2.0
"""Records that differ from the documentation: tolerable ones (drift) and broken ones (bad records)."""

from __future__ import annotations

from random import Random
from typing import Any

# Fields of stock movements and their reports that can be missing or null.
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
LOCATIONS = ("location_id", "stock_location_id", "source_stock_location", "destination_stock_location")
UNKNOWN_VALUES = {"quality_category": "REFURBISHED", "movement_type": "drone_relocation"}
STANDING = ("strings", "unknown", "missing", "null")
# They meet what identifies a record, too.
ALL = (*STANDING, "unknown value", "ean as number", "advice as number", "empty reference", "blank in uuid")
MISSING = "(missing)"
# By dataset, the field that is wrong and what stands there instead.
DEFECTS: dict[str, tuple[tuple[str, str | None], ...]] = {
    "received_items": (("quality_label", MISSING), ("quality_label", None), ("received_timestamp", "not-a-time")),
    "returned_items": (("quality_label", MISSING), ("quality_label", None), ("consumed_timestamp", "not-a-time")),
    "liquidated_items": (("liquidation_date", "not-a-time"),),
    "intra_community_movements": (("quantity", "many"),),
    "cross_border_movements": (("movement_id", MISSING),),
}


def drifted(
    body: dict[str, Any],
    label: str,
    share: float,
    optional: tuple[str, ...] = (),
    oddities: tuple[str, ...] = STANDING,
) -> dict[str, Any]:
    """The record, with that share of all in a shape that a client must survive; same label, same shape."""
    if not share or (rng := Random(f"drift/{label}")).random() >= share:  # noqa: S311 - reproducible, not secret
        return body
    chosen = rng.sample(oddities, rng.randint(1, 3))
    changed: dict[str, Any] = _with_strings(body) if "strings" in chosen else dict(body)
    if "unknown" in chosen:
        changed["handling_unit"] = f"HU{rng.randrange(10_000)}"
        changed["sustainability"] = {"repaired": rng.random() < 0.5, "grade": rng.randrange(5)}
    if "unknown value" in chosen:
        changed.update({name: value for name, value in UNKNOWN_VALUES.items() if name in body})
    for oddity, name in (("ean as number", "ean"), ("advice as number", "zalando_advice_id")):
        if oddity in chosen and name in body:
            changed[name] = int(body[name])
    if "empty reference" in chosen:
        changed["merchant_b2b_reference"] = ""
    for name in LOCATIONS if "blank in uuid" in chosen else ():
        if isinstance(body.get(name), dict):
            changed[name] = {**body[name], "location_id": _with_blank(body[name]["location_id"])}
        elif name in body:
            changed[name] = _with_blank(body[name])
    for name in optional:
        if "missing" in chosen:
            changed.pop(name, None)
        elif "null" in chosen and name in changed:
            changed[name] = None
    return changed


def spoiled(body: dict[str, Any], dataset: str, label: str, share: float) -> tuple[dict[str, Any], str | None]:
    """The record, with that share of all in an invalid form, and what is wrong with it."""
    if not share or (rng := Random(f"bad/{label}")).random() >= share:  # noqa: S311 - reproducible, not secret
        return body, None
    name, value = rng.choice(DEFECTS[dataset])
    if value is MISSING:
        return {key: part for key, part in body.items() if key != name}, f"{name} is missing"
    return {**body, name: value}, f"{name} is {'null' if value is None else value}"


def _with_blank(uuid: str) -> str:
    return uuid.replace("-", " -", 1)


def _with_strings(value: Any) -> Any:
    """Numbers as strings, at every depth."""
    if isinstance(value, dict):
        return {name: _with_strings(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_with_strings(part) for part in value]
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value
