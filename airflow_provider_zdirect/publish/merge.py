"""Publishing records that have an identity: each once, whoever else publishes at the same time.

No lock is needed, and none is taken. ``docs/exactly-once.md`` has the argument; in short:

* A published file never changes, and its name is never given again.
* A run writes only records that no published file holds, then looks again. If another run has published some of
  them at the same moment, each of the two writes one file with all rows of the files concerned, deletes those, and
  looks again at everything it has written.
* So a file is deleted only after the same or later versions of all its records have been written elsewhere.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.datasets.arrow import EXTRACTED_AT, RECORD_HASH, arrow_schema
from airflow_provider_zdirect.datasets.table import Dataset
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.publish.files import FileBuilder, PublishedFile, measure
from airflow_provider_zdirect.publish.rounds import in_rounds
from airflow_provider_zdirect.publish.row_index import EPOCH, Row, RowIndex, Spans
from airflow_provider_zdirect.publish.same_row import row_keys
from airflow_provider_zdirect.storage.layout import Layout, PublishedName
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import read_batches, take_rows
from airflow_provider_zdirect.windows import Window, subject

DAYS_AT_ONCE = 64
"""Days whose files are written at the same time, at most: each is an open file."""

Times: TypeAlias = pa.ChunkedArray
RowFilter: TypeAlias = Callable[[Times], pa.ChunkedArray]
"""From the times that place rows in a window to a mask of those to publish."""


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

    :param pause: waits for so many seconds.
    """

    store: ObjectStore
    layout: Layout
    dataset: Dataset
    window: Window
    suffix: str
    pause: Callable[[float], None] = time.sleep

    def merge(self, staged: list[str], wanted: RowFilter) -> Merged:
        """Publish the wanted rows of the staged files.

        :param staged: paths of Parquet files with fetched rows.
        :raises ConcurrentRunError: if other runs kept publishing the same records all the time.
        :raises FileNotFoundError: if a staged file is gone.
        """
        rounds: list[_Round] = []

        def one_round() -> Merged | None:
            watched = rounds[-1].watched if rounds else {}
            with tempfile.TemporaryDirectory(prefix="zdirect-") as scratch:
                rounds.append(last := _Round(self, staged, wanted, watched, scratch))
                try:
                    last.run()
                except FileNotFoundError:
                    # Another run has replaced a published file since it was listed. A staged one does not come back.
                    elsewhere = set(staged).difference(self.store.copies)
                    folders = {path.rpartition("/")[0] for path in elsewhere}
                    if not {path for folder in folders for path in self.store.files(folder)}.issuperset(elsewhere):
                        raise
            if not last.settled:
                return None
            there = {file.path for file in last.late_files} | set(last.held.values())
            late_files = [file for each in rounds for file in each.late_files if file.path in there]
            return Merged(
                *last.answered,
                new_records=sum(each.new[0] for each in rounds),
                files=sorted(last.files, key=attrgetter("path")),
                late_records=sum(each.new[1] for each in rounds),
                late_files=sorted(late_files, key=attrgetter("path")),
            )

        what = subject(self.dataset.name, self.layout.merchant_id, self.window)
        return in_rounds(what, one_round, self.pause, self.dataset.endpoint.refetch_delay)


