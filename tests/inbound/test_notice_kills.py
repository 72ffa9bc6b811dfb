from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import product
from random import Random
from typing import Any

import pytest
from exhaustive import exhaustive
from killing import DeadlyTransport, Killed
from notice_world import ANNOUNCING, DISPATCHING, FEWER, FIELDS, ITEMS, NOTICE_ID, NoticeWorld

from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import RateLimitedError

HOURLY = ("announced-item-sets", "dispatch-item-sets", "announcement-confirmations", "dispatch-confirmations")


def killed_at(number: int, moment: str) -> DeadlyTransport:
    return DeadlyTransport(lambda sent, when: (sent, when) == (number, moment))


CASES = [
    (ANNOUNCING, "put", "full", "set", "before"),
    (ANNOUNCING, "post", "empty", "list", "after"),
    (DISPATCHING, "put", "full", "set", "before"),
    (DISPATCHING, "put", "full", "set", "after"),
    (ANNOUNCING, "put", "full", "set", "after"),
    *product([ANNOUNCING], ["put"], ["empty"], ["list"], ["before", "after"]),
    *product([ANNOUNCING], ["post"], ["full"], ["list"], ["before", "after"]),
    *product([ANNOUNCING], ["post"], ["empty"], ["set"], ["before", "after"]),
]


@pytest.mark.parametrize(("operations", "create_by", "body", "shape", "moment"), exhaustive(CASES, representatives=4))
def test_killed_around_any_request_and_run_again_there_is_one_notice_in_the_right_state(
    emulator: EmulatorServer, operations: tuple[str, ...], create_by: str, body: str, shape: str, moment: str
) -> None:
    is_last = operations == DISPATCHING
    number, was_killed = 0, True
    while was_killed:
        number += 1
        emulator.reset()
        emulator.set_options(create_notice=create_by, created_notice_body=body, item_sets_shape=shape)
        world = NoticeWorld(emulator)
        if is_last:
            world.run(world.plan())
            emulator.confirm_delivery_date(NOTICE_ID)
            emulator.clock.advance(120)
        plan = world.plan(operations, create_by=create_by)
        was_killed = _run_and_kill(world, plan, number, moment)
        emulator.clock.advance(120)
        result, notice = world.run(plan), world.only()
        assert (notice["id"], notice["state"]) == (result["shipping_notice_id"], result["state"])
        assert notice["state"] == ("ready_for_receive" if is_last else "ready_for_delivery_date")
        assert (notice["announced"], notice["dispatched"]) == (ITEMS, FEWER if is_last else None)
        assert notice["fields"] == {"zalando_merchant_id": world.merchant_id, **FIELDS}
        assert set(Counter(world.writes()).values()) == {1}, "nothing was carried out twice"
    assert number > (5 if is_last else 8), "each request had its turn"


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


@pytest.mark.parametrize("seconds", [7, 900])
def test_a_429_is_waited_for_by_the_run_or_its_task_and_the_write_sent_again(world: NoticeWorld, seconds: int) -> None:
    headers = {"Retry-After": str(seconds)}
    world.answer("announced-item-sets", "POST", times=1, status=429, headers=headers)
    world.run_in_turn(world.plan())
    assert world.writes().count("POST announced-item-sets 429") == 1
    assert world.only()["announced"] == ITEMS
    assert sum(world.clock.slept) >= seconds
