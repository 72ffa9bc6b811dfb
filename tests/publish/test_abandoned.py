"""What an abandoned task has left is removed by a later run, once nobody can need it any more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import real_time
from extraction import Extraction, hourly, whole

from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import ServerError
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


def left(runs: Extraction) -> set[str]:
    """Folders under _staging."""
    return {path.parent.name for path in runs.paths("_staging")}


def test_a_later_run_removes_what_is_older_than_a_day(runs: Extraction) -> None:
    for window in (whole(HOURS[:3]), Window(NOON - timedelta(hours=14), NOON - timedelta(hours=8))):
        give_up(runs, window)
    assert len(left(runs)) == 2
    age(runs.paths("_staging"), DAY * 1.1)
    runs.run("returned_items", HOURS[4])
    assert left(runs) == set()
    assert not list((runs.root / "_staging" / "returned_items").glob("*/*"))
    runs.run("returned_items", whole(HOURS), resume_key="given up")
    assert runs.keys("returned_items") == runs.truth("returned_items", whole(HOURS))


def test_what_is_younger_than_a_day_is_left_and_resumed(runs: Extraction) -> None:
    give_up(runs, whole(HOURS[:3]))
    age(runs.paths("_staging"), DAY * 0.9)
    before = left(runs)
    runs.run("returned_items", HOURS[4])
    assert left(runs) == before != set()
    asked = runs.requests("returned-items")
    runs.run("returned_items", whole(HOURS[:3]), resume_key="given up")
    again = runs.requests("returned-items")[len(asked) :]
    assert not [query for query in again if query in asked]
    assert left(runs) == set()


def test_stray_files_and_damaged_checkpoints_are_removed_and_stop_nothing(runs: Extraction) -> None:
    give_up(runs, whole(HOURS[:3]))
    (checkpoint,) = (path for path in runs.paths("_staging") if path.name == "checkpoint.json")
    checkpoint.write_bytes(b"{")
    stray = checkpoint.parent.parent / ".DS_Store"
    stray.write_bytes(b"Bud1")
    age(runs.paths("_staging"), DAY * 2)
    runs.run("returned_items", HOURS[4])
    assert left(runs) == set()
    assert not stray.exists()


def test_one_late_write_keeps_all_of_a_task_that_is_still_at_work(runs: Extraction) -> None:
    give_up(runs, whole(HOURS[:3]))
    before = left(runs)
    staged = runs.paths("_staging")
    age(staged[1:], DAY * 2)
    runs.run("returned_items", HOURS[4])
    assert left(runs) == before
    assert runs.paths("_staging") == staged


def test_other_merchants_and_datasets_are_left_alone(runs: Extraction) -> None:
    give_up(runs, whole(HOURS[:3]))
    age(runs.paths("_staging"), DAY * 2)
    before = left(runs)
    runs.run("received_items", HOURS[4])
    runs.run("returned_items", HOURS[4], merchant_id=runs.emulator.merchant_ids[1])
    assert left(runs) == before != set()


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
