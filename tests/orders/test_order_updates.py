"""What becomes of orders and their rows."""

from __future__ import annotations

import gc
import json
from typing import Any

import duckdb
import pytest
from orders.order_world import CODES, AnsweringTransport, OrderWorld, outcomes, tracked

from airflow_provider_zdirect.client import Timeouts, Transport
from airflow_provider_zdirect.exceptions import RejectedUpdatesError
from airflow_provider_zdirect.orders.order_state import OrderState
from airflow_provider_zdirect.orders.update_rows import read_updates
from airflow_provider_zdirect.publish.results import RunResults

SHARED = "10000000000001"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


def test_an_order_is_exported_then_tracked_then_shipped_and_its_numbers_have_taken_effect(world: OrderWorld) -> None:
    order_id = world.order()
    result = world.runs(tracked(order_id))
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
        "of_others": 0,
        "applied_before": False,
    }


def test_what_is_so_already_is_not_sent_again(world: OrderWorld) -> None:
    order_id = world.order()
    world.update(tracked(order_id))
    sent = world.writes()
    assert world.update(tracked(order_id), run="another") == {2: {"already"}}
    # A line that came back had been shipped.
    world.emulator.set_line(order_id, next(iter(world.lines(order_id))), "returned")
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


def test_a_row_for_all_lines_of_which_other_rows_name_each_has_nothing_to_do(world: OrderWorld) -> None:
    order_id = world.order(**CODES)
    of_lines = [{"order_id": order_id, "order_line_id": line, "status": "canceled"} for line in world.lines(order_id)]
    assert world.update({"order_id": order_id, "status": "shipped"}, *of_lines) == {
        2: {"already"},
        3: {"done"},
        4: {"done"},
    }


@pytest.mark.parametrize(("option", "sent"), [("number", 10), ("text", "10")])
def test_a_reason_is_sent_as_the_option_says(world: OrderWorld, option: str, sent: Any) -> None:
    bodies: list[Any] = []

    class Recorder(Transport):
        async def send(self, method: str, url: str, **options: Any) -> Any:
            if method == "PATCH":
                bodies.append(json.loads(options["body"])["data"]["attributes"])
            return await super().send(method, url, **options)

    row = {"order_id": world.order(status="fulfilled", lines=1, items=1), "status": "returned", "reason": 10}
    world.assumptions = {"return_reason_as": option}
    world.runs(row, transport=Recorder(Timeouts(10, 10, 10)))
    assert bodies == [{"status": "returned", "reason": sent}]


def test_a_line_that_is_not_reserved_is_reserved_first(world: OrderWorld) -> None:
    order_id = world.order(items=1)
    line_id = next(iter(world.lines(order_id)))
    world.emulator.set_line(order_id, line_id, "initial")
    assert world.update(tracked(order_id)) == {2: {"done"}}
    assert world.writes()[2:] == ["PATCH line 204"] * 2
    assert world.lines(order_id) == {line_id: "shipped"}


def test_an_order_that_is_not_approved_can_only_be_reserved(world: OrderWorld) -> None:
    order_id = world.order(status="initial")
    assert world.update({"order_id": order_id, "status": "shipped", **CODES}) == {2: {"refused"}}
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
    "a placeholder": ({"return_tracking_number": "n/a"}, {}, "refused", ": return_tracking_number='n/a' stands for"),
}


@pytest.mark.parametrize(("row", "attributes", "outcome", "why"), REFUSALS.values(), ids=list(REFUSALS))
def test_what_cannot_be_is_reported_and_nothing_of_the_row_is_sent(
    world: OrderWorld, row: dict[str, Any], attributes: dict[str, Any], outcome: str, why: str
) -> None:
    order_id, good = world.order(**attributes), world.order()
    with pytest.raises(RejectedUpdatesError, match="1 of 2 rows could not be applied") as caught:
        world.runs({**tracked(order_id), **row}, tracked(good, 2))
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
    reason = {"reason": "DEFECTIVE"} if status == "returned" else {}
    assert world.update({"order_id": order_id, "order_line_id": line_id, "status": status, **reason}) == {2: {outcome}}
    assert world.writes() == []


def test_rows_of_one_order_that_differ_are_refused_and_others_go_on(world: OrderWorld) -> None:
    order_id = world.order()
    first, second = world.lines(order_id)
    codes = {"order_id": order_id, **CODES}
    assert world.update(codes, {**codes, "tracking_number": "OUT-10002"}) == {2: {"refused"}, 3: {"refused"}}
    statuses = [(first, "shipped"), (first, "canceled"), (second, "shipped")]
    of_lines = [{"order_id": order_id, "order_line_id": line_id, "status": status} for line_id, status in statuses]
    assert world.update(codes, *of_lines, run="b") == {2: {"done"}, 3: {"refused"}, 4: {"refused"}, 5: {"done"}}
    assert world.lines(order_id) == {first: "reserved", second: "shipped"}


