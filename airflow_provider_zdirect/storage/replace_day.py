"""Publishing what is asked for by date: what was fetched for a day replaces the day as a whole.

Identical rows are all kept, unless the records have an identity: then the last one that came is. The file of a day
names the time of its fetch, and of several the latest stays: so runs of the same day at the same time end with the
latest answer that was a new one, in whatever order they publish. What is replaced moves to ``_revisions``, and how
it differs stands under ``_changes``.
"""

from __future__ import annotations

import contextlib
import gzip
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

import pyarrow as pa

from airflow_provider_zdirect.datasets import Dataset
from airflow_provider_zdirect.exceptions import EmptyAnswerError, ZDirectConfigurationError
from airflow_provider_zdirect.models.arrow import RECORD_HASH, arrow_schema
from airflow_provider_zdirect.storage.layout import Layout, PublishedName
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.published_files import FileBuilder, PublishedFile, measure
from airflow_provider_zdirect.storage.row_changes import RowChanges, row_changes
from airflow_provider_zdirect.storage.row_files import read_batches
from airflow_provider_zdirect.storage.row_selection import row_keys, take_rows
from airflow_provider_zdirect.windows import Window

MAX_LOOKS = 10


@dataclass(frozen=True)
class ReplacedDay:
    """What became of a day.

    :param files: those with the day's rows.
    :param changes: how its rows differ from those that were published before this fetch.
    :param changes_file: where the differing rows are, relative to the base path; None if nothing was replaced.
    """

    files: list[PublishedFile]
    changes: RowChanges
    changes_file: str | None


@dataclass(frozen=True)
class DayReplacer:
    """Publishes days of one dataset and merchant.

    :param only: the rows that were asked for have these values, by field; a day with others is not replaced by them.
    """

    store: ObjectStore
    layout: Layout
    dataset: Dataset
    timezone: str
    suffix: str
    by_nothing: bool = False
    """Whether an answer without records may replace one with some."""
    only: Mapping[str, str] = field(default_factory=dict)

    def replace(self, day: date, staged: list[str], fetched: datetime) -> ReplacedDay:
        """Publish the staged rows as the day's data; safe to repeat, and tells the same changes then.

        :param staged: paths of Parquet files with the day's rows.
        :param fetched: when they were fetched.
        :raises FileNotFoundError: if a staged file is gone.
        :raises EmptyAnswerError: if there are no rows, and some were published, and that is not allowed.
        :raises ZDirectConfigurationError: if the day holds rows that were not asked for.
        """
        for _ in range(MAX_LOOKS - 1):
            # Another run of the day may move a file between our listing and our reading; then we look again.
            with contextlib.suppress(FileNotFoundError):
                return self._replace(day, staged, fetched)
        return self._replace(day, staged, fetched)

    def _replace(self, day: date, staged: list[str], fetched: datetime) -> ReplacedDay:
        there = self._dated(self.layout.published(day))
        if there and max(there)[0] > fetched:
            return ReplacedDay(self._files_of(day), RowChanges(), None)
        kept = self._kept(staged)
        former = self._former(day, fetched)
        self._refuse_other_rows(day, former)
        changes = row_changes(
            lambda: self._rows(former, None),
            lambda: self._rows(staged, kept),
            self.dataset.identity or self.dataset.alike,
        )
        if former and changes.removed and not self.by_nothing and not _any_rows(self._rows(staged, kept)):
            raise EmptyAnswerError(
                f"{self.dataset.name} of merchant {self.layout.merchant_id}, {day}: zDirect answered without any "
                f"record, and {len(changes.removed)} are published. They were left as they are.",
                remedy="Look in the zDirect portal whether the day has none; if so, set replace_with_empty=True and "
                "clear the task. Near the end of what zDirect keeps, the records may just have vanished there.",
            )
        changes_file = None
        if changes:
            if former:
                # First, so that a day that was replaced never lacks it.
                changes_file = self.layout.changes(day, fetched)
                self.store.write(changes_file, gzip.compress(changes.as_lines(), mtime=0))
            if not self._fetch_of(day, fetched):
                self._write(day, self._rows(staged, kept), fetched)
        after = day_files(self.store, self.layout, day)
        for path in after[:-1]:
            self.store.move(path, f"{self.layout.revisions(day)}/{path.rpartition('/')[2]}")
        return ReplacedDay(self._files_of(day), changes, changes_file)

    def _files_of(self, day: date) -> list[PublishedFile]:
        newest = day_files(self.store, self.layout, day)[-1:]
        rows = sum(table.num_rows for table in self._rows(newest, None, [RECORD_HASH]))
        return [measure(self.store, path, rows) for path in newest]

    def _former(self, day: date, fetched: datetime) -> list[str]:
        """The file that this fetch replaces, if there is one."""
        if self._fetch_of(day, fetched) is None:
            return day_files(self.store, self.layout, day)[-1:]
        # This fetch was published already, by a try that was killed: what was there before has moved, or is about to.
        there = [*self._dated(self.layout.published(day)), *self._dated(self.layout.revisions(day))]
        return [path for stamp, path in sorted(there) if stamp < fetched][-1:]

    def _fetch_of(self, day: date, fetched: datetime) -> str | None:
        return next((path for stamp, path in self._dated(self.layout.published(day)) if stamp == fetched), None)

    def _dated(self, folder: str) -> list[tuple[datetime, str]]:
        names = {path: PublishedName.parse(path) for path in self.store.files(folder)}
        return [(name.fetched, path) for path, name in names.items() if name and name.fetched]

    def _refuse_other_rows(self, day: date, former: list[str]) -> None:
        for name, value in self.only.items():
            for table in self._rows(former, None, [name]):
                if set(table.column(name).to_pylist()) - {value}:
                    raise ZDirectConfigurationError(
                        f"{self.dataset.name} of merchant {self.layout.merchant_id}, {day}: only {name}={value} was "
                        "asked for, and what is published of the day has other values too. It was left as it is.",
                        remedy=f"Give each {name} a base path of its own, or leave the filter out.",
                    )

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


def _any_rows(tables: Iterator[pa.Table]) -> bool:
    return any(table.num_rows for table in tables)
