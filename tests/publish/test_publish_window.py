"""The promise of the package, on the level of files: each record once, whoever publishes when."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from exhaustive import exhaustive
from item_rows import MERCHANT, Item, Warehouse, at, hours, put, rows_of
from killing import look_after_changes

from airflow_provider_zdirect.datasets.arrow import Lineage
from airflow_provider_zdirect.datasets.table import DATASETS
from airflow_provider_zdirect.pipeline.validate import take_valid
from airflow_provider_zdirect.publish import merge
from airflow_provider_zdirect.publish.key_columns import KeyColumns
from airflow_provider_zdirect.publish.merge import Merged, RowMerger
from airflow_provider_zdirect.publish.placed_rows import everything
from airflow_provider_zdirect.publish.winners import find_winners
from airflow_provider_zdirect.storage.layout import Layout, PublishedName
from airflow_provider_zdirect.windows import Window


@pytest.fixture
def warehouse(tmp_path: Path, storage: str) -> Warehouse:
    return Warehouse(tmp_path)


def test_a_window_is_published_under_its_own_name(warehouse: Warehouse) -> None:
    window = hours(10, 11)
    merged = warehouse.publish(window, [warehouse.stage("a", [Item("x", 10), Item("y", 10.5)])])
    (path,) = warehouse.published_files()
    assert path.startswith("returned_items/merchant_id=29809185-6a98-4691-a15b-e8d16839b6e8/date=2026-11-20/")
    assert PublishedName.parse(path).span == window
    assert [file.path for file in merged.files] == [path]
    assert (merged.records, merged.new_records, merged.late_records) == (2, 2, 0)
    assert (merged.first, merged.last) == (at(10), at(10.5))


def test_a_window_over_midnight_lies_in_both_dates(warehouse: Warehouse) -> None:
    items = [Item("x", 23.5), Item("y", 24.5)]
    window = hours(23, 25)
    warehouse.publish(window, [warehouse.stage("a", items)])
    assert [path.split("/")[2] for path in warehouse.published_files()] == ["date=2026-11-20", "date=2026-11-21"]
    assert warehouse.published() == rows_of(items)


@pytest.mark.parametrize("suffix", ["parquet", "jsonl.gz"])
def test_a_repeated_window_writes_nothing_new(warehouse: Warehouse, suffix: str) -> None:
    items, window = [Item("x", 10), Item("y", 10.5), Item("x", 10)], hours(10, 11)
    first = warehouse.publish(window, [warehouse.stage("a", items, at(50))], suffix=suffix)
    before = warehouse.published_files()
    again = warehouse.publish(window, [warehouse.stage("b", items, at(60))], suffix=suffix)
    assert warehouse.published_files() == before
    assert (again.records, again.new_records, again.late_records) == (2, 0, 0)
    assert again.files == first.files


@pytest.mark.parametrize(("former", "latter"), [(50, 60), (60, 50)], ids=["later", "earlier"])
def test_a_changed_record_is_as_it_was_fetched_last_and_nothing_else_changes(
    warehouse: Warehouse, former: int, latter: int
) -> None:
    window, other = hours(10, 11), Item("y", 10.5)
    for hour in (former, latter):
        items = [Item("x", 10, "second" if hour == 60 else "first"), other]
        warehouse.publish(window, [warehouse.stage(str(hour), items, at(hour))])
    assert warehouse.published() == [("x", 10.0, "second"), ("y", 10.5, "first")]


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[KeyColumns]:
    """The keys of all rows, each time that a run decides which rows win."""
    looks: list[KeyColumns] = []
    monkeypatch.setattr(merge, "find_winners", lambda keys: (looks.append(keys), find_winners(keys))[1])
    return looks


def test_changed_and_late_records_are_compared_once_if_no_other_run_comes_between(
    warehouse: Warehouse, looks: list[KeyColumns]
) -> None:
    window, items = hours(10, 11), [Item("x", 10), Item("y", 10.5), Item("z", 10.5)]
    warehouse.publish(window, [warehouse.stage("a", items, at(50))])
    changed = [items[0], replace(items[1], reference="second"), items[2], Item("late", 10.5)]
    looks.clear()
    merged = warehouse.publish(window, [warehouse.stage("b", changed, at(60))])
    assert len(looks) == 1
    assert warehouse.published() == rows_of(changed)
    assert (merged.records, merged.new_records, [file.rows for file in merged.files]) == (4, 1, [4])
    assert [file.path for file in merged.files] == warehouse.published_files()


def test_a_record_that_the_answer_lacks_stays_and_does_not_count(warehouse: Warehouse, looks: list[KeyColumns]) -> None:
    window = hours(10, 11)
    warehouse.publish(window, [warehouse.stage("a", [Item("x", 10), Item("gone", 10.5)], at(50))])
    looks.clear()
    merged = warehouse.publish(window, [warehouse.stage("b", [Item("x", 10, "second")], at(60))])
    assert len(looks) == 2
    assert warehouse.published() == [("gone", 10.5, "first"), ("x", 10.0, "second")]
    assert (merged.records, [file.rows for file in merged.files]) == (1, [1])


def test_files_are_counted_again_where_an_order_has_changed_and_its_item_has_not(warehouse: Warehouse) -> None:
    """The item stays with the window in which it was first published; another one is gone from the answer."""
    items, store = DATASETS["order_items"], warehouse.store

    def publish(window: Window, fetched: float, *records: tuple[str, float, str]) -> Merged:
        sources = [
            f'{{"order_modified_at":"{at(order).isoformat()}","order_item_id":"{label}","order_id":"o",'
            f'"modified_at":"{at(1).isoformat()}","order_date":"{at(0).isoformat()}","external_id":"{said}"}}'.encode()
            for label, order, said in records
        ]
        tables: list[pa.Table] = []
        lineage = Lineage(MERCHANT, "production", window.start, window.end, at(fetched))
        assert not take_valid(items.model, sources, lineage, tables.append)
        put(store, f"_staging/{fetched}.parquet", *tables)
        merger = RowMerger(store, Layout(items.name, MERCHANT), items, window, "parquet")
        return merger.merge([f"_staging/{fetched}.parquet"], everything)

    publish(hours(0, 24), 30, ("same", 5, ""), ("gone", 12, ""), ("changed", 12, "before"))
    merged = publish(hours(10, 14), 31, ("same", 12, ""), ("changed", 12, "after"))
    assert merged.records == 2
    read = {file.path: pq.read_table(warehouse.root / file.path, columns=["order_item_id"]) for file in merged.files}
    labels = sorted((file.rows, read[file.path].column(0).to_pylist()) for file in merged.files)
    assert labels == [(1, ["changed", "gone"]), (1, ["same"])]


@pytest.mark.parametrize("moment", ["written", "deleted"])
def test_a_run_that_comes_between_is_noticed_while_a_file_is_written_anew(
    warehouse: Warehouse, looks: list[KeyColumns], monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    window = hours(10, 11)
    warehouse.publish(window, [warehouse.stage("a", [Item("x", 10), Item("y", 10.5)], at(50))])
    last = [Item("x", 10, "third"), Item("y", 10.5), Item("late", 10.75)]
    changes = iter(["written", "deleted"])

    def meet() -> None:
        if next(changes, None) == moment:
            warehouse.publish(hours(9, 12), [warehouse.stage("other", last, at(70))])

    second = warehouse.stage("b", [Item("x", 10, "second"), Item("y", 10.5)], at(60))
    look_after_changes(monkeypatch, meet)
    looks.clear()
    merged = warehouse.publish(window, [second])
    assert warehouse.published() == rows_of(last)
    assert merged.records == sum(file.rows for file in merged.files) == 2
    assert {file.path for file in merged.files} <= {*warehouse.published_files()}
    assert len(looks) >= 3


def test_a_day_over_hours_that_are_published_adds_only_what_they_lack(warehouse: Warehouse) -> None:
    for hour in (10, 11):
        window = hours(hour, hour + 1)
        warehouse.publish(window, [warehouse.stage(f"h{hour}", [Item(f"x{hour}", hour + 0.5)])])
    day = hours(0, 24)
    items = [Item("x10", 10.5), Item("x11", 11.5), Item("x12", 12.5)]
    merged = warehouse.publish(day, [warehouse.stage("day", items)])
    assert warehouse.published() == rows_of(items)
    assert (merged.records, merged.new_records, merged.late_records) == (3, 1, 0)
    assert sum(file.rows for file in merged.files) == 3


def test_a_late_record_of_a_published_window_is_published_by_the_next(warehouse: Warehouse) -> None:
    before, window = hours(9, 10), hours(10, 11)
    items = [Item("x", 9.1), Item("late", 9.9), Item("y", 10.5)]
    warehouse.announce(before)
    warehouse.publish(before, [warehouse.stage("a", items[:1])], overlap=1)
    warehouse.announce(window)
    merged = warehouse.publish(window, [warehouse.stage("b", items)], overlap=1)
    assert warehouse.published() == rows_of(items)
    assert (merged.records, merged.new_records, merged.late_records) == (1, 1, 1)
    (late,) = merged.late_files
    assert late.path not in {file.path for file in merged.files}


def test_records_before_the_window_that_nobody_asked_for_are_not_published(warehouse: Warehouse) -> None:
    window = hours(10, 11)
    warehouse.announce(window)
    warehouse.publish(window, [warehouse.stage("a", [Item("before", 9.5), Item("x", 10)])], overlap=1)
    assert warehouse.published() == [("x", 10.0, "first")]


def test_a_record_outside_of_all_that_was_asked_for_is_kept_under_its_own_date(warehouse: Warehouse) -> None:
    window = hours(10, 11)
    warehouse.publish(window, [warehouse.stage("a", [Item("other", -30)])], overlap=1)
    assert warehouse.published() == [("other", -30.0, "first")]
    assert "date=2026-11-18" in warehouse.published_files()[0]


def test_a_late_record_of_a_window_that_is_still_fetched_is_published_at_once(warehouse: Warehouse) -> None:
    before, window = hours(9, 10), hours(10, 11)
    warehouse.announce(before)
    fetched_early = warehouse.stage("a", [Item("x", 9.1)])
    warehouse.announce(window)
    items = [Item("x", 9.1), Item("late", 9.9), Item("y", 10.5)]
    warehouse.publish(window, [warehouse.stage("b", items)], overlap=1)
    assert warehouse.published() == rows_of(items)
    merged = warehouse.publish(before, [fetched_early], overlap=1)
    assert (merged.records, merged.new_records, merged.late_records) == (1, 0, 0)
    assert warehouse.published() == rows_of(items)


@pytest.mark.parametrize("seed", exhaustive(range(60)))
def test_what_any_run_has_found_of_a_window_that_was_run_is_published(warehouse: Warehouse, seed: int) -> None:
    """Announcing, fetching and publishing of many windows, and records that become visible, in any order."""
    dice = random.Random(seed)
    visible: list[Item] = []
    found: set[Item] = set()
    windows = [hours(n, n + 1) for n in range(6)] + [hours(0.5, 2.5), hours(3, 6), hours(2, 3)]
    windows = dice.sample(windows, dice.randrange(3, len(windows)))

    def appear(item: Item) -> Iterator[None]:
        visible.append(item)
        yield

    def run(number: int, window: Window) -> Iterator[None]:
        warehouse.announce(window)
        yield
        asked = Window(window.start - timedelta(hours=1), window.end)
        fetched = [item for item in visible if asked.start <= at(item.hour) < asked.end]
        found.update(fetched)
        staged = [warehouse.stage(f"w{number}", fetched, at(40))]
        yield
        warehouse.publish(window, staged, overlap=1)
        yield

    steps = [run(number, window) for number, window in enumerate(windows)]
    steps += [appear(Item(f"r{number}", round(dice.uniform(-1, 6), 3))) for number in range(24)]
    while steps:
        one = dice.choice(steps)
        if next(one, steps) is steps:
            steps.remove(one)
    expected = [item for item in found if any(window.start <= at(item.hour) < window.end for window in windows)]
    assert warehouse.published() == rows_of(expected)


@pytest.mark.parametrize("seed", exhaustive(range(6)))
def test_many_overlapping_windows_at_once_end_with_each_record_once(warehouse: Warehouse, seed: int) -> None:
    dice = random.Random(seed)
    truth = [Item(f"r{number}", round(dice.uniform(0, 30), 3)) for number in range(400)]
    windows = [hours(n, n + 1) for n in range(30)] + [hours(0, 24), hours(5.5, 9.25), hours(0, 30), hours(3, 4)]
    dice.shuffle(windows)
    late = set(dice.sample(range(400), 40))

    def run(number: int) -> None:
        window = windows[number]
        warehouse.announce(window)
        asked = Window(window.start - timedelta(hours=1), window.end)
        # An answer lacks late records at random; the last to ask (below) sees all.
        seen = [
            item
            for index, item in enumerate(truth)
            if asked.start <= at(item.hour) < asked.end and (index not in late or random.random() < 0.5)
        ]
        warehouse.publish(window, [warehouse.stage(f"w{number}", seen, at(40 + number))], overlap=1)

    with ThreadPoolExecutor(max_workers=8) as pool:
        for done in [pool.submit(run, number) for number in range(len(windows))]:
            done.result()
    published = warehouse.published()
    assert len(published) == len(set(published)), "a record is there twice"
    assert {row[0] for row in published} >= {item.label for index, item in enumerate(truth) if index not in late}

    everything = hours(0, 30)
    warehouse.publish(everything, [warehouse.stage("all", truth, at(90))])
    assert warehouse.published() == rows_of(truth)


@pytest.mark.parametrize("seed", exhaustive(range(8)))
def test_records_that_change_in_a_shared_file_while_many_runs_meet_are_there_once(
    warehouse: Warehouse, seed: int
) -> None:
    """A day's file holds records of every hour, so runs of different hours have to write it anew together."""
    dice = random.Random(seed)
    items = [Item(f"r{number}", number / 4) for number in range(48)]
    day = hours(0, 24)
    warehouse.publish(day, [warehouse.stage("day", items, at(40))])
    changed = [Item(item.label, item.hour, "second") if dice.random() < 0.3 else item for item in items]

    def run(hour: int) -> None:
        window = hours(hour, hour + 2)
        mine = [item for item in changed if window.start <= at(item.hour) < window.end]
        warehouse.publish(window, [warehouse.stage(f"h{hour}", mine, at(50))])

    with ThreadPoolExecutor(max_workers=6) as pool:
        for done in [pool.submit(run, hour) for hour in range(0, 12, 2)]:
            done.result()
    assert warehouse.published() == rows_of(changed)


def test_leftovers_of_a_killed_run_are_cleared_by_whoever_comes_next(warehouse: Warehouse) -> None:
    window = hours(10, 11)
    warehouse.publish(window, [warehouse.stage("a", [Item("x", 10.1), Item("y", 10.2)])])
    (path,) = warehouse.published_files()
    # A run killed between writing its merged file and deleting the former ones leaves records twice.
    day = hours(0, 24)
    other = Warehouse(warehouse.root / "elsewhere")
    other.publish(day, [other.stage("b", [Item("x", 10.1)])])
    (leftover,) = other.published_files()
    (warehouse.root / leftover).write_bytes((other.root / leftover).read_bytes())
    assert len(warehouse.published()) == 3
    warehouse.publish(day, [warehouse.stage("c", [Item("x", 10.1), Item("y", 10.2)])])
    assert warehouse.published() == [("x", 10.1, "first"), ("y", 10.2, "first")]
    assert path not in warehouse.published_files()