def test_tracking_is_required_unless_it_is_not(world: OrderWorld) -> None:
    row = {"order_id": world.order(), "status": "shipped"}
    assert world.update(row) == {2: {"refused"}}
    assert world.update(row, require_tracking=False, run="b") == {2: {"done"}}


def test_another_number_is_replaced_only_if_asked_for_and_reported_if_zdirect_keeps_the_first(
    world: OrderWorld,
) -> None:
    order_id = world.order(tracking_number="FIRST", return_tracking_number="BACK-10001")
    row = {"order_id": order_id, "status": "shipped", **CODES}
    assert world.update(row) == {2: {"conflict"}}
    world.emulator.set_options(first_tracking_counts=True)
    with_first = world.runs(row, run="b", overwrite_tracking=True, max_failed=None)
    assert outcomes(with_first) == {2: {"already", "conflict"}}
    assert "still shows another one" in (with_first.results[0].reason or "")
    assert set(world.lines(order_id).values()) == {"reserved"}
    world.emulator.set_options(first_tracking_counts=False)
    assert world.update(row, overwrite_tracking=True, run="c") == {2: {"already", "done"}}
    assert world.truth(order_id)["tracking_number"] == "OUT-10001"
    assert set(world.lines(order_id).values()) == {"shipped"}


def test_an_order_number_names_an_order_if_it_is_one_orders_only(world: OrderWorld) -> None:
    order_id = world.order()
    number = world.truth(order_id)["order_number"]
    shared = {world.order(order_number=SHARED) for _ in range(2)}
    result = world.runs(*({"order_number": text, **CODES} for text in (number, SHARED, "10999")), max_failed=2)
    assert outcomes(result) == {2: {"done"}, 3: {"refused"}, 4: {"refused"}}
    reasons = {one.row: one.reason or "" for one in result.results if one.reason}
    assert all(order_id in reasons[3] for order_id in shared)
    assert "no order has that number" in reasons[4]

    class Deaf(Transport):
        async def send(self, method: str, url: str, **options: Any) -> Any:
            options["params"] = {n: v for n, v in (options.get("params") or {}).items() if n != "order_number"}
            return await super().send(method, url, **options)

    rows = [{"order_number": number, **CODES}, {"order_id": order_id, **CODES}]
    result = world.runs(*rows, max_failed=1, run="b", transport=Deaf(Timeouts(10, 10, 10)))
    assert outcomes(result) == {2: {"refused"}, 3: {"already"}}
    assert "3 orders, 1 of which have that number" in (result.results[0].reason or "")
    assert [world.truth(one)["tracking_number"] for one in shared] == ["", ""]


def test_a_row_for_all_lines_waits_until_every_row_of_the_order_is_right(world: OrderWorld) -> None:
    for number, wrong in enumerate(({"status": "cancled"}, {"order_line_id": UNKNOWN, "status": "canceled"})):
        order_id, good = world.order(), world.order()
        of_line = {"order_id": order_id, "order_line_id": next(iter(world.lines(order_id))), **wrong}
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


def test_the_same_rows_are_not_applied_again_if_that_is_wanted(world: OrderWorld) -> None:
    order_id = world.order()
    row = tracked(order_id)
    assert not world.runs(row, skip_applied=True).applied_before
    before = len(world.emulator.requests)
    again = world.runs(row, skip_applied=True, run="another")
    assert (again.applied_before, again.rows["done"], len(world.emulator.requests)) == (True, 1, before)
    changed = world.runs(row, {"order_id": world.order(), **CODES}, skip_applied=True, run="b")
    assert changed.rows == {"already": 1, "done": 1, "refused": 0, "conflict": 0, "failed": 0}
    # Rows that were not applied are tried again, even if that was tolerated; so are rows applied before others.
    late = world.order(status="initial")
    assert world.runs(tracked(late), skip_applied=True, max_failed=1, run="c").rows["refused"] == 1
    world.emulator.approve_order(late)
    assert world.runs(tracked(late), skip_applied=True, run="d").rows["done"] == 1
    rules: dict[str, Any] = {"skip_applied": True, "overwrite_tracking": True}
    for run, code in (("e", "OUT-10003"), ("f", "OUT-10004"), ("g", "OUT-10003")):
        row = {"order_id": order_id, "tracking_number": code}
        world.runs(row, run=run, **rules)
        assert world.truth(order_id)["tracking_number"] == code
    assert not world.runs(row, run="h", task="another", **rules).applied_before


