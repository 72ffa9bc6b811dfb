"""Which rows are the same: the one definition."""

from __future__ import annotations

from functools import partial
from typing import Any

import pyarrow as pa
import pytest
from item_rows import at, table_of

from airflow_provider_zdirect.publish.same_row import contents, digest, row_hashes

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


def test_the_digest_of_records_does_not_depend_on_their_order() -> None:
    some = [ROW, {"id": "b"}, {"id": "c", "name": "y"}]
    assert digest(contents(rows_of(*some), ("id",))) == digest(contents(rows_of(*reversed(some)), ("id",)))
    assert digest(contents(rows_of(*some), ("id",))) != digest(contents(rows_of(*some[1:]), ("id",)))
