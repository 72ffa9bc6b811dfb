from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from order_world import CODES, DeadlyTransport, OrderWorld, order_emulator, outcomes, tracked

from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import (
    MalformedResponseError,
    PermissionDeniedError,
    RejectedUpdatesError,
    ServerError,
    UpdatesPausedError,
)
from airflow_provider_zdirect.orders import order_updates
from airflow_provider_zdirect.orders.update_rows import read_updates

SHARED = "10000000000001"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorServer]:
    with order_emulator() as running:
        yield running


@pytest.fixture
def world(emulator: EmulatorServer, tmp_path: Path) -> OrderWorld:
    emulator.reset()
    return OrderWorld(emulator, tmp_path)


def test_an_order_is_exported_then_tracked_then_shipped_and_its_numbers_have_taken_effect(world: OrderWorld) -> None:
    order_id = world.order()
    result = world.run(world.job([tracked(order_id)]))
    truth = world.truth(order_id)
    assert (truth["merchant_order_id"], truth["exported"], truth["status"]) == ("M1", True, "fulfilled")
    assert (truth["tracking_number"], truth["return_tracking_number"]) == ("OUT-10001", "BACK-10001")
    assert set(world.lines(order_id).values()) == {"shipped"}
    assert not truth["shipped_without_tracking"]
    assert world.writes() == ["PATCH order 204"] * 2 + ["PATCH line 204"] * 2
    tracking, line = ([r.time for r in world.emulator.requests if r.method == "PATCH"][n] for n in (1, 2))
    assert (line - tracking).total_seconds() >= 5
    assert result.as_dict() == {
        "merchant_id": world.merchant_id,
        "rows": 1,
        **dict.fromkeys(("already", "refused", "conflict", "failed"), 0),
        "done": 1,
        "orders": 1,
        "uri": f"{world.base.as_uri()}/order_updates/merchant_id={world.merchant_id}",
        "requests": 6,
        "applied_before": False,
    }


def test_what_is_so_already_is_not_sent_again(world: OrderWorld) -> None:
    order_id = world.order()
    world.update(tracked(order_id))
    sent = world.writes()
    assert world.update(tracked(order_id), run="another") == {2: {"already"}}
    assert world.writes() == sent
    # A line that came back had been shipped.
    line_id = next(iter(world.lines(order_id)))
    world.emulator.set_line(order_id, line_id, "returned")
    assert world.update(tracked(order_id), run="a third") == {2: {"already"}}
    assert world.writes() == sent


def test_lines_are_canceled_returned_and_shipped_one_by_one(world: OrderWorld) -> None:
    order_id = world.order(items=3)
    first, second, third = world.lines(order_id)
    item = next(i for i in world.truth(order_id)["items"] if i["lines"][0]["order_line_id"] == third)
    rows = [
        tracked(order_id, status="shipped"),
        {"order_id": order_id, "order_line_id": first, "status": "cancelled"},
        {"order_id": order_id, "external_id": item["external_id"], "status": "shipped"},
    ]
    assert world.update(*rows) == {2: {"done"}, 3: {"done"}, 4: {"done"}}
    assert world.lines(order_id) == {first: "canceled", second: "shipped", third: "shipped"}
    back = {"order_id": order_id, "order_line_id": second, "status": "returned", "reason": "size big"}
    assert world.update(back, run="later") == {2: {"done"}}
    truth = world.truth(order_id)
    line = next(line for i in truth["items"] for line in i["lines"] if line["order_line_id"] == second)
    assert line["transitions"][-1]["transition_reason"]["code"] == "2"
    # Of all lines: of all but those that are canceled.
    assert world.update({"order_id": order_id, "status": "shipped"}, run="x") == {2: {"already"}}


@pytest.mark.parametrize(("option", "sent"), [("number", 10), ("text", "10")])
def test_a_reason_is_sent_as_the_assumption_says(world: OrderWorld, option: str, sent: Any) -> None:
    order_id = world.order(status="fulfilled", lines=1, items=1)
    bodies: list[Any] = []
    transport = Recorder(bodies)
    world.assumptions = {"return_reason_as": option}
    job = world.job([{"order_id": order_id, "status": "returned", "reason": 10}])
    world.run(job, transport)
    assert bodies == [{"status": "returned", "reason": sent}]


