"""Publishing records without an identity: what was fetched for a day replaces the day as a whole.

Identical rows are all kept. The file of a day names the time of its fetch, and of several the latest stays: so runs
of the same day at the same time end with the latest answer, in whatever order they publish. What is replaced moves
to ``_revisions``.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa

from airflow_provider_zdirect.datasets import Dataset
from airflow_provider_zdirect.models.arrow import RECORD_HASH, arrow_schema
from airflow_provider_zdirect.storage.layout import Layout, PublishedName
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.published_files import FileBuilder, PublishedFile, measure
from airflow_provider_zdirect.storage.row_files import read_batches
from airflow_provider_zdirect.windows import Window

MAX_LOOKS = 10


@dataclass(frozen=True)
class DayReplacer:
    """Publishes days of one dataset and merchant."""

    store: ObjectStore
    layout: Layout
    dataset: Dataset
    timezone: str
    suffix: str

    def replace(self, day: date, staged: list[str], fetched: datetime) -> tuple[list[PublishedFile], bool]:
        """Publish the staged rows as the day's data.

        :param staged: paths of Parquet files with the day's rows.
        :param fetched: when they were fetched.
        :raises FileNotFoundError: if a staged file is gone.
        :returns: the day's files, and whether its rows are others than before.
        """
        for _ in range(MAX_LOOKS - 1):
            # Another run of the day may move a file between our listing and our reading; then we look again.
            with contextlib.suppress(FileNotFoundError):
                return self._replace(day, staged, fetched)
        return self._replace(day, staged, fetched)

    def _replace(self, day: date, staged: list[str], fetched: datetime) -> tuple[list[PublishedFile], bool]:
        schema = arrow_schema(self.dataset.model)
        before = self._published(day)
        if before:
            changed = self._hashes([before[-1]], schema) != self._hashes(staged, schema)
        else:
            changed = self._count(staged, schema) > 0
        if changed:
            self._write(day, staged, fetched, schema)
        after = self._published(day)
        for path in after[:-1]:
            self.store.move(path, f"{self.layout.revisions(day)}/{path.rpartition('/')[2]}")
        if not after:
            return [], changed
        latest = after[-1]
        return [measure(self.store, latest, self._count([latest], schema))], changed

    def _write(self, day: date, staged: list[str], fetched: datetime, schema: pa.Schema) -> None:
        with tempfile.TemporaryDirectory(prefix="zdirect-") as scratch:
            folder, span = self.layout.published(day), Window.of_day(day, self.timezone)
            builder = FileBuilder(schema, folder, self.suffix, scratch, span=span, fetched=fetched)
            for table in self._tables(staged, schema):
                builder.write(table)
            builder.publish(self.store)

    def _published(self, day: date) -> list[str]:
        """The day's files, the latest fetch last."""
        names = {path: PublishedName.parse(path) for path in self.store.files(self.layout.published(day))}
        dated = [(name.fetched, name.part, path) for path, name in names.items() if name and name.fetched]
        return [path for _, _, path in sorted(dated)]

    def _count(self, paths: list[str], schema: pa.Schema) -> int:
        return sum(table.num_rows for table in self._tables(paths, schema, [RECORD_HASH]))

    def _hashes(self, paths: list[str], schema: pa.Schema) -> list[int]:
        """The rows as a multiset that can be compared."""
        return sorted(
            value for table in self._tables(paths, schema, [RECORD_HASH]) for value in table.column(0).to_pylist()
        )

    def _tables(self, paths: list[str], schema: pa.Schema, columns: list[str] | None = None) -> Iterator[pa.Table]:
        for path in paths:
            yield from read_batches(self.store, path, schema, columns)
