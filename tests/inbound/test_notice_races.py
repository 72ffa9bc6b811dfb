"""Somebody else, or another attempt, does something at the worst moment."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from killing import DeadlyTransport
from notice_world import (
    ANNOUNCING,
    DISPATCHING,
    FEWER,
    FIELDS,
    ITEMS,
    NOTICE_ID,
    NOTICES,
    Colleague,
    Meeting,
    NoticeWorld,
    in_thread,
)

from airflow_provider_zdirect.exceptions import ConflictError, NotFoundError, ServerError

OTHERS_OF_THE_SAME_COUNT = {"0191476239145": 1, "4006381333931": 3}


def test_as_many_other_items_posted_just_after_ours_are_not_confirmed(world: NoticeWorld) -> None:
    world.run(world.plan(("create",)))
    colleague = Colleague(world)
    transport = Meeting(lambda: colleague.announce(OTHERS_OF_THE_SAME_COUNT), "announced-item-sets", after=True)
    with pytest.raises(ConflictError, match="no longer those of this task"):
        world.run(world.plan(), transport)
    assert (world.only()["state"], world.only()["announced"]) == ("initial", OTHERS_OF_THE_SAME_COUNT)


def test_a_set_is_read_once_before_its_confirmation_and_not_after(world: NoticeWorld) -> None:
    def reads() -> int:
        return sum(
            request.method == "GET" and request.path.endswith("announced-item-sets")
            for request in world.emulator.requests
        )

    assert set(world.run(world.plan())["operations"].values()) == {"done"}
    assert reads() == 1
    assert not world.clock.slept, "one notice does not wait between its own requests"
    assert set(world.run(world.plan())["operations"].values()) == {"already"}
    assert reads() == 2


@pytest.mark.parametrize(
    ("operations", "sets", "confirmations", "there"),
    [
        (ANNOUNCING, "announced-item-sets", "announcement-confirmations", "announced"),
        (DISPATCHING, "dispatch-item-sets", "dispatch-confirmations", "dispatched"),
    ],
)
def test_other_items_that_somebody_else_posted_and_confirmed_are_a_conflict(
    world: NoticeWorld, operations: tuple[str, ...], sets: str, confirmations: str, there: str
) -> None:
    if operations == DISPATCHING:
        world.run(world.plan())
        world.emulator.confirm_delivery_date(NOTICE_ID)
    else:
        world.run(world.plan(("create",)))
    colleague = Colleague(world)

    def replace_and_confirm() -> None:
        colleague.announce({"4006381333931": 99}, sets)
        colleague.post(confirmations, {})

    said = rf"its {there} items differ from the requested \d pieces of \d EANs?; they are locked"
    with pytest.raises(ConflictError, match=said):
        world.run(world.plan(operations), Meeting(replace_and_confirm, confirmations))
    assert world.only()[there] == {"4006381333931": 99}


def test_a_confirmation_alone_confirms_what_is_there(world: NoticeWorld) -> None:
    world.run(world.plan(ANNOUNCING[:2], items={"announced": FEWER, "dispatched": None}))
    for expected in ("done", "already"):
        assert world.run(world.plan(("confirm_announcement",)))["operations"] == {"confirm_announcement": expected}
    assert world.only()["announced"] == FEWER


class CountsNothing(DeadlyTransport):
    """zDirect's counts are behind."""

    def __init__(self) -> None:
        super().__init__(lambda *_: False)

    async def send(self, method: str, url: str, **options: Any) -> Any:
        answer = await super().send(method, url, **options)
        if method == "GET" and url.endswith(NOTICE_ID) and answer.status == 200:
            answer = replace(answer, body=bytearray(json.dumps({**json.loads(answer.body), **NOTHING}).encode()))
        return answer


NOTHING = {"announced_item_count": 0, "dispatch_item_count": 0}


def test_a_count_that_is_behind_is_not_taken_for_somebody_elses_change(world: NoticeWorld) -> None:
    assert world.run(world.plan(), CountsNothing())["operations"] == dict.fromkeys(ANNOUNCING, "done")
    assert world.only()["announced"] == ITEMS
    assert world.run(world.plan(), CountsNothing())["operations"] == dict.fromkeys(ANNOUNCING, "already")


