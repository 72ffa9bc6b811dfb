"""The fields of records that no published specification describes, and what drift makes of those and others."""

from __future__ import annotations

from itertools import chain
from typing import Any

import httpx
import pytest

from airflow_provider_zdirect.emulator.server import EmulatorServer

from .order_calls import ALL

SNAPSHOT, LOCATIONS, NOTICES, TOURS = (
    f"/zfs/{name}" for name in ("item-quantity-snapshots/{m}", "stock-locations", "shipping-notices", "tours")
)
CHANNELS, CENTERS = "/sales-channels?merchant_ids={m}", "/merchants/{m}/logistic-centers"
STATES = ".offerable .non_offerable"
ICM = "/zfs/intra-community-movements/{m}?from=2026-02-20&to=2026-03-05"
ICM_AT_ONCE = ICM.replace("intra", "stock-movements/intra", 1)
PLACE = "..location_id ..name ..country_code"
MOVEMENTS = (
    "transaction_date movements .product_sku .ean .merchant_sku .quantity .order_number .movement_type "
    f".source_stock_location {PLACE} .destination_stock_location {PLACE}"
)
UNITS = ".pallets .colli .hanging_garments"
# Sources: zDirect docs, the pages of these APIs. A field that begins with a dot belongs to the one before it.
FIELDS = {
    SNAPSHOT: f"ean total_quantity quantities_by_state {STATES} quantities_by_location .stock_location_id "
    f".quantities_by_state {STATES.replace('.', '..')}",
    LOCATIONS: "id name type abbreviation valid_from capabilities location .name .postal_code .country_code .street "
    ".city .latitude .longitude",
    NOTICES: "zalando_merchant_id carrier_name requested_zalando_location_id pallets_count colli_count "
    "hanging_goods_count earliest_delivery_date merchant_b2b_reference contact_email comments zalando_advice_id "
    "announced_item_count dispatch_item_count state self .href announced_item_sets .href dispatch_item_sets .href "
    "delivery_date_request .href delivery_date_confirmation .href delivery_time_slot .href inbound_tour .href",
    TOURS: "zalando_advice_id shipping_notice_id tour_number to_location from_location planned_arrival_time_at_dock "
    f"planned_arrival_time_at_yard planned_amount_of_loading_units {UNITS} actual_amount_of_loading_units {UNITS} type "
    "current_status .status .status_text .last_updated",
    ICM: MOVEMENTS,
    ICM_AT_ONCE: MOVEMENTS,
}
SOMETIMES = {
    NOTICES: {
        *("requested_zalando_location_name", "contact_name", "additional_contact_email", "confirmed_delivery_date")
    }
}
# What identifies a record, a number that may come as text, and a field that may be missing.
DRIFT: dict[str, tuple[str, str, str]] = {
    SNAPSHOT: ("ean", "total_quantity", ""),
    LOCATIONS: ("id name type", "", "abbreviation"),
    CHANNELS: ("sales_channel_id live", "", "country_name"),
    CENTERS: ("logistic_center_id name", "", ""),
    NOTICES: ("self zalando_advice_id zalando_merchant_id state", "announced_item_count", "comments"),
    TOURS: ("zalando_advice_id shipping_notice_id tour_number current_status", "", "from_location"),
}


def get(server: EmulatorServer, api: httpx.Client, path: str) -> list[dict[str, Any]]:
    answer = api.get(path.format(m=server.merchant_ids[0])).json()
    while isinstance(answer, dict):
        answer = next(value for value in answer.values() if isinstance(value, (dict, list)))
    return list(answer)


def names(record: dict[str, Any]) -> set[str]:
    """As in ``FIELDS``, each with what it belongs to: ``location.city``."""
    found = set()
    for name, value in record.items():
        parts = [part for part in (value if isinstance(value, list) else [value]) if isinstance(part, dict)]
        found |= {name, *(f"{name}.{inner}" for part in parts for inner in names(part))}
    return found


def documented(text: str) -> set[str]:
    path: list[str] = []
    found = set()
    for word in text.split():
        name = word.lstrip(".")
        path[len(word) - len(name) :] = [name]
        found.add(".".join(path))
    return found


@pytest.mark.parametrize("path", FIELDS)
def test_records_have_the_documented_fields(server: EmulatorServer, api: httpx.Client, path: str) -> None:
    expected, sometimes = documented(FIELDS[path]), SOMETIMES.get(path, set())
    found = [names(record) for record in get(server, api, path)]
    assert all(expected <= each <= expected | sometimes for each in found), found[0] ^ expected
    assert set(chain.from_iterable(found)) == expected | sometimes


@pytest.mark.parametrize("path", DRIFT)
def test_drift_meets_some_records_and_leaves_what_identifies_them(
    server: EmulatorServer, api: httpx.Client, path: str
) -> None:
    identity, number, optional = DRIFT[path]
    plain = get(server, api, path)
    server.set_options(drift=0.6)
    drifted = get(server, api, path)
    changed = [record for record, before in zip(drifted, plain, strict=True) if record != before]
    assert 0 < len(changed) < len(plain)
    for name in identity.split():
        assert [record[name] for record in drifted] == [record[name] for record in plain]
    if number:
        assert {type(record[number]) for record in drifted} == {int, str}
    if optional:
        assert {optional in record for record in drifted} == {True, False}
    assert any("handling_unit" in record for record in changed)


def test_drift_of_orders_is_in_ids_amounts_and_unknown_fields(server: EmulatorServer, api: httpx.Client) -> None:
    server.set_options(order_days=0)
    added = server.add_orders(server.merchant_ids[0], 20)
    server.set_options(drift=0.5)
    page = api.get(f"/merchants/{server.merchant_ids[0]}/orders", params={"include": ALL}).json()
    shown = [order["id"] for order in page["data"]]
    assert {id.lower() for id in shown} == set(added)
    assert 0 < sum(id != id.lower() for id in shown) < 20
    assert {"sustainability" in order["attributes"] for order in page["data"]} == {True, False}
    lines = [one["attributes"] for one in page["included"] if one["type"] == "OrderLine"]
    assert {type(line["price"]["amount"]) for line in lines} == {int, float, str}
    assert {order["order_id"] for order in server.orders(server.merchant_ids[0])} == set(added)
