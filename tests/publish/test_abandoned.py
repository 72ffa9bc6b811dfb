"""What a task that was given up has left is removed by a later run, once nobody can need it any more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import real_time
from extraction import Extraction, hourly, whole

from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import ConcurrentRunError, RejectedRecordsError, ServerError
from airflow_provider_zdirect.storage.layout import Layout
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.windows import Window

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOURS = hourly(NOON, 6)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def shared_emulator() -> Iterator[EmulatorServer]:
    with EmulatorServer(seed=7, now=NOON + timedelta(hours=9), rate_limits=False) as emulator:
        yield emulator


@pytest.fixture
def runs(shared_emulator: EmulatorServer, tmp_path: Path) -> Extraction:
    shared_emulator.reset()
    return Extraction(shared_emulator, tmp_path)


def give_up(runs: Extraction, window: Window, key: str = "given up") -> None:
    """A task that fails at its third request, and is then marked as failed."""
    runs.emulator.faults.set([{"match": {"path": "returned-items", "nth": 3}, "action": {"status": 503}, "times": 1}])
    with pytest.raises(ServerError):
        runs.run("returned_items", window, resume_key=key)
    runs.emulator.faults.set([])


def age(paths: list[Path], by: timedelta) -> None:
    for path in paths:
        written = real_time.now().timestamp() - by.total_seconds()
        os.utime(path, (written, written))


def left(runs: Extraction) -> tuple[set[str], set[str]]:
    """Folders under _staging, and windows that are open and not published."""
    marks = {path.name for path in runs.paths("_windows")}
    is_open = {name.removesuffix(".open") for name in marks if name.endswith(".open")}
    return (
        {path.parent.name for path in runs.paths("_staging")},
        is_open - {name.removesuffix(".published") for name in marks},
    )


def test_a_later_run_removes_what_is_older_than_a_day(runs: Extraction) -> None:
    over_midnight = Window(NOON - timedelta(hours=14), NOON - timedelta(hours=8))
    for window in (whole(HOURS[:3]), over_midnight):
        give_up(runs, window)
    assert [len(found) for found in left(runs)] == [2, 2]
    age([*runs.paths("_staging"), *runs.paths("_windows")], DAY * 1.1)
    runs.run("returned_items", HOURS[4])
    assert left(runs) == (set(), set())
    assert not list((runs.root / "_staging" / "returned_items").glob("*/*"))
    runs.run("returned_items", whole(HOURS), resume_key="given up")
    assert runs.keys("returned_items") == runs.truth("returned_items", whole(HOURS))


def test_so_it_is_with_a_window_that_was_clipped_to_what_zdirect_keeps(runs: Extraction) -> None:
    start = runs.emulator.clock.now() - timedelta(days=100, hours=2)
    window = Window(start, start + timedelta(hours=6))
    runs.emulator.faults.set([{"match": {"path": "returned-items", "nth": 3}, "action": {"status": 503}, "times": 1}])
    with pytest.raises(ServerError):
        runs.run("returned_items", window, clip_to_retention=True)
    assert [len(found) for found in left(runs)] == [1, 1]
    age([*runs.paths("_staging"), *runs.paths("_windows")], DAY * 2)
    runs.run("returned_items", HOURS[4])
    assert left(runs) == (set(), set())


def test_what_is_younger_than_a_day_is_left_and_taken_up(runs: Extraction) -> None:
    give_up(runs, whole(HOURS[:3]))
    age([*runs.paths("_staging"), *runs.paths("_windows")], DAY * 0.9)
    before = left(runs)
    runs.run("returned_items", HOURS[4])
    assert left(runs) == before
    asked = runs.requests("returned-items")
    runs.run("returned_items", whole(HOURS[:3]), resume_key="given up")
    again = runs.requests("returned-items")[len(asked) :]
    assert not [query for query in again if query in asked]
    assert left(runs) == (set(), set())


def test_stray_files_and_damaged_checkpoints_are_removed_and_stop_nothing(runs: Extraction) -> None:
    give_up(runs, whole(HOURS[:3]))
    (checkpoint,) = (path for path in runs.paths("_staging") if path.name == "checkpoint.json")
    checkpoint.write_bytes(b"{")
    give_up(runs, whole(HOURS[1:4]), key="another")
    stray = checkpoint.parent.parent / ".DS_Store"
    stray.write_bytes(b"Bud1")
    age([*runs.paths("_staging"), *runs.paths("_windows"), stray], DAY * 2)
    runs.run("returned_items", HOURS[4])
    assert left(runs) == (set(), set())
    assert not stray.exists()


def test_one_late_write_keeps_all_of_a_task_that_is_still_at_work(runs: Extraction) -> None:
    give_up(runs, whole(HOURS[:3]))
    before = left(runs)
    staged = runs.paths("_staging")
    age([*staged[1:], *runs.paths("_windows")], DAY * 2)
    runs.run("returned_items", HOURS[4])
    assert left(runs) == before


def test_a_window_that_another_task_is_fetching_stays_announced(runs: Extraction) -> None:
    give_up(runs, whole(HOURS[:3]))
    age([*runs.paths("_staging"), *runs.paths("_windows")], DAY * 2)
    (window,) = left(runs)[1]
    give_up(runs, whole(HOURS[:3]), key="another")
    runs.run("returned_items", HOURS[4])
    assert left(runs) == ({f"{window}-another"}, {window})


def test_other_merchants_datasets_and_published_windows_are_left_alone(runs: Extraction) -> None:
    give_up(runs, whole(HOURS[:3]))
    runs.run("returned_items", HOURS[5])
    age([*runs.paths("_staging"), *runs.paths("_windows")], DAY * 2)
    marks = runs.paths("_windows")
    before = left(runs)
    runs.run("received_items", HOURS[4])
    runs.run("returned_items", HOURS[4], merchant_id=runs.emulator.merchant_ids[1])
    assert left(runs) == before
    runs.run("returned_items", HOURS[4])
    assert {path for path in marks if HOURS[5].label in path.name} <= set(runs.paths("_windows"))


def test_a_window_whose_records_are_rejected_is_not_announced_any_more(runs: Extraction) -> None:
    runs.emulator.set_options(bad_records=0.3)
    with pytest.raises(RejectedRecordsError):
        runs.run("returned_items", whole(HOURS))
    runs.emulator.set_options(bad_records=0.0)
    assert left(runs) == (set(), set())
    runs.run("returned_items", whole(HOURS))
    assert runs.keys("returned_items") == runs.truth("returned_items", whole(HOURS))


def test_a_task_that_stood_still_while_its_mark_was_removed_fetches_anew(
    runs: Extraction, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a late record that another run has left alone meanwhile would be missing for ever."""
    from airflow_provider_zdirect.pipeline.fetch import WindowFetcher

    fetch = WindowFetcher.fetch

    async def and_stand_still(self: WindowFetcher) -> None:
        await fetch(self)
        for path in runs.paths("_windows"):
            path.unlink()

    with monkeypatch.context() as patched:
        patched.setattr(WindowFetcher, "fetch", and_stand_still)
        with pytest.raises(ConcurrentRunError, match="_windows"):
            runs.run("returned_items", HOURS[0])
    asked = runs.requests("returned-items")
    runs.run("returned_items", HOURS[0])
    assert sorted(runs.requests("returned-items"), key=str) == sorted(asked * 2, key=str)
    assert runs.keys("returned_items") == runs.truth("returned_items", HOURS[0])


def test_writes_that_were_killed_on_a_disk_are_removed_too(runs: Extraction) -> None:
    store = runs.job("returned_items", HOURS[0]).place.store
    store.write("_staging/_tmp/killed", b"half")
    store.write("_staging/_tmp/under way", b"half")
    age([runs.root / "_staging" / "_tmp" / "killed"], DAY * 2)
    runs.run("returned_items", HOURS[0])
    assert [path.name for path in runs.paths("_staging")] == ["under way"]


def test_clearing_up_that_fails_does_not_fail_the_run(
    runs: Extraction, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    give_up(runs, whole(HOURS[:3]))
    age(runs.paths("_staging"), DAY * 2)

    def forbidden(self: ObjectStore, paths: object) -> None:
        raise PermissionError("delete")

    with monkeypatch.context() as patched:
        patched.setattr(ObjectStore, "delete_all", forbidden)
        runs.run("returned_items", HOURS[4])
    assert f"{Layout('returned_items', runs.merchant_id).staged} was not removed" in caplog.text
    assert runs.keys("returned_items") == runs.truth("returned_items", HOURS[4])
