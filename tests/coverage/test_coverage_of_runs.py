"""The coverage of what real runs leave: complete, killed, clipped, filtered, with rejected records, empty, repeated."""

from __future__ import annotations

import gzip
import json
import logging
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from extraction import Extraction, hourly
from histories import DAY, HOUR, Base
from histories import EMULATED_NOW as NOW
from killing import Killed

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.pipeline.run import Run
from airflow_provider_zdirect.windows import Window

SUNDAY = date(2026, 11, 22)
ITEMS, ICM, LIQUIDATED = "returned_items", "intra_community_movements", "liquidated_items"
ORDERS, PARTNERS, ZALANDO = "orders", {"order_type": "PartnerFulfilled"}, {"order_type": "ZalandoFulfilled"}
EDGE = Window(NOW - 100 * DAY - 3 * HOUR, NOW - 100 * DAY + 3 * HOUR)
"""An hour ago zDirect had all of it, now it has the second half."""


def letters(base: Base, runs: Extraction, dataset: str, **options) -> str:
    """From the first day with any on."""
    now = runs.emulator.clock.now()
    row = base.row(dataset, now, merchants=(runs.merchant_id,), **{"grace": 0 * HOUR, "days": 110, **options})
    return "".join(row.as_json("")["days"].values()).strip(".")


def test_a_run_that_was_killed_has_started_its_gap_and_its_retry_fills_it(base, runs, monkeypatch):
    first, killed, last = hourly(NOW - 3 * HOUR, 3)
    for window in (last, first):
        runs.run(ITEMS, window)

    def die(run: Run, manifest: object) -> None:
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(Run, "write", die)
        with pytest.raises(Killed):
            runs.run(ITEMS, killed)
    (gap,) = base.row(ITEMS, NOW, merchants=(runs.merchant_id,), grace=0 * HOUR).gaps
    assert (gap.window, gap.started) == (killed, True)
    runs.run(ITEMS, killed)
    assert letters(base, runs, ITEMS) == "LLL"


def test_the_part_of_a_window_that_was_clipped_is_lost(base, runs):
    edge = NOW - 100 * DAY
    runs.run(ITEMS, Window(edge - 4 * HOUR, edge + 2 * HOUR), clip_to_retention=True)
    # The five minutes that zDirect may delete meanwhile were not fetched either.
    assert letters(base, runs, ITEMS)[:7] == "XXXXXLM"


def test_a_day_of_one_purchase_order_covers_nothing(base, runs):
    runs.run(LIQUIDATED, Window.of_day(SUNDAY - DAY), filters={"purchase_order_number": "PO1"})
    assert letters(base, runs, LIQUIDATED) == "MM"
    runs.run(LIQUIDATED, Window.of_day(SUNDAY))
    assert letters(base, runs, LIQUIDATED) == "ML"


def test_a_day_of_liquidated_items_is_refetched_after_its_second_pass(base, runs):
    runs.run(LIQUIDATED, Window.of_day(SUNDAY))
    assert letters(base, runs, LIQUIDATED) == "L"
    runs.emulator.clock.advance(DAY.total_seconds() * 2)
    runs.run(LIQUIDATED, Window.of_day(SUNDAY), resume_key="again")
    assert letters(base, runs, LIQUIDATED, days=4)[:1] == "F"


def test_an_empty_report_is_uncertain_until_it_is_fetched_again(base, runs):
    asked = {"from": "2026-11-22", "to": "2026-11-22"}
    empty = {"merchant_id": runs.merchant_id, "items": [], "query": asked}
    runs.fault("-movements/", {"status": 200, "body": empty}, query=asked, times=1)
    runs.run(ICM, Window.of_day(SUNDAY))
    assert letters(base, runs, ICM) == "E"
    (gap,) = base.row(ICM, NOW, merchants=(runs.merchant_id,)).gaps
    fill = gap.fill
    runs.run(fill["dataset"], Window(*map(datetime.fromisoformat, (fill["from"], fill["to"]))), resume_key="fill")
    assert letters(base, runs, ICM) == "L"


def test_rejected_records_of_a_window_are_counted_and_found(base, runs):
    (window,) = hourly(NOW - HOUR, 1)
    body = {"returned_items": [{"quality_label": 1}, "no record"]}
    runs.fault("/returned-items/", {"status": 200, "body": body}, times=1)
    result = runs.run(ITEMS, window, max_rejected=2)
    row = base.row(ITEMS, NOW, merchants=(runs.merchant_id,)).as_json(f"file://{base.root}")
    (rejected,) = row["rejected"]
    assert rejected["records"] == result.manifest.rejected > 0
    assert rejected["uri"] == result.as_dict()["rejected_uri"]
    assert letters(base, runs, ITEMS) == "R"


