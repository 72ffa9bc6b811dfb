"""Publishing snapshots: each as a whole, in a file that is named by the time that it is of, once.

A snapshot that was empty or incomplete is replaced by one of the same time that holds more; the former one moves to
``_revisions``. Of files of the same time, left by runs at once, everybody takes the same one: that with most rows.
"""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from airflow_provider_zdirect.datasets.arrow import arrow_schema
from airflow_provider_zdirect.datasets.table import Dataset
from airflow_provider_zdirect.exceptions import ConcurrentRunError
from airflow_provider_zdirect.publish.content_hash import content_hashes
from airflow_provider_zdirect.publish.files import FileBuilder, PublishedFile, measure
from airflow_provider_zdirect.publish.record_versions import digest_of
from airflow_provider_zdirect.publish.row_changes import RowChanges, row_changes
from airflow_provider_zdirect.publish.row_selection import row_keys
from airflow_provider_zdirect.storage.layout import Layout, PublishedName, moment
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import BATCH_ROWS, read_batches

MAX_LOOKS = 10
COUNT_DIGITS = 8
"""Hexadecimal digits of the number of rows, with which the part of a file's name begins."""


@dataclass(frozen=True)
class PublishedSnapshot:
    """What became of a snapshot.

    :param file: the one that holds it.
    :param stored: whether it was written; otherwise it was there.
    :param differences: how the rows differ from those that were there.
    """

    file: PublishedFile
    stored: bool
    differences: RowChanges


@dataclass(frozen=True)
class SnapshotPublisher:
    """Publishes snapshots of one dataset of one merchant."""

    store: ObjectStore
    layout: Layout
    dataset: Dataset
    suffix: str

    def publish(self, rows: pa.Table, at: datetime, *, incomplete: bool = False) -> PublishedSnapshot:
        """Write the rows, unless the snapshot of that time is there; safe to repeat, and at the same time as any other.

        :param rows: may be none: a snapshot of nothing.
        :param at: the time that the snapshot is of.
        :param incomplete: whether records of the one that is there, if there is one, were left out.
        :raises ConcurrentRunError: if other runs kept publishing it all the time.
        """
        stored = False
        for _ in range(MAX_LOOKS):
            # Another run may delete or replace a file between our listing and our reading.
            with contextlib.suppress(FileNotFoundError):
                there = self.find(at)
                held = rows_named(there[0]) if there else None
                if held is None or (rows.num_rows > held and (incomplete or not held)):
                    self._write(rows, at)
                    stored = True
                first = self._tidied(at)
                if stored and rows_named(first) == rows.num_rows:
                    return PublishedSnapshot(measure(self.store, first, rows.num_rows), True, RowChanges())
                return self._compared(first, rows)
        raise ConcurrentRunError(
            f"{self.dataset.name} of merchant {self.layout.merchant_id}: other runs published the snapshot of "
            f"{at.isoformat()} at the same time, {MAX_LOOKS} times in a row.",
            remedy="Let the retry do it; run fewer of them at once.",
            retry_after=self.dataset.refetch_delay,
        )

    def find(self, at: datetime) -> list[str]:
        """The file of that snapshot, if there is one; several, if runs met: the first one counts."""
        named = {path: PublishedName.parse(path) for path in self.store.files(self.layout.published(at.date()))}
        found = [path for path, name in named.items() if name and name.span.start == at]
        return sorted(found, key=lambda path: (-rows_named(path), _part(path), not path.endswith(".parquet")))

    def _tidied(self, at: datetime) -> str:
        first, *others = self.find(at)
        for path in others:
            if _part(path) == _part(first):
                self.store.delete(path)
            else:
                self.store.move(path, f"{self.layout.revisions(at.date())}/{path.rpartition('/')[2]}")
        return first

    def _compared(self, path: str, rows: pa.Table) -> PublishedSnapshot:
        held = list(read_batches(self.store, path, self._schema))
        differences = row_changes(lambda: iter(held), lambda: iter(_in_batches(rows)), self._identity)
        file = measure(self.store, path, sum(table.num_rows for table in held))
        return PublishedSnapshot(file, False, differences)

    def _write(self, rows: pa.Table, at: datetime) -> None:
        # The same name for the same content, so that runs at the same time write the same file.
        content = digest_of(zip(row_keys(rows, self._identity).to_pylist(), content_hashes(rows), strict=True))
        part = f"{rows.num_rows:0{COUNT_DIGITS}x}{content[:16]}"
        folder = self.layout.published(at.date())
        with tempfile.TemporaryDirectory(prefix="zdirect-") as scratch:
            builder = FileBuilder(self._schema, folder, self.suffix, scratch, span=moment(at), part=part)
            for table in _in_batches(rows):
                builder.write(table)
            builder.publish(self.store)

    @property
    def _identity(self) -> tuple[str, ...]:
        assert self.dataset.identity is not None
        return self.dataset.identity

    @property
    def _schema(self) -> pa.Schema:
        return arrow_schema(self.dataset.model)


def _in_batches(rows: pa.Table) -> list[pa.Table]:
    return [rows.slice(start, BATCH_ROWS) for start in range(0, rows.num_rows, BATCH_ROWS)]


def rows_named(path: str) -> int:
    """The number of rows of a snapshot, by its name."""
    return int(_part(path)[:COUNT_DIGITS], 16)


def _part(path: str) -> str:
    name = PublishedName.parse(path)
    assert name is not None
    return name.part
