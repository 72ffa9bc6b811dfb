"""Compaction: the files of a date become one, beside whatever else publishes, reads and dies."""

from __future__ import annotations

import itertools
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import base_paths
import duckdb
import pyarrow.parquet as pq
import pytest
from exhaustive import exhaustive
from item_rows import MERCHANT, MIDNIGHT, RETURNED, Item, Warehouse, at, hours, put, rows_of, table_of
from killing import Killed, kill_at, look_after_changes

from airflow_provider_zdirect.datasets.table import DATASETS
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.publish import key_columns, sorted_files
from airflow_provider_zdirect.publish.compact import Compacted, compact_date, dates_to_compact
from airflow_provider_zdirect.publish.merge import RowMerger
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.publish.placed_rows import everything
from airflow_provider_zdirect.storage.object_store import ObjectStore

DAY = MIDNIGHT.date()


@pytest.fixture
def warehouse(tmp_path: Path, storage: str) -> Warehouse:
    return Warehouse(tmp_path)


def place(warehouse: Warehouse, format: str = "parquet") -> Place:
    fs, root = base_paths.storage.open(warehouse.root)
    return Place(fs, root, f"file://{warehouse.root}", MERCHANT, "production", format)


def compact(warehouse: Warehouse, day: date = DAY) -> Compacted:
    return compact_date(place(warehouse), RETURNED, day)


def publish_hours(warehouse: Warehouse, count: int = 6, suffix: str = "parquet") -> list[Item]:
    """A file per hour, each with records in no order."""
    items = []
    for hour in range(count):
        own = [Item(f"r{hour}-{number}", hour + part) for number, part in ((4, 0.75), (2, 0.5), (1, 0.25), (3, 0.5))]
        warehouse.publish(hours(hour, hour + 1), [warehouse.stage(f"h{hour}", own, at(30))], suffix=suffix)
        items += own
    return items


def test_a_date_becomes_one_sorted_file_with_statistics_and_a_page_index(warehouse: Warehouse) -> None:
    items = publish_hours(warehouse)
    former = [warehouse.root / path for path in warehouse.published_files()]
    size = sum(path.stat().st_size for path in former)
    compacted = compact(warehouse)
    (path,) = warehouse.published_files()
    file = warehouse.root / path
    assert compacted == Compacted(6, 1, len(items), size, file.stat().st_size)
    assert warehouse.published() == rows_of(items)
    assert path.startswith(f"{warehouse.layout.published(DAY)}/20261120T000000Z_20261121T000000Z-")
    rows = pq.read_table(file, partitioning=None).select(["consumed_timestamp", "quality_label"]).to_pylist()
    assert rows == sorted(rows, key=lambda row: tuple(row.values()))
    metadata = pq.ParquetFile(file).metadata
    column = metadata.row_group(0).column(metadata.schema.to_arrow_schema().get_field_index("consumed_timestamp"))
    assert column.has_column_index
    assert column.has_offset_index
    assert (column.statistics.min, column.compression) == (rows[0]["consumed_timestamp"], "ZSTD")


@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_a_compact_date_costs_one_listing(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, format: str) -> None:
    items = publish_hours(warehouse, suffix="jsonl.gz" if format == "jsonl" else format)
    where = place(warehouse, format)
    first = compact_date(where, RETURNED, DAY)
    assert (first.files_before, first.files_after, first.rows) == (6, 1, len(items))
    calls: list[str] = []
    for name in ("files", "sizes_below", "open", "upload", "write", "delete", "read"):
        original = getattr(ObjectStore, name)
        monkeypatch.setattr(
            ObjectStore,
            name,
            lambda self, *arguments, name=name, original=original: (calls.append(name), original(self, *arguments))[1],
        )
    assert compact_date(where, RETURNED, DAY) == Compacted(1, 1, 0, first.bytes_after, first.bytes_after)
    assert compact_date(where, RETURNED, DAY + timedelta(days=9)) == Compacted(0, 0, 0, 0, 0)
    assert calls == ["sizes_below"] * 2


