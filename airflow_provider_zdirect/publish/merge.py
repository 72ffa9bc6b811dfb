# SPDX-License-Identifier: Apache-2.0
"""Publishing records that have an identity: each once, whoever else publishes at the same time.

No lock is needed, and none is taken. ``docs/exactly-once.md`` has the argument; in short:

* A published file never changes, and its name is never given again.
* A run writes only records that no published file holds, then looks again. If another run has published some of
  them at the same moment, each of the two writes one file with all rows of the files concerned, deletes those, and
  looks again at everything it has written.
* So a file is deleted only after the same or later versions of all its records have been written elsewhere.
* Compaction takes the same steps: the files of a date are written as one, as if their records had met.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import partial
from operator import attrgetter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from airflow_provider_zdirect.datasets.arrow import arrow_schema
from airflow_provider_zdirect.datasets.publication import Once
from airflow_provider_zdirect.datasets.table import Dataset
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.publish.file_rows import FileRows
from airflow_provider_zdirect.publish.files import FileBuilder, PublishedFile, measure, new_part, publish_file
from airflow_provider_zdirect.publish.key_columns import KeyColumns, Spans, union
from airflow_provider_zdirect.publish.placed_rows import DAY, EPOCH, DayPart, RowFilter, everything, placed_rows
from airflow_provider_zdirect.publish.rounds import in_rounds
from airflow_provider_zdirect.publish.sorted_files import SortedFiles, is_compact
from airflow_provider_zdirect.publish.winners import Winners, find_winners
from airflow_provider_zdirect.storage.layout import Layout, PublishedName, moment
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import ROW_GROUP_ROWS
from airflow_provider_zdirect.storage.scratch import scratch_folder
from airflow_provider_zdirect.windows import Window
from airflow_provider_zdirect.words import subject

FILES_AT_ONCE = 64
"""Files that are written at the same time, at most."""

LARGE_ROWS = 50_000
"""A staged file with so many rows is published as it is, if all of them win and belong together."""


@dataclass(frozen=True)
class Merged:
    """What was published, under the names that the manifest has for it.

    :param records: the window's own records among the rows, each once.
    :param first: time of the earliest of them; None if there is none.
    :param new_records: those of them that were published for the first time.
    :param files: the files that hold them.
    :param late_records: records of other windows that were published for the first time.
    :param late_files: files with records of other windows that this run has published.
    """

    records: int
    first: datetime | None = None
    last: datetime | None = None
    new_records: int = 0
    files: list[PublishedFile] = field(default_factory=list)
    late_records: int = 0
    late_files: list[PublishedFile] = field(default_factory=list)


@dataclass(frozen=True)
class RowMerger:
    """Publishes rows for one window of one dataset and merchant.

    :param merchant_name: what people call the merchant, for messages.
    :param pause: waits for this many seconds.
    """

    store: ObjectStore
    layout: Layout
    dataset: Dataset
    window: Window
    suffix: str
    merchant_name: str | None = None
    pause: Callable[[float], None] = time.sleep

    def what(self, when: Window | date) -> str:
        """Dataset, merchant and time, as messages begin."""
        return subject(self.dataset.name, self.layout.merchant_id, when, name=self.merchant_name)

    def merge(self, staged: list[str], wanted: RowFilter) -> Merged:
        """Publish the wanted rows of the staged files.

        :param staged: paths of Parquet files with fetched rows.
        :raises ConcurrentRunError: if other runs kept publishing the same records all the time.
        :raises FileNotFoundError: if a staged file is gone.
        """
        rounds = self._settled(staged, wanted, {})
        last = rounds[-1]
        written = [file for each in rounds for file, own in each.written if not own and file.path in last.there]
        return Merged(
            last.winners.records,
            last.winners.first,
            last.winners.last,
            new_records=sum(each.new[0] for each in rounds),
            files=sorted(last.files, key=attrgetter("path")),
            late_records=sum(each.new[1] for each in rounds),
            late_files=sorted(written, key=attrgetter("path")),
        )

    def compact(self, day: date) -> int:
        """Put the published files of one date together, whatever the window is.

        :returns: how many rows the date has; 0 if nothing had to be done.
        :raises ConcurrentRunError: if other runs kept publishing records of the date all the time.
        """
        merger = replace(self, window=moment(EPOCH))
        whole_day = {day: (Window.of_day(day).start, Window.of_day(day).end)}
        *_, last = merger._settled([], everything, whole_day, day)
        return sum(int(last.winners.count[source]) for source in last.of_date())

    def _settled(
        self, staged: list[str], wanted: RowFilter, watched: Spans, compacted: date | None = None
    ) -> list[_Round]:
        """All rounds until one settles."""
        rounds: list[_Round] = []

        def one_round() -> list[_Round] | None:
            before = rounds[-1].watched if rounds else watched
            # What others add meanwhile is left to the next time, or a busy date would be written again and again.
            gathers = not any(each.written for each in rounds)
            with scratch_folder() as scratch:
                rounds.append(last := _Round(self, staged, wanted, before, scratch, compacted, gathers))
                try:
                    last.run()
                except FileNotFoundError:
                    # Another run has replaced a published file since it was listed. A staged one does not come back.
                    if not self._is_there(staged):
                        raise
            return rounds if last.settled else None

        what = self.what(compacted or self.window)
        return in_rounds(what, one_round, self.pause, self.dataset.endpoint.refetch_delay)

    def _is_there(self, staged: list[str]) -> bool:
        stored = set(staged).difference(self.store.copies)
        found = {path for folder in {path.rpartition("/")[0] for path in stored} for path in self.store.files(folder)}
        return found.issuperset(stored) and all(
            self.store.copies[path].exists() for path in staged if path not in stored
        )


@dataclass
class _Round:
    """One look at what is published, one write of what is missing, and one look back.

    :param watched: times for which earlier rounds have written something, or that are compacted.
    :param compacted: the date whose rows are written sorted, if any.
    :param written: new files, each with whether its rows are the window's.
    :param gathers: whether its files are put together, if they are more than needed.
    """

    m: RowMerger
    staged: list[str]
    wanted: RowFilter
    watched: Spans
    scratch: str
    compacted: date | None
    gathers: bool
    settled: bool = False
    held: list[str] = field(default_factory=list)
    there: set[str] = field(default_factory=set)
    written: list[tuple[PublishedFile, bool]] = field(default_factory=list)
    files: list[PublishedFile] = field(default_factory=list)
    new: tuple[int, int] = (0, 0)
    winners: Winners = field(init=False)

    @property
    def schema(self) -> pa.Schema:
        return arrow_schema(self.m.dataset.model)

    @property
    def once(self) -> Once:
        return self.m.dataset.once

    def run(self) -> None:
        """Settles if no other run came between."""
        m = self.m
        keys = KeyColumns(m.store, m.dataset, m.window, self.scratch)
        keys.add(self.staged, self.wanted)
        self.watched = union(self.watched, keys.spans)
        self.held = self._held_files()
        keys.add(self.held, None)
        sources = [*self.staged, *self.held]
        self.winners = winners = find_winners(keys)
        outdated = sorted(winners.outdated | self._scattered(sources))
        if outdated:
            # Rows of the files concerned are carried along; from now on they are this run's to look after.
            self.watched = union(self.watched, keys.spans)
        concerned = [*range(len(self.staged)), *outdated]
        self.written = self._write(keys, sources, concerned)
        self.new = winners.new
        for source in outdated:
            m.store.delete(sources[source])
        left = [source for source in range(len(self.staged), len(sources)) if source not in outdated]
        self.there = {*(sources[source] for source in left), *(file.path for file, _ in self.written)}
        if self.written and {*self._held_files()} != self.there:
            return
        self.files = [file for file, own in self.written if own] + [
            measure(m.store, sources[source], int(winners.holders[source]))
            for source in left
            if winners.holders[source]
        ]
        # Rows that were carried along may be of the window without being in its answers, or the other way round (an
        # order has changed, and its item has not); then all are counted again.
        self.settled = not outdated or not winners.miscounted[concerned].any()

    def _held_files(self) -> list[str]:
        """Published files that may hold a record of the watched times."""
        paths = []
        for day, (first, last) in sorted(self._watched_days().items()):
            for path in self.m.store.files(self.m.layout.published(day)):
                name = PublishedName.parse(path)
                if name is None:
                    continue
                if not path.endswith(f".{self.m.suffix}"):
                    raise ZDirectConfigurationError(
                        f"{self.m.what(day)}: {path} has another format "
                        f"than the one asked for (.{self.m.suffix}); a day must not mix them.",
                        remedy="Use the format that is there, or another base_path.",
                    )
                if name.span.start <= last and first < name.span.end:
                    paths.append(path)
        return paths

    def _watched_days(self) -> Spans:
        if self.once.version_field is None:
            return self.watched
        # Another version may have the time with another precision, or in another zone: near is close enough.
        days = {day + timedelta(days=shift) for day in self.watched for shift in (-1, 0, 1)}
        return {day: (Window.of_day(day).start, Window.of_day(day).end) for day in days}

    def of_date(self) -> list[int]:
        """The files of the date that is compacted."""
        folder = f"{self.m.layout.published(self.compacted)}/" if self.compacted else None
        return [source for source, path in enumerate(self.held, len(self.staged)) if folder and path.startswith(folder)]

    def _scattered(self, sources: list[str]) -> set[int]:
        """The files of the date that is compacted, if they are more than needed."""
        of_date = self.of_date() if self.gathers else []
        return set() if is_compact([sources[source] for source in of_date]) else set(of_date)

    def _write(self, keys: KeyColumns, sources: list[str], concerned: list[int]) -> list[tuple[PublishedFile, bool]]:
        """Write the winning rows of some files; each new file with whether it is the window's."""
        as_they_are = {source for source in concerned if self._is_publishable(keys, source, sources[source])}
        rest = [source for source in concerned if source not in as_they_are and self.winners.count[source]]
        published: list[tuple[PublishedFile, bool]] = []
        parts = sorted({part for source in rest for part in self.winners.places[source]})
        for start in range(0, len(parts), FILES_AT_ONCE):
            some = parts[start : start + FILES_AT_ONCE]
            builders = {part: self._builder(keys, part, ROW_GROUP_ROWS // len(some)) for part in some}
            for source in rest:
                if self.winners.places[source].isdisjoint(some):
                    continue
                won = np.flatnonzero(self.winners.rows[keys.rows_of(source)])
                for table in FileRows(self.m.store, [sources[source]], self.schema, won).tables():
                    for part, rows in placed_rows(table, self.m.dataset, self.m.window):
                        if part in builders:
                            builders[part].write(rows)
            for part, builder in builders.items():
                published += [(file, part[1]) for file in builder.publish(self.m.store)]
        for source in sorted(as_they_are):
            (part,) = self.winners.places[source]
            published.append((self._publish_as_it_is(sources[source], part, int(self.winners.count[source])), part[1]))
        return published

    def _is_publishable(self, keys: KeyColumns, source: int, path: str) -> bool:
        rows = keys.rows_of(source)
        all_win = self.winners.count[source] == rows.stop - rows.start >= LARGE_ROWS
        one_file = len(self.winners.places[source]) == 1 and self.m.suffix == "parquet"
        return bool(source < len(self.staged) and path in self.m.store.copies and all_win and one_file)

    def _publish_as_it_is(self, path: str, part: DayPart, rows: int) -> PublishedFile:
        local, span = self.m.store.copies[path], self._span(part)
        if span is None:
            times = pq.ParquetFile(local).read([self.once.time_field]).column(0)
            first, last = pc.min_max(times).as_py().values()
            span = Window(first, last + timedelta(microseconds=1))
        name = PublishedName(span, new_part()).file_name(self.m.suffix)
        return publish_file(self.m.store, local, f"{self.m.layout.published(part[0])}/{name}", rows)

    def _builder(self, keys: KeyColumns, part: DayPart, group_rows: int) -> FileBuilder | SortedFiles:
        day, time_field = part[0], self.once.time_field
        folder = self.m.layout.published(day)
        new_file = partial(FileBuilder, self.schema, folder, self.m.suffix, self.scratch, time_field=time_field)
        if day != self.compacted:
            return new_file(span=self._span(part), group_rows=group_rows)
        times = np.concatenate(keys.samples)
        of_day = times[times // DAY == (day - EPOCH.date()).days]
        order = list(dict.fromkeys([time_field, *self.once.identity]))
        return SortedFiles(self.schema, day, self.scratch, order, of_day, new_file)

    def _span(self, part: DayPart) -> Window | None:
        """Of the name of a file; None: from the first to the last time of its rows."""
        day, own = part
        by_time = self.once.placed_by == self.once.time_field
        return Window.of_day(day).intersection(self.m.window) if own and by_time else None