class Recorder(DeadlyTransport):
    """Keeps the attributes that were written."""

    def __init__(self, bodies: list[Any]) -> None:
        super().__init__(lambda *_: False)
        self._bodies = bodies

    async def send(self, method: str, url: str, **options: Any) -> Any:
        if method == "PATCH":
            self._bodies.append(json.loads(options["body"])["data"]["attributes"])
        return await super().send(method, url, **options)


def test_a_line_that_is_not_reserved_is_reserved_first(world: OrderWorld) -> None:
    order_id = world.order(items=1)
    line_id = next(iter(world.lines(order_id)))
    world.emulator.set_line(order_id, line_id, "initial")
    assert world.update(tracked(order_id)) == {2: {"done"}}
    assert world.writes()[2:] == ["PATCH line 204"] * 2
    assert world.lines(order_id) == {line_id: "shipped"}


def test_an_order_that_is_not_approved_can_only_be_reserved(world: OrderWorld) -> None:
    order_id = world.order(status="initial")
    row = {"order_id": order_id, "status": "shipped", **CODES}
    assert world.update(row) == {2: {"refused"}}
    assert world.writes() == []
    assert world.update({"order_id": order_id, "status": "reserved"}, run="b") == {2: {"done"}}
    assert set(world.lines(order_id).values()) == {"reserved"}


EXPORTED = ": the order has another merchant_order_id; zDirect has 'OTHER'; leave the column blank, or write that one."
REFUSALS: dict[str, Any] = {
    "no return tracking": ({"return_tracking_number": None}, {}, "refused", "without return_tracking_number"),
    "neither": ({"tracking_number": "", "return_tracking_number": None}, {}, "refused", "tracking_number and return"),
    "unknown order": ({"order_id": UNKNOWN}, {}, "refused", "no such order"),
    "unknown line": ({"order_line_id": UNKNOWN}, {}, "refused", "no such line"),
    "unknown article": ({"external_id": "4711"}, {}, "refused", "no line with that external_id"),
    "a shipment": ({"shipment": "A", "weight_grams": 5}, {}, "refused", "split_shipments=True allows it"),
    "of Zalando's": ({}, {"order_type": "ZalandoFulfilled"}, "refused", "Zalando fulfils"),
    "another number": ({}, {"tracking_number": "OTHER"}, "conflict", "has another tracking_number"),
    "another return number": ({}, {"return_tracking_number": "OTHER"}, "conflict", "another return_tracking_number"),
    "exported as another": ({}, {"merchant_order_id": "OTHER"}, "conflict", EXPORTED),
    "no UUID": ({"order_id": "4711"}, {}, "refused", "is not a UUID"),
    "nothing to do": (dict.fromkeys(("merchant_order_id", *CODES, "status")), {}, "refused", "nothing to do"),
}


@pytest.mark.parametrize(("row", "attributes", "outcome", "why"), REFUSALS.values(), ids=list(REFUSALS))
def test_what_cannot_be_is_told_and_nothing_of_the_row_is_sent(
    world: OrderWorld, row: dict[str, Any], attributes: dict[str, Any], outcome: str, why: str
) -> None:
    order_id, good = world.order(**attributes), world.order()
    with pytest.raises(RejectedUpdatesError, match="1 of 2 rows were not applied") as caught:
        world.run(world.job([{**tracked(order_id), **row}, tracked(good, 2)]))
    assert why in str(caught.value)
    assert str(caught.value).count("row 2, order") == 1, "not once per line"
    assert "; and " not in str(caught.value)
    assert caught.value.remedy
    assert world.writes(order_id) == []
    assert set(world.lines(good).values()) == {"shipped"}, "all rows are tried"
    assert {(number, result) for number, _, result in world.published()} >= {(2, outcome), (3, "done")}


