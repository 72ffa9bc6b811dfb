"""A reader who looks after every single change of the base path, and what is not promised."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import fsspec
import pyarrow.parquet as pq
import pytest
from item_rows import Item, Warehouse, at, hours, rows_of
from killing import look_after_changes
from test_day import DAY, PUBLISHED, replacer, sold, stage_sold

from airflow_provider_zdirect.storage.object_store import ObjectStore


def test_no_record_disappears_while_its_file_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run finds two files that share records; one record has changed, and one is new."""
    warehouse, day = Warehouse(tmp_path), hours(0, 24)
    before = [Item(f"r{number}", number / 4) for number in range(20)]
    warehouse.publish(day, [warehouse.stage("a", before)])
    other = Warehouse(tmp_path / "elsewhere")
    other.publish(day, [other.stage("b", before[5:9])])
    (met,) = other.published_files()
    (tmp_path / met).write_bytes((other.root / met).read_bytes())
    after = [Item("r6", 1.5, "second"), *before[:6], *before[7:], Item("new", 23)]
    staged = warehouse.stage("c", after, at(101))
    seen: list[set[str]] = []
    look_after_changes(monkeypatch, lambda: seen.append({label for label, _, _ in warehouse.published()}))
    warehouse.publish(day, [staged])
    assert len(seen) >= 3, "a file is written and two are deleted"
    assert all(labels >= {item.label for item in before} for labels in seen)
    assert warehouse.published() == rows_of(after)


def test_a_day_that_is_replaced_is_whole_at_every_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ObjectStore(fsspec.filesystem("file"), str(tmp_path))
    replacer(store).replace(DAY, stage_sold(store, "a", 5, 7), at(30))
    staged = stage_sold(store, "b", 1, 2, 3)
    seen: list[list[int]] = []

    def look() -> None:
        files = (tmp_path / PUBLISHED).glob("*.parquet")
        seen.append(sorted(sold for path in files for sold in pq.read_table(path)["quantity"].to_pylist()))

    look_after_changes(monkeypatch, look)
    replacer(store).replace(DAY, staged, at(40))
    assert seen[-1] == [1, 2, 3]
    assert all(rows in ([5, 7], [1, 2, 3, 5, 7], [1, 2, 3]) for rows in seen)


def test_a_record_that_zdirect_withdraws_stays(tmp_path: Path) -> None:
    warehouse, window = Warehouse(tmp_path), hours(10, 11)
    items = [Item("x", 10), Item("withdrawn", 10.5)]
    warehouse.publish(window, [warehouse.stage("a", items)])
    warehouse.publish(window, [warehouse.stage("b", items[:1])])
    assert warehouse.published() == rows_of(items)


def test_of_two_runs_of_a_date_at_once_the_earlier_may_stay_until_the_next(store: ObjectStore) -> None:
    first, earlier, later, next_day = (replace(replacer(store), run=run) for run in "abcd")
    first.replace(DAY, stage_sold(store, "a", 5), at(30))
    later.replace(DAY, stage_sold(store, "c", 5), at(41))
    earlier.replace(DAY, stage_sold(store, "b", 7), at(40))
    assert sold(store, PUBLISHED) == [7], "the later fetch changed nothing, and left no trace"
    next_day.replace(DAY, stage_sold(store, "d", 5), at(50))
    assert sold(store, PUBLISHED) == [5]


@pytest.mark.parametrize(("before", "after"), [("jsonl", "parquet"), ("parquet", "jsonl")])
def test_a_date_that_is_replaced_takes_the_format_of_its_last_run(store: ObjectStore, before: str, after: str) -> None:
    for format, sold_then, hour in ((before, 5, 30), (after, 7, 40)):
        day = replacer(store)
        replace(day, place=replace(day.place, format=format)).replace(
            DAY, stage_sold(store, format, sold_then), at(hour)
        )
    (path,) = store.files(PUBLISHED)
    assert after in path
    assert sold(store, PUBLISHED) == [7]
