"""Small records for tests of the storage layer, as rows and as files, staged as a run would stage them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import base_paths
import duckdb
import pyarrow as pa

from airflow_provider_zdirect.datasets.arrow import Lineage, arrow_schema
from airflow_provider_zdirect.datasets.table import DATASETS
from airflow_provider_zdirect.pipeline.validate import take_valid
from airflow_provider_zdirect.publish.announced import announce
from airflow_provider_zdirect.publish.late_records import publishable
from airflow_provider_zdirect.publish.merge import Merged, RowMerger
from airflow_provider_zdirect.storage.layout import Layout
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import open_writer
from airflow_provider_zdirect.windows import Window

MERCHANT = "29809185-6a98-4691-a15b-e8d16839b6e8"
MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)
RETURNED = DATASETS["returned_items"]


def at(hours: float) -> datetime:
    """That many hours after the test's midnight."""
    return MIDNIGHT + timedelta(hours=hours)


def hours(start: float, end: float) -> Window:
    return Window(at(start), at(end))


def table_of(dataset: str, *records: dict[str, Any], seen: datetime = MIDNIGHT, merchant: str = MERCHANT) -> pa.Table:
    """The rows of valid records, fetched at a time."""
    model = DATASETS[dataset].model
    tables = [arrow_schema(model).empty_table()]
    lineage = Lineage(merchant, "production", seen, seen + timedelta(microseconds=1), seen)
    assert not take_valid(model, [json.dumps(record).encode() for record in records], lineage, tables.append)
    return pa.concat_tables(tables)


def put(store: ObjectStore, path: str, *tables: pa.Table) -> bytes:
    """Write tables as a file of the format that its name says; its bytes."""
    with tempfile.TemporaryDirectory() as scratch:
        local = Path(scratch) / "rows"
        writer = open_writer(local, tables[0].schema, suffix=path.partition(".")[2])
        for table in tables:
            writer.write(table)
        writer.close()
        store.upload(local, path)
        return local.read_bytes()


@dataclass(frozen=True)
class Item:
    """A returned item: label, hours after midnight, and something that may change."""

    label: str
    hour: float
    reference: str = "first"

    def record(self) -> dict[str, Any]:
        return {
            "quality_label": self.label,
            "consumed_timestamp": at(self.hour).isoformat(),
            "merchant_b2b_reference": self.reference,
        }


@dataclass(frozen=True)
class Warehouse:
    """A base path on the local disk, with what a test does to it."""

    root: Path

    @property
    def store(self) -> ObjectStore:
        return ObjectStore(*base_paths.storage.open(self.root))

    @property
    def layout(self) -> Layout:
        return Layout(RETURNED.name, MERCHANT)

    def stage(self, name: str, items: Iterable[Item], fetched: datetime | None = None) -> str:
        path = f"_staging/{name}.parquet"
        put(self.store, path, table_of(RETURNED.name, *(item.record() for item in items), seen=fetched or at(100)))
        return path

    def announce(self, window: Window) -> None:
        announce(self.store, self.layout, window)

    def publish(self, window: Window, staged: list[str], overlap: float = 0, suffix: str = "parquet") -> Merged:
        """As the run of a window does that has looked back by so many hours."""
        wanted = publishable(self.store, self.layout, window, timedelta(hours=overlap))
        return RowMerger(self.store, self.layout, RETURNED, window, suffix).merge(staged, wanted)

    def published_files(self) -> list[str]:
        return sorted(str(path.relative_to(self.root)) for path in (self.root / RETURNED.name).rglob("*.*"))

    def published(self) -> list[tuple[str, float, str]]:
        """Every published row, read by DuckDB: label, hour, reference."""
        if not list((self.root / RETURNED.name).rglob("*.parquet")):
            return []
        rows = duckdb.sql(
            "SELECT quality_label, epoch_us(consumed_timestamp), merchant_b2b_reference "
            f"FROM read_parquet('{self.root}/{RETURNED.name}/**/*.parquet')"
        ).fetchall()
        return sorted(
            (label, (moment - int(MIDNIGHT.timestamp() * 1e6)) / 3.6e9, reference) for label, moment, reference in rows
        )


def rows_of(items: Iterable[Item]) -> list[tuple[str, float, str]]:
    return sorted((item.label, item.hour, item.reference) for item in items)
