# SPDX-License-Identifier: Apache-2.0
"""Publishing what is asked for by date: what was fetched for a day replaces the day as a whole.

Identical rows are all kept, unless the records have an identity: then the last one that came is. The file of a day
names the time of its fetch, and of several the latest stays: so runs of the same day at the same time end with the
latest answer that was a new one, in whatever order they publish. What is replaced moves to ``_revisions``, and what
has changed is written to ``_changes`` before it is published. A file from the future, of a worker whose clock was
wrong, is replaced as any other.
"""

from __future__ import annotations

import gzip
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import pyarrow.compute as pc

from airflow_provider_zdirect.datasets.arrow import arrow_schema
from airflow_provider_zdirect.datasets.table import Dataset
from airflow_provider_zdirect.exceptions import EmptyAnswerError, ZDirectConfigurationError
from airflow_provider_zdirect.publish.day_changes import COUNTS, DayChange, changes_of
from airflow_provider_zdirect.publish.file_rows import FileRows, last_of_each
from airflow_provider_zdirect.publish.files import PublishedFile, measure, publish_tables
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.publish.read import read_published
from airflow_provider_zdirect.publish.row_changes import row_changes
from airflow_provider_zdirect.publish.same_row import record_numbers
from airflow_provider_zdirect.storage.layout import Layout, dated
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.scratch import scratch_folder
from airflow_provider_zdirect.windows import MAX_CLOCK_SKEW, Window

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReplacedDay:
    """A day after it was replaced, or left.

    :param files: those with the day's rows.
    :param change: how this fetch has changed the day, in this try or an earlier one; None if it has not.
    """

    files: list[PublishedFile]
    change: DayChange | None