@pytest.mark.parametrize(
    ("status", "there", "outcome"),
    [
        ("shipped", "canceled", "conflict"),
        ("canceled", "shipped", "conflict"),
        ("returned", "reserved", "conflict"),
        ("returned", "canceled", "conflict"),
        ("reserved", "shipped", "already"),
        ("canceled", "canceled", "already"),
    ],
)
def test_a_line_that_cannot_become_so_is_a_conflict(world: OrderWorld, status: str, there: str, outcome: str) -> None:
    order_id = world.order(**CODES)
    line_id = next(iter(world.lines(order_id)))
    world.emulator.set_line(order_id, line_id, there)
    row = {"order_id": order_id, "order_line_id": line_id, "status": status}
    if status == "returned":
        row["reason"] = "DEFECTIVE"
    assert world.update(row) == {2: {outcome}}
    assert world.writes() == []


def test_rows_of_one_order_that_differ_are_refused_and_others_go_on(world: OrderWorld) -> None:
    order_id = world.order()
    first, second = world.lines(order_id)
    codes = {"order_id": order_id, **CODES}
    assert world.update(codes, {**codes, "tracking_number": "OUT-10002"}) == {2: {"refused"}, 3: {"refused"}}
    rows = [
        codes,
        {"order_id": order_id, "order_line_id": first, "status": "shipped"},
        {"order_id": order_id, "order_line_id": first, "status": "canceled"},
        {"order_id": order_id, "order_line_id": second, "status": "shipped"},
    ]
    assert world.update(*rows, run="b") == {2: {"done"}, 3: {"refused"}, 4: {"refused"}, 5: {"done"}}
    assert world.lines(order_id) == {first: "reserved", second: "shipped"}


def test_tracking_is_required_unless_it_is_not(world: OrderWorld) -> None:
    order_id = world.order()
    row = {"order_id": order_id, "status": "shipped"}
    assert world.update(row) == {2: {"refused"}}
    assert world.update(row, require_tracking=False, run="b") == {2: {"done"}}


def test_another_number_is_replaced_only_if_asked_for_and_told_if_zdirect_keeps_the_first(world: OrderWorld) -> None:
    order_id = world.order(tracking_number="FIRST", return_tracking_number="BACK-10001")
    row = {"order_id": order_id, "status": "shipped", **CODES}
    assert world.update(row) == {2: {"conflict"}}
    world.emulator.set_options(first_tracking_counts=True)
    with_first = world.run(world.job([row], run="b", overwrite_tracking=True, max_failed=None))
    assert outcomes(with_first) == {2: {"already", "conflict"}}
    assert "still shows another one" in (with_first.results[0].reason or "")
    assert set(world.lines(order_id).values()) == {"reserved"}
    world.emulator.set_options(first_tracking_counts=False)
    assert world.update(row, overwrite_tracking=True, run="c") == {2: {"already", "done"}}
    assert world.truth(order_id)["tracking_number"] == "OUT-10001"
    assert set(world.lines(order_id).values()) == {"shipped"}


def test_numbers_that_take_effect_late_are_waited_for_and_then_for_the_retry(world: OrderWorld) -> None:
    world.emulator.set_options(order_update_seconds=17)
    order_id = world.order()
    assert world.update(tracked(order_id)) == {2: {"done"}}
    assert not world.truth(order_id)["shipped_without_tracking"]
    world.emulator.set_options(order_update_seconds=100)
    late = world.order()
    with pytest.raises(ServerError, match="does not show it yet, so nothing of the order was shipped") as caught:
        world.run(world.job([tracked(late, 3)], run="b"))
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