@dataclass
class _Round:
    """One look at what is published, one write of what is missing, and one look back.

    :param watched: times for which earlier rounds have written something.
    """

    m: RowMerger
    staged: list[str]
    wanted: RowFilter
    watched: Spans
    scratch: str
    settled: bool = False
    held: dict[int, str] = field(default_factory=dict)
    answered: tuple[int, datetime | None, datetime | None] = (0, None, None)
    files: list[PublishedFile] = field(default_factory=list)
    new: tuple[int, int] = (0, 0)
    late_files: list[PublishedFile] = field(default_factory=list)

    @property
    def schema(self) -> pa.Schema:
        return arrow_schema(self.m.dataset.model)

    def run(self) -> None:
        """Settles if no other run came between, and no published file had to be written again."""
        with closing(RowIndex(Path(self.scratch) / "rows.sqlite")) as index:
            for source, path in enumerate(self.staged):
                for rows in self._rows(source, path, self.wanted):
                    index.add_answered(rows)
            self.watched = _union(self.watched, index.spans())
            self.held = self._held_files()
            for source, path in self.held.items():
                for rows in self._rows(source, path, everything):
                    index.add_held(rows)
            outdated = {source: self.held[source] for source in sorted(index.outdated_sources())}
            if outdated:
                # Rows of the files concerned are carried along; from now on they are this run's to look after.
                self.watched = _union(self.watched, index.spans())
            index.prepare_reading()
            new = index.count_new(len(self.staged))
            written = self._write(index, outdated)
            self.new = new
            self.late_files = [file for file, own in written if not own]
            for path in outdated.values():
                self.m.store.delete(path)
            if outdated:
                return
            self.answered = index.answered_in_window()
            self.files = [file for file, own in written if own] + [
                measure(self.m.store, self.held[source], rows)
                for source, rows in index.holders_of_answered().items()
                if source in self.held
            ]
            expected = {*self.held.values(), *(file.path for file, _ in written)}
            self.settled = not written or set(self._held_files().values()) == expected

    def _held_files(self) -> dict[int, str]:
        """Published files that may hold a record of the watched times, numbered behind the staged ones."""
        paths = []
        for day, (first, last) in sorted(self._watched_days().items()):
            for path in self.m.store.files(self.m.layout.published(day)):
                name = PublishedName.parse(path)
                if name is None:
                    continue
                if not path.endswith(f".{self.m.suffix}"):
                    raise ZDirectConfigurationError(
                        f"{subject(self.m.dataset.name, self.m.layout.merchant_id, day)}: {path} has another format "
                        f"than the one asked for (.{self.m.suffix}); a day must not mix them.",
                        remedy="Use the format that is there, or another base_path.",
                    )
                if name.span.start <= last and first < name.span.end:
                    paths.append(path)
        return dict(enumerate(paths, start=len(self.staged)))

    def _watched_days(self) -> Spans:
        if self.m.dataset.once.version_field is None:
            return self.watched
        # Another version may have the time with another precision, or in another zone: near is close enough.
        days = {day + timedelta(days=shift) for day in self.watched for shift in (-1, 0, 1)}
        return {day: (Window.of_day(day).start, Window.of_day(day).end) for day in days}

    def _rows(self, source: int, path: str, wanted: RowFilter) -> Iterator[Iterator[Row]]:
        identity = self.m.dataset.publish.identity
        time_field = self.m.dataset.publish.time_field
        placed_by, version_field = self.m.dataset.once.placed_by, self.m.dataset.once.version_field or time_field
        columns = list(dict.fromkeys([*identity, time_field, placed_by, version_field, EXTRACTED_AT, RECORD_HASH]))
        offset = 0
        for table in read_batches(self.m.store, path, self.schema, columns):
            times, placed = table.column(time_field), table.column(placed_by)
            yield (
                row[:-1]
                for row in zip(
                    row_keys(table, identity).to_pylist(),
                    [source] * len(times),
                    range(offset, offset + len(times)),
                    self._versions(source, table),
                    table.column(RECORD_HASH).to_pylist(),
                    _days(times).to_pylist(),
                    times.cast(pa.int64()).to_pylist(),
                    within(placed, self.m.window).to_pylist(),
                    wanted(placed).to_pylist(),
                    strict=True,
                )
                if row[-1]
            )
            offset += len(times)

    def _versions(self, source: int, table: pa.Table) -> Sequence[int | str]:
        if source < len(self.staged) and not self.m.dataset.once.replaces_known:
            # Older than anything: it adds records, and takes no fields from those that are there.
            return [0] * table.num_rows
        extracted: list[int] = table.column(EXTRACTED_AT).cast(pa.int64()).to_pylist()
        if (name := self.m.dataset.once.version_field) is None:
            return extracted
        versions = table.column(name).cast(pa.int64()).to_pylist()
        # Texts of one length, in the order of both.
        return [f"{version:020d}{seen:020d}" for version, seen in zip(versions, extracted, strict=True)]

    def _write(self, index: RowIndex, outdated: dict[int, str]) -> list[tuple[PublishedFile, bool]]:
        """Write the winning rows of the staged and the outdated files; each file with whether it is the window's."""
        sources = dict(enumerate(self.staged)) | outdated
        written = []
        days = iter(index.days_of(sources))
        while some_days := list(islice(days, DAYS_AT_ONCE)):
            builders: dict[tuple[date, bool], FileBuilder] = {}
            for source, path in sources.items():
                rows = index.rows_of(source, some_days[0], some_days[-1])
                for table in take_rows(read_batches(self.m.store, path, self.schema), rows):
                    self._distribute(table, builders)
            written += [(builder.publish(self.m.store), own) for (_, own), builder in sorted(builders.items())]
        return written

    def _distribute(self, table: pa.Table, builders: dict[tuple[date, bool], FileBuilder]) -> None:
        time_field = self.m.dataset.publish.time_field
        own = within(table.column(self.m.dataset.once.placed_by), self.m.window)
        days = _days(table.column(time_field))
        by_time = self.m.dataset.once.placed_by == time_field
        for day_number in pc.unique(days).to_pylist():
            day = EPOCH.date() + timedelta(days=day_number)
            on_day = pc.equal(days, day_number)
            for is_own, mask in ((True, pc.and_(on_day, own)), (False, pc.and_not(on_day, own))):
                count = pc.sum(mask).as_py()
                if not count:
                    continue
                rows = table if count == table.num_rows else table.filter(mask)
                if (day, is_own) not in builders:
                    span = Window.of_day(day).intersection(self.m.window) if is_own and by_time else None
                    folder = self.m.layout.published(day)
                    builders[day, is_own] = FileBuilder(self.schema, folder, self.m.suffix, self.scratch, span=span)
                if not (is_own and by_time):
                    builders[day, is_own].cover(*pc.min_max(rows.column(time_field)).as_py().values())
                builders[day, is_own].write(rows)


def _union(some: Spans, others: Spans) -> Spans:
    union = dict(some)
    for day, (first, last) in others.items():
        known = union.get(day, (first, last))
        union[day] = (min(first, known[0]), max(last, known[1]))
    return union


def everything(times: Times) -> pa.ChunkedArray:
    """All of them."""
    return pa.chunked_array([pa.repeat(True, len(times))])


def within(times: Times, window: Window) -> pa.ChunkedArray:
    """Which of the times lie in the window."""
    return pc.and_(
        pc.greater_equal(times, pa.scalar(window.start, times.type)), pc.less(times, pa.scalar(window.end, times.type))
    )


def _days(times: Times) -> pa.ChunkedArray:
    return times.cast(pa.date32()).cast(pa.int32())
