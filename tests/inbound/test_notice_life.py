from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from notice_world import (
    ANNOUNCING,
    DISPATCHING,
    FEWER,
    FIELDS,
    ITEMS,
    NOTICE_ID,
    Colleague,
    Meeting,
    NoticeWorld,
    in_thread,
)

from airflow_provider_zdirect.exceptions import BadRequestError, ConflictError, NotFoundError, PermissionDeniedError
from airflow_provider_zdirect.inbound.notice_plan import NoticePlan


def test_a_notice_goes_through_its_whole_life_and_a_repeat_of_everything_writes_nothing(world: NoticeWorld) -> None:
    first = world.run(world.plan())
    assert first["operations"] == dict.fromkeys(ANNOUNCING, "done")
    assert (first["shipping_notice_id"], first["state"]) == (NOTICE_ID, "ready_for_delivery_date")
    world.emulator.confirm_delivery_date(NOTICE_ID)
    last = world.run(world.plan(DISPATCHING))
    assert last["operations"] == dict.fromkeys(DISPATCHING, "done")
    there = world.only()
    assert there["fields"] == {"zalando_merchant_id": world.merchant_id, **FIELDS}
    assert (there["state"], there["announced"], there["dispatched"]) == ("ready_for_receive", ITEMS, FEWER)
    assert last["zalando_advice_id"] == there["zalando_advice_id"]
    writes = world.writes()
    assert all(status.endswith("201") for status in writes)
    # The limits have room again.
    world.emulator.clock.advance(3600)
    for operations in (ANNOUNCING, DISPATCHING):
        assert world.run(world.plan(operations))["operations"] == dict.fromkeys(operations, "already")
    assert world.writes() == writes


@pytest.mark.parametrize("body", ["full", "empty"])
@pytest.mark.parametrize("shape", ["set", "list"])
@pytest.mark.parametrize(
    ("create_by", "extra"),
    [
        *product(["put", "post"], [{}, {"notices_without_merchant": True}, {"notice_id_field": "id"}]),
        ("put", {"drift": 1.0}),  # not with post: drift may hide the reference, without which it cannot be safe
    ],
)
def test_every_unconfirmed_shape_of_answers_is_understood(
    world: NoticeWorld, body: str, create_by: str, shape: str, extra: dict[str, Any]
) -> None:
    world.emulator.set_options(create_notice=create_by, created_notice_body=body, item_sets_shape=shape, **extra)
    for expected in ("done", "already"):
        result = world.run(world.plan(create_by=create_by))
        assert result["operations"] == dict.fromkeys(ANNOUNCING, expected)
        world.emulator.clock.advance(60)
    there = world.only()
    assert there["id"] == result["shipping_notice_id"]
    assert (there["state"], there["announced"]) == ("ready_for_delivery_date", ITEMS)


@pytest.mark.parametrize("assumptions", [{"confirmation_body": "none"}, {"current_item_set": "first"}])
def test_other_assumptions_can_be_made(world: NoticeWorld, assumptions: dict[str, str]) -> None:
    world.emulator.set_options(item_sets_shape="list")
    world.assumptions = assumptions
    for expected in ("done", "already"):
        assert set(world.run(world.plan())["operations"].values()) == {expected}


def test_the_pages_of_the_list_are_followed_by_the_cursor_parameter_that_is_given(world: NoticeWorld) -> None:
    world.emulator.set_options(create_notice="post", notices_page_size=1, notices_cursor_parameter="after")
    world.assumptions = {"notices_cursor_parameter": "after"}
    for number in range(3):
        plan = world.plan(("create",), create_by="post")
        world.run(_with(plan, merchant_b2b_reference=f"PO-{number}"))
    again = _with(plan, merchant_b2b_reference="PO-1")
    assert world.run(again)["operations"] == {"create": "already"}
    assert len(world.notices()) == 3


