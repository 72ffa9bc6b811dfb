"""Many runs at a time: they wait for days, and one is not to disturb another."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from liquidated import DAY, HOUR, Day, Run, asked, changes_in, files, published, truth

FIRST = datetime(2026, 9, 1, tzinfo=UTC)
DAYS = [FIRST + number * DAY for number in range(30)]
OVER = FIRST + 30 * DAY


@pytest.fixture
def run_of(emulator, tmp_path):
    def run(day: datetime, **arguments: Any) -> Run:
        return Day(emulator, tmp_path, day).refetch(f"scheduled__{day:%Y-%m-%d}", **arguments)

    return run


def at_once(runs: list[Run], seed: int) -> None:
    """Let all go on, beginning in any order, eight at a time."""
    Random(seed).shuffle(runs)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(Run.go_on, runs))


@pytest.mark.exhaustive
def test_thirty_daily_runs_that_overlap_end_with_the_truth(emulator, run_of, tmp_path):
    merchant = emulator.merchant_ids[0]
    emulator.set_options(volume=1, late_share=0.3, liquidated_vanish=0.2, liquidated_change=0.3)
    runs = {day: run_of(day) for day in DAYS}
    for number in range(32):
        # As the scheduler would: the run of the day before begins while that of three days before makes its last pass.
        emulator.clock.set(FIRST + (number + 1) * DAY + timedelta(minutes=5))
        begins, ends = FIRST + number * DAY, FIRST + (number - 2) * DAY
        at_once([runs[day] for day in (begins, ends) if day in runs], seed=number)
        waiting = [run for run in runs.values() if run.waits and run.result is None]
        assert len(waiting) == min(number + 1, 2, 31 - number)
    assert published(tmp_path) == truth(emulator, merchant, FIRST, OVER)
    assert published(tmp_path).total() > 30
    # One first pass and one second pass for each, and no other wait than that between them.
    assert len(asked(emulator)) == 60
    assert all(run.waits == [day + DAY + 48 * HOUR] for day, run in runs.items())
    for day, run in runs.items():
        assert run.result is not None
        assert {change["date"] for change in run.result["changed_dates"]} <= {day.date().isoformat()}
        assert len(run.events) == bool(run.result["changed"])


def test_runs_that_all_wait_at_the_same_time_end_exact_in_any_order(emulator, run_of, tmp_path):
    days, later = DAYS[:3], OVER + 10 * DAY
    merchant = emulator.merchant_ids[0]
    for number, day in enumerate(days):
        stays, late, gone = ({"purchase_order_number": f"PO{number}{kind}"} for kind in ("stays", "late", "gone"))
        # Every third day stays as it was.
        fate = [(late, later, None), (gone, day, later)] if number % 3 else []
        emulator.script_liquidated(merchant, day.date(), [(stays, day, None), (stays, day, None), *fate])
    runs = [run_of(day, passes=40 * DAY) for day in days]
    emulator.clock.set(OVER + timedelta(minutes=5))
    at_once(runs, seed=1)
    assert all(len(run.waits) == 1 for run in runs)
    assert published(tmp_path).total() == 2 * 3 + 2
    first = files(tmp_path)
    emulator.clock.set(max(run.due for run in runs))
    at_once(runs, seed=2)
    assert published(tmp_path) == truth(emulator, merchant, FIRST, days[-1] + DAY)
    assert len(asked(emulator)) == 6
    after = files(tmp_path)
    assert [len([path for path in after if path.startswith(kind)]) for kind in ("_revisions", "_changes")] == [2, 5]
    # What was not changed was not touched, and what was replaced is kept as it was.
    assert all(after.get(path, after.get(f"_revisions/{path}")) == content for path, content in first.items())
    for run in runs:
        assert run.result is not None
        refetched = run.result["changed_dates"][1:]
        assert run.result["changes"]["added"] - run.result["changed_dates"][0]["added"] == len(refetched)
        assert all(len(changes_in(change["file"])) == 2 for change in refetched)


def test_runs_of_the_same_day_report_a_change_once(emulator, run_of, tmp_path):
    merchant, day = emulator.merchant_ids[0], FIRST
    stays, late = {"purchase_order_number": "PO1"}, {"purchase_order_number": "PO2"}
    emulator.script_liquidated(merchant, day.date(), [(stays, day, None), (late, day + 2 * DAY, None)])
    scheduled, by_hand = run_of(day), run_of(day)
    by_hand.run_id = "manual"
    for hours, run in ((1, scheduled), (2, by_hand)):
        emulator.clock.set(day + DAY + hours * HOUR)
        assert run.go_on() is None
    for run in (by_hand, scheduled):
        emulator.clock.set(run.due + HOUR)
        assert run.go_on() is not None
    assert published(tmp_path) == truth(emulator, merchant, day, day + DAY)
    # The second pass of the one was that of the other too.
    assert len(asked(emulator)) == 2
    added = [[change["added"] for change in run.result["changed_dates"]] for run in (scheduled, by_hand)]
    assert added == [[1], [1]]
