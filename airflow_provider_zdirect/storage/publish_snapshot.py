"""Publishing snapshots: each as a whole, in a file that is named by the time that it is of, once."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from airflow_provider_zdirect.datasets import Dataset
from airflow_provider_zdirect.models.arrow import arrow_schema
from airflow_provider_zdirect.storage.layout import Layout, PublishedName, moment
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.published_files import FileBuilder, PublishedFile, measure
from airflow_provider_zdirect.storage.row_changes import RowChanges, row_changes
from airflow_provider_zdirect.storage.row_files import BATCH_ROWS, read_batches

MAX_LOOKS = 10


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

    def publish(self, rows: pa.Table, at: datetime) -> PublishedSnapshot:
        """Write the rows, unless the snapshot of that time is there; safe to repeat, and at the same time as any other.

        :param rows: may be none: a snapshot of nothing.
        :param at: the time that the snapshot is of.
        """
        for _ in range(MAX_LOOKS):
            # Of two formats of one snapshot another run may delete one between our listing and our reading.
            with contextlib.suppress(FileNotFoundError):
                if there := self.find(at):
                    return self._compared(there[0], rows)
                break
        self._write(rows, at)
        first, *others = self.find(at)
        for path in others:
            self.store.delete(path)
        return PublishedSnapshot(measure(self.store, first, rows.num_rows), True, RowChanges())

    def find(self, at: datetime) -> list[str]:
        """The file of that snapshot, if there is one; two runs at once with different formats may leave two."""
        named = {path: PublishedName.parse(path) for path in self.store.files(self.layout.published(at.date()))}
        found = [path for path, name in named.items() if name and name.span.start == at]
        # Of two the same one for everybody.
        return sorted(found, key=lambda path: not path.endswith(".parquet"))

    def _compared(self, path: str, rows: pa.Table) -> PublishedSnapshot:
        held = list(read_batches(self.store, path, self._schema))
        differences = row_changes(
            lambda: iter(held), lambda: iter(_in_batches(rows)), self.dataset.identity or self.dataset.alike
        )
        file = measure(self.store, path, sum(table.num_rows for table in held))
        return PublishedSnapshot(file, False, differences)

    def _write(self, rows: pa.Table, at: datetime) -> None:
        # The same name for the same snapshot, so that runs at the same time write the same file.
        part = hashlib.blake2b(at.isoformat().encode(), digest_size=8).hexdigest()
        folder = self.layout.published(at.date())
        with tempfile.TemporaryDirectory(prefix="zdirect-") as scratch:
            builder = FileBuilder(self._schema, folder, self.suffix, scratch, span=moment(at), part=part)
            for table in _in_batches(rows):
                builder.write(table)
            builder.publish(self.store)

    @property
    def _schema(self) -> pa.Schema:
        return arrow_schema(self.dataset.model)


def _in_batches(rows: pa.Table) -> list[pa.Table]:
    return [rows.slice(start, BATCH_ROWS) for start in range(0, rows.num_rows, BATCH_ROWS)]