def _with(plan: NoticePlan, **fields: Any) -> NoticePlan:
    return replace(plan, fields={**plan.fields, **fields})


def test_a_notice_of_another_merchant_with_the_same_reference_is_not_taken_for_ours(world: NoticeWorld) -> None:
    world.emulator.set_options(create_notice="post")
    other = world.emulator.merchant_ids[1]
    world.run(world.plan(("create",), create_by="post", merchant_id=other))
    assert world.run(world.plan(("create",), create_by="post"))["operations"] == {"create": "done"}
    assert len(world.notices()) == len(world.emulator.notices(other)) == 1


def test_two_notices_with_the_reference_are_an_error_that_names_them(world: NoticeWorld) -> None:
    world.emulator.set_options(create_notice="both")
    ids = [NOTICE_ID, NOTICE_ID.replace("5b1f", "5b1e")]
    for notice_id in ids:
        world.run(world.plan(("create",), notice_id=notice_id))
    with pytest.raises(ConflictError, match="has 2 shipping notices with merchant_b2b_reference='PO-1'") as caught:
        world.run(world.plan(("create",), create_by="post"))
    assert all(notice_id in str(caught.value) for notice_id in ids)
    assert len(world.notices()) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"carrier_name": "UPS"},
        {"pallets_count": 3},
        {"earliest_delivery_date": "2026-03-21"},
        {"merchant_b2b_reference": "PO-2"},
    ],
)
def test_a_notice_with_other_fields_is_a_conflict_that_names_them(world: NoticeWorld, changes: dict[str, Any]) -> None:
    world.run(world.plan())
    with pytest.raises(ConflictError, match=f"other values than asked for in: {next(iter(changes))}") as caught:
        world.run(_with(world.plan(), **changes))
    assert NOTICE_ID in str(caught.value)
    assert "state ready_for_delivery_date" in str(caught.value)
    assert FIELDS["contact_email"] not in str(caught.value)
    assert world.only()["fields"]["carrier_name"] == "DHL"


def test_items_are_replaced_until_they_are_confirmed_and_a_conflict_afterwards(world: NoticeWorld) -> None:
    world.run(world.plan(ANNOUNCING[:2], items={"announced": FEWER, "dispatched": None}))
    assert world.run(world.plan())["operations"] == {
        "create": "already",
        "announce": "done",
        "confirm_announcement": "done",
    }
    with pytest.raises(ConflictError, match="locked") as caught:
        world.run(world.plan(items={"announced": FEWER, "dispatched": None}))
    assert "state ready_for_delivery_date" in str(caught.value)
    assert world.only()["announced"] == ITEMS


@pytest.mark.parametrize("operations", [("confirm_dispatch",), DISPATCHING])
def test_a_dispatch_before_the_delivery_date_says_what_to_wait_for(
    world: NoticeWorld, operations: tuple[str, ...]
) -> None:
    world.run(world.plan())
    with pytest.raises(ConflictError, match="when ZFS Operations has confirmed the delivery date") as caught:
        world.run(world.plan(operations))
    assert (caught.value.status, world.only()["state"]) == (409, "ready_for_delivery_date")
    assert "state ready_for_delivery_date" in str(caught.value)
    world.emulator.confirm_delivery_date(NOTICE_ID)
    assert world.run(world.plan(operations))["state"] == "ready_for_receive"


def test_a_confirmation_without_items_says_to_announce_first(world: NoticeWorld) -> None:
    with pytest.raises(ConflictError, match="Announce items first"):
        world.run(world.plan(("create", "confirm_announcement")))
    assert world.only()["state"] == "initial"


STALE = [412, 409, 400, 428, 422]


