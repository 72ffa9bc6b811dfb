"""Publishing records that have an identity: each once, whoever else publishes at the same time.

No lock is needed, and none is taken. ``docs/exactly-once.md`` has the argument; in short:

* A published file never changes: other rows are another file (its name holds the digest of its bytes).
* A run writes only records that no published file holds, then looks again. If another run has published some of
  them at the same moment, each of the two writes one file with all rows of the files concerned, and deletes those.
* So a file is deleted only after the same or later versions of all its records have been written elsewhere.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.datasets import Dataset
from airflow_provider_zdirect.exceptions import TransportError
from airflow_provider_zdirect.models.arrow import EXTRACTED_AT, RECORD_HASH, arrow_schema
from airflow_provider_zdirect.storage.layout import Layout, PublishedName
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.published_files import FileBuilder, PublishedFile, measure
from airflow_provider_zdirect.storage.row_files import read_batches
from airflow_provider_zdirect.storage.row_index import EPOCH, AnsweredRecords, Row, RowIndex
from airflow_provider_zdirect.windows import Window

MAX_ROUNDS = 30
LONGEST_STEP_BACK = 20.0
"""Seconds that a run steps back, at most, when it has met another."""

_DICE = random.SystemRandom()
DAYS_AT_ONCE = 64
"""Days whose files are written at the same time, at most: each is an open file."""

Times: TypeAlias = pa.ChunkedArray
RowFilter: TypeAlias = Callable[[Times], pa.ChunkedArray]
"""From the times of rows to a mask of those to publish."""


@dataclass(frozen=True)
class Merged:
    """What became of the rows.

    :param answered: the window's own records among them.
    :param files: the files that hold those.
    :param new_in_window: rows of the window that no file held before.
    :param new_late: rows of other windows that no file held before.
    """

    answered: AnsweredRecords
    files: list[PublishedFile] = field(default_factory=list)
    new_in_window: int = 0
    new_late: int = 0


class _PublishedFileIsGone(Exception):
    """Another run has deleted a file between our listing and our reading."""


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
        :raises TransportError: if other runs kept publishing the same records all the time.
        """
        new_in_window = new_late = 0
        for number in range(MAX_ROUNDS):
            with tempfile.TemporaryDirectory(prefix="zdirect-") as scratch:
                round_ = _Round(self, staged, wanted, scratch)
                try:
                    settled = round_.run()
                except _PublishedFileIsGone:
                    settled = False
                finally:
                    new_in_window += round_.new_in_window
                    new_late += round_.new_late
            if settled:
                return Merged(round_.answered, round_.files, new_in_window, new_late)
            # Runs that met each other must not meet again: each steps back for a time of its own.
            self.pause(_DICE.uniform(0, min(LONGEST_STEP_BACK, 0.02 * 2**number)))
        raise TransportError(
            f"{self.dataset.name} of {self.layout.merchant_id}, window {self.window}: other runs published the same "
            f"records at the same time, {MAX_ROUNDS} times in a row.",
            remedy="Let the retry do it; run fewer windows that overlap at once.",
            retry_after=self.dataset.refetch_delay,
        )


