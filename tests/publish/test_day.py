"""The replacing of days, on a local disk and in memory."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import fsspec
import pytest
from item_rows import MERCHANT, at, put, table_of

from airflow_provider_zdirect.datasets.arrow import arrow_schema
from airflow_provider_zdirect.datasets.table import DATASETS
from airflow_provider_zdirect.exceptions import EmptyAnswerError
from airflow_provider_zdirect.publish import day as day_module
from airflow_provider_zdirect.publish.day import DayReplacer, ReplacedDay
from airflow_provider_zdirect.publish.day_changes import DayChange, published_changes
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.storage.layout import Layout
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import read_batches

DAY = date(2026, 11, 20)
LIQUIDATED = DATASETS["liquidated_items"]


def replacer(store: ObjectStore) -> DayReplacer:
    place = Place(store.fs, store.root, "file:///somewhere", MERCHANT, "production")
    return DayReplacer(place, LIQUIDATED, "UTC", run="a-run", now=at(59))


def counts(replaced: ReplacedDay) -> tuple[int, int, int]:
    """How many rows were added, removed and changed."""
    assert replaced.change is not None
    return replaced.change.added, replaced.change.removed, replaced.change.changed


def lines_in(store: ObjectStore, change: DayChange | None) -> list[dict[str, Any]]:
    assert change is not None
    return [json.loads(line) for line in gzip.decompress(store.read(change.file) or b"").splitlines()]


def stage_sold(store: ObjectStore, name: str, *quantities: int) -> list[str]:
    return stage_rows(store, name, *({"quantity": quantity} for quantity in quantities))


def stage_rows(store: ObjectStore, name: str, *rows: dict[str, object]) -> list[str]:
    put(store, f"_staging/{name}.parquet", table_of(LIQUIDATED.name, *rows))
    return [f"_staging/{name}.parquet"]


def sold(store: ObjectStore, folder: str) -> list[int]:
    schema = arrow_schema(LIQUIDATED.model)
    return sorted(
        quantity
        for path in store.files(folder)
        for table in read_batches(store, path, schema, ["quantity"])
        for quantity in table.column(0).to_pylist()
    )


PUBLISHED = Layout(LIQUIDATED.name, MERCHANT).published(DAY)
REVISIONS = Layout(LIQUIDATED.name, MERCHANT).revisions(DAY)


def test_identical_rows_of_a_day_are_all_kept(store: ObjectStore) -> None:
    replacer(store).replace(DAY, stage_sold(store, "a", 5, 5, 5), at(30))
    assert sold(store, PUBLISHED) == [5, 5, 5]


def test_a_day_with_other_rows_is_replaced_and_one_with_the_same_is_not(store: ObjectStore) -> None:
    day = replacer(store)
    assert day.replace(DAY, stage_sold(store, "a", 5, 7), at(30)).change
    before = store.files(PUBLISHED)
    assert not day.replace(DAY, stage_sold(store, "b", 7, 5), at(40)).change, "the order does not matter"
    assert store.files(PUBLISHED) == before
    assert day.replace(DAY, stage_sold(store, "c", 5, 5, 7), at(50)).change, "the number of equal rows does"
    assert sold(store, PUBLISHED) == [5, 5, 7]
    assert sold(store, REVISIONS) == [5, 7]


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ({"quantity": 4, "ean": "4006381333931"}, {"ean": "4006381333931", "quantity": "4"}, 0),
        ({"quantity": 4}, {"quantity": 4, "new": None, "more": "", "nested": {"deep": None}}, 0),
        ({"quantity": 4, "new": {"a": None, "b": 1}}, {"quantity": 4, "new": {"b": 1}}, 0),
        ({"quantity": 4}, {"quantity": 4, "new": 0}, 1),
    ],
    ids=["another spelling", "empty unknown fields", "one less", "unknown fields that hold something"],
)
def test_rows_are_compared_by_what_they_say(
    store: ObjectStore, before: dict[str, object], after: dict[str, object], changed: int
) -> None:
    day = replacer(store)
    day.replace(DAY, stage_rows(store, "a", before, {"quantity": 9}), at(30))
    replaced = day.replace(DAY, stage_rows(store, "b", {"quantity": 9}, after), at(40))
    assert bool(replaced.change) == bool(changed)
    if changed:
        assert counts(replaced) == (0, 0, 1)


def test_a_day_that_became_empty_is_empty_only_if_that_is_allowed(store: ObjectStore) -> None:
    day = replacer(store)
    assert day.replace(DAY, [], at(20)) == ReplacedDay([], None)
    day.replace(DAY, stage_sold(store, "a", 5), at(30))
    with pytest.raises(EmptyAnswerError, match="and 1 are published"):
        day.replace(DAY, [], at(35))
    assert sold(store, PUBLISHED) == [5]
    replaced = replace(day, by_nothing=True).replace(DAY, [], at(40))
    assert counts(replaced) == (0, 1, 0)
    assert [file.rows for file in replaced.files] == [0]
    assert sold(store, PUBLISHED) == []
    assert sold(store, REVISIONS) == [5]


def test_the_latest_answer_stays_in_whatever_order_it_is_published(store: ObjectStore) -> None:
    day = replacer(store)
    day.replace(DAY, stage_sold(store, "late", 9), at(50))
    replaced = day.replace(DAY, stage_sold(store, "early", 1), at(40))
    assert sold(store, PUBLISHED) == [9]
    assert [file.path for file in replaced.files] == store.files(PUBLISHED)
    assert replaced.change is None


def test_a_file_of_a_worker_whose_clock_was_ahead_is_replaced_and_a_warning_names_it(
    store: ObjectStore, caplog: pytest.LogCaptureFixture
) -> None:
    wrong, right = replace(replacer(store), now=at(59) + timedelta(days=3)), replacer(store)
    wrong.replace(DAY, stage_sold(store, "wrong", 1), at(30) + timedelta(days=3))
    (future,) = store.files(PUBLISHED)
    replaced = right.replace(DAY, stage_sold(store, "right", 2), at(40))
    assert counts(replaced) == (0, 0, 1)
    assert future in caplog.text
    assert at(59).isoformat() in caplog.text
    assert (sold(store, PUBLISHED), sold(store, REVISIONS)) == ([2], [1])
    # From then on the order is right again.
    assert right.replace(DAY, stage_sold(store, "earlier", 3), at(35)).change is None
    assert right.replace(DAY, stage_sold(store, "later", 4), at(50)).change
    assert sold(store, PUBLISHED) == [4]


def test_a_try_that_was_killed_after_publishing_reports_the_same_changes_again(store: ObjectStore) -> None:
    day = replacer(store)
    day.replace(DAY, stage_sold(store, "a", 5, 7, 7), at(30))
    staged = stage_sold(store, "b", 5, 8, 9)
    first = day.replace(DAY, staged, at(40))
    again = day.replace(DAY, staged, at(40))
    assert again == first
    assert counts(first) == (0, 0, 2)
    assert sold(store, PUBLISHED) == [5, 8, 9]
    lines = lines_in(store, first.change)
    assert [(line["change"], line["before"]["quantity"], line["after"]["quantity"]) for line in lines] == [
        ("changed", 7, 8),
        ("changed", 7, 9),
    ]
    # Also if another fetch came in between.
    replace(day, run="another").replace(DAY, stage_sold(store, "c", 1), at(50))
    assert day.replace(DAY, staged, at(40)).change == first.change
    assert sold(store, PUBLISHED) == [1]


def test_the_files_of_a_date_say_all_that_was_published_of_it(store: ObjectStore) -> None:
    day = replacer(store)
    for minute, quantities in ((30, [5, 7]), (40, [5, 7]), (50, [5, 8, 9])):
        day.replace(DAY, stage_sold(store, f"r{minute}", *quantities), at(minute))
    found = published_changes(store, day.layout, {DAY})
    assert [(change.fetched, change.first) for change in found] == [(at(30), True), (at(50), False)]
    assert [(change.added, change.removed, change.changed) for change in found] == [(2, 0, 0), (1, 0, 1)]
    assert {change.run for change in found} == {"a-run"}
    assert [len(lines_in(store, change)) for change in found] == [0, 2]
    assert [change.as_dict()["file"] for change in found] == [None, found[1].file]
    assert published_changes(store, day.layout, {DAY + timedelta(days=1)}) == []


def test_a_try_that_is_killed_before_it_publishes_has_changed_nothing(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = replacer(store)
    day.replace(DAY, stage_sold(store, "a", 5), at(30))
    staged = stage_sold(store, "b", 6, 7)
    with monkeypatch.context() as patched:
        patched.setattr(day_module, "publish_tables", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            day.replace(DAY, staged, at(50))
    assert len(store.files(day.layout.changes(DAY))) == 2
    assert len(published_changes(store, day.layout, {DAY})) == 1
    # Its retry finds the day replaced by another, and reports what it has changed itself.
    replace(day, run="another").replace(DAY, stage_sold(store, "c", 6), at(40))
    assert counts(day.replace(DAY, staged, at(50))) == (1, 0, 0)
    assert [(change.run, change.added) for change in published_changes(store, day.layout, {DAY})] == [
        ("a-run", 1),
        ("another", 0),
        ("a-run", 1),
    ]


def test_many_runs_of_a_day_at_once_end_with_the_latest_and_with_what_each_changed(tmp_path: Path) -> None:
    store = ObjectStore(fsspec.filesystem("file"), str(tmp_path))
    staged = [stage_sold(store, f"r{n}", *[n] * 3) for n in range(12)]

    def run(number: int) -> ReplacedDay:
        return replace(replacer(store), run=f"run-{number}").replace(DAY, staged[number], at(30 + number))

    with ThreadPoolExecutor(max_workers=6) as pool:
        done = [future.result() for future in [pool.submit(run, number) for number in range(12)]]
    assert sold(store, PUBLISHED) == [11, 11, 11]
    assert len(store.files(PUBLISHED)) == 1
    found = published_changes(store, Layout(LIQUIDATED.name, MERCHANT), {DAY})
    assert found == [replaced.change for replaced in done if replaced.change is not None]


def test_a_day_with_many_rows_that_all_changed_is_replaced_in_little_memory(store: ObjectStore) -> None:
    count = 5_000
    for minute in (1, 2):
        rows: list[dict[str, object]] = [{"quantity": minute, "ean": f"{number:013}"} for number in range(count)]
        staged = stage_rows(store, str(minute), *rows)
        tracemalloc.start()
        replaced = replacer(store).replace(DAY, staged, at(minute))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert counts(replaced) == (0, 0, count)
    assert peak < 2_000 * count