def test_an_order_number_names_an_order_if_it_is_one_orders_only(world: OrderWorld) -> None:
    order_id = world.order()
    number = world.truth(order_id)["order_number"]
    shared = {world.order(order_number=SHARED) for _ in range(2)}
    rows = [{"order_number": text, **CODES} for text in (number, SHARED, "10999")]
    result = world.run(world.job(rows, max_failed=2))
    assert outcomes(result) == {2: {"done"}, 3: {"refused"}, 4: {"refused"}}
    told = {one.row: one.reason or "" for one in result.results if one.reason}
    assert all(order_id in told[3] for order_id in shared)
    assert "no order has that number" in told[4]

    class Deaf(DeadlyTransport):
        async def send(self, method: str, url: str, **options: Any) -> Any:
            options["params"] = {n: v for n, v in (options.get("params") or {}).items() if n != "order_number"}
            return await super().send(method, url, **options)

    rows = [{"order_number": number, **CODES}, {"order_id": order_id, **CODES}]
    result = world.run(world.job(rows, max_failed=1, run="b"), Deaf(lambda *_: False))
    assert outcomes(result) == {2: {"refused"}, 3: {"already"}}
    assert "3 orders, 1 of which have that number" in (result.results[0].reason or "")
    assert [world.truth(one)["tracking_number"] for one in shared] == ["", ""]


def test_one_failing_order_does_not_keep_the_others_and_the_retry_finds_it(world: OrderWorld) -> None:
    orders = [world.order() for _ in range(4)]
    world.emulator.faults.add({"match": {"path": orders[1], "method": "PATCH"}, "action": {"status": 503}, "times": 1})
    job = world.job([tracked(order_id, number) for number, order_id in enumerate(orders)])
    with pytest.raises(ServerError, match="1 of 4 rows could not be settled") as caught:
        world.run(job)
    assert caught.value.retry_after >= 120
    assert [set(world.lines(one).values()) for one in orders] == [{"shipped"}, {"reserved"}, {"shipped"}, {"shipped"}]
    assert {(row, outcome) for row, _, outcome in world.published()} >= {(2, "done"), (3, "failed"), (4, "done")}
    world.emulator.clock.advance(120)
    sent = len(world.emulator.requests)
    result = world.run(job)
    again = world.emulator.requests[sent:]
    assert {request.path.split("/")[4] for request in again if "/orders/" in request.path} == {orders[1]}
    assert result.rows["done"] == 4, "what the first try did is told as done by this run"
    rows = world.published()
    assert {outcome for _, _, outcome in rows} == {"done"}
    assert len(rows) == len(set(rows)) + len(rows) // 5, "two lines each; everything else once"
    assert len(list(world.base.glob("order_updates/**/*.parquet"))) == 1


def test_where_the_app_may_not_the_rest_is_not_tried_and_told(world: OrderWorld) -> None:
    job = world.job([tracked(UNKNOWN), {"order_id": "4711"}])
    foreign = world.emulator.foreign_merchant_id
    with pytest.raises(PermissionDeniedError):
        world.run(replace(job, merchant_id=foreign))
    assert [(row, outcome) for row, _, outcome in world.published()] == [(2, "refused"), (3, "refused")]


def test_what_zdirect_does_not_let_be_changed_is_refused_and_others_go_on(world: OrderWorld) -> None:
    gone, forbidden, good = world.order(), world.order(), world.order()
    world.emulator.faults.add(
        {"match": {"path": forbidden, "method": "PATCH"}, "action": {"status": 403}, "times": None}
    )
    count = Counter[str]()

    class Forgetful(DeadlyTransport):
        async def send(self, method: str, url: str, **options: Any) -> Any:
            answer = await super().send(method, url, **options)
            count[method] += gone in url
            return replace(answer, status=404) if gone in url and count["GET"] > 1 else answer

    rows = [tracked(one, number) for number, one in enumerate((forbidden, gone, good))]
    result = world.run(world.job(rows, max_failed=2), Forgetful(lambda *_: False))
    assert outcomes(result) == {2: {"refused"}, 3: {"done", "refused"}, 4: {"done"}}
    assert {one.status_code for one in result.results if one.outcome == "refused"} == {403, 404}
    world.emulator.faults.add(
        {"match": {"path": "/orders/", "method": "PATCH"}, "action": {"status": 403}, "times": None}
    )
    many = [tracked(world.order(), number) for number in range(10, 16)]
    with pytest.raises(PermissionDeniedError):
        world.run(world.job(many, max_failed=None, run="b"))


