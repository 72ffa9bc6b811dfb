"""Publishing snapshots: each as a whole, in a file that is named by the time that it is of, once.

A snapshot that was empty or incomplete is replaced by one of the same time that holds more; the former one moves to
``_revisions``. Of files of the same time, left by runs at once, everybody takes the same one: that with most rows.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain

import numpy as np

from airflow_provider_zdirect.datasets.table import Dataset
from airflow_provider_zdirect.publish.file_rows import FileRows, differing
from airflow_provider_zdirect.publish.files import PublishedState, measure, publish_tables
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.publish.read import read_published
from airflow_provider_zdirect.publish.same_row import record_numbers
from airflow_provider_zdirect.storage.layout import Layout, PublishedName, moment

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

    def publish(self, rows: FileRows, at: datetime, *, incomplete: bool = False) -> PublishedState:
        """Write the rows, unless the snapshot of that time is there; safe to repeat, and at the same time as any other.

        :param rows: each record once; may be none: a snapshot of nothing.
        :param at: the time that the snapshot is of.
        :param incomplete: whether records of the one that is there, if there is one, were left out.
        :raises ConcurrentRunError: if other runs kept publishing it all the time.
        """
        # The same name for the same records, so that runs at the same time write the same file.
        digest = hashlib.blake2b(np.sort(rows.hashes).tobytes(), digest_size=8).hexdigest()
        part = f"{rows.count:0{COUNT_DIGITS}x}{digest}"
        stored = False

        def publish() -> PublishedState:
            nonlocal stored
            there = self.find(at)
            held = rows_named(there[0]) if there else None
            if held is None or (rows.count > held and (incomplete or not held)):
                span, tables = moment(at), rows.tables()
                publish_tables(self.place, self.dataset.name, at.date(), rows.schema, tables, span, part=part)
                stored = True
            first = self._tidied(at)
            file, same = measure(self.place.store, first, rows_named(first)), _part(first) == part
            before = rows if same else replace(rows, paths=[first], places=None)
            return PublishedState([file], stored and same, self._differences(before, rows))

        return read_published(self.place.in_words(self.dataset.name), publish)

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

    def _differences(self, before: FileRows, after: FileRows) -> dict[str, int]:
        """How many records were ``added``, ``changed`` and ``removed``."""
        if before is after:
            return {"added": 0, "changed": 0, "removed": 0}
        (gone, came), identity = differing(before, after), self.dataset.publish.identity
        records = record_numbers(chain(gone.tables(identity), came.tables(identity)), identity)
        of_gone, of_came = np.split(records, [gone.count])
        changed = len(np.intersect1d(of_gone, of_came))
        return {"added": came.count - changed, "changed": changed, "removed": gone.count - changed}


def rows_named(path: str) -> int:
    """The number of rows of a snapshot, by its name."""
    return int(_part(path)[:COUNT_DIGITS], 16)


def _part(path: str) -> str:
    name = PublishedName.parse(path)
    assert name is not None
    return name.part