# The same window once more: with filters, or clipped


def answer_invalid(runs: Extraction, *order_ids: str) -> None:
    """Let the next answer be of these orders, without what an order needs."""
    body = {"data": [{"type": "Order", "id": order_id} for order_id in order_ids]}
    runs.fault("/orders", {"status": 200, "body": body}, times=1)


def answer_liquidated(runs: Extraction, *records: dict[str, Any]) -> None:
    """Let the next answer, a minute later, hold these records."""
    runs.emulator.clock.advance(60)
    runs.fault("/liquidated-items/", {"status": 200, "body": {"liquidated_items": records}}, times=1)


def rejected_records(uri: str) -> list[dict[str, Any]]:
    """Those in the file."""
    lines = gzip.decompress(Path(uri.removeprefix("file://")).read_bytes()).splitlines()
    return [json.loads(line)["record"] for line in lines]


def rejected_orders(base: Base, runs: Extraction) -> tuple[int, list[str]]:
    """How many records the row names as rejected, and those in the file that it names."""
    row = base.row(ORDERS, NOW, merchants=(runs.merchant_id,), grace=0 * HOUR)
    (rejected,) = row.as_json(str(base.root))["rejected"]
    return rejected["records"], [record["order_id"] for record in rejected_records(rejected["uri"])]


def test_a_window_that_has_landed_stays_landed_when_some_of_its_orders_are_fetched_again(base, runs):
    (window,) = hourly(NOW - HOUR, 1)
    runs.run(ORDERS, window)
    found = runs.published(ORDERS)
    again = runs.run(ORDERS, window, filters=PARTNERS, resume_key="some")
    manifest = runs.manifest(again)
    assert manifest["filters"] == PARTNERS
    assert manifest["covered"] == manifest["window"]
    assert len(runs.published(ORDERS)) == len(found)
    assert letters(base, runs, ORDERS) == "L"
    for part in ("order_items", "order_lines"):
        (path,) = runs.paths(f"_manifests/{part}")
        assert json.loads(path.read_text())["covered"] == manifest["window"]


def test_orders_that_were_always_fetched_with_filters_cover_nothing(base, runs):
    (window,) = hourly(NOW - HOUR, 1)
    for number in range(2):
        result = runs.run(ORDERS, window, filters=PARTNERS, resume_key=f"task {number}")
        assert runs.manifest(result)["covered"] is None
        assert letters(base, runs, ORDERS) == "M"
    assert runs.manifest(runs.run(ORDERS, window, resume_key="all"))["covered_by"] == []
    assert letters(base, runs, ORDERS) == "L"


def test_a_window_that_has_landed_stays_landed_when_it_is_clipped_each_time_it_is_fetched_again(base, runs):
    runs.emulator.clock.set(NOW - 4 * HOUR)
    runs.run(ITEMS, EDGE)
    for hour in range(2):
        runs.emulator.clock.set(NOW + hour * HOUR)
        manifest = runs.manifest(runs.run(ITEMS, EDGE, clip_to_retention=True, resume_key=f"again {hour}"))
        assert manifest["clipped"]
        assert manifest["covered"] == manifest["window"]
        assert letters(base, runs, ITEMS)[:6] == "LLLLLL"


def test_of_two_clipped_runs_the_one_that_got_more_decides(base, runs):
    runs.run(ITEMS, EDGE, clip_to_retention=True)
    clipped = letters(base, runs, ITEMS)[:6]
    assert clipped == "XXXXLL"
    runs.emulator.clock.set(NOW + HOUR)
    manifest = runs.manifest(runs.run(ITEMS, EDGE, clip_to_retention=True, resume_key="again"))
    assert manifest["clipped"]["to"] > manifest["covered"]["from"]
    assert letters(base, runs, ITEMS)[:6] == clipped


def test_days_that_have_landed_stay_landed_when_the_first_one_is_clipped(base, runs):
    first, last = (Window.of_day((NOW - days * DAY).date()) for days in (101, 100))
    both = Window(first.start, last.end)
    runs.emulator.clock.set(NOW - DAY)
    runs.run(ICM, both)
    runs.emulator.clock.set(NOW)
    runs.run(ICM, both, clip_to_retention=True, resume_key="again")
    assert letters(base, runs, ICM)[:2] == "LL"


