"""The coverage of what real runs leave: complete, killed, clipped, filtered, with rejected records, empty, repeated."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from extraction import Extraction, hourly
from histories import DAY, HOUR, Base
from killing import Killed

from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.pipeline.run import Run
from airflow_provider_zdirect.windows import Window

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SUNDAY = date(2026, 11, 22)
ITEMS, ICM, LIQUIDATED = "returned_items", "intra_community_movements", "liquidated_items"


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorServer]:
    with EmulatorServer(rate_limits=False, seed=7, now=NOW, empty_reports=0.0) as server:
        yield server


@pytest.fixture
def runs(emulator: EmulatorServer, base: Base) -> Extraction:
    emulator.reset()
    return Extraction(emulator, base.root)


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