def test_a_large_date_becomes_several_files_that_follow_one_another(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name, rows in (
        (key_columns, "SAMPLED", 1),
        (sorted_files, "SAMPLED", 1),
        (sorted_files, "ROW_GROUP_ROWS", 3),
        (sorted_files, "FILE_ROWS", 8),
    ):
        monkeypatch.setattr(module, name, rows)
    items = publish_hours(warehouse)
    compacted = compact(warehouse)
    assert (compacted.files_after, compacted.rows) == (3, 24)
    assert warehouse.published() == rows_of(items)
    files = [pq.read_table(warehouse.root / path, partitioning=None) for path in warehouse.published_files()]
    times = [table["consumed_timestamp"].to_pylist() for table in files]
    assert list(itertools.chain(*times)) == sorted(itertools.chain(*times))
    assert compact(warehouse).files_before == 3
    assert compact(warehouse).rows == 0
    warehouse.publish(hours(0, 24), [warehouse.stage("late", [Item("late", 2.625)])])
    assert dates_to_compact(place(warehouse), RETURNED, DAY + timedelta(days=1)) == [DAY]
    assert (compact(warehouse).files_before, len(warehouse.published_files())) == (4, 4)
    assert warehouse.published() == rows_of([*items, Item("late", 2.625)])


def test_the_dates_that_have_more_files_than_they_need(warehouse: Warehouse) -> None:
    for hour in (1, 2, 25, 49, 50, 73, 74):
        warehouse.publish(hours(hour, hour + 1), [warehouse.stage(f"h{hour}", [Item(f"r{hour}", hour + 0.5)])])
    put(warehouse.store, f"{warehouse.layout.published(DAY + timedelta(days=1))}/notes.jsonl.gz", pq.read_table(
        warehouse.root / warehouse.published_files()[0], partitioning=None
    ))  # fmt: skip
    until = DAY + timedelta(days=3)
    assert dates_to_compact(place(warehouse), RETURNED, until) == [DAY, DAY + timedelta(days=2)]
    compact(warehouse)
    assert dates_to_compact(place(warehouse), RETURNED, until) == [DAY + timedelta(days=2)]


def test_duckdb_answers_the_same_before_and_after(warehouse: Warehouse) -> None:
    publish_hours(warehouse)
    everything = f"SELECT * EXCLUDE (filename) FROM read_parquet('{warehouse.root}/{RETURNED.name}/**/*.parquet', "
    query = f"{everything} filename = true) ORDER BY ALL"
    before = duckdb.sql(query).fetchall()
    compact(warehouse)
    assert duckdb.sql(query).fetchall() == before


def test_formats_are_not_mixed(warehouse: Warehouse) -> None:
    publish_hours(warehouse)
    (warehouse.root / warehouse.published_files()[0].replace(".parquet", ".jsonl.gz")).touch()
    with pytest.raises(ZDirectConfigurationError, match="another format"):
        compact(warehouse)
    assert len(warehouse.published_files()) == 7


def test_datasets_with_a_file_per_date_are_refused(warehouse: Warehouse) -> None:
    with pytest.raises(ZDirectConfigurationError, match="not published record by record"):
        compact_date(place(warehouse), DATASETS["liquidated_items"], DAY)
    with pytest.raises(ZDirectConfigurationError, match="not published record by record"):
        dates_to_compact(place(warehouse), DATASETS["liquidated_items"], DAY)


def test_a_record_that_runs_left_in_two_files_is_there_once_in_its_last_version(warehouse: Warehouse) -> None:
    items = publish_hours(warehouse, 2)
    other = Warehouse(warehouse.root / "elsewhere")
    changed = Item(items[0].label, items[0].hour, "second")
    other.publish(hours(0, 24), [other.stage("b", [changed], at(40))])
    (leftover,) = other.published_files()
    (warehouse.root / leftover).write_bytes((other.root / leftover).read_bytes())
    compacted = compact(warehouse)
    assert (compacted.files_before, compacted.files_after, compacted.rows) == (3, 1, len(items))
    assert warehouse.published() == rows_of([changed, *items[1:]])


def order(number: int, modified: float, ordered: float | None = None) -> dict[str, str]:
    times = {"order_date": at(number if ordered is None else ordered), "modified_at": at(modified)}
    return {"order_id": f"o{number}", **{name: time.isoformat() for name, time in times.items()}}


def test_the_latest_versions_are_compacted_too(warehouse: Warehouse) -> None:
    latest = DATASETS["orders"].of_latest()
    assert latest is not None
    where = place(warehouse)
    for version in range(3):
        rows = [table_of("orders", order(number, 24 + version, number + 20)) for number in range(version, 6)]
        for hour, table in enumerate(rows):
            put(where.store, f"_staging/{version}-{hour}.parquet", table)
        staged = [f"_staging/{version}-{hour}.parquet" for hour in range(len(rows))]
        for path in staged:
            merger = RowMerger(where.store, where.layout(latest.name), latest, hours(24, 30), "parquet")
            merger.merge([path], everything)

    def published() -> list[tuple[str, int]]:
        files = f"{warehouse.root}/{latest.name}/**/*.parquet"
        query = f"SELECT order_id, epoch_us(modified_at) FROM read_parquet('{files}') ORDER BY ALL"
        return duckdb.sql(query).fetchall()

    before = published()
    assert len(before) == 6
    days = dates_to_compact(where, latest, DAY + timedelta(days=9))
    assert days == [DAY, DAY + timedelta(days=1)]
    compacted = [compact_date(where, latest, day) for day in days]
    assert [(each.files_after, each.rows) for each in compacted] == [(1, 4), (1, 2)]
    assert published() == before
    assert not dates_to_compact(where, latest, DAY + timedelta(days=9))


def test_a_reader_who_looks_after_every_change_misses_no_record(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = publish_hours(warehouse)
    seen: list[set[str]] = []
    look_after_changes(monkeypatch, lambda: seen.append({label for label, _, _ in warehouse.published()}))
    compact(warehouse)
    assert len(seen) == 7, "one file is written, and six are deleted"
    assert all(labels == {item.label for item in items} for labels in seen)


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("change", exhaustive(range(1, 11), 10))
def test_a_compaction_that_is_killed_loses_nothing_and_the_next_run_mends_it(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, change: int, cut: bool
) -> None:
    items = publish_hours(warehouse)
    with monkeypatch.context() as patched:
        if cut:
            patched.setattr(key_columns, "SAMPLED", 1)
            for name, rows in (("SAMPLED", 1), ("ROW_GROUP_ROWS", 3), ("FILE_ROWS", 8)):
                patched.setattr(sorted_files, name, rows)
        kill_at(change, patched)
        try:
            compact(warehouse)
        except Killed:
            assert change <= (9 if cut else 7)
    assert {*warehouse.published()} == {*rows_of(items)}
    changed = [replace(item, reference="second") if item.hour < 0.6 else item for item in items]
    if change % 2:
        warehouse.publish(hours(0, 24), [warehouse.stage("again", [*changed, Item("late", 4.125)], at(50))])
        changed.append(Item("late", 4.125))
        assert warehouse.published() == rows_of(changed)
    compact(warehouse)
    assert warehouse.published() == rows_of(changed if change % 2 else items)
    assert len(warehouse.published_files()) == 1 or cut
    assert not dates_to_compact(place(warehouse), RETURNED, DAY + timedelta(days=1))


@pytest.mark.parametrize("seed", exhaustive(range(12)))
def test_compactions_beside_runs_of_the_same_date_leave_each_record_once(warehouse: Warehouse, seed: int) -> None:
    """Overlapping windows with late and changed records, and compactions of both dates all the time."""
    dice = random.Random(seed)
    truth = [Item(f"r{number}", round(dice.uniform(0, 30), 3)) for number in range(300)]
    for hour in range(0, 30, 3):
        own = [item for item in truth if hour <= item.hour < hour + 3 and dice.random() < 0.7]
        warehouse.publish(hours(hour, hour + 3), [warehouse.stage(f"h{hour}", own, at(40))])
    last = [replace(item, reference="second") if dice.random() < 0.2 else item for item in truth]
    windows = [hours(n, n + 2) for n in range(0, 29, 2)] + [hours(0, 24), hours(5.5, 9.25), hours(0, 30), hours(28, 30)]

    def run(number: int) -> None:
        window = windows[number]
        own = [item for item in last if window.start <= at(item.hour) < window.end]
        warehouse.publish(window, [warehouse.stage(f"w{number}", own, at(50 + number))])

    def compacts(number: int) -> None:
        compact(warehouse, DAY + timedelta(days=number % 2))

    work = [(run, number) for number in range(len(windows))] + [(compacts, number) for number in range(8)]
    dice.shuffle(work)
    with ThreadPoolExecutor(max_workers=6) as pool:
        for done in [pool.submit(what, number) for what, number in work]:
            done.result()
    assert warehouse.published() == rows_of(last)
    for number in range(2):
        compact(warehouse, DAY + timedelta(days=number))
    assert warehouse.published() == rows_of(last)
    assert len(warehouse.published_files()) == 2
