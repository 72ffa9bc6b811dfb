"""Which row of a record wins: columns against the rule, spelled out row by row."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from item_rows import RETURNED, Item, Warehouse, at, hours, put, rows_of

from airflow_provider_zdirect.publish import file_rows, key_columns, merge
from airflow_provider_zdirect.publish.key_columns import KeyRows
from airflow_provider_zdirect.publish.merge import Merged, RowMerger
from airflow_provider_zdirect.publish.placed_rows import everything
from airflow_provider_zdirect.publish.winners import decide
from airflow_provider_zdirect.storage.layout import PublishedName
from airflow_provider_zdirect.storage.row_files import sha256


class Row(NamedTuple):
    """Files 0 and 1 were just fetched, 2 to 4 are published."""

    source: int
    key: int
    version: int
    fetched: int
    content: int


small = st.integers(0, 2)
ROWS = st.lists(st.builds(Row, st.integers(0, 4), st.integers(0, 6), small, small, small), min_size=1, max_size=30)


def expected(rows: list[Row]) -> tuple[set[int], set[int]]:
    """Numbers of the rows that win, and published files that are outdated."""
    wins, outdated = set(), set()
    by_key: dict[int, list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        by_key[row.key].append(number)
    for numbers in by_key.values():
        order = sorted(numbers, key=lambda n: (*rows[n][2:], rows[n].source >= 2, -n))
        held = [n for n in order if rows[n].source >= 2]
        winner = order[-1]
        if len({rows[n].source for n in held}) == 1:
            winner = next((n for n in reversed(held) if rows[n].content == rows[winner].content), winner)
        else:
            outdated |= {rows[n].source for n in held}
        outdated |= {rows[n].source for n in held if n != winner}
        wins.add(winner)
    return wins, outdated


@given(ROWS, st.sampled_from([1, 2, 7]))
def test_the_winner_of_every_record_and_the_outdated_files(rows: list[Row], records_at_once: int) -> None:
    rows.sort(key=lambda row: row.source)
    source, keys, version, fetched, content = np.array(rows, np.int64).T
    _, key = np.unique(keys, return_inverse=True)
    near, text, content = key // records_at_once, pa.chunked_array([keys.astype(str)]), content + 3 * key
    number = np.arange(len(rows))
    columns = KeyRows(number, source, near, text, version, fetched, content, number, source < 0, source >= 2)
    wins, shared, record = decide(columns)
    assert len({*zip(record.tolist(), keys.tolist(), strict=True)}) == len({*keys.tolist()}) == len({*record.tolist()})
    outdated = set(source[(source >= 2) & (shared | ~wins)].tolist())
    assert (set(np.flatnonzero(wins).tolist()), outdated) == expected(rows)


@pytest.fixture
def warehouse(tmp_path: Path, storage: str) -> Warehouse:
    return Warehouse(tmp_path)


@pytest.mark.parametrize("stretch", [1, 7, 50])
def test_what_is_compared_in_stretches_of_time_is_as_if_compared_at_once(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, stretch: int
) -> None:
    for name, rows in (("STRETCH_ROWS", stretch), ("PART_ROWS", 3), ("SAMPLED", 1)):
        monkeypatch.setattr(key_columns, name, rows)
    window = hours(0, 24)
    items = [Item(f"r{number}", number * 7 % 24) for number in range(120)]
    staged = [warehouse.stage(f"a{part}", items[part::4], at(30)) for part in range(4)]
    first = warehouse.publish(window, [*staged, warehouse.stage("again", items[5:60], at(31))])
    assert (first.records, first.new_records) == (120, 120)
    assert (first.first, first.last) == (at(0), at(23))
    before = warehouse.published_files()
    assert warehouse.publish(window, staged).new_records == 0
    assert warehouse.published_files() == before
    changed = [Item(item.label, item.hour, "second") if item.hour < 3 else item for item in items]
    merged = warehouse.publish(window, [warehouse.stage("b", [*changed, Item("late", 5.5)], at(40))])
    assert (merged.records, merged.new_records) == (121, 1)
    assert warehouse.published() == rows_of([*changed, Item("late", 5.5)])


def moved(warehouse: Warehouse, staged: str) -> dict[str, Path]:
    """The staged file is on the local disk only, with bytes that no writer of published files gives it."""
    local = warehouse.root / "local.parquet"
    pq.write_table(pq.read_table(warehouse.root / staged), local, compression="none")
    (warehouse.root / staged).unlink()
    return {staged: local}


def merge_local(warehouse: Warehouse, local: dict[str, Path], suffix: str = "parquet") -> Merged:
    store = replace(warehouse.store, copies=local)
    merger = RowMerger(store, warehouse.layout, RETURNED, hours(0, 24), suffix)
    return merger.merge(list(local), everything)


def test_the_union_of_spans_reaches_from_the_first_to_the_last_time_of_each_day() -> None:
    one, other = {at(0).date(): (at(3), at(5))}, {at(0).date(): (at(1), at(4))}
    assert key_columns.union(one, other) == key_columns.union(other, one) == {at(0).date(): (at(1), at(5))}


@pytest.mark.parametrize("large", [3, 4])
def test_a_large_local_file_whose_rows_all_win_is_published_as_it_is(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, large: int
) -> None:
    monkeypatch.setattr(merge, "LARGE_ROWS", large)
    items = [Item("x", 10), Item("y", 10.5), Item("z", 1)]
    local = moved(warehouse, warehouse.stage("a", items))
    merged = merge_local(warehouse, local)
    (path,) = warehouse.published_files()
    (bytes_,) = {each.read_bytes() for each in local.values()}
    assert ((warehouse.root / path).read_bytes() == bytes_) is (large == 3)
    assert warehouse.published() == rows_of(items)
    (file,) = merged.files
    assert (file.path, file.rows, file.sha256) == (path, 3, sha256(warehouse.root / path))
    assert PublishedName.parse(path).span == hours(0, 24)
    again = merge_local(warehouse, local)
    assert (again.records, again.new_records, again.files) == (3, 0, [file])


@pytest.mark.parametrize("case", ["two dates", "known row", "twice", "jsonl"])
def test_a_local_file_is_not_published_as_it_is_if_it_is_not_one_of_the_published(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.setattr(merge, "LARGE_ROWS", 1)
    items = [Item("x", 10), Item("y", 10.5)]
    if case == "known row":
        warehouse.publish(hours(0, 24), [warehouse.stage("before", items[:1])])
    more = {"two dates": [Item("z", 25)], "twice": items[:1]}.get(case, [])
    local = moved(warehouse, warehouse.stage("a", [*items, *more]))
    merge_local(warehouse, local, "jsonl.gz" if case == "jsonl" else "parquet")
    (staged,) = {each.read_bytes() for each in local.values()}
    assert all((warehouse.root / path).read_bytes() != staged for path in warehouse.published_files())
    if case != "jsonl":
        assert warehouse.published() == rows_of({*items, *more})


def test_a_local_file_that_is_gone_is_an_error(warehouse: Warehouse) -> None:
    local = moved(warehouse, warehouse.stage("a", [Item("x", 10)]))
    next(iter(local.values())).unlink()
    with pytest.raises(FileNotFoundError):
        merge_local(warehouse, local)


def test_a_run_that_finds_nothing_new_reads_key_columns_only(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged = [warehouse.stage("a", [Item("x", 10)])]
    warehouse.publish(hours(0, 24), staged)
    read: list[object] = []
    monkeypatch.setattr(file_rows, "read_batches", lambda *arguments: read.append(arguments))
    assert warehouse.publish(hours(0, 24), staged).records == 1
    assert not read


def test_a_file_that_holds_a_record_twice_is_written_anew(warehouse: Warehouse) -> None:
    """No run writes such a file; if one exists, merging mends it."""
    items = [Item("x", 10), Item("y", 10.5)]
    warehouse.publish(hours(0, 24), [warehouse.stage("a", items)])
    (path,) = warehouse.published_files()
    table = pq.ParquetFile(warehouse.root / path).read()
    put(warehouse.store, path, table, table.slice(0, 1))
    warehouse.publish(hours(0, 24), [warehouse.stage("b", items)])
    assert warehouse.published() == rows_of(items)
