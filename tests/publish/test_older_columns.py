"""Files of earlier versions, in which a column is called like the folder, are read, compared and erased as before."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from state_extraction import StateExtraction

from airflow_provider_zdirect.datasets.arrow import field_of
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.publish.content_hash import content_hashes
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import open_writer, read_batches
from airflow_provider_zdirect.windows import Window

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
DAY = date(2026, 11, 20)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[StateExtraction]:
    with EmulatorServer(seed=7, now=NOW, volume=0.05, order_days=0, rate_limits=False) as emulator:
        merchant_id = emulator.merchant_ids[0]
        emulator.add_orders(merchant_id, 2, start=NOON, customer_number="K1234567")
        emulator.request_deletion(merchant_id, "K1234567")
        emulator.script_liquidated(merchant_id, "2026-11-20", [({}, NOON, None)])
        yield StateExtraction(emulator, tmp_path)


def make_older(root: Path) -> int:
    """Give the columns of all published files their former names; how many files that changed."""
    changed = 0
    for path in root.rglob("*"):
        if path.suffix == ".parquet":
            table = pq.read_table(path, partitioning=None)
            names = [field_of(name) for name in table.column_names]
            if names != table.column_names:
                pq.write_table(table.rename_columns(names), path)
                changed += 1
        elif path.name.endswith(".jsonl.gz") and "merchant_id" in path.parts[-3]:
            rows = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
            older = [{field_of(name): value for name, value in row.items()} for row in rows]
            path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in older).encode()))
            changed += older != rows
    return changed


def rows(runs: StateExtraction, name: str) -> list[dict[str, Any]]:
    """Every published row by the names of the API, file by file, as some are older than others."""
    found: list[dict[str, Any]] = []
    for path in (runs.root / name).rglob("*"):
        if path.suffix == ".parquet":
            found += pq.read_table(path, partitioning=None).to_pylist()
        elif path.suffix == ".gz":
            found += [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    return [{field_of(key): value for key, value in row.items() if key != "_extracted_at"} for row in found]


@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_what_an_earlier_version_published_is_the_same_when_it_is_fetched_again(
    runs: StateExtraction, format: str
) -> None:
    def fetch() -> list[Any]:
        window = Window.of_day(DAY)
        days = [runs.run(name, window, format=format, resume_key=None) for name in ("liquidated_items", "orders")]
        return [*days, runs.observe("order_deletion_requests", format=format)]

    fetch()
    names = ("liquidated_items", "orders", "orders_current", "order_deletion_requests")
    before = {name: rows(runs, name) for name in names}
    assert all(row["merchant_id"] for found in before.values() for row in found)
    assert all(before.values())
    assert make_older(runs.root) >= len(names)
    # Orders are published anew beside an older file that has to be merged with.
    runs.emulator.add_orders(runs.merchant_id, 1, start=NOON + timedelta(hours=1))
    liquidated, orders, requests = fetch()
    assert (liquidated.changes, orders.new_records) == ((), 1)
    assert not any(requests.changes.values())
    for name in names:
        now = rows(runs, name)
        assert all(row["merchant_id"] for row in now)
        known = {json.dumps(row, default=str, sort_keys=True) for row in now}
        assert {json.dumps(row, default=str, sort_keys=True) for row in before[name]} <= known


@pytest.mark.parametrize("suffix", ["parquet", "jsonl.gz"])
@pytest.mark.parametrize("column", ["merchant_id", "api_merchant_id"])
def test_a_column_is_read_under_either_name(tmp_path: Path, suffix: str, column: str) -> None:
    written, wanted = (
        pa.schema([("order_id", pa.string()), (name, pa.string())]) for name in (column, "api_merchant_id")
    )
    writer = open_writer(tmp_path / f"file.{suffix}", written, suffix=suffix)
    writer.write(pa.Table.from_pylist([{"order_id": "1", column: "m"}, {"order_id": "2"}], schema=written))
    writer.close()
    store = ObjectStore(fsspec.filesystem("file"), str(tmp_path))
    tables = read_batches(store, f"file.{suffix}", wanted, ["api_merchant_id", "order_id"])
    rows = [row for table in tables for row in table.to_pylist()]
    assert rows == [{"api_merchant_id": "m", "order_id": "1"}, {"api_merchant_id": None, "order_id": "2"}]


def test_the_hash_of_a_row_does_not_depend_on_the_name_of_the_column() -> None:
    """It is kept in the files of a history, where another one is another version."""
    row = {"order_id": "1", "requested_at": None}
    now, then = (pa.Table.from_pylist([{**row, name: "m"}]) for name in ("api_merchant_id", "merchant_id"))
    assert list(content_hashes(now)) == list(content_hashes(then))
