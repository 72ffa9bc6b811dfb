from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import pyarrow as pa
import pytest

from airflow_provider_zdirect.publish import results
from airflow_provider_zdirect.publish.files import PublishedFile
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.publish.results import RunResults

MERCHANT = "7d1b62a0-9f43-4c1e-a6f5-0b9a2c3d4e5f"
SCHEMA = pa.schema(
    [("row", pa.int64()), ("run", pa.string()), ("_merchant_id", pa.string()), ("_environment", pa.string())]
)
EVENING, NEXT_DAY = datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC), datetime(2026, 11, 21, 0, 3, tzinfo=UTC)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(fsspec.filesystem("file"), str(tmp_path), tmp_path.as_uri(), MERCHANT, "production")


def run(place: Place, name: str) -> RunResults:
    return RunResults(place, "outcomes", SCHEMA, name)


def published(place: Place) -> list[tuple[Any, ...]]:
    """Row, run and date, read by DuckDB from the files."""
    files = f"{place.root}/outcomes/**/*.parquet"
    return duckdb.sql(
        f"SELECT row, run, CAST(date AS VARCHAR) FROM read_parquet('{files}', hive_partitioning=true) ORDER BY ALL"
    ).fetchall()


def test_a_retry_replaces_the_file_of_its_run_and_no_other(place: Place) -> None:
    assert run(place, "a").read() == []
    first = run(place, "a").publish([{"row": 1}, {"row": 2}], EVENING)
    run(place, "b").publish([{"row": 1, "run": "a label"}], NEXT_DAY)
    assert run(place, "a").publish([{"row": 1}, {"row": 3}], NEXT_DAY) == first, "also on the next day"
    assert published(place) == [(1, "a", "2026-11-20"), (1, "a label", "2026-11-21"), (3, "a", "2026-11-20")]
    (row, *_) = run(place, "a").read()
    assert row == {"row": 1, "run": "a", "_merchant_id": MERCHANT, "_environment": "production"}
    as_lines = run(replace(place, format="jsonl"), "c")
    assert as_lines.publish([{"row": 5}], NEXT_DAY).endswith(".jsonl.gz")
    assert [row["row"] for row in as_lines.read()] == [5]
    assert run(place, "a").uri == f"{place.uri}/outcomes/merchant_id={MERCHANT}"


@pytest.mark.parametrize(("began", "meanwhile"), [(EVENING, NEXT_DAY), (NEXT_DAY, EVENING)])
def test_of_two_first_tries_at_the_same_moment_the_earlier_file_stays(
    place: Place, began: datetime, meanwhile: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = results.publish_tables

    def beside(*arguments: Any, **options: Any) -> PublishedFile:
        monkeypatch.setattr(results, "publish_tables", publish)
        run(place, "a").publish([{"row": 1}], meanwhile)
        return publish(*arguments, **options)

    monkeypatch.setattr(results, "publish_tables", beside)
    run(place, "a").publish([{"row": 1}], began)
    assert published(place) == [(1, "a", "2026-11-20")]