def test_results_name_row_order_line_what_and_when_and_nothing_personal(world: OrderWorld) -> None:
    order_id = world.order(items=1)
    world.runs(tracked(order_id), {"order_id": "4711", **CODES}, max_failed=1)
    truth = world.truth(order_id)
    files = f"{world.base}/order_updates/**/*.parquet"
    rows = duckdb.sql(
        "SELECT row, order_id, order_number, order_line_id IS NOT NULL, what, outcome, sent_at IS NOT NULL, run, date "
        f"FROM read_parquet('{files}', hive_partitioning=true, hive_types_autocast=false) ORDER BY row, what"
    ).fetchall()
    of_order = [(2, order_id, truth["order_number"])] * 4
    whats = [("export", False), ("return_tracking_number", False), ("shipped", True), ("tracking_number", False)]
    assert rows == [
        *((*order, line, what, "done", True, "a-run", "2026-03-10") for order, (what, line) in zip(of_order, whats)),  # noqa: B905
        (3, None, None, False, "row", "refused", False, "a-run", "2026-03-10"),
    ]
    stored = b"".join(path.read_bytes() for path in world.base.rglob("*") if path.is_file())
    for personal in ("OUT-10001", truth["customer_number"], truth["shipping_address"]["last_name"]):
        assert personal.encode() not in stored
    assert not list(world.base.glob("_staging/order_updates/**/*.json"))


def test_rows_together_do_not_make_the_number_of_the_parcel_that_of_the_way_back(world: OrderWorld) -> None:
    code = "003404341600000001"
    order_id, halfway = world.order(), world.order(tracking_number=code)
    result = world.runs(
        {"order_id": order_id, "tracking_number": code},
        {"order_id": order_id, "return_tracking_number": code.lstrip("0"), "status": "shipped"},
        {"order_id": halfway, "return_tracking_number": code},
        max_failed=None,
    )
    assert outcomes(result) == {2: {"refused"}, 3: {"refused"}, 4: {"refused"}}
    assert {one.reason for one in result.results} == {
        "tracking_number and return_tracking_number would be the same; every parcel has its own"
    }
    assert not world.writes()


def test_an_order_of_another_merchant_of_the_file_is_left_to_that_merchant(world: OrderWorld) -> None:
    other = world.emulator.merchant_ids[1]
    mine = world.order()
    (theirs,) = world.emulator.add_orders(other, 1, items=1, lines=1)
    rows = [(f"row {n}", tracked(one, n)) for n, one in enumerate((mine, theirs, UNKNOWN), start=2)]
    read = read_updates(rows, merchant_id=world.merchant_id, is_shared=True)
    result = world.runs(updates=read.updates, others=(other,), max_failed=None)
    assert outcomes(result) == {2: {"done"}, 4: {"refused"}}
    assert (result.orders, result.of_others, result.rows["refused"]) == (2, 1, 1)
    assert not world.writes(theirs)
    rows = [("row 2", {**tracked(theirs), "merchant_id": world.merchant_id})]
    read = read_updates(rows, merchant_id=world.merchant_id, is_shared=True)
    again = world.runs(updates=read.updates, others=(other,), max_failed=None, run="b")
    assert outcomes(again) == {2: {"refused"}}, "a row that names its merchant is not left out"


def test_an_answer_about_an_order_without_attributes_or_lines_updates_nothing(world: OrderWorld) -> None:
    order_id = world.order()
    for run, change in (("a", lambda data: data.pop("attributes")), ("b", lambda data: data.update(id=UNKNOWN))):

        def spoil(method: str, url: str, content: Any, change: Any = change) -> None:
            if method == "GET" and order_id in url:
                change(content["data"])

        with pytest.raises(Exception, match=r"the answer (has another form|is order 00000000)"):
            world.runs(tracked(order_id), run=run, transport=AnsweringTransport(spoil))
    assert not world.writes()


def test_an_order_that_shows_its_number_before_it_is_exported_is_shipped(world: OrderWorld) -> None:
    """As a retry may find it, after an export."""
    order_id = world.order(merchant_order_id="M1")
    reads = []

    def lag(method: str, url: str, content: Any) -> None:
        if method == "GET" and order_id in url and not reads:
            reads.append(url)
            content["data"]["attributes"]["exported"] = False
            for part in content["included"]:
                part["meta"] = {"possible_status_transitions": []}

    assert world.update(tracked(order_id), transport=AnsweringTransport(lag)) == {2: {"already", "done"}}
    assert set(world.lines(order_id).values()) == {"shipped"}


def test_settled_orders_do_not_stay_in_memory(world: OrderWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    orders = world.emulator.add_orders(world.merchant_id, 3)
    left: list[OrderState] = []
    publish = RunResults.publish

    def look(*arguments: Any) -> str:
        gc.collect()
        left.extend(each for each in gc.get_objects() if type(each) is OrderState and each.id in orders)
        return publish(*arguments)

    monkeypatch.setattr(RunResults, "publish", look)
    world.runs(*map(tracked, orders))
    assert not left
