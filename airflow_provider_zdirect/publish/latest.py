"""A table that is published as one file, of which the latest counts.

A new file is written whole beside the former one, which is deleted then: a reader may meet both for a moment, and never
none or half of one.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa

from airflow_provider_zdirect.publish.files import FileBuilder, PublishedFile
from airflow_provider_zdirect.storage.layout import Layout, PublishedName
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import BATCH_ROWS, read_batches
from airflow_provider_zdirect.windows import Window

MAX_LOOKS = 10


@dataclass(frozen=True)
class LatestTable:
    """The table of one merchant.

    :param layout: its place; the date in a file's path is the one at which it was made.
    """

    store: ObjectStore
    layout: Layout
    schema: pa.Schema
    suffix: str = "parquet"

    def files(self) -> list[tuple[datetime, str]]:
        """Its files with the time each was made, the latest last; only that one counts."""
        found = self.store.files_below(f"{self.layout.dataset}/merchant_id={self.layout.merchant_id}")
        names = {path: PublishedName.parse(path) for path in found}
        return sorted((name.fetched, path) for path, name in names.items() if name and name.fetched)

    def made_at(self) -> datetime | None:
        """When the table was made; None if there is none."""
        return max((made for made, _ in self.files()), default=None)

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows; none if there is no table."""
        for look in range(MAX_LOOKS):
            # Another run may replace the file between our listing and our reading; then we look again.
            with contextlib.suppress(FileNotFoundError):
                tables = [
                    table
                    for _, path in self.files()[-1:]
                    for table in read_batches(self.store, path, self.schema, columns)
                ]
                break
            if look == MAX_LOOKS - 1:
                raise FileNotFoundError(f"{self.layout.dataset} of merchant {self.layout.merchant_id} keeps changing")
        wanted = self.schema if columns is None else pa.schema([self.schema.field(name) for name in columns])
        return pa.concat_tables(tables) if tables else wanted.empty_table()

    def replace(self, rows: pa.Table, at: datetime) -> PublishedFile:
        """Publish ``rows`` as the table.

        :param at: the present; the table counts as made later than the former one even if a clock says otherwise.
        """
        made = self.made_at()
        if made is not None:
            at = max(at, made + timedelta(microseconds=1))
        with tempfile.TemporaryDirectory(prefix="zdirect-") as scratch:
            span = Window(at, at + timedelta(microseconds=1))
            folder = self.layout.published(at.date())
            builder = FileBuilder(self.schema, folder, self.suffix, scratch, span=span, fetched=at)
            for batch in _batches(rows):
                builder.write(batch)
            published = builder.publish(self.store)
        self.tidy()
        return published

    def update(self, rows: pa.Table, at: datetime) -> None:
        """Publish ``rows`` as the table, if it has other ones."""
        if (self.made_at() is None and rows.num_rows) or not self.read().equals(rows):
            self.replace(rows, at)
        else:
            self.tidy()

    def tidy(self) -> None:
        """Delete what does not count any more."""
        for _, path in self.files()[:-1]:
            self.store.delete(path)


def _batches(rows: pa.Table) -> Iterator[pa.Table]:
    for start in range(0, rows.num_rows, BATCH_ROWS):
        yield rows.slice(start, BATCH_ROWS)