@dataclass(frozen=True)
class DayReplacer:
    """Publishes days of one dataset and merchant.

    :param run: which run publishes them; a retry is the same run.
    :param now: by the worker's clock.
    :param by_nothing: whether an answer without records may replace one with some.
    :param only: the rows that were asked for have these values, by field; a day with others is not replaced by them.
    """

    place: Place
    dataset: Dataset
    timezone: str
    run: str
    now: datetime
    by_nothing: bool = False
    only: Mapping[str, str] = field(default_factory=dict)

    @property
    def store(self) -> ObjectStore:
        return self.place.store

    @property
    def layout(self) -> Layout:
        return self.place.layout(self.dataset.name)

    def replace(self, day: date, staged: list[str], fetched: datetime) -> ReplacedDay:
        """Publish the staged rows as the day's data; safe to repeat, with the same change as result then.

        :param staged: paths of Parquet files with the day's rows.
        :param fetched: when they were fetched.
        :raises ConcurrentRunError: if a staged file is gone, or other runs keep replacing the day.
        :raises EmptyAnswerError: if there are no rows, and some were published, and that is not allowed.
        :raises ZDirectConfigurationError: if the day holds rows that were not asked for.
        """
        return read_published(self._what(day), lambda: self._replace(day, staged, fetched))

    def _what(self, day: date) -> str:
        return self.place.subject(self.dataset.name, day)

    def _replace(self, day: date, staged: list[str], fetched: datetime) -> ReplacedDay:
        there = self._dated(day)
        # A clock that was ahead must not keep all later answers out.
        horizon = max(fetched, self.now + MAX_CLOCK_SKEW)
        latest = max((stamp for stamp, _ in there if stamp <= horizon), default=None)
        mine, published = latest == fetched, None
        if latest is None or latest < fetched:
            former = self._rows([there[-1][1]]) if there else None
            published = self._publish_changed(day, former, self._distinct(staged), fetched)
            mine = published is not None
            if mine and there and there[-1][0] > horizon:
                log.warning(
                    "%s: %s is replaced, although its name says that it was fetched later than now, %s by this "
                    "worker's clock. The clock of one of the workers is wrong.",
                    self._what(day), there[-1][1], self.now.isoformat(),
                )  # fmt: skip
        elif latest > fetched:
            return ReplacedDay(self._files_of(day), self._change(day, fetched))
        self._clear_up(day, until=horizon if mine else None)
        return ReplacedDay(self._files_of(day, published), self._change(day, fetched) if mine else None)

    def _publish_changed(
        self, day: date, former: FileRows | None, rows: FileRows, fetched: datetime
    ) -> PublishedFile | None:
        """Publish the rows; None if they are those of the former file."""
        if former is not None:
            self._refuse_other_rows(day, former)
            self._refuse_nothing(day, former, rows)
        with scratch_folder() as scratch:
            local = Path(scratch) / "changes.jsonl.gz"
            with local.open("wb") as file, gzip.GzipFile("", "wb", 6, file, mtime=0) as lines:
                if former is None:
                    changes = Counter(added=rows.count)
                else:
                    changes = row_changes(former, rows, self.dataset.days.compared_by, lines.write)
            if not changes.total():
                return None
            counts = (changes[name] for name in COUNTS)
            change = DayChange(self.layout.changes(day), day, fetched, self.run, former is None, *counts)
            # Before the data, so that no change is published and not reported.
            self.store.upload(local, change.file)
            for other in changes_of(self.store, self.layout, day, fetched, self.run):
                # Of a try that was killed here, when another file was published.
                if other != change:
                    self.store.delete(other.file)
        span = Window.of_day(day, self.timezone)
        return publish_tables(self.place, self.dataset.name, day, rows.schema, rows.tables(), span, fetched)

    def _clear_up(self, day: date, until: datetime | None) -> None:
        """Keep the latest file, as a fetch at that time or before; others become revisions."""
        there = self._dated(day)
        stays = [path for stamp, path in there if until is None or stamp <= until][-1:]
        for _, path in there:
            if path not in stays:
                self.store.move(path, f"{self.layout.revisions(day)}/{path.rpartition('/')[2]}")

    def _change(self, day: date, fetched: datetime) -> DayChange | None:
        return next(iter(changes_of(self.store, self.layout, day, fetched, self.run)), None)

    def _files_of(self, day: date, published: PublishedFile | None = None) -> list[PublishedFile]:
        """The file that counts; not looked into if it is the one that was just published."""
        newest = day_files(self.store, self.layout, day)[-1:]
        if published is not None and newest == [published.path]:
            return [published]
        return [measure(self.store, path, self._rows([path]).count) for path in newest]

    def _dated(self, day: date) -> list[tuple[datetime, str]]:
        """The day's files with the times of their fetches, in order."""
        return dated(self.store.files(self.layout.published(day)))

    def _refuse_other_rows(self, day: date, former: FileRows) -> None:
        for name, value in self.only.items():
            for table in former.tables([name]):
                # A row without a value is not one with another, as where answers are checked.
                if pc.any(pc.not_equal(table.column(name), value)).as_py():
                    raise ZDirectConfigurationError(
                        f"{self._what(day)}: only {name}={value} was asked for, and the published rows of the day "
                        "have other values too. They were left as they are.",
                        remedy=f"Give each {name} a base path of its own, or leave the filter out.",
                    )

    def _refuse_nothing(self, day: date, former: FileRows, rows: FileRows) -> None:
        if former.count and not rows.count and not self.by_nothing:
            raise EmptyAnswerError(
                f"{self._what(day)}: zDirect answered without any record, and {former.count} are published. They were "
                "left as they are.",
                remedy="Look in the zDirect portal whether the day has none; if so, set replace_with_empty=True and "
                "clear the task. Near the end of what zDirect keeps, the records may just have vanished there.",
            )

    def _distinct(self, staged: list[str]) -> FileRows:
        rows, identity = self._rows(staged), self.dataset.publish.identity
        return rows.at(last_of_each(record_numbers(rows.tables(identity), identity))) if identity else rows

    def _rows(self, paths: list[str]) -> FileRows:
        return FileRows(self.store, paths, arrow_schema(self.dataset.model))


def day_files(store: ObjectStore, layout: Layout, day: date) -> list[str]:
    """The files of a day that is replaced as a whole, the latest fetch last; only that one counts."""
    return [path for _, path in dated(store.files(layout.published(day)))]
