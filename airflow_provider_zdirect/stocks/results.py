"""What became of the updates, as published tables: every run's results, and what zDirect has now."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from airflow_provider_zdirect.publish.files import FileBuilder
from airflow_provider_zdirect.publish.latest import LatestTable
from airflow_provider_zdirect.stocks.level import Sent
from airflow_provider_zdirect.stocks.sent_log import Batch, as_row, levels_table
from airflow_provider_zdirect.storage.layout import FORMATS, Layout, PublishedName, moment
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import BATCH_ROWS, read_batches

UPDATES, CURRENT = "stock_updates", "stock_updates_current"
_INSTANT = pa.timestamp("us", "UTC")
_LEVEL = [
    ("sales_channel_id", pa.string()),
    ("ean", pa.string()),
    ("quantity", pa.int64()),
    ("outcome", pa.string()),
    ("status", pa.string()),
    ("code", pa.int64()),
    ("description", pa.string()),
    ("feed_time", _INSTANT),
    ("orders_time", _INSTANT),
    ("sent_at", _INSTANT),
]
_LINEAGE = [("_merchant_id", pa.string()), ("_environment", pa.string())]
SCHEMA = pa.schema([*_LEVEL, ("attempts", pa.int64()), ("run", pa.string()), ("run_started_at", _INSTANT), *_LINEAGE])
CURRENT_SCHEMA = pa.schema([*_LEVEL, *_LINEAGE])


@dataclass(frozen=True)
class StockTables:
    """The published tables of a merchant."""

    store: ObjectStore
    merchant_id: str
    environment: str
    format: str = "parquet"

    def publish(self, batches: Sequence[Batch]) -> list[dict[str, Any]]:
        """The results of one run: a file in which each pair is once, with the last that it came to; safe to repeat.

        :param batches: of the run, in the order in which they were sent; at least one. Those of which it was published
            before may be missing.
        :returns: the rows.
        """
        first = batches[0]
        name = PublishedName(moment(first.started_at), first.run)
        path = f"{Layout(UPDATES, self.merchant_id).published(first.started_at.date())}/{name.file_name(self._suffix)}"
        rows = {(row["sales_channel_id"], row["ean"]): row for row in self._there(path)}
        for batch in batches:
            for item in batch.items:
                known = rows.get(item.pair)
                if known is None or known["sent_at"] <= item.sent_at:
                    rows[item.pair] = self._row(item, run=batch.label, run_started_at=batch.started_at)
        found = [rows[pair] for pair in sorted(rows)]
        self._write(path, found, first.started_at, first.run)
        return found

    def publish_current(self, items: Iterable[Sent], now: datetime) -> None:
        """What zDirect has now, if it is another than what is published."""
        table = levels_table(items, CURRENT_SCHEMA, _merchant_id=self.merchant_id, _environment=self.environment)
        current = LatestTable(self.store, Layout(CURRENT, self.merchant_id), CURRENT_SCHEMA, self._suffix)
        if (current.made_at() is None and table.num_rows) or not current.read().equals(table):
            current.replace(table, now)
        else:
            current.tidy()

    def _row(self, item: Sent, **more: Any) -> dict[str, Any]:
        return {**as_row(item), "_merchant_id": self.merchant_id, "_environment": self.environment, **more}

    def _there(self, path: str) -> Iterator[dict[str, Any]]:
        with contextlib.suppress(FileNotFoundError):
            for batch in read_batches(self.store, path, SCHEMA):
                yield from batch.to_pylist()

    def _write(self, path: str, rows: list[dict[str, Any]], started_at: datetime, run: str) -> None:
        folder = path.rpartition("/")[0]
        with tempfile.TemporaryDirectory(prefix="zdirect-") as scratch:
            builder = FileBuilder(SCHEMA, folder, self._suffix, scratch, span=moment(started_at), part=run)
            for start in range(0, len(rows), BATCH_ROWS):
                builder.write(pa.Table.from_pylist(rows[start : start + BATCH_ROWS], schema=SCHEMA))
            builder.publish(self.store)

    @property
    def _suffix(self) -> str:
        return FORMATS[self.format]
