"""Publishing snapshots: each as a whole, in a file that is named by the time that it is of, once.

A snapshot that was empty or incomplete is replaced by one of the same time that holds more; the former one moves to
``_revisions``. Of files of the same time, left by runs at once, everybody takes the same one: that with most rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from airflow_provider_zdirect.datasets.table import Dataset
from airflow_provider_zdirect.publish.files import PublishedState, measure, publish_table
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.publish.read import read_published
from airflow_provider_zdirect.publish.same_row import contents, digest
from airflow_provider_zdirect.storage.layout import Layout, PublishedName, moment
from airflow_provider_zdirect.storage.row_files import read_table

COUNT_DIGITS = 8
"""Hexadecimal digits of the number of rows, with which the part of a file's name begins."""


@dataclass(frozen=True)
class SnapshotPublisher:
    """Publishes snapshots of one dataset of one merchant."""

    place: Place
    dataset: Dataset

    @property
    def layout(self) -> Layout:
        return self.place.layout(self.dataset.name)

    def publish(self, rows: pa.Table, at: datetime, *, incomplete: bool = False) -> PublishedState:
        """Write the rows, unless the snapshot of that time is there; safe to repeat, and at the same time as any other.

        :param rows: each record once; may be none: a snapshot of nothing.
        :param at: the time that the snapshot is of.
        :param incomplete: whether records of the one that is there, if there is one, were left out.
        :raises ConcurrentRunError: if other runs kept publishing it all the time.
        """
        now = self._contents(rows)
        # The same name for the same content, so that runs at the same time write the same file.
        part = f"{rows.num_rows:0{COUNT_DIGITS}x}{digest(now)[:16]}"
        stored = False

        def publish() -> PublishedState:
            nonlocal stored
            there = self.find(at)
            held = rows_named(there[0]) if there else None
            if held is None or (rows.num_rows > held and (incomplete or not held)):
                publish_table(self.place, self.dataset.name, at.date(), rows, moment(at), part=part)
                stored = True
            first = self._tidied(at)
            file, same = measure(self.place.store, first, rows_named(first)), _part(first) == part
            there_now = now if same else self._contents(read_table(self.place.store, [first], rows.schema))
            return PublishedState([file], stored and same, _differences(there_now, now))

        return read_published(f"{self.dataset.name} of merchant {self.place.merchant_id}", publish)

    def find(self, at: datetime) -> list[str]:
        """The file of that snapshot, if there is one; several, if runs met: the first one counts."""
        paths = self.place.store.files(self.layout.published(at.date()))
        found = [path for path in paths if (name := PublishedName.parse(path)) and name.span.start == at]
        return sorted(found, key=lambda path: (-rows_named(path), _part(path), not path.endswith(".parquet")))

    def _tidied(self, at: datetime) -> str:
        first, *others = self.find(at)
        for path in others:
            if _part(path) == _part(first):
                self.place.store.delete(path)
            else:
                self.place.store.move(path, f"{self.layout.revisions(at.date())}/{path.rpartition('/')[2]}")
        return first

    def _contents(self, rows: pa.Table) -> dict[str, int]:
        return contents(rows, self.dataset.publish.identity)


def rows_named(path: str) -> int:
    """The number of rows of a snapshot, by its name."""
    return int(_part(path)[:COUNT_DIGITS], 16)


def _differences(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    both = before.keys() & after.keys()
    changed = sum(before[key] != after[key] for key in both)
    return {"added": len(after) - len(both), "changed": changed, "removed": len(before) - len(both)}


def _part(path: str) -> str:
    name = PublishedName.parse(path)
    assert name is not None
    return name.part
