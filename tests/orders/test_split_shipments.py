from __future__ import annotations

from typing import Any

import pytest
from orders.order_world import OrderWorld, tracked

CODES = {"tracking_number": "OUT-1000A", "return_tracking_number": "BACK-1000A"}


def parcel(order_id: str, line_id: str | None = None, **more: Any) -> dict[str, Any]:
    row = {"order_id": order_id, "order_line_id": line_id, "shipment": "A", "weight_grams": 900, "status": "shipped"}
    return {**row, **CODES, **more}


def update(world: OrderWorld, *rows: dict[str, Any], **more: Any) -> dict[int, set[str]]:
    return world.update(*rows, split_shipments=True, **more)


def test_parcels_are_made_then_tracked_then_shipped_and_known_again(world: OrderWorld) -> None:
    order_id = world.order()
    first, second = world.lines(order_id)
    assert update(world, parcel(order_id, first, merchant_order_id="M1")) == {2: {"done"}}
    assert world.lines(order_id) == {first: "shipped", second: "reserved"}
    assert world.writes() == ["PATCH order 204", "POST shipments 201", "PATCH shipment 204", "PATCH shipment 204"]
    sent = world.writes()
    assert update(world, parcel(order_id, first), run="b") == {2: {"already"}}
    assert world.writes() == sent
    (made,) = [one for one in world.truth(order_id)["shipments"] if one["merchant_specified_shipment_id"] == "A"]
    assert (made["weight"], made["status"]) == ({"value": 900, "unit": "g"}, "shipped")
    # The rest as another parcel, of all lines that are named.
    assert update(world, parcel(order_id, second, shipment="B"), run="c") == {2: {"done"}}
    assert world.truth(order_id)["status"] == "fulfilled"


def test_rows_of_one_parcel_name_its_lines(world: OrderWorld) -> None:
    order_id = world.order()
    rows = [parcel(order_id, line_id) for line_id in world.lines(order_id)]
    assert update(world, *rows) == {2: {"done"}, 3: {"done"}}
    assert [len(one["order_lines"]) for one in world.truth(order_id)["shipments"]] == [0, 2]


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({"tracking_number": None}, "refused"),
        ({"return_tracking_number": None}, "refused"),
        ({"order_line_id": "00000000-0000-4000-8000-000000000000"}, "refused"),
    ],
)
def test_a_parcel_that_cannot_be_is_not_made(world: OrderWorld, change: dict[str, Any], outcome: str) -> None:
    assert update(world, parcel(world.order(), **change)) == {2: {outcome}}
    assert world.writes() == []


def test_a_parcel_without_both_codes_is_not_shipped_and_another_one_is(world: OrderWorld) -> None:
    order_id = world.order()
    first, second = world.lines(order_id)
    whole, half = parcel(order_id, first), parcel(order_id, second, shipment="B", return_tracking_number=None)
    assert update(world, whole, half) == {2: {"done"}, 3: {"refused"}}
    assert world.lines(order_id) == {first: "shipped", second: "reserved"}


def test_lines_and_parcels_are_not_mixed_in_one_order(world: OrderWorld) -> None:
    order_id = world.order()
    first, second = world.lines(order_id)
    by_line = {"order_id": order_id, "order_line_id": second, "status": "shipped"}
    assert update(world, parcel(order_id, first), by_line) == {2: {"done"}, 3: {"refused"}}
    assert world.lines(order_id) == {first: "shipped", second: "reserved"}
    # In a later run it is zDirect that refuses it.
    assert update(world, {**by_line, "status": "shipped"}, run="b", require_tracking=False) == {2: {"conflict"}}
    other = world.order()
    assert update(world, tracked(other), run="c") == {2: {"done"}}
    assert update(world, parcel(other), run="d") == {2: {"conflict"}}


def test_a_parcel_with_other_lines_or_numbers_is_a_conflict(world: OrderWorld) -> None:
    order_id = world.order()
    first, second = world.lines(order_id)
    assert update(world, parcel(order_id, first, status=None)) == {2: {"done"}}
    sent = world.writes()
    assert update(world, parcel(order_id, second), run="b") == {2: {"conflict"}}
    assert update(world, parcel(order_id, first, tracking_number="OUT-10002"), run="c") == {2: {"conflict", "already"}}
    rows = [parcel(order_id, first, weight_grams=1), parcel(order_id, first, weight_grams=2)]
    assert update(world, *rows, run="d") == {2: {"refused"}, 3: {"refused"}}
    assert update(world, parcel(order_id, second, shipment="B"), parcel(order_id, second, shipment="C"), run="e") == {
        2: {"done"},
        3: {"refused"},
    }
    assert world.writes()[len(sent) :] == ["POST shipments 201", "PATCH shipment 204", "PATCH shipment 204"]


def test_a_parcel_of_which_zdirect_refuses_the_status_is_reported_and_others_go_on(world: OrderWorld) -> None:
    order_id, good = world.order(items=1), world.order(items=1)
    world.emulator.set_line(order_id, next(iter(world.lines(order_id))), "initial")
    assert update(world, parcel(order_id), parcel(good)) == {2: {"done", "conflict"}, 3: {"done"}}
