from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from killing import DeadlyTransport, Killed
from notice_world import (
    ANNOUNCING,
    DISPATCHING,
    FEWER,
    FIELDS,
    ITEMS,
    NOTICE_ID,
    NoticeWorld,
)

from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import RateLimitedError

HOURLY = ("announced-item-sets", "dispatch-item-sets", "announcement-confirmations", "dispatch-confirmations")


def killed_at(number: int, moment: str) -> DeadlyTransport:
    return DeadlyTransport(lambda sent, when: (sent, when) == (number, moment))


@pytest.mark.parametrize(
    ("create_by", "body", "shape", "moment"),
    [
        ("put", "full", "set", "before"),
        ("post", "empty", "list", "after"),
        *(
            pytest.param(*case, marks=pytest.mark.exhaustive)
            for case in [
                ("put", "full", "set", "after"),
                ("put", "empty", "list", "before"),
                ("put", "empty", "list", "after"),
                ("post", "full", "list", "before"),
                ("post", "full", "list", "after"),
                ("post", "empty", "set", "before"),
                ("post", "empty", "set", "after"),
            ]
        ),
    ],
)
def test_killed_around_any_request_and_run_again_there_is_one_notice_in_the_right_state(
    emulator: EmulatorServer, create_by: str, body: str, shape: str, moment: str
) -> None:
    number, was_killed = 0, True
    while was_killed:
        number += 1
        emulator.reset()
        emulator.set_options(create_notice=create_by, created_notice_body=body, item_sets_shape=shape)
        world = NoticeWorld(emulator)
        was_killed = _run_and_kill(world, world.plan(create_by=create_by), number, moment)
        emulator.clock.advance(120)
        notice_id = world.run(world.plan(create_by=create_by))["shipping_notice_id"]
        notice = world.only()
        assert (notice["id"], notice["state"], notice["announced"]) == (notice_id, "ready_for_delivery_date", ITEMS)
        assert notice["fields"] == {"zalando_merchant_id": world.merchant_id, **FIELDS}
        assert notice["dispatched"] is None
        assert set(Counter(world.writes()).values()) == {1}, "nothing was carried out twice"
    assert number > 8, "each request had its turn"


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_around_any_request_of_the_dispatch_and_run_again_it_is_dispatched_once(
    emulator: EmulatorServer, moment: str
) -> None:
    number, was_killed = 0, True
    while was_killed:
        number += 1
        emulator.reset()
        world = NoticeWorld(emulator)
        world.run(world.plan())
        emulator.confirm_delivery_date(NOTICE_ID)
        emulator.clock.advance(120)
        was_killed = _run_and_kill(world, world.plan(DISPATCHING), number, moment)
        emulator.clock.advance(120)
        assert world.run(world.plan(DISPATCHING))["state"] == "ready_for_receive"
        notice = world.only()
        assert (notice["state"], notice["announced"], notice["dispatched"]) == ("ready_for_receive", ITEMS, FEWER)
        assert set(Counter(world.writes()).values()) == {1}
    assert number > 5


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("create_by", ["put", "post"])
def test_killed_again_and_again_it_comes_to_the_same(world: NoticeWorld, create_by: str, seed: int) -> None:
    world.emulator.set_options(create_notice=create_by, created_notice_body=("full", "empty")[seed % 2])
    rng = Random(seed)
    tries = 0
    while _run_and_kill(world, world.plan(create_by=create_by), rng.randint(1, 9), rng.choice(["before", "after"])):
        tries += 1
        world.emulator.clock.advance(120)
    notice = world.only()
    assert (notice["state"], notice["announced"]) == ("ready_for_delivery_date", ITEMS)
    assert set(Counter(world.writes()).values()) == {1}


def _run_and_kill(world: NoticeWorld, plan: Any, number: int, moment: str) -> bool:
    try:
        world.run(plan, killed_at(number, moment))
    except Killed:
        return True
    return False


def test_many_notices_stay_within_thirty_operations_an_hour(world: NoticeWorld) -> None:
    started = world.clock.now()
    many = 32
    for number in range(many):
        plan = world.plan(notice_id=NOTICE_ID.replace("5b1f6a52", f"{number:08x}"))
        world.run_in_turn(replace(plan, fields={**FIELDS, "merchant_b2b_reference": f"PO-{number}"}))
    assert len(world.notices()) == many
    assert {notice["state"] for notice in world.notices()} == {"ready_for_delivery_date"}
    statuses = Counter(request.status for request in world.emulator.requests)
    assert not statuses[429]
    for kind in HOURLY:
        times = [request.time.timestamp() for request in world.emulator.requests if request.path.endswith(kind)]
        assert all(later - earlier >= 3600 for earlier, later in zip(times, times[30:], strict=False))
    hours = (world.clock.now() - started).total_seconds() / 3600
    assert hours < 3.1, "the limit is used"


def test_a_wait_for_the_hourly_limit_is_reported_and_not_held(world: NoticeWorld) -> None:
    refusals = []
    for number in range(16):
        plan = world.plan(ANNOUNCING[:2], notice_id=NOTICE_ID.replace("5b1f6a52", f"{number:08x}"))
        try:
            world.run(plan)
        except RateLimitedError as refusal:
            refusals.append(refusal)
    assert refusals
    assert {refusal.status for refusal in refusals} == {None}, "our own limiter, before anything was sent"
    assert all(30 < refusal.retry_after <= 200 for refusal in refusals)
    assert max(world.clock.slept) <= 30
    assert not [request for request in world.emulator.requests if request.status == 429]


def test_a_429_is_waited_for_and_the_write_sent_again(world: NoticeWorld) -> None:
    world.emulator.faults.add(
        {
            "match": {"path": "announced-item-sets", "method": "POST"},
            "action": {"status": 429, "headers": {"Retry-After": "7"}},
        }
    )
    world.run_in_turn(world.plan())
    assert world.writes().count("POST announced-item-sets 429") == 1
    assert world.only()["announced"] == ITEMS
    assert sum(world.clock.slept) >= 7


def test_a_long_429_is_for_the_task_to_wait(world: NoticeWorld) -> None:
    world.emulator.faults.add(
        {
            "match": {"path": "announced-item-sets", "method": "POST"},
            "action": {"status": 429, "headers": {"Retry-After": "900"}},
        }
    )
    with pytest.raises(RateLimitedError) as caught:
        world.run(world.plan())
    assert caught.value.retry_after == 900
    asyncio.run(world.clock.sleep(900))
    assert world.run(world.plan())["operations"]["announce"] == "done"
