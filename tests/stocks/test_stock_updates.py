"""From a feed to the levels at zDirect, against the emulator over HTTP, with its limits on."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from stock_world import Refusing, StockWorld, ean

from airflow_provider_zdirect.exceptions import (
    MalformedResponseError,
    RejectedRecordsError,
    ServerError,
    ZDirectConfigurationError,
)
from airflow_provider_zdirect.stocks import stock_updates

QUERIES = re.findall(r'duckdb -c "(.*)"', (Path(__file__).parents[2] / "docs" / "stocks.md").read_text())
"""Of what was rejected, and of what was not accepted."""


def rows(count: int, quantity: int = 5) -> list[dict[str, object]]:
    return [{"ean": ean(number), "quantity": quantity + number % 3} for number in range(count)]


def test_a_row_goes_to_every_live_sales_channel_and_one_with_a_channel_to_that_only(world: StockWorld) -> None:
    own = world.channels[0]
    world.emulator.change_reference("sales_channels", world.channels[-1], {"live": False})
    live = world.channels
    world.write(
        "stock.csv",
        [
            {"ean": ean(1), "quantity": 4},
            {"ean": ean(2), "quantity": 7},
            {"ean": ean(2), "quantity": 1, "sales_channel_id": own},
        ],
    )
    result = world.run(world.job(sales_channel_ids=()))
    assert world.levels() == {
        **{(channel, ean(1)): 4 for channel in live},
        **{(channel, ean(2)): 7 for channel in live},
        (own, ean(2)): 1,
    }
    assert (result["pairs"], result["sent"], result["accepted"]) == (2 * len(live),) * 3
    assert {(channel, code): (quantity, "accepted") for channel, code, quantity, _ in world.results()} == {
        pair: (quantity, "accepted") for pair, quantity in world.levels().items()
    }
    assert world.results(table="stock_updates_current") == world.results()


@pytest.mark.parametrize(("unknown", "gets"), [("live", True), ("not_live", False)])
def test_whether_a_channel_gets_stock_that_is_not_said_to_be_live_is_an_assumption(
    world: StockWorld, unknown: str, gets: bool
) -> None:
    channel = world.channels[0]
    world.emulator.change_reference("sales_channels", channel, {"live": None})
    world.write("stock.csv", rows(1))
    world.assumptions = {"unknown_live": unknown}
    world.run(world.job(sales_channel_ids=()))
    assert ((channel, ean(0)) in world.levels()) is gets


def test_no_live_sales_channel_is_an_error_before_anything_is_sent(world: StockWorld) -> None:
    for channel in world.channels:
        world.emulator.change_reference("sales_channels", channel, {"live": False})
    world.write("stock.csv", rows(1))
    with pytest.raises(ZDirectConfigurationError, match="none of them live"):
        world.run(world.job(sales_channel_ids=()))
    assert not world.posts()


def test_only_changes_are_sent_unless_all_is_asked_for_or_it_was_long_ago(world: StockWorld) -> None:
    world.write("stock.csv", rows(3))
    assert world.run(world.job(run="a"))["sent"] == 6
    again = world.run(world.job(run="b", minutes=1))
    assert (again["sent"], again["updates"], again["unchanged"]) == (0, 0, 6)
    world.write("stock.csv", [*rows(2), {"ean": ean(2), "quantity": 99}])
    changed = world.run(world.job(run="c", minutes=2))
    assert (changed["sent"], changed["unchanged"]) == (2, 4)
    assert world.levels()[world.channels[0], ean(2)] == 99
    assert world.run(world.job(run="d", minutes=3, full_sync=True))["sent"] == 6
    assert world.run(world.job(run="e", minutes=4, resend_after=timedelta(hours=1)))["sent"] == 0
    world.emulator.clock.advance(3600)
    assert world.run(world.job(run="f", minutes=5, resend_after=timedelta(hours=1)))["sent"] == 6
    assert len(world.posts()) == 4
    assert len(world.results()) == 6 + 2 + 6 + 6
    assert len(world.results(table="stock_updates_current")) == 6


def test_an_older_feed_changes_nothing(world: StockWorld) -> None:
    world.feed("new.csv", {0: 1, 1: 1})
    world.feed("old.csv", {0: 50, 1: 50, 7: 3})
    world.run(world.job("new.csv", run="a", minutes=10))
    before = world.levels()
    result = world.run(world.job("old.csv", run="b", minutes=5, full_sync=True))
    assert (result["outdated"], result["sent"]) == (4, 2)
    assert world.levels() == {**before, **{(channel, ean(7)): 3 for channel in world.channels[:2]}}


def test_the_time_of_a_feed_is_when_its_file_was_written(world: StockWorld) -> None:
    path = world.write("stock.csv", rows(1))
    os.utime(path, (world.start.timestamp(), world.start.timestamp()))
    assert world.run(world.job(minutes=None))["feed_time"] == world.start.isoformat()
    # The clock of whoever wrote it is ahead of ours.
    os.utime(path, (world.start.timestamp() + 10**7,) * 2)
    assert world.run(world.job(minutes=None, run="b"))["feed_time"] == world.clock.now().isoformat()


@pytest.mark.parametrize("shape", ["results", "items"])
@pytest.mark.parametrize("status", ["ACCEPTED", "FAILED", "REJECTED"])
def test_pending_updates_are_taken_whatever_status_goes_with_their_code(
    world: StockWorld, monkeypatch: pytest.MonkeyPatch, shape: str, status: str
) -> None:
    world.emulator.set_options(stocks_answer=shape, stocks_pending=0.5, stocks_pending_status=status)
    world.write("stock.csv", rows(20))
    result = world.run(world.job())
    assert (result["accepted"] + result["pending"], result["failed"], result["refused"]) == (40, 0, 0)
    monkeypatch.chdir(world.root.parent)
    not_accepted = duckdb.sql(QUERIES[1]).fetchall()
    assert {row[3:5] for row in not_accepted} == {("pending", 104)}
    assert {row[:1] for row in world.results("status, outcome") if row[1] == "pending"} == {(status,)}
    held = {code for code, *_ in not_accepted}
    assert len(not_accepted) == result["pending"] > 0
    assert len(world.posts()) == 1
    assert world.run(world.job(run="b", minutes=1))["sent"] == 0, "they are held, and need not be sent again"
    for code in held:
        world.emulator.onboard(code)
    assert world.levels() == {
        (channel, row["ean"]): row["quantity"] for channel in world.channels[:2] for row in rows(20)
    }


def test_failed_updates_are_sent_again_a_few_times_then_left_to_a_retry_even_if_a_row_is_bad(world: StockWorld) -> None:
    world.emulator.set_options(stocks_failed=1.0)
    world.write("stock.csv", [*rows(2), {"ean": "7", "quantity": 1}])
    with pytest.raises(ServerError, match=r"1 row was rejected.* 4 updates failed 4 times") as caught:
        world.run(world.job())
    assert caught.value.retry_after > 0
    assert len(world.posts()) == 4
    assert world.results("outcome, attempts, code, status") == [("failed", 4, 102, "FAILED")] * 4
    world.emulator.set_options(stocks_failed=0.0)
    with pytest.raises(RejectedRecordsError):
        world.run(world.job())
    assert [row[3] for row in world.results()] == ["accepted"] * 4
    assert len(world.levels()) == 4


def test_what_zdirect_rejects_is_reported_and_fails_the_run_after_all_else(world: StockWorld) -> None:
    unknown = "5b1f6a52-9d3c-4d6e-8f3a-0c9a5b7e1d24"
    world.write("stock.csv", [*rows(2), {"ean": ean(9), "quantity": 1, "sales_channel_id": unknown}])
    with pytest.raises(RejectedRecordsError, match="zDirect rejected 1 update ") as caught:
        world.run(world.job())
    assert " 0 " not in str(caught.value)
    assert "rejected (" not in str(caught.value)
    assert len(world.levels()) == 4
    assert world.results("description", "stock_updates")[-1][0] is None
    assert [row for row in world.results("ean, outcome, code") if row[1] != "accepted"] == [(ean(9), "rejected", 101)]
    assert world.run(world.job(run="b", minutes=1, max_rejected=1))["refused"] == 1


def test_bad_rows_are_rejected_with_place_and_reason_and_the_others_sent(
    world: StockWorld, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write(
        "stock.csv",
        "EAN;Quantity\n"
        f"{ean(1)};5\n4006381333930;5\n{ean(2)};-1\n{ean(3)};2.5\n{ean(4)};\n{ean(5)};1\n{ean(5)};2\n{ean(6)};3\n{ean(6)};3\n",
    )
    with pytest.raises(RejectedRecordsError, match="7 rows were rejected") as caught:
        world.run(world.job())
    assert "row 4 of stock.csv: quantity=-1 is negative; " in str(caught.value)
    assert "; and 2 more. That is more" in str(caught.value)
    assert "rejected 0" not in str(caught.value)
    assert "and 2 more; 7 rows were rejected, see " in caplog.text
    assert {code: level for (_, code), level in world.levels().items()} == {ean(1): 5, ean(6): 3}
    reasons = dict(world.rejected())
    assert list(reasons) == ["row 10", "row 3", "row 4", "row 5", "row 6", "row 7", "row 8"]
    for row, said in {
        "row 3": "not a valid EAN: its check digit is wrong",
        "row 4": "quantity=-1 is negative",
        "row 5": "quantity='2.5' is not a whole number",
        "row 6": "quantity is missing",
        "row 7": "quantity 1 here and quantity 2 in row 8",
        "row 10": "was in row 9 of stock.csv already",
    }.items():
        assert said in reasons[row]
    monkeypatch.chdir(world.root.parent)
    found = duckdb.sql(QUERIES[0].replace('\\"', '"')).fetchall()
    assert {where: reason for _, _, where, reason in found} == reasons
    assert {Path(file).name for _, file, _, _ in found} == {"stock.csv"}
    assert world.run(world.job(max_rejected=7))["rejected"] == 7


def test_merchant_skus_go_through_the_mapping(world: StockWorld) -> None:
    mapping = world.write("map.csv", [{"merchant_sku": "A-1", "ean": ean(1)}, {"merchant_sku": "A-2", "ean": "12"}])
    world.write("stock.csv", [{"merchant_sku": sku, "quantity": 2} for sku in ("A-1", "A-2", "A-3")])
    result = world.run(world.job(mapping=mapping, max_rejected=2))
    assert (result["accepted"], result["rejected"]) == (2, 2)
    assert {code for _, code in world.levels()} == {ean(1)}
    said = [reason for _, reason in world.rejected()]
    assert ["not a valid EAN" in said[0], "not in the mapping" in said[1]] == [True, True]
    with pytest.raises(ZDirectConfigurationError, match="mapping_path is not given"):
        world.run(world.job())


def test_an_answer_that_leaves_an_item_out_accepts_it_not(world: StockWorld) -> None:
    world.write("stock.csv", rows(1))
    item = {"sales_channel_id": world.channels[0].upper(), "ean": ean(0), "quantity": 5}
    answer(world, {"results": [{"item": item, "result": {"status": "ACCEPTED", "code": "0"}}]})
    result = world.run(world.job())
    assert (result["accepted"], result["updates"]) == (2, 3), "the one that was left out was sent again"


def test_a_wrong_answer_leaves_open_what_became_of_the_batch_and_the_retry_sends_it_again(world: StockWorld) -> None:
    world.write("stock.csv", rows(2))
    answer(world, {"ok": True})
    with pytest.raises(MalformedResponseError):
        world.run(world.job())
    assert world.run(world.job())["accepted"] == 4
    assert len(world.results()) == 4


def answer(world: StockWorld, body: dict[str, object]) -> None:
    """Of zDirect to the first update."""
    world.emulator.faults.add({"match": {"path": "/stocks", "nth": 1}, "action": {"status": 207, "body": body}})


def test_a_batch_that_is_refused_as_a_whole_is_halved_until_the_wrong_update_is_found(
    world: StockWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stock_updates, "BATCH", 8)
    world.write("stock.csv", rows(10))
    channel = world.channels[0]
    refusing = Refusing(ean(3))
    with pytest.raises(RejectedRecordsError, match="zDirect rejected 1 update "):
        world.run(world.job(sales_channel_ids=(channel,)), refusing)
    assert world.levels() == {(channel, row["ean"]): row["quantity"] for row in rows(10) if row["ean"] != ean(3)}
    assert refusing.sizes == [8, 4, 2, 2, 1, 1, 4, 2]
    assert [row[1:] for row in world.results("ean, outcome, code, attempts") if row[0] == ean(3)] == [
        ("rejected", 400, 1)
    ]
    monkeypatch.setattr(stock_updates, "MAX_HALVES", 1)
    world.write("stock.csv", rows(10, quantity=70))
    with pytest.raises(RejectedRecordsError, match="zDirect rejected 4 updates"):
        world.run(world.job(sales_channel_ids=(channel,), run="b", minutes=1), Refusing(ean(3)))
    assert sum(level >= 70 for level in world.levels().values()) == 6


def test_what_one_zdirect_has_says_nothing_of_another(world: StockWorld) -> None:
    world.write("stock.csv", rows(1))
    assert world.run(world.job())["sent"] == 2
    world.environment = "sandbox"
    with pytest.raises(ZDirectConfigurationError, match=r"records what production http.*sends to sandbox http"):
        world.run(world.job(run="b"))


def test_a_newer_feed_that_changes_nothing_keeps_older_ones_from_coming_back(world: StockWorld) -> None:
    for name, quantity in (("mon", 5), ("tue", 9), ("wed", 5)):
        world.feed(f"{name}.csv", {1: quantity})
    world.run(world.job("mon.csv", run="a"))
    again = world.run(world.job("wed.csv", run="b", minutes=20))
    assert (again["sent"], again["unchanged"], len(world.posts())) == (0, 2, 1)
    assert world.run(world.job("tue.csv", run="c", minutes=10))["outdated"] == 2
    assert set(world.levels().values()) == {5}
    there = world.results("feed_time AT TIME ZONE 'UTC'", "stock_updates_current")[0][0]
    assert there == (world.start + timedelta(minutes=20)).replace(tzinfo=None)
    world.emulator.clock.advance(3600)
    later = world.job("wed.csv", run="d", minutes=30, resend_after=timedelta(hours=1))
    assert world.run(later)["sent"] == 2, "since it was sent, not since it was confirmed"


def test_both_limits_are_kept_by_merchants_that_share_them(world: StockWorld) -> None:
    world.write("stock.csv", rows(1300))
    other = StockWorld(world.emulator, world.root.with_name("other"))
    other.limiter = world.limiter
    other.write("stock.csv", rows(700))
    world.run(world.job(run="a"))
    other.run(other.job(run="b", sales_channel_ids=(world.channels[0],)))
    assert not [request for request in world.posts() if request.status == 429]
    assert world.busiest_minute()[1] <= 2000
    assert len(world.posts()) == 11 + 3
    took = (world.clock.now() - world.start).total_seconds() - 3600
    assert took < 3300 * 61 / 1700, "all but the last request are waited for"


@pytest.mark.parametrize("seconds", [20, 45])
def test_a_limit_that_others_use_up_is_waited_for_by_the_run_or_its_task(world: StockWorld, seconds: int) -> None:
    world.write("stock.csv", rows(1))
    refused = {"status": 429, "headers": {"Retry-After": str(seconds)}}
    world.emulator.faults.add({"match": {"path": "/stocks", "nth": 1}, "action": refused})
    assert world.run_as_task(world.job())["accepted"] == 2
    assert len(world.posts()) == 2
    assert seconds in world.clock.slept


def test_a_large_feed_with_one_in_a_hundred_bad_and_failing_ends_right_within_the_limits(world: StockWorld) -> None:
    """As `benchmarks/stock_updates.py` does with 50,000 pairs."""
    world.emulator.set_options(stocks_failed=0.01)
    feed = rows(2200)
    for bad in feed[::100]:
        bad["quantity"] = "-1"
    world.write("stock.csv", feed)
    result = world.run(world.job(max_rejected=22))
    good = [row for row in feed if row["quantity"] != "-1"]
    assert world.levels() == {(channel, row["ean"]): row["quantity"] for channel in world.channels[:2] for row in good}
    assert (result["rejected"], result["accepted"], result["failed"]) == (22, 4356, 0)
    assert result["updates"] > 4356, "some failed and were sent again"
    counts = world.results("count(*), count(DISTINCT (sales_channel_id, ean)), min(outcome)")
    assert counts == [(4356, 4356, "accepted")]
    requests, updates = world.busiest_minute()
    assert requests <= 60
    assert updates <= 2000
    assert not [request for request in world.posts() if request.status == 429]
    assert len(world.posts()) <= 24