def test_orders_that_fail_come_last_with_the_next_try(world: OrderWorld) -> None:
    bad = world.emulator.add_orders(world.merchant_id, 12, items=1, lines=1)
    good = world.emulator.add_orders(world.merchant_id, 30, items=1, lines=1)
    for order_id in bad:
        world.emulator.faults.add({"match": {"path": order_id}, "action": {"status": 500}, "times": None})
    job = world.job([tracked(order_id, number) for number, order_id in enumerate([*bad, *good])])
    for _ in range(2):
        with pytest.raises(ServerError):
            world.run(job)
        world.emulator.clock.advance(120)
    assert {status for order_id in good for status in world.lines(order_id).values()} == {"shipped"}


def test_a_row_for_all_lines_waits_until_every_row_of_the_order_is_right(world: OrderWorld) -> None:
    for number, wrong in enumerate(({"status": "cancled"}, {"order_line_id": UNKNOWN, "status": "canceled"})):
        order_id, good = world.order(), world.order()
        line_id = next(iter(world.lines(order_id)))
        of_line = {"order_id": order_id, "order_line_id": line_id, **wrong}
        rows = [tracked(order_id, number), of_line, tracked(good, number + 2)]
        assert world.update(*rows, run=str(number)) == {2: {"refused"}, 3: {"refused"}, 4: {"done"}}
        assert set(world.lines(order_id).values()) == {"reserved"}
    number = world.truth(order_id)["order_number"]
    rows = [tracked(order_id), {"order_number": number, "status": "cancled"}]
    assert world.update(*rows, run="by number")[2] == {"refused"}


def test_pieces_of_one_article(world: OrderWorld) -> None:
    order_id = world.order(items=1, lines=2, **CODES)
    first, second = world.lines(order_id)
    article = {"order_id": order_id, "external_id": world.truth(order_id)["items"][0]["external_id"]}
    assert world.update({**article, "status": "canceled"}) == {2: {"refused"}}, "which of them?"
    world.emulator.set_line(order_id, first, "canceled")
    assert world.update({**article, "status": "shipped"}, run="b") == {2: {"done"}}
    assert world.lines(order_id) == {first: "canceled", second: "shipped"}
    assert world.update({**article, "status": "returned", "reason": 1}, run="c") == {2: {"done"}}


class Rewriting(DeadlyTransport):
    """Answers reads of the order otherwise."""

    def __init__(self, order_id: str, change: Callable[[Any], object]) -> None:
        super().__init__(lambda *_: False)
        self._order_id = order_id
        self._change = change

    async def send(self, method: str, url: str, **options: Any) -> Any:
        answer = await super().send(method, url, **options)
        if method != "GET" or self._order_id not in url:
            return answer
        content = json.loads(bytes(answer.body))
        self._change(content)
        return replace(answer, body=bytearray(json.dumps(content).encode()))


def test_an_export_that_is_shown_late_is_waited_for(world: OrderWorld) -> None:
    order_id = world.order(items=1)
    until = world.clock.now() + timedelta(seconds=9)

    def hide(content: Any) -> None:
        if world.clock.now() < until:
            content["data"]["attributes"].update(exported=False, merchant_order_id="")
            for part in content["included"]:
                part["meta"] = {"possible_status_transitions": []}

    job = world.job([tracked(order_id)])
    assert world.run(job, Rewriting(order_id, hide)).rows["done"] == 1
    until = world.clock.now() + timedelta(days=1)
    late = world.order(items=1)
    with pytest.raises(ServerError, match="took the merchant_order_id, and does not show it yet"):
        world.run(world.job([tracked(late, 2)], run="b"), Rewriting(late, hide))


def test_an_order_without_lines_in_the_answer_is_asked_for_again(world: OrderWorld) -> None:
    order_id = world.order()

    def drop(content: Any) -> None:
        content["included"] = []
        if isinstance(content["data"], list):
            content["data"] = []

    with pytest.raises(MalformedResponseError, match="no order lines"):
        world.run(world.job([tracked(order_id)]), Rewriting(order_id, drop))