def test_a_set_that_is_not_shown_yet_is_left_to_the_retry(world: NoticeWorld) -> None:
    world.answer("announced-item-sets$", "GET", times=1, status=404)
    with pytest.raises(ServerError, match="does not show what it took yet") as caught:
        world.run(world.plan())
    assert caught.value.retry_after
    assert world.run(world.plan())["operations"] == {
        "create": "already",
        "announce": "already",
        "confirm_announcement": "done",
    }


def _is_in_state(world: NoticeWorld, state: str) -> None:
    """zDirect calls the notice's state so, whatever the emulator's state is."""
    body = {"state": state, "zalando_merchant_id": world.merchant_id, "announced_item_count": 4, **FIELDS}
    world.answer(f"{NOTICE_ID}$", "GET", status=200, body=body, headers={"ETag": '"x"'})


@pytest.mark.parametrize("operations", [ANNOUNCING, ("confirm_announcement",)])
def test_a_refused_announcement_in_an_unknown_later_state_has_happened(
    world: NoticeWorld, operations: tuple[str, ...]
) -> None:
    world.run(world.plan())
    _is_in_state(world, "delivery_date_confirmed")
    assert world.run(world.plan(operations))["operations"] == dict.fromkeys(operations, "already")


@pytest.mark.parametrize("operations", [ANNOUNCING, ("announce",), ("confirm_dispatch",)])
def test_in_an_unknown_state_neither_other_items_nor_a_refused_dispatch_have_happened(
    world: NoticeWorld, operations: tuple[str, ...]
) -> None:
    world.run(world.plan(items={"announced": FEWER, "dispatched": None}))
    _is_in_state(world, "delivery_date_confirmed")
    with pytest.raises(ConflictError, match="'delivery_date_confirmed' is not known to this provider"):
        world.run(world.plan(operations))


def test_a_refused_announcement_in_the_first_state_is_an_error(world: NoticeWorld) -> None:
    world.run(world.plan(ANNOUNCING[:2]))
    world.answer("announcement-confirmations$", "POST", status=409)
    with pytest.raises(ConflictError, match="cannot be confirmed"):
        world.run(world.plan())


def test_a_write_to_what_is_not_found_names_notice_merchant_and_state(world: NoticeWorld) -> None:
    world.run(world.plan(ANNOUNCING[:2]))
    world.answer("announcement-confirmations$", "POST", times=1, status=404)
    with pytest.raises(NotFoundError, match=r"\(state initial\): the items announced cannot be confirmed") as caught:
        world.run(world.plan())
    assert f"Shipping notice {NOTICE_ID} of merchant {world.merchant_id}" in str(caught.value)


def test_two_attempts_that_post_at_once_are_an_error_before_anything_is_announced(world: NoticeWorld) -> None:
    world.emulator.set_options(create_notice="post")
    plan = world.plan(create_by="post")
    created: list[str] = []

    def elsewhere() -> None:
        in_thread(lambda: created.append(world.run(world.plan(("create",), create_by="post"))["shipping_notice_id"]))

    with pytest.raises(ConflictError, match="has 2 shipping notices with merchant_b2b_reference='PO-1'") as caught:
        world.run(plan, Meeting(elsewhere, NOTICES))
    made = [notice["id"] for notice in world.notices()]
    assert created[0] in made
    assert all(notice_id in str(caught.value) for notice_id in made)
    assert not any(notice["announced"] for notice in world.notices())


def test_a_listed_id_in_upper_case_is_the_one_that_was_made(world: NoticeWorld) -> None:
    world.emulator.set_options(create_notice="post")

    class Upper(DeadlyTransport):
        async def send(self, method: str, url: str, **options: Any) -> Any:
            answer = await super().send(method, url, **options)
            if method == "GET" and url.partition("?")[0].endswith(NOTICES):
                made = [{**one, "self": {"href": one["self"]["href"].upper()}} for one in _listed(answer)]
                answer = replace(answer, body=bytearray(json.dumps({"shipping-notices": made}).encode()))
            return answer

    assert world.run(world.plan(create_by="post"), Upper(lambda *_: False))["operations"]["create"] == "done"


def _listed(answer: Any) -> list[dict[str, Any]]:
    return json.loads(answer.body)["shipping-notices"]
