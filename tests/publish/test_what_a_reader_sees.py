"""A reader who looks after every single change of the base path, and what is not promised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import fsspec
import pyarrow.parquet as pq
import pytest
from item_rows import Item, Warehouse, hours, rows_of
from killing import CHANGES
from test_day import DAY, PUBLISHED, replacer, sold, stage_sold

from airflow_provider_zdirect.storage.object_store import ObjectStore


class WatchedStore(ObjectStore):
    """Calls ``look`` after every change."""

    def __init__(self, root: Path, look: Callable[[], None]) -> None:
        super().__init__(fsspec.filesystem("file", skip_instance_cache=True), str(root))
        self.look = look


def _watched(name: str) -> Callable[..., Any]:
    def call(self: WatchedStore, *arguments: Any) -> Any:
        done = getattr(super(WatchedStore, self), name)(*arguments)
        self.look()
        return done

    return call


for _name in CHANGES:
    setattr(WatchedStore, _name, _watched(_name))


@dataclass(frozen=True)
class WatchedWarehouse(Warehouse):
    seen: list[list[tuple[str, float, str]]] = field(default_factory=list)

    @property
    def store(self) -> ObjectStore:
        return WatchedStore(self.root, lambda: self.seen.append(self.published()))


def test_no_record_disappears_while_its_file_is_replaced(tmp_path: Path) -> None:
    """One run finds two files that share records, of which one has changed and one is new."""
    warehouse, day = WatchedWarehouse(tmp_path), hours(0, 24)
    before = [Item(f"r{number}", number / 4) for number in range(20)]
    warehouse.publish(day, [warehouse.stage("a", before, day)])
    other = Warehouse(tmp_path / "elsewhere")
    other.publish(day, [other.stage("b", before[5:9], day)])
    (met,) = other.published_files()
    (tmp_path / met).write_bytes((other.root / met).read_bytes())
    after = [Item("r6", 1.5, "second"), *before[:6], *before[7:], Item("new", 23)]
    warehouse.seen.clear()
    warehouse.publish(day, [warehouse.stage("c", after, day)])
    assert len(warehouse.seen) >= 3, "a file is written and two are deleted"
    for rows in warehouse.seen:
        assert {label for label, _, _ in rows} >= {item.label for item in before}
    assert warehouse.published() == rows_of(after)


def test_a_day_that_is_replaced_is_whole_at_every_moment(tmp_path: Path) -> None:
    seen: list[list[int]] = []

    def look() -> None:
        if folder := sorted((tmp_path / PUBLISHED).glob("*.parquet")):
            seen.append(sorted(quantity for path in folder for quantity in pq.read_table(path)["quantity"].to_pylist()))

    store = WatchedStore(tmp_path, look)
    replacer(store).replace(DAY, stage_sold(store, tmp_path, "a", 5, 7), hours(30, 31).start)
    seen.clear()
    replacer(store).replace(DAY, stage_sold(store, tmp_path, "b", 1, 2, 3), hours(40, 41).start)
    assert [5, 7] in seen
    assert seen[-1] == [1, 2, 3]
    assert all(rows in ([5, 7], [1, 2, 3], [1, 2, 3, 5, 7]) for rows in seen)


def test_a_record_that_zdirect_withdraws_stays(tmp_path: Path) -> None:
    warehouse, window = Warehouse(tmp_path), hours(10, 11)
    items = [Item("x", 10), Item("withdrawn", 10.5)]
    warehouse.publish(window, [warehouse.stage("a", items, window)])
    warehouse.publish(window, [warehouse.stage("b", items[:1], window)])
    assert warehouse.published() == rows_of(items)


def test_of_two_runs_of_a_date_at_once_the_earlier_may_stay_until_the_next(store: ObjectStore, tmp_path: Path) -> None:
    first, earlier, later, next_day = (replace(replacer(store), run=run) for run in "abcd")
    first.replace(DAY, stage_sold(store, tmp_path, "a", 5), hours(30, 31).start)
    later.replace(DAY, stage_sold(store, tmp_path, "c", 5), hours(41, 42).start)
    earlier.replace(DAY, stage_sold(store, tmp_path, "b", 7), hours(40, 41).start)
    assert sold(store, PUBLISHED) == [7], "the later fetch changed nothing, and left no trace"
    next_day.replace(DAY, stage_sold(store, tmp_path, "d", 5), hours(50, 51).start)
    assert sold(store, PUBLISHED) == [5]


@pytest.mark.parametrize("again", ["parquet", "jsonl.gz"])
def test_a_date_that_is_replaced_takes_the_format_of_its_last_run(
    store: ObjectStore, tmp_path: Path, again: str
) -> None:
    former = {"parquet": "jsonl.gz", "jsonl.gz": "parquet"}[again]
    replace(replacer(store), suffix=former).replace(DAY, stage_sold(store, tmp_path, "a", 5), hours(30, 31).start)
    replace(replacer(store), suffix=again).replace(DAY, stage_sold(store, tmp_path, "b", 7), hours(40, 41).start)
    (path,) = store.files(PUBLISHED)
    assert path.endswith(again)
    assert sold(store, PUBLISHED) == [7]
