"""Rows of files, read in batches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from item_rows import put, table_of

from airflow_provider_zdirect.datasets.arrow import arrow_schema
from airflow_provider_zdirect.datasets.table import DATASETS
from airflow_provider_zdirect.publish.file_rows import FileRows, last_of_each
from airflow_provider_zdirect.publish.row_changes import row_changes
from airflow_provider_zdirect.storage import row_files
from airflow_provider_zdirect.storage.object_store import ObjectStore

LIQUIDATED = DATASETS["liquidated_items"]


def quantities(rows: FileRows) -> list[int]:
    return [number for table in rows.tables(["quantity"]) for number in table.column(0).to_pylist()]


@pytest.mark.parametrize("suffix", ["parquet", "jsonl.gz"])
def test_some_of_the_rows_of_several_files_are_found_by_their_places(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr(row_files, "BATCH_ROWS", 3)
    paths = [f"_staging/{name}.{suffix}" for name in "abc"]
    for path, numbers in zip(paths, (range(7), (), range(7, 11)), strict=True):
        put(store, path, table_of(LIQUIDATED.name, *({"quantity": number} for number in numbers)))
    rows = FileRows(store, paths, arrow_schema(LIQUIDATED.model))
    assert (rows.count, quantities(rows)) == (11, list(range(11)))
    for places in ([], [0], [10], [2, 3, 4, 5, 6, 7], [0, 5, 9], list(range(11))):
        some = rows.at(np.array(places, np.int64))
        assert (some.count, quantities(some), some.hashes.tolist()) == (
            len(places),
            places,
            rows.hashes[places].tolist(),
        )
        assert some.read().column("quantity").to_pylist() == places
        assert len(set(some.contents())) == len(places)
    assert quantities(rows.at(np.array([2, 3, 9])).at(np.array([0, 2]))) == [2, 9]


def test_no_files_have_no_rows(store: ObjectStore) -> None:
    rows = FileRows(store, [], arrow_schema(LIQUIDATED.model))
    assert (rows.count, rows.read().num_rows, len(rows.contents())) == (0, 0, 0)


@given(st.lists(st.integers(0, 5), max_size=12))
def test_the_last_row_of_each_record(records: list[int]) -> None:
    last = {record: place for place, record in enumerate(records)}
    assert sorted(last.values()) == last_of_each(np.array(records, np.int64)).tolist()


def test_without_fields_by_which_rows_are_alike_none_is_taken_for_another(store: ObjectStore) -> None:
    for name, numbers in (("a", (1, 2)), ("b", (1, 3, 4))):
        put(store, f"{name}.parquet", table_of(LIQUIDATED.name, *({"quantity": number} for number in numbers)))
    before, after = (FileRows(store, [f"{name}.parquet"], arrow_schema(LIQUIDATED.model)) for name in "ab")
    lines: list[bytes] = []
    assert row_changes(before, after, (), lines.append) == {"removed": 1, "added": 2}
    assert len(lines) == 3
