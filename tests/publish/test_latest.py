"""A table of which the latest file counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest

from airflow_provider_zdirect.publish.latest import LatestTable
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.storage.row_files import BATCH_ROWS, ROW_GROUP_ROWS

MERCHANT = "7d1b62a0-9f43-4c1e-a6f5-0b9a2c3d4e5f"
SCHEMA = pa.schema([("number", pa.int64())])
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
MANY = pa.table({"number": range(2 * BATCH_ROWS + 1)}, SCHEMA)


@pytest.fixture
def table(tmp_path: Path) -> LatestTable:
    return LatestTable(
        Place(fsspec.filesystem("file"), str(tmp_path), tmp_path.as_uri(), MERCHANT, "production"), "a", SCHEMA
    )


def test_the_same_rows_are_not_written_again_and_others_are(table: LatestTable) -> None:
    table.update(MANY, AT)
    (first,) = table.files()
    table.update(MANY, AT + timedelta(hours=1))
    assert table.files() == [first]
    others = pa.concat_tables([MANY.slice(1), MANY.slice(0, 1)])
    table.update(others, AT + timedelta(hours=1))
    assert len(table.files()) == 1
    assert table.read() == others
    table.update(MANY.slice(0, 5), AT + timedelta(hours=2))
    assert table.read().num_rows == 5


def test_a_table_of_several_row_groups_has_each_row_once(table: LatestTable) -> None:
    rows = pa.table({"number": range(2 * ROW_GROUP_ROWS + 1)}, SCHEMA)
    table.replace(rows, AT)
    assert table.read() == rows


def test_of_files_that_a_killed_run_has_left_the_latest_counts_and_a_clock_that_is_behind_makes_a_later_one(
    table: LatestTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.replace(MANY, AT)
    with monkeypatch.context() as patched:
        patched.setattr(LatestTable, "tidy", lambda self: None)
        table.replace(MANY.slice(0, 2), AT - timedelta(days=1))
    assert [made for made, _ in table.files()] == [AT, AT + timedelta(microseconds=1)]
    assert table.read().num_rows == 2
    table.tidy()
    assert len(table.files()) == 1
    assert table.read().num_rows == 2
