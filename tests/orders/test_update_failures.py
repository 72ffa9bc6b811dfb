"""Order updates when requests fail, limits are used up, or zDirect shows changes late."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from orders.order_world import AnsweringTransport, OrderWorld, outcomes, tracked

from airflow_provider_zdirect.exceptions import (
    MalformedResponseError,
    PermissionDeniedError,
    ServerError,
    UpdatesPausedError,
    ZDirectError,
)
from airflow_provider_zdirect.orders import order_updates
from airflow_provider_zdirect.orders.few_at_once import AT_ONCE, IN_VAIN, for_each

UNKNOWN = "00000000-0000-4000-8000-000000000000"


def test_numbers_that_take_effect_late_are_waited_for_and_then_for_the_retry(world: OrderWorld) -> None:
    world.emulator.set_options(order_update_seconds=17)
    order_id = world.order()
    assert world.update(tracked(order_id)) == {2: {"done"}}
    assert not world.truth(order_id)["shipped_without_tracking"]
    world.emulator.set_options(order_update_seconds=100)
    late = world.order()
    with pytest.raises(ServerError, match="does not show it yet, so nothing of the order was shipped") as caught:
        world.runs(tracked(late, 3), run="b")
    assert caught.value.retry_after == 120
    assert set(world.lines(late).values()) == {"reserved"}
    world.emulator.clock.advance(120)
    assert world.update(tracked(late, 3), run="b", max_failed=0) == {2: {"done"}}
    assert not world.truth(late)["shipped_without_tracking"]
    assert world.writes(late) == ["PATCH order 204"] * 2 + ["PATCH line 204"] * 2


def test_with_the_option_wait_it_is_only_waited(world: OrderWorld) -> None:
    world.emulator.set_options(order_update_seconds=100)
    order_id = world.order()
    world.assumptions = {"tracking_effect": "wait"}
    assert world.update(tracked(order_id)) == {2: {"done"}}
    assert world.truth(order_id)["shipped_without_tracking"], "which is why it is not the default"


def test_an_export_that_is_shown_late_is_waited_for(world: OrderWorld) -> None:
    until = world.clock.now() + timedelta(seconds=9)

    def hide(method: str, url: str, content: Any) -> None:
        if method == "GET" and "/orders/" in url and world.clock.now() < until:
            content["data"]["attributes"].update(exported=False, merchant_order_id="")
            for part in content["included"]:
                part["meta"] = {"possible_status_transitions": []}

    order_id, late = world.order(items=1), world.order(items=1)
    assert world.runs(tracked(order_id), transport=AnsweringTransport(hide)).rows["done"] == 1
    until = world.clock.now() + timedelta(days=1)
    with pytest.raises(ServerError, match="accepted the merchant_order_id, and does not show it yet"):
        world.runs(tracked(late, 2), run="b", transport=AnsweringTransport(hide))


def test_an_order_without_lines_in_the_answer_is_asked_for_again(world: OrderWorld) -> None:
    order_id = world.order()

    def drop(method: str, url: str, content: Any) -> None:
        if method == "GET" and order_id in url:
            content["included"] = []
            content["data"] = [] if isinstance(content["data"], list) else content["data"]

    with pytest.raises(MalformedResponseError, match="no order lines"):
        world.runs(tracked(order_id), transport=AnsweringTransport(drop))


def test_one_failing_order_does_not_keep_the_others_and_the_retry_finds_it(world: OrderWorld) -> None:
    orders = [world.order() for _ in range(4)]
    world.fail(orders[1], 503, times=1, method="PATCH")
    job = world.job([tracked(order_id, number) for number, order_id in enumerate(orders)])
    with pytest.raises(ServerError, match="1 of 4 rows could not be settled") as caught:
        world.run(job)
    assert caught.value.retry_after >= 120
    assert [set(world.lines(one).values()) for one in orders] == [{"shipped"}, {"reserved"}, {"shipped"}, {"shipped"}]
    assert {(row, outcome) for row, _, outcome in world.published()} >= {(2, "done"), (3, "failed"), (4, "done")}
    world.emulator.clock.advance(120)
    sent = len(world.emulator.requests)
    assert world.run(job).rows["done"] == 4, "what the first try did stays done by this run"
    again = world.emulator.requests[sent:]
    assert {request.path.split("/")[4] for request in again if "/orders/" in request.path} == {orders[1]}
    rows = world.published()
    assert {outcome for _, _, outcome in rows} == {"done"}
    assert len(rows) == len(set(rows)) + len(rows) // 5, "two lines each; everything else once"
    assert len(list(world.base.glob("order_updates/**/*.parquet"))) == 1


def test_where_the_app_may_not_the_rest_is_not_tried_and_reported(world: OrderWorld) -> None:
    foreign = world.emulator.foreign_merchant_id
    with pytest.raises(PermissionDeniedError):
        world.runs(tracked(UNKNOWN), {"order_id": "4711"}, merchant_id=foreign)
    assert [(row, outcome) for row, _, outcome in world.published()] == [(2, "refused"), (3, "refused")]
    with pytest.raises(PermissionDeniedError):
        world.runs({"order_number": "10105", "status": "reserved"}, merchant_id=foreign, max_failed=None, run="b")


def test_what_zdirect_does_not_let_be_changed_is_refused_and_others_go_on(world: OrderWorld) -> None:
    gone, forbidden, good = world.order(), world.order(), world.order()
    world.fail(forbidden, 403, method="PATCH")
    reads: list[str] = []

    def forget(method: str, url: str, content: Any) -> int | None:
        reads.extend([url] if method == "GET" and gone in url else [])
        return 404 if gone in url and len(reads) > 1 else None

    rows = [tracked(one, number) for number, one in enumerate((forbidden, gone, good))]
    result = world.runs(*rows, max_failed=2, transport=AnsweringTransport(forget))
    assert outcomes(result) == {2: {"refused"}, 3: {"done", "refused"}, 4: {"done"}}
    assert {one.status_code for one in result.results if one.outcome == "refused"} == {403, 404}
    world.fail("/orders/", 403, method="PATCH")
    many = [tracked(world.order(), number) for number in range(10, 50)]
    with pytest.raises(PermissionDeniedError):
        world.runs(*many, max_failed=None, run="b")
    assert len(world.writes()) < 10 + IN_VAIN + AT_ONCE["production"]


def test_a_line_is_not_shipped_if_zdirect_refuses_the_numbers_that_another_row_gives(world: OrderWorld) -> None:
    order_id = world.order()
    world.fail(f"/orders/{order_id}$", 400, method="PATCH")
    codes = {"order_id": order_id, "tracking_number": "OUT-10001", "return_tracking_number": "BACK-10001"}
    rows = [codes, {"order_id": order_id, "status": "shipped"}]
    assert world.update(*rows) == {2: {"refused"}, 3: {"refused"}}
    assert world.writes() == ["PATCH order 400"]


def test_orders_that_fail_come_last_with_the_next_try(world: OrderWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(AT_ONCE, "production", 1)
    bad = world.emulator.add_orders(world.merchant_id, 12, items=1, lines=1)
    good = world.emulator.add_orders(world.merchant_id, 30, items=1, lines=1)
    for order_id in bad:
        world.fail(order_id, 500)
    job = world.job([tracked(order_id, number) for number, order_id in enumerate([*bad, *good])])
    for _ in range(2):
        with pytest.raises(ServerError):
            world.run(job)
        world.emulator.clock.advance(120)
    assert {status for order_id in good for status in world.lines(order_id).values()} == {"shipped"}


def test_after_many_failures_in_a_row_the_rest_is_not_tried(world: OrderWorld) -> None:
    world.fail("/orders/", 503)
    orders = world.emulator.add_orders(world.merchant_id, 60)
    with pytest.raises(ServerError, match="60 of 60 rows"):
        world.runs(*map(tracked, orders))
    asked = [request for request in world.emulator.requests if "/orders/" in request.path]
    assert len(asked) <= IN_VAIN + AT_ONCE["production"], "those under way"


def test_a_limit_that_is_used_up_is_for_the_task_to_wait_and_it_goes_on_from_there(
    world: OrderWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(order_updates.BATCH, "production", 2)
    orders = world.emulator.add_orders(world.merchant_id, 4, items=1, lines=1)
    world.fail(orders[3], 429, method="PATCH", headers={"Retry-After": "300"})
    job = world.job([tracked(order_id, number) for number, order_id in enumerate(orders)])
    with pytest.raises(UpdatesPausedError, match="2 of 4 are settled") as caught:
        world.run(job)
    assert (caught.value.retry_after, caught.value.progress) == (300, 2)
    assert not (world.base / "order_updates").exists(), "it is not over"
    world.emulator.faults.clear()
    world.emulator.clock.advance(300)
    before = len(world.emulator.requests)
    assert world.run(job).rows["done"] == 4
    assert not [r for r in world.emulator.requests[before:] if orders[0] in r.path], "settled"


def test_many_orders_wait_together(world: OrderWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(order_updates.BATCH, "production", 20)
    orders = world.emulator.add_orders(world.merchant_id, 40, items=1, lines=1)
    started = world.clock.now()
    result = world.runs(*(tracked(order_id, n) for n, order_id in enumerate(orders)))
    assert result.rows["done"] == 40
    assert world.clock.slept.count(order_updates.SHIP_AFTER) == 2, "once for each batch"
    assert result.requests == 40 * 5
    # Two reads and three writes of each order; both limits are 2,000 a minute, of which nine tenths are taken.
    assert (world.clock.now() - started).total_seconds() < 40 * 5 * 60 / 1800 + 2 * 5 + 5
    assert not [request for request in world.emulator.requests if request.status == 429]
    assert not any(world.truth(order_id)["shipped_without_tracking"] for order_id in orders[::20])


def test_slow_failures_that_come_together_are_not_in_vain_while_others_succeed() -> None:
    slow = range(IN_VAIN)
    done: list[int] = []
    failed: list[int] = []

    async def step(item: int) -> None:
        await asyncio.sleep(0.1 if item in slow else 0)
        if item in slow:
            raise ServerError("busy", retry_after=1)
        done.append(item)

    async def go(items: range) -> ZDirectError | None:
        return await for_each(items, step, lambda item, error: failed.append(item), environment="production")

    assert asyncio.run(go(range(100))) is None
    assert (len(done), failed) == (100 - IN_VAIN, [*slow])
    assert isinstance(asyncio.run(go(slow)), ServerError)