def test_a_landed_day_of_which_one_purchase_order_is_fetched_again_is_missing(base, runs):
    """What is asked for with filters replaces the day as a whole."""
    day = Window.of_day(SUNDAY)
    runs.environment = "sandbox"
    runs.run(LIQUIDATED, day)
    assert letters(base, runs, LIQUIDATED, environment="sandbox") == "L"
    runs.run(LIQUIDATED, day, filters={"purchase_order_number": "PO1"}, resume_key="one")
    assert letters(base, runs, LIQUIDATED, environment="sandbox") == "M"


def test_in_production_a_run_for_one_purchase_order_is_refused_if_the_landed_day_has_others(base, runs):
    day, one = Window.of_day(SUNDAY), {"purchase_order_number": "PO1"}
    first, second, *_ = runs.emulator.truth(LIQUIDATED, runs.merchant_id, day.start, day.end)
    answer_liquidated(runs, {**first, **one}, {**second, "purchase_order_number": "PO2"}, {"quantity": "many"})
    whole = runs.run(LIQUIDATED, day, max_rejected=9)
    answer_liquidated(runs, {**first, **one}, {**one, "quantity": "few"})
    with pytest.raises(ZDirectConfigurationError, match="have other values too"):
        runs.run(LIQUIDATED, day, filters=one, max_rejected=9, resume_key="one")
    assert letters(base, runs, LIQUIDATED) == "R"
    found = [record["quantity"] for record in rejected_records(whole.as_dict()["rejected_uri"])]
    assert found == ["many", "few"]
    answer_liquidated(runs, {**first, **one})
    runs.run(LIQUIDATED, day, resume_key="all again")
    assert (letters(base, runs, LIQUIDATED), runs.paths("_rejected")) == ("F", [])
    answer_liquidated(runs, {**first, **one})
    runs.run(LIQUIDATED, day, filters=one, resume_key="one again")
    assert letters(base, runs, LIQUIDATED) == "M"


def test_what_a_run_has_rejected_stays_when_other_orders_of_the_window_are_fetched(base, runs):
    (window,) = hourly(NOW - HOUR, 1)
    answer_invalid(runs, "a")
    uri = runs.run(ORDERS, window, filters=PARTNERS, max_rejected=9).as_dict()["rejected_uri"]
    runs.run(ORDERS, window, filters=ZALANDO, resume_key="Zalando's")
    assert [record["order_id"] for record in rejected_records(uri)] == ["a"]
    answer_invalid(runs, "b")
    runs.run(ORDERS, window, max_rejected=9, resume_key="all")
    assert rejected_orders(base, runs) == (1, ["b"])


def test_what_a_complete_run_has_rejected_is_kept_until_the_next_complete_run(base, runs):
    (window,) = hourly(NOW - HOUR, 1)
    answer_invalid(runs, "a", "b")
    runs.run(ORDERS, window, max_rejected=9)
    runs.run(ORDERS, window, filters=PARTNERS, resume_key="some")
    assert letters(base, runs, ORDERS) == "R"
    assert rejected_orders(base, runs) == (2, ["a", "b"])
    answer_invalid(runs, "c")
    runs.run(ORDERS, window, filters=PARTNERS, max_rejected=9, resume_key="some again")
    assert rejected_orders(base, runs) == (2, ["a", "b", "c"])
    runs.run(ORDERS, window, resume_key="all again")
    assert letters(base, runs, ORDERS) == "L"
    assert runs.paths("_rejected") == []


def test_a_retry_does_not_keep_rejected_records_twice(base, runs, monkeypatch):
    (window,) = hourly(NOW - HOUR, 1)
    answer_invalid(runs, "a")
    runs.run(ORDERS, window, max_rejected=9)
    answer_invalid(runs, "b")

    def die(run: Run, manifest: object) -> None:
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(Run, "write", die)
        with pytest.raises(Killed):
            runs.run(ORDERS, window, filters=PARTNERS, max_rejected=9, resume_key="some")
    assert rejected_orders(base, runs) == (1, ["a", "b"])
    runs.run(ORDERS, window, filters=PARTNERS, max_rejected=9, resume_key="some")
    assert rejected_orders(base, runs) == (1, ["a", "b"])


@pytest.mark.parametrize("damage", ["no json", "{}", '{"days": 5}'])
def test_a_damaged_manifest_covers_nothing_and_the_log_says_so(base, runs, damage, caplog):
    (window,) = hourly(NOW - HOUR, 1)
    runs.run(ORDERS, window)
    (path,) = runs.paths(f"_manifests/{ORDERS}")
    path.write_text(damage)
    with caplog.at_level(logging.WARNING):
        runs.run(ORDERS, window, filters=PARTNERS, resume_key="some")
    assert str(path.relative_to(base.root)) in caplog.text
    assert letters(base, runs, ORDERS) == "M"