def test_after_many_failures_in_a_row_the_rest_is_not_tried(world: OrderWorld) -> None:
    world.emulator.faults.add({"match": {"path": "/orders/"}, "action": {"status": 503}, "times": 99})
    orders = world.emulator.add_orders(world.merchant_id, 60)
    with pytest.raises(ServerError, match="60 of 60 rows"):
        world.run(world.job([tracked(order_id) for order_id in orders]))
    asked = [request for request in world.emulator.requests if "/orders/" in request.path]
    assert len(asked) <= 10 + 16, "those under way"


def test_a_limit_that_is_used_up_is_for_the_task_to_wait_and_it_goes_on_from_there(
    world: OrderWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(order_updates.BATCH, "production", 2)
    orders = world.emulator.add_orders(world.merchant_id, 4, items=1, lines=1)
    world.emulator.faults.add(
        {"match": {"path": orders[3], "method": "PATCH"}, "action": {"status": 429, "headers": {"Retry-After": "300"}}}
    )
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
    result = world.run(world.job([tracked(order_id, n) for n, order_id in enumerate(orders)]))
    assert result.rows["done"] == 40
    assert world.clock.slept.count(order_updates.SHIP_AFTER) == 2, "once for each batch"
    assert result.requests == 40 * 5
    # Two reads and three writes of each order; both limits are 2,000 a minute, of which nine tenths are taken.
    assert (world.clock.now() - started).total_seconds() < 40 * 5 * 60 / 1800 + 2 * 5 + 5
    assert not [request for request in world.emulator.requests if request.status == 429]
    assert not any(world.truth(order_id)["shipped_without_tracking"] for order_id in orders[::20])


def test_the_same_rows_are_not_applied_again_if_that_is_wanted(world: OrderWorld) -> None:
    order_id = world.order()
    rows = [tracked(order_id)]
    assert not world.run(world.job(rows, skip_applied=True)).applied_before
    before = len(world.emulator.requests)
    again = world.run(world.job(rows, skip_applied=True, run="another"))
    assert (again.applied_before, again.rows["done"], len(world.emulator.requests)) == (True, 1, before)
    changed = world.run(world.job([*rows, {"order_id": world.order(), **CODES}], skip_applied=True, run="b"))
    assert changed.rows == {"already": 1, "done": 1, "refused": 0, "conflict": 0, "failed": 0}
    # What came to nothing is no reason to leave it, even if that was tolerated; nor is what was applied before another.
    late = world.order(status="initial")
    bad = [tracked(late)]
    assert world.run(world.job(bad, skip_applied=True, max_failed=1, run="c")).rows["refused"] == 1
    world.emulator.approve_order(late)
    assert world.run(world.job(bad, skip_applied=True, run="d")).rows["done"] == 1
    for run, code in (("e", "OUT-10003"), ("f", "OUT-10004"), ("g", "OUT-10003")):
        row = {"order_id": order_id, "tracking_number": code}
        world.run(world.job([row], run=run, skip_applied=True, overwrite_tracking=True))
        assert world.truth(order_id)["tracking_number"] == code
    other = world.job([row], run="h", skip_applied=True, overwrite_tracking=True, task="another")
    assert not world.run(other).applied_before


def test_results_name_row_order_line_what_and_when_and_nothing_personal(world: OrderWorld) -> None:
    order_id = world.order(items=1)
    world.run(world.job([tracked(order_id), {"order_id": "4711", **CODES}], max_failed=1))
    truth = world.truth(order_id)
    files = f"{world.base}/order_updates/**/*.parquet"
    rows = duckdb.sql(
        "SELECT row, order_id, order_number, order_line_id IS NOT NULL, what, outcome, sent_at IS NOT NULL, run, date "
        f"FROM read_parquet('{files}', hive_partitioning=true, hive_types_autocast=false) ORDER BY row, what"
    ).fetchall()
    number = truth["order_number"]
    assert rows == [
        (2, order_id, number, False, "export", "done", True, "a-run", "2026-03-10"),
        (2, order_id, number, False, "return_tracking_number", "done", True, "a-run", "2026-03-10"),
        (2, order_id, number, True, "shipped", "done", True, "a-run", "2026-03-10"),
        (2, order_id, number, False, "tracking_number", "done", True, "a-run", "2026-03-10"),
        (3, None, None, False, "row", "refused", False, "a-run", "2026-03-10"),
    ]
    stored = b"".join(path.read_bytes() for path in world.base.rglob("*") if path.is_file())
    for personal in ("OUT-10001", truth["customer_number"], truth["shipping_address"]["last_name"]):
        assert personal.encode() not in stored
    assert not list(world.base.glob("_staging/order_updates/**/*.json"))


def test_results_as_json_lines(world: OrderWorld) -> None:
    job = world.job([tracked(world.order())], format="jsonl")
    world.run(job)
    files = f"{world.base}/order_updates/**/*.jsonl.gz"
    assert duckdb.sql(f"SELECT count(*) FROM read_json('{files}')").fetchall() == [(5,)]


def test_rows_together_do_not_make_the_number_of_the_parcel_that_of_the_way_back(world: OrderWorld) -> None:
    code = "003404341600000001"
    order_id, halfway = world.order(), world.order(tracking_number=code)
    rows = [
        {"order_id": order_id, "tracking_number": code},
        {"order_id": order_id, "return_tracking_number": code.lstrip("0"), "status": "shipped"},
        {"order_id": halfway, "return_tracking_number": code},
    ]
    result = world.run(world.job(rows, max_failed=None))
    assert outcomes(result) == {2: {"refused"}, 3: {"refused"}, 4: {"refused"}}
    assert {one.reason for one in result.results} == {
        "tracking_number and return_tracking_number would be the same; every parcel has its own"
    }
    assert not world.writes()


def test_nothing_of_a_row_with_a_placeholder_is_sent_and_no_line_of_its_order_shipped(world: OrderWorld) -> None:
    good, bad = world.order(), world.order()
    rows = [tracked(good), tracked(bad, tracking_number="n/a"), {"order_id": bad, **CODES, "status": "shipped"}]
    with pytest.raises(RejectedUpdatesError) as caught:
        world.run(world.job(rows))
    said = str(caught.value)
    assert "2 of 3 rows were not applied. " in said
    assert f"row 3, order {bad}: tracking_number='n/a' " in said
    assert "may be" not in said.partition("row 3")[0]
    assert world.truth(good)["status"] == "fulfilled"
    assert not any("line" in write for write in world.writes(bad))


def test_an_order_of_another_merchant_of_the_file_is_left_to_that_merchant(world: OrderWorld) -> None:
    other = world.emulator.merchant_ids[1]
    mine = world.order()
    (theirs,) = world.emulator.add_orders(other, 1, items=1, lines=1)
    nobodys = "5b1f6a52-9d3c-4d6e-8f3a-0c9a5b7e1d24"
    rows = [(f"row {n}", tracked(one, n)) for n, one in enumerate((mine, theirs, nobodys), start=2)]
    read = read_updates(rows, merchant_id=world.merchant_id, is_shared=True)
    job = world.job([], updates=read.updates, wrong=read.wrong, others=(other,), max_failed=None)
    result = world.run(job)
    assert outcomes(result) == {2: {"done"}, 4: {"refused"}}
    assert (result.orders, result.of_others, result.rows["refused"]) == (2, 1, 1)
    assert not world.writes(theirs)
    named = read_updates([("row 2", {**tracked(theirs), "merchant_id": world.merchant_id})],
                         merchant_id=world.merchant_id, is_shared=True)  # fmt: skip
    again = world.run(world.job([], updates=named.updates, others=(other,), max_failed=None, run="b"))
    assert outcomes(again) == {2: {"refused"}}, "a row that names its merchant is not left out"