@pytest.mark.parametrize("status", STALE)
def test_a_stale_etag_is_looked_at_again_whatever_status_it_has(world: NoticeWorld, status: int) -> None:
    world.emulator.set_options(stale_etag_status=status)
    world.run(world.plan(("create",)))
    colleague = Colleague(world)
    transport = Meeting(lambda: colleague.announce(FEWER), "announced-item-sets")
    result = world.run(world.plan(), transport)
    assert set(result["operations"].values()) == {"already", "done"}
    assert world.only()["announced"] == ITEMS, "ours replaced the other one, as every set that is posted does"
    assert f"POST announced-item-sets {status}" in world.writes()


@pytest.mark.parametrize("status", STALE)
def test_what_somebody_else_did_meanwhile_is_recognised(world: NoticeWorld, status: int) -> None:
    world.emulator.set_options(stale_etag_status=status)
    world.run(world.plan(ANNOUNCING[:2]))
    colleague = Colleague(world)
    transport = Meeting(lambda: colleague.post("announcement-confirmations", {}), "announcement-confirmations")
    assert set(world.run(world.plan(), transport)["operations"].values()) == {"already"}


def test_items_that_somebody_else_replaced_are_not_confirmed(world: NoticeWorld) -> None:
    world.run(world.plan(ANNOUNCING[:2]))
    colleague = Colleague(world)
    transport = Meeting(lambda: colleague.announce(FEWER), "announcement-confirmations")
    with pytest.raises(ConflictError, match="no longer those of this task"):
        world.run(world.plan(), transport)
    assert (world.only()["state"], world.only()["announced"]) == ("initial", FEWER)


def test_a_notice_that_somebody_keeps_changing_is_an_error_in_the_end(world: NoticeWorld) -> None:
    world.run(world.plan(("create",)))
    colleague = Colleague(world)
    numbers = iter(range(1, 100))
    transport = Meeting(lambda: colleague.announce({"4006381333931": next(numbers)}), "announced-item-sets", times=99)
    with pytest.raises(ConflictError, match="the items cannot be announced"):
        world.run(world.plan(), transport)
    assert world.writes().count("POST announced-item-sets 412") == 3


def test_two_processes_that_create_the_same_make_one(world: NoticeWorld) -> None:
    transport = Meeting(lambda: in_thread(lambda: world.run(world.plan(("create",)))), NOTICE_ID)
    assert world.run(world.plan(("create",)), transport)["operations"] == {"create": "already"}
    assert world.writes() == ["PUT  201", "PUT  412"]
    assert world.only()


@pytest.mark.parametrize(("offered", "asked"), [("post", "put"), ("put", "post")])
def test_the_wrong_way_to_create_names_the_other_one(world: NoticeWorld, offered: str, asked: str) -> None:
    world.emulator.set_options(create_notice=offered)
    with pytest.raises(BadRequestError, match=f"set create_by='{offered}'"):
        world.run(world.plan(create_by=asked))
    assert not world.notices()


def test_an_unknown_notice_is_an_error_with_what_to_do(world: NoticeWorld) -> None:
    with pytest.raises(NotFoundError, match="Check shipping_notice_id, or add create"):
        world.run(world.plan(("confirm_announcement",)))


def test_a_notice_of_another_merchant_is_not_touched(world: NoticeWorld) -> None:
    world.run(world.plan(("create",)))
    with pytest.raises(ConflictError, match="is not one of merchant"):
        world.run(world.plan(("announce",), merchant_id=world.emulator.merchant_ids[1]))
    with pytest.raises(ConflictError, match="in: zalando_merchant_id"):
        world.run(world.plan(merchant_id=world.emulator.merchant_ids[1]))
    with pytest.raises(PermissionDeniedError):
        world.run(world.plan(merchant_id=world.emulator.foreign_merchant_id, notice_id=NOTICE_ID.replace("5b", "6b")))
    assert len(world.notices()) == 1


def test_without_a_known_merchant_the_notice_says_whose_it_is(world: NoticeWorld) -> None:
    world.run(world.plan(("create",)))
    assert world.run(world.plan(("announce",), merchant_id=None))["merchant_id"] == world.merchant_id
