"""Publishing what is asked for by date: what was fetched for a day replaces the day as a whole.

Identical rows are all kept, unless the records have an identity: then the last one that came is. The file of a day
names the time of its fetch, and of several the latest stays: so runs of the same day at the same time end with the
latest answer that was a new one, in whatever order they publish. What is replaced moves to ``_revisions``.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa

from airflow_provider_zdirect.datasets import Dataset
from airflow_provider_zdirect.exceptions import EmptyAnswerError
from airflow_provider_zdirect.models.arrow import RECORD_HASH, arrow_schema
from airflow_provider_zdirect.storage.layout import Layout, PublishedName
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.published_files import FileBuilder, PublishedFile, measure
from airflow_provider_zdirect.storage.row_files import read_batches
from airflow_provider_zdirect.storage.row_selection import row_keys, take_rows
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
    by_nothing: bool = False
    """Whether an answer without records may replace one with some."""

    def replace(self, day: date, staged: list[str], fetched: datetime) -> tuple[list[PublishedFile], bool]:
        """Publish the staged rows as the day's data.

        :param staged: paths of Parquet files with the day's rows.
        :param fetched: when they were fetched.
        :raises FileNotFoundError: if a staged file is gone.
        :raises EmptyAnswerError: if there are no rows, and some were published, and that is not allowed.
        :returns: the day's files, and whether its rows are others than before.
        """
        for _ in range(MAX_LOOKS - 1):
            # Another run of the day may move a file between our listing and our reading; then we look again.
            with contextlib.suppress(FileNotFoundError):
                return self._replace(day, staged, fetched)
        return self._replace(day, staged, fetched)

    def _replace(self, day: date, staged: list[str], fetched: datetime) -> tuple[list[PublishedFile], bool]:
        kept = self._kept(staged)
        before = day_files(self.store, self.layout, day)
        fetched_hashes = _hashes(self._rows(staged, kept, [RECORD_HASH]))
        # A day of which nothing was published is as good as one without records.
        published_hashes = _hashes(self._rows(before[-1:], None, [RECORD_HASH]))
        changed = fetched_hashes != published_hashes
        if published_hashes and not fetched_hashes and not self.by_nothing:
            raise EmptyAnswerError(
                f"{self.dataset.name} of merchant {self.layout.merchant_id}, {day}: zDirect answered without any "
                f"record, and {len(published_hashes)} are published. They were left as they are.",
                remedy="Look in the zDirect portal whether the day has none; if so, set replace_with_empty=True and "
                "clear the task. Near the end of what zDirect keeps, the records may just have vanished there.",
            )
        if changed:
            self._write(day, self._rows(staged, kept), fetched)
        after = day_files(self.store, self.layout, day)
        for path in after[:-1]:
            self.store.move(path, f"{self.layout.revisions(day)}/{path.rpartition('/')[2]}")
        if not after:
            return [], changed
        rows = sum(table.num_rows for table in self._rows(after[-1:], None, [RECORD_HASH]))
        return [measure(self.store, after[-1], rows)], changed

    def _write(self, day: date, rows: Iterator[pa.Table], fetched: datetime) -> None:
        with tempfile.TemporaryDirectory(prefix="zdirect-") as scratch:
            folder, span = self.layout.published(day), Window.of_day(day, self.timezone)
            builder = FileBuilder(self._schema, folder, self.suffix, scratch, span=span, fetched=fetched)
            for table in rows:
                builder.write(table)
            builder.publish(self.store)

    def _kept(self, staged: list[str]) -> list[int] | None:
        """Numbers of the rows that are published, ascending; None: all of them."""
        identity = self.dataset.identity
        if identity is None:
            return None
        last: dict[str, int] = {}
        number = 0
        for table in self._rows(staged, None, list(identity)):
            for key in row_keys(table, identity).to_pylist():
                last[key] = number
                number += 1
        return None if len(last) == number else sorted(last.values())

    def _rows(self, paths: list[str], kept: list[int] | None, columns: list[str] | None = None) -> Iterator[pa.Table]:
        tables = (table for path in paths for table in read_batches(self.store, path, self._schema, columns))
        return tables if kept is None else take_rows(tables, iter(kept))

    @property
    def _schema(self) -> pa.Schema:
        return arrow_schema(self.dataset.model)


def day_files(store: ObjectStore, layout: Layout, day: date) -> list[str]:
    """The files of a day that is replaced as a whole, the latest fetch last; only that one counts."""
    names = {path: PublishedName.parse(path) for path in store.files(layout.published(day))}
    dated = [(name.fetched, name.part, path) for path, name in names.items() if name and name.fetched]
    return [path for _, _, path in sorted(dated)]


def _hashes(tables: Iterator[pa.Table]) -> list[int]:
    """The rows as a multiset that can be compared."""
    return sorted(value for table in tables for value in table.column(RECORD_HASH).to_pylist())
