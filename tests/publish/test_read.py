"""Published tables are read and queried while other runs replace their files."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_zdirect.exceptions import ConcurrentRunError
from airflow_provider_zdirect.publish import read
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.publish.read import Table, query

MERCHANT = "7d1b62a0-9f43-4c1e-a6f5-0b9a2c3d4e5f"
SCHEMA = pa.schema([("ean", pa.string()), ("pieces", pa.int64())])
ITEMS = Table("items", SCHEMA)
SUM = "SELECT a.ean, sum(a.pieces) AS pieces FROM items a JOIN items b USING (ean) GROUP BY ALL ORDER BY ALL"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(fsspec.filesystem("file"), str(tmp_path), tmp_path.as_uri(), MERCHANT, "production")


def publish(place: Place, day: str, part: str, pieces: int) -> Path:
    compact = day.replace("-", "")
    folder = Path(place.root) / place.layout("items").merchant / f"date={day}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{compact}T000000Z_{compact}T010000Z-{part}.parquet"
    pq.write_table(pa.table({"ean": ["0001234567890"], "pieces": [pieces]}, schema=SCHEMA), path)
    return path


def test_a_query_may_name_a_table_twice_and_choose_its_days(place: Place) -> None:
    publish(place, "2026-11-01", "a", 3)
    publish(place, "2026-11-02", "b", 4)
    first_day = Table("items", SCHEMA, days=lambda day: day < "2026-11-02")
    assert query(place, SUM, {"items": ITEMS}).to_pylist() == [{"ean": "0001234567890", "pieces": 14}]
    assert query(place, SUM, {"items": first_day}).to_pylist() == [{"ean": "0001234567890", "pieces": 3}]
    assert query(place, "SELECT $n + 1 AS n", {}, {"n": 1}).to_pylist() == [{"n": 2}]


def test_a_table_without_files_is_empty(place: Place) -> None:
    assert query(place, SUM, {"items": ITEMS}).num_rows == 0


def test_a_file_that_another_run_replaces_is_looked_for_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    old = publish(place, "2026-11-01", "a", 3)
    listing = Table.files

    def replaced_after_listing(table: Table, where: Place) -> list[str]:
        found = listing(table, where)
        if old.exists():
            old.unlink()
            publish(place, "2026-11-01", "c", 5)
        return found

    monkeypatch.setattr(Table, "files", replaced_after_listing)
    assert query(place, SUM, {"items": ITEMS}).to_pylist() == [{"ean": "0001234567890", "pieces": 5}]


def test_files_that_keep_changing_end_in_an_error_that_names_the_table(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Table, "files", lambda table, where: ["items/gone.parquet"])
    with pytest.raises(ConcurrentRunError, match=f"items of merchant {MERCHANT}: .* {read.ATTEMPTS} times"):
        query(place, SUM, {"items": ITEMS})
