"""The re-fetch of liquidated items, against the emulator over HTTP, and in its time."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from liquidated import DATASET, DAY, END, HOUR, PASS, START, Run, asked, changes_in, files, published, truth

from airflow_provider_zdirect.airflow_sdk import AIRFLOW_V_3_2_PLUS, AirflowFailException
from airflow_provider_zdirect.assets import alias_extra, changed_alias, dataset_asset
from airflow_provider_zdirect.exceptions import (
    EmptyAnswerError,
    PermissionDeniedError,
    RejectedRecordsError,
    ServerError,
)
from airflow_provider_zdirect.pipeline import liquidation_passes as refetching
from airflow_provider_zdirect.pipeline.liquidation_passes import make_passes
from airflow_provider_zdirect.storage.object_store import ObjectStore


@pytest.fixture
def second_pass(emulator, script, refetch):
    """A run whose second pass is due; its first one was made by the run itself, or by another task, as in the DAG."""

    def prepare(*rows, by_another=False, **arguments):
        script(*rows)
        run = refetch(**arguments)
        first = Run(run.task, emulator, "another_run") if by_another else run
        assert first.go_on() is None
        emulator.clock.set(PASS)
        return run

    return prepare


@pytest.fixture
def end(emulator, merchant, tmp_path):
    """Asserts that what is published is the truth."""

    def check(start=START):
        assert published(tmp_path) == truth(emulator, merchant, start, END)

    return check


@pytest.fixture
def kill(monkeypatch):
    """Lets a run go on, in a process that dies before or after it works on a folder."""

    def kill(run, method, folder, *, after=False):
        real = getattr(ObjectStore, method)

        def dying(self: ObjectStore, path: str, *rest: Any) -> Any:
            if path.startswith(folder):
                if after:
                    real(self, path, *rest)
                raise KeyboardInterrupt
            return real(self, path, *rest)

        with monkeypatch.context() as patched:
            patched.setattr(ObjectStore, method, dying)
            with pytest.raises(KeyboardInterrupt):
                run.go_on()

    return kill


def test_rows_that_come_late_vanish_or_change_are_all_in_the_final_data_once(emulator, second_pass, end, tmp_path):
    run = second_pass(
        ("PO1", {"quantity": 3}, 0, None),
        ("PO1", {"quantity": 3}, 0, None),
        ("PO2", {}, 1, None),
        ("PO3", {}, 30, None),
        ("PO4", {}, 47, None),
        ("PO5", {}, 0, 20),
        ("PO6", {"quantity": 7}, 0, 12),
        ("PO6", {"quantity": 5}, 12, None),
    )
    # Published at once, as it is.
    assert published(tmp_path).total() == 4
    first = [path for path in files(tmp_path) if path.startswith(DATASET)]
    assert run.waits == [PASS]
    result = run.go_on()
    end()
    assert published(tmp_path).total() == result["records"] == 6
    assert asked(emulator) == ["from=2026-11-10&to=2026-11-10"] * 2
    # The former file is kept, and what differs stands in a file of its own.
    assert [path for path in files(tmp_path) if path.startswith("_revisions")] == [f"_revisions/{first[0]}"]
    published_first, replaced = result["changed_dates"]
    assert (published_first["added"], published_first["file"]) == (4, None)
    assert [replaced[kind] for kind in ("added", "removed", "changed")] == [3, 1, 1]
    lines = changes_in(replaced["file"])
    orders = sorted((line["change"], (line["before"] or line["after"])["purchase_order_number"]) for line in lines)
    assert orders == [("added", order) for order in ("PO2", "PO3", "PO4")] + [("changed", "PO6"), ("removed", "PO5")]
    changed = [line for line in lines if line["change"] == "changed"]
    assert [(line["before"]["quantity"], line["after"]["quantity"]) for line in changed] == [(7, 5)]


def test_xcom_log_and_asset_say_what_changed(second_pass, merchant, tmp_path, caplog, capsys):
    rows = [("PO1", {}, 0, None), ("PO2", {}, 30, None), ("PO3", {}, 0, 9), ("PO4", {}, 31, None)]
    run = second_pass(*rows, by_another=True)
    with caplog.at_level(logging.INFO):
        result = run.go_on()
    (date,) = result["changed_dates"]
    assert result == {
        "dataset": DATASET,
        "merchant_id": merchant,
        "window_from": START.isoformat(),
        "window_to": END.isoformat(),
        "uri": f"{tmp_path.as_uri()}/{DATASET}/merchant_id={merchant}",
        "manifest": f"{tmp_path.as_uri()}/_manifests/{DATASET}/merchant_id={merchant}/date=2026-11-10/"
        "20261110T000000Z_20261111T000000Z.json",
        "records": 3,
        "rejected": 0,
        "passes": [PASS.isoformat()],
        "fetched_at": PASS.isoformat(),
        "changed": True,
        "changes": {"added": 2, "removed": 1, "changed": 0},
        "changed_dates": [date],
        "changed_date_count": 1,
    }
    assert date["file"].startswith(f"{tmp_path.as_uri()}/_changes/{DATASET}/")
    json.dumps(result)
    line = (
        f"{DATASET} 2026-11-10 00:00-24:00 UTC, merchant {merchant[:8]}: 2026-11-10: 2 rows added, 1 removed, "
        f"0 changed -> {tmp_path.as_uri()}/{DATASET}/merchant_id={merchant}"
    )
    assert line in caplog.text + capsys.readouterr().out
    (asset, extra), (here, same) = run.outlet_events[changed_alias(DATASET)].added
    assert (asset, here) == (dataset_asset(DATASET), dataset_asset(DATASET, str(tmp_path)))
    changed = {"added": 2, "removed": 1, "changed": 0, "dates": "2026-11-10"}
    whole = {**result, **changed, "base_path": tmp_path.as_uri(), "environment": "production"}
    assert extra == same == alias_extra(whole)
    # Before Airflow 3.2 what goes through an alias has to be hashable.
    assert AIRFLOW_V_3_2_PLUS or hash(frozenset(extra.items()))


def test_a_refetch_without_a_change_writes_nothing_and_updates_no_asset(
    emulator, second_pass, tmp_path, caplog, capsys
):
    # The same rows in another order are the same.
    rows = [("PO1", {"quantity": 1}, 0, 24), ("PO2", {}, 0, None), ("PO1", {"quantity": 1}, 24, None)]
    run = second_pass(*rows, by_another=True)
    before = files(tmp_path)
    assert [path.partition("/")[0] for path in before] == [DATASET, "_changes"]
    with caplog.at_level(logging.INFO):
        result = run.go_on()
    assert len(asked(emulator)) == 2
    assert files(tmp_path) == before
    assert (result["changed"], result["changed_dates"]) == (False, [])
    assert result["changes"] == {"added": 0, "removed": 0, "changed": 0}
    assert run.events == []
    assert "nothing changed" in caplog.text + capsys.readouterr().out


def test_a_window_whose_passes_are_past_is_fetched_once(emulator, refetch, end):
    emulator.clock.set(END + 20 * DAY)
    run = refetch(window_from=START - DAY)
    result = run.go_on()
    assert sorted(asked(emulator)) == [f"from={day}&to={day}" for day in ("2026-11-09", "2026-11-10")]
    assert run.waits == []
    end(START - DAY)
    assert result["changed"]
    # By another task it was fetched after its passes, so it is not at all.
    again = refetch("another_run", window_from=START - DAY).go_on()
    assert len(asked(emulator)) == 2
    assert not again["changed"]
    assert again["records"] == result["records"] > 0


def test_several_passes_are_made_one_after_the_other_and_those_missed_are_one(emulator, refetch, script, tmp_path):
    script(("PO1", {}, 0, None), *((f"PO{hour}", {}, hour - 0.5, None) for hour in (6, 24, 48, 72)))
    run = refetch(passes=["PT72H", timedelta(hours=6), "P1D", 48 * HOUR])
    # The triggerer was away when the second pass but one was due.
    for now, due in ((None, 6), (6, 24), (50, 72)):
        if now is not None:
            emulator.clock.set(END + now * HOUR)
        assert run.go_on() is None
        assert run.due == END + due * HOUR
    emulator.clock.set(run.due)
    result = run.go_on()
    assert [change["added"] for change in result["changed_dates"]] == [1, 1, 2, 1]
    assert result["passes"] == [(END + hours * HOUR).isoformat() for hours in (6, 24, 48, 72)]
    assert len([path for path in files(tmp_path) if path.startswith("_revisions")]) == 3
    assert published(tmp_path).total() == 5


def test_a_pass_that_becomes_due_while_it_is_looked_at_is_made(emulator, second_pass, end, monkeypatch):
    run = second_pass(("PO1", {}, 0, None), ("PO2", {}, 30, None))
    emulator.clock.set(PASS - timedelta(milliseconds=5))

    async def slow(*arguments: Any) -> Any:
        looked = await make_passes(*arguments)
        emulator.clock.set(PASS + timedelta(milliseconds=5))
        return looked

    monkeypatch.setattr(refetching, "make_passes", slow)
    assert run.go_on()["passes"] == [PASS.isoformat()]
    end()


def test_a_task_that_is_called_too_early_or_tried_again_neither_repeats_nor_forgets_a_pass(emulator, refetch):
    run = refetch()
    run.go_on()
    for hours, go_on in ((18, run.go_on), (20, run.retry)):
        emulator.clock.set(END + hours * HOUR)
        assert go_on() is None
        assert run.due == PASS
    assert len(asked(emulator)) == 1
    emulator.clock.set(PASS)
    for _ in range(2):
        assert run.retry() is not None
        assert len(asked(emulator)) == 2


def test_a_day_may_be_filled_only_late_and_end_empty_and_its_rows_are_kept_as_a_revision(
    emulator, second_pass, tmp_path
):
    run = second_pass(("PO1", {}, 5, 30), ("PO2", {}, 5, 30), passes=[6 * HOUR, 48 * HOUR], by_another=True)
    assert published(tmp_path).total() == 0
    emulator.clock.set(END + 6 * HOUR)
    assert run.go_on() is None
    assert published(tmp_path).total() == 2
    emulator.clock.set(PASS)
    # Unless that is not wanted.
    before = files(tmp_path)
    run.task.replace_with_empty = False
    with pytest.raises(AirflowFailException, match="replace_with_empty=True") as caught:
        run.go_on()
    assert isinstance(caught.value.__cause__, EmptyAnswerError)
    assert files(tmp_path) == before
    run.task.replace_with_empty = True
    result = run.retry()
    assert published(tmp_path).total() == result["records"] == 0
    assert result["changes"] == {"added": 2, "removed": 2, "changed": 0}
    assert len([path for path in files(tmp_path) if path.startswith("_revisions")]) == 1


def test_a_second_pass_that_fails_leaves_the_first_and_is_waited_out(emulator, second_pass, end, tmp_path):
    run = second_pass(("PO1", {}, 0, 9), ("PO2", {}, 30, None))
    before = files(tmp_path)
    emulator.faults.add({"match": {"path": "liquidated-items"}, "action": {"status": 500}, "times": 2})
    for number in (1, 2):
        assert run.go_on() is None
        assert run._next == ("resume", {"waits": number})
        # zDirect asks to wait at least two minutes.
        assert timedelta(minutes=2) <= run.due - emulator.clock.now() < timedelta(minutes=3)
        assert files(tmp_path) == before
        emulator.clock.set(run.due)
    assert run.go_on()["changes"] == {"added": 2, "removed": 1, "changed": 0}
    end()


@pytest.mark.parametrize(
    ("row", "status", "error"),
    [
        ({}, 503, ServerError),
        ({}, 403, PermissionDeniedError),
        ({"quantity": "many"}, None, RejectedRecordsError),
    ],
    ids=["waits that come to an end", "refused", "invalid rows"],
)
def test_a_second_pass_that_fails_for_good_leaves_the_first(emulator, second_pass, end, tmp_path, row, status, error):
    run = second_pass(("PO1", {}, 0, 9), ("PO2", row, 30, None))
    before = files(tmp_path)
    if status:
        fault = {"match": {"path": "liquidated-items"}, "action": {"status": status}, "times": None}
        emulator.faults.add(fault)
    run._next = ("resume", {"waits": 10})
    with pytest.raises((AirflowFailException, ServerError), match="What to do:") as caught:
        run.go_on()
    assert error in (type(caught.value), type(caught.value.__cause__))
    assert files(tmp_path) == before
    if status == 503:
        # The task's retry begins to wait anew.
        assert run.retry() is None
    elif status == 403:
        # Cleared after somebody has put it right.
        emulator.faults.clear()
        assert run.retry()["changed"]
        end()


@pytest.mark.parametrize(
    ("method", "folder", "after"),
    [("move", f"{DATASET}/", False), ("write_json", "_manifests/", False), ("write_json", "_manifests/", True)],
    ids=["before the former file is kept", "before the manifest", "after the manifest"],
)
def test_a_task_that_is_killed_after_it_has_published_reports_the_changes_in_its_retry(
    emulator, merchant, second_pass, kill, end, tmp_path, method, folder, after
):
    rows = [("PO1", {}, 0, 9), ("PO2", {}, 30, None), ("PO2", {"ean": "4006381333931"}, 30, None)]
    run = second_pass(*rows, by_another=True)
    kill(run, method, folder, after=after)
    assert published(tmp_path) >= truth(emulator, merchant, START, END)
    emulator.clock.advance(600)
    assert run.retry()["changes"] == {"added": 2, "removed": 1, "changed": 0}
    assert [event["added"] for event in run.events] == [2]
    end()
    assert [path.partition("/")[0] for path in files(tmp_path)] == [DATASET, "_revisions", "_changes", "_changes"]
    # The last answer was not staged, and is asked for again unless its manifest is there.
    assert len(asked(emulator)) == (2 if after else 3)


@pytest.mark.parametrize("meanwhile", ["a day", "another task"])
def test_also_if_a_day_or_another_task_came_before_its_retry(emulator, refetch, second_pass, kill, end, meanwhile):
    run = second_pass(("PO1", {}, 0, None), ("PO2", {}, 30, None), ("PO3", {}, 49, None), by_another=True)
    kill(run, "write_json", "_manifests/")
    emulator.clock.set(PASS + 2 * HOUR)
    if meanwhile == "another task":
        assert refetch("another", passes=50 * HOUR).go_on()["changes"] == {"added": 1, "removed": 0, "changed": 0}
    else:
        emulator.clock.advance(25 * 3600)
    result = run.retry()
    # What the killed try has changed, and what the retry itself has, if nobody else did.
    assert [change["added"] for change in result["changed_dates"]] == [1, 1][: 1 + (meanwhile == "a day")]
    assert len(run.events) == 1
    end()


def test_two_tasks_at_the_same_time_both_report_what_they_have_changed(
    emulator, refetch, second_pass, end, monkeypatch
):
    run = second_pass(("PO1", {}, 0, None), ("PO2", {}, 30, None), ("PO3", {}, 49, None), by_another=True)
    other, real = refetch("another", passes=50 * HOUR), ObjectStore.write_json

    def overtaken(self: ObjectStore, path: str, value: Any) -> None:
        if path.startswith("_manifests/"):
            monkeypatch.setattr(ObjectStore, "write_json", real)
            emulator.clock.set(PASS + 2 * HOUR)
            other.go_on()
        real(self, path, value)

    monkeypatch.setattr(ObjectStore, "write_json", overtaken)
    results = [run.go_on(), other.result]
    assert [result["changes"]["added"] for result in results] == [1, 1]
    assert [len(each.events) for each in (run, other)] == [1, 1]
    manifest = json.loads(Path(results[0]["manifest"].removeprefix("file://")).read_text())
    assert [change["added"] for change in manifest["changes"]] == [1, 1, 1]
    end()


def test_pages_that_a_killed_try_has_left_from_before_a_pass_do_not_count_as_the_pass(
    emulator, refetch, script, kill, end
):
    script(("PO1", {}, 0, None), ("PO2", {}, 47, None))
    emulator.clock.set(PASS - HOUR - timedelta(minutes=1))
    run = refetch()
    kill(run, "write_json", "_manifests/")
    emulator.clock.set(PASS)
    result = run.retry()
    assert result["fetched_at"] >= PASS.isoformat()
    end()
    assert result["changes"]["added"] == 2