class _Round:
    """One look at what is published, one write of what is missing, and one look back."""

    def __init__(self, merger: RowMerger, staged: list[str], wanted: RowFilter, scratch: str) -> None:
        self.m = merger
        self.staged = staged
        self.wanted = wanted
        self.scratch = scratch
        self.schema = arrow_schema(merger.dataset.model)
        self.answered = AnsweredRecords(0, None, None)
        self.files: list[PublishedFile] = []
        self.new_in_window = 0
        self.new_late = 0

    def run(self) -> bool:
        """True if the look back found nothing but what the look and the write had left."""
        with RowIndex(Path(self.scratch) / "rows.sqlite") as index:
            for source, path in enumerate(self.staged):
                for rows in self._rows(source, path, self.wanted):
                    index.add_answered(rows)
            held = self._held_files(index)
            for source, path in held.items():
                for rows in self._rows(source, path, None):
                    index.add_held(rows)
            outdated = {source: held[source] for source in sorted(index.outdated_sources())}
            index.prepare_reading()
            written = self._write(index, outdated)
            self.answered = index.answered_in_window()
            untouched = {source: path for source, path in held.items() if source not in outdated}
            self.files = [file for file, own in written if own] + [
                self._measured(untouched[source], rows)
                for source, rows in index.holders_of_answered().items()
                if source in untouched
            ]
            if not written and not outdated:
                return True
            kept = {file.path for file, _ in written}
            for path in outdated.values():
                if path not in kept:
                    self.m.store.delete(path)
            expected = (set(held.values()) - set(outdated.values())) | kept
            return set(self._held_files(index).values()) == expected

    def _held_files(self, index: RowIndex) -> dict[int, str]:
        """Published files that may hold one of the answered records, numbered behind the staged ones."""
        paths = []
        for day, first, last in index.answered_spans():
            for path in self.m.store.files(self.m.layout.published(day)):
                name = PublishedName.parse(path)
                if name is not None and name.span.start <= last and first < name.span.end:
                    paths.append(path)
        return dict(enumerate(paths, start=len(self.staged)))

    def _rows(self, source: int, path: str, wanted: RowFilter | None) -> Iterator[Iterator[Row]]:
        identity = self.m.dataset.identity or ()
        time_field = self.m.dataset.time_field
        columns = list(dict.fromkeys([*identity, time_field, EXTRACTED_AT, RECORD_HASH]))
        offset = 0
        for table in self._tables(source, path, columns):
            times = table.column(time_field)
            mask = pa.chunked_array([pa.repeat(True, len(times))]) if wanted is None else wanted(times)
            yield (
                row[:-1]
                for row in zip(
                    _keys(table, identity).to_pylist(),
                    [source] * len(times),
                    range(offset, offset + len(times)),
                    table.column(EXTRACTED_AT).cast(pa.int64()).to_pylist(),
                    table.column(RECORD_HASH).to_pylist(),
                    _days(times).to_pylist(),
                    times.cast(pa.int64()).to_pylist(),
                    within(times, self.m.window).to_pylist(),
                    mask.to_pylist(),
                    strict=True,
                )
                if row[-1]
            )
            offset += len(times)

    def _tables(self, source: int, path: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
        try:
            yield from read_batches(self.m.store, path, self.schema, columns)
        except FileNotFoundError as error:
            if source < len(self.staged):
                raise
            raise _PublishedFileIsGone from error

    def _measured(self, path: str, rows: int) -> PublishedFile:
        try:
            return measure(self.m.store, path, rows)
        except FileNotFoundError as error:
            raise _PublishedFileIsGone from error

    def _write(self, index: RowIndex, outdated: dict[int, str]) -> list[tuple[PublishedFile, bool]]:
        """Write the winning rows of the staged and the outdated files; each file with whether it is the window's."""
        sources = dict(enumerate(self.staged)) | outdated
        written = []
        days = iter(index.days_of(sources))
        while some_days := list(islice(days, DAYS_AT_ONCE)):
            builders: dict[tuple[date, bool], FileBuilder] = {}
            for source, path in sources.items():
                rows = index.rows_of(source, some_days[0], some_days[-1])
                for table in _take(self._tables(source, path), rows):
                    self._distribute(table, builders, new=source < len(self.staged))
            written += [(builder.publish(self.m.store), own) for (_, own), builder in sorted(builders.items())]
        return written

    def _distribute(self, table: pa.Table, builders: dict[tuple[date, bool], FileBuilder], *, new: bool) -> None:
        times = table.column(self.m.dataset.time_field)
        own = within(times, self.m.window)
        days = _days(times)
        for day_number in pc.unique(days).to_pylist():
            day = EPOCH.date() + timedelta(days=day_number)
            on_day = pc.equal(days, day_number)
            for is_own, mask in ((True, pc.and_(on_day, own)), (False, pc.and_not(on_day, own))):
                count = pc.sum(mask).as_py()
                if not count:
                    continue
                rows = table if count == table.num_rows else table.filter(mask)
                if (day, is_own) not in builders:
                    builders[day, is_own] = self._builder(day, is_own)
                builders[day, is_own].write(rows)
                if new and is_own:
                    self.new_in_window += rows.num_rows
                elif new:
                    self.new_late += rows.num_rows

    def _builder(self, day: date, is_own: bool) -> FileBuilder:
        whole_day = Window.of_day(day)
        span = whole_day.intersection(self.m.window) if is_own else whole_day
        assert span is not None  # a row of the window on this day exists
        return FileBuilder.for_span(self.schema, self.m.layout.published(day), span, self.m.suffix, self.scratch)


def within(times: Times, window: Window) -> pa.ChunkedArray:
    """Which of the times lie in the window."""
    return pc.and_(
        pc.greater_equal(times, pa.scalar(window.start, times.type)), pc.less(times, pa.scalar(window.end, times.type))
    )


def _keys(table: pa.Table, identity: tuple[str, ...]) -> pa.ChunkedArray:
    parts = []
    for name in identity:
        column = table.column(name)
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.int64())
        parts.append(column.cast(pa.string()))
    return pc.binary_join_element_wise(*parts, "\x1f", null_handling="replace")


def _days(times: Times) -> pa.ChunkedArray:
    return times.cast(pa.date32()).cast(pa.int32())


def _take(tables: Iterator[pa.Table], rows: Iterator[int]) -> Iterator[pa.Table]:
    """The rows with those numbers (ascending) of tables that follow one another."""
    offset = 0
    row = next(rows, None)
    for table in tables:
        if row is None:
            return
        end = offset + table.num_rows
        taken = []
        while row is not None and row < end:
            taken.append(row - offset)
            row = next(rows, None)
        if taken:
            yield table if len(taken) == table.num_rows else table.take(pa.array(taken))
        offset = end
