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
from airflow_provider_zdirect.storage.object_store import ObjectStore

HOURS = hourly(datetime(2026, 11, 20, 12, tzinfo=UTC), 6)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorServer]:
    with EmulatorServer(seed=7, now=HOURS[-1].end + timedelta(hours=3), rate_limits=False) as emulator:
        yield emulator


@pytest.fixture
def runs(emulator: EmulatorServer, tmp_path: Path) -> Extraction:
    """A base path with what a task has left that failed at its third request, and was then marked as failed."""
    emulator.reset()
    runs = Extraction(emulator, tmp_path)
    emulator.faults.add({"match": {"path": "returned-items", "nth": 3}, "action": {"status": 503}, "times": 1})
    with pytest.raises(ServerError):
        runs.run("returned_items", whole(HOURS[:3]), resume_key="given up")
    assert left(runs)
    return runs


def age(paths: list[Path], days: float) -> None:
    for path in paths:
        written = (real_time.now() - DAY * days).timestamp()
        os.utime(path, (written, written))


def left(runs: Extraction) -> list[Path]:
    return runs.paths("_staging")


def test_a_later_run_removes_what_is_older_than_a_day(runs: Extraction) -> None:
    (checkpoint,) = (path for path in left(runs) if path.name == "checkpoint.json")
    checkpoint.write_bytes(b"{")
    (checkpoint.parent.parent / ".DS_Store").write_bytes(b"Bud1")
    age(left(runs), 1.1)
    runs.run("returned_items", HOURS[4])
    assert not left(runs), "damaged checkpoints and stray files too"
    assert not list((runs.root / "_staging" / "returned_items").glob("*/*"))
    runs.run("returned_items", whole(HOURS), resume_key="given up")
    assert runs.keys("returned_items") == runs.truth("returned_items", whole(HOURS))


def test_what_is_younger_than_a_day_is_left_and_resumed(runs: Extraction) -> None:
    age(left(runs), 0.9)
    before = left(runs)
    runs.run("returned_items", HOURS[4])
    assert left(runs) == before
    asked = runs.requests("returned-items")
    runs.run("returned_items", whole(HOURS[:3]), resume_key="given up")
    assert not [query for query in runs.requests("returned-items")[len(asked) :] if query in asked]
    assert not left(runs)


def test_one_late_write_keeps_all_of_a_task_that_is_still_at_work(runs: Extraction) -> None:
    before = left(runs)
    age(before[1:], 2)
    runs.run("returned_items", HOURS[4])
    assert left(runs) == before


def test_other_merchants_and_datasets_are_left_alone(runs: Extraction) -> None:
    before = left(runs)
    age(before, 2)
    runs.run("received_items", HOURS[4])
    runs.run("returned_items", HOURS[4], merchant_id=runs.emulator.merchant_ids[1])
    assert left(runs) == before


def test_writes_that_were_killed_on_a_disk_are_removed_too(runs: Extraction) -> None:
    store = runs.job("returned_items", HOURS[0]).place.store
    store.write("_staging/_tmp/killed", b"half")
    age(left(runs), 2)
    store.write("_staging/_tmp/under way", b"half")
    runs.run("returned_items", HOURS[0])
    assert [path.name for path in left(runs)] == ["under way"]


def test_clearing_up_that_fails_does_not_fail_the_run(
    runs: Extraction, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    age(left(runs), 2)

    def forbidden(self: ObjectStore, paths: object) -> None:
        raise PermissionError("delete")

    with monkeypatch.context() as patched:
        patched.setattr(ObjectStore, "delete_all", forbidden)
        runs.run("returned_items", HOURS[4])
    assert f"_staging/returned_items/merchant_id={runs.merchant_id} was not removed" in caplog.text
    assert runs.keys("returned_items") == runs.truth("returned_items", HOURS[4])
