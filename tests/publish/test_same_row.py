"""Which rows are the same: the one definition."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from item_rows import at, table_of

from airflow_provider_zdirect.publish.same_row import record_numbers, row_hashes, row_keys, same_rows, unmatched

ROW: dict[str, Any] = {"id": "a", "name": "x", "location": {"city": "Erfurt"}, "size": {"m2": 9}}


rows_of = partial(table_of, "stock_locations")


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        (dict(reversed(ROW.items())), True),
        ({**ROW, "type": None, "abbreviation": "", "new": None, "more": "", "deep": {"new": {"newer": None}}}, True),
        ({**ROW, "location": {"city": "Erfurt", "street": None, "lift": ""}, "size": {"m2": 9, "m3": None}}, True),
        ({**ROW, "new": 0}, False),
        ({**ROW, "new": False}, False),
        ({**ROW, "size": {"m2": 9.5}}, False),
        ({**ROW, "location": {"city": "Mönchengladbach"}}, False),
        ({**ROW, "capabilities": []}, False),
        ({key: value for key, value in ROW.items() if key != "name"}, False),
    ],
)
def test_rows_are_the_same_if_all_that_holds_something_is(other: dict[str, Any], is_same: bool) -> None:
    (one, two) = row_hashes(rows_of(ROW, other))
    assert (one == two) == is_same
    assert list(row_hashes(rows_of(other, seen=at(24), merchant="other"))) == [two], "lineage is not it"


def test_a_column_that_no_row_fills_changes_no_row() -> None:
    rows = rows_of(ROW)
    for values, is_same in ((pa.nulls(1, pa.string()), True), (pa.array(["x"]), False)):
        assert (list(row_hashes(rows.append_column("new", values))) == list(row_hashes(rows))) == is_same
    assert list(row_hashes(rows.append_column("new", pa.array(["x"])), without={"new"})) == list(row_hashes(rows))


def test_rows_of_the_same_text_are_the_same_and_others_are_looked_into() -> None:
    unlike = {**ROW, "name": "y"}
    assert same_rows(rows_of(ROW, ROW, ROW), rows_of(ROW, {**ROW, "more": ""}, unlike)).tolist() == [True, True, False]
    assert same_rows(rows_of(), rows_of()).tolist() == []


texts = st.sampled_from(["", "a", "b", "ab", "\x1f", "1", "11"])


@given(st.lists(st.tuples(texts, texts | st.none(), st.integers(0, 2)), max_size=30), st.integers(1, 5))
def test_rows_of_the_same_record_have_the_same_number_and_key(
    rows: list[tuple[str, str | None, int]], size: int
) -> None:
    schema = pa.schema([("id", pa.string()), ("place", pa.string()), ("at", pa.timestamp("us", "UTC"))])
    table = pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema)
    tables = [table.slice(start, size) for start in range(0, len(rows), size)]
    numbers = record_numbers(tables, tuple(schema.names)).tolist()
    records = [(id, place or "", at) for id, place, at in rows]
    first = dict(zip(records, numbers, strict=True))
    assert numbers == [first[record] for record in records]
    assert sorted(first.values()) == list(range(len(first)))
    keys = row_keys(table, ("place", "at")).to_pylist()
    assert len(set(keys)) == len({record[1:] for record in records})


few = st.lists(st.integers(-2, 2), max_size=12)


@given(few, few)
def test_what_is_unmatched_of_two_multisets(some: list[int], others: list[int]) -> None:
    places = unmatched(np.array(some, np.int64), np.array(others, np.int64)).tolist()
    assert places == sorted(set(places))
    assert Counter(some[place] for place in places) == Counter(some) - Counter(others)
