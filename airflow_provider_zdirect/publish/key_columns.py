# SPDX-License-Identifier: Apache-2.0
"""The columns that decide which row of a record wins, read from many files and handed out stretch by stretch.

A record has the same time wherever it is, if its time is part of its identity. So rows of different times need not be
compared, and memory does not grow with rows: few are kept in memory, many are kept on the local disk and come back in
stretches of time. Each file is read once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from airflow_provider_zdirect.datasets.arrow import EXTRACTED_AT, RECORD_HASH, arrow_schema
from airflow_provider_zdirect.datasets.table import Dataset
from airflow_provider_zdirect.publish.placed_rows import DAY, Mask, RowFilter, date_of, instant_of, integers, within
from airflow_provider_zdirect.publish.same_row import Numbers, codes, row_keys
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import read_batches
from airflow_provider_zdirect.windows import Window

STRETCH_ROWS = 65_536
"""Rows that are compared at the same time, about; each takes some 250 bytes meanwhile."""

PART_ROWS = 16_384
"""Rows that are read before they are put aside."""

SAMPLED = 1_000
"""One of so many rows says where stretches end."""

Spans: TypeAlias = dict[date, tuple[datetime, datetime]]
"""Days, each with the first and the last time on it."""


@dataclass(frozen=True)
class KeyRows:
    """Rows of several files, as columns of one length.

    :param number: of the row, among all rows of all files.
    :param source: number of its file.
    :param near: a number that is the same for the same record; of rows that share it, ``text`` says which record.
    :param text: the same for the same record.
    :param version: of the record; ``fetched`` decides between rows of one version.
    :param content: ``_record_hash``.
    :param day: days since 1970.
    :param own: whether the row is of the window.
    :param held: whether it is in a published file; otherwise it was just fetched.
    """

    number: Numbers
    source: Numbers
    near: Numbers
    text: pa.ChunkedArray
    version: Numbers
    fetched: Numbers
    content: Numbers
    time: Numbers
    own: Mask
    held: Mask

    @property
    def day(self) -> Numbers:
        return self.time // DAY


@dataclass
class KeyColumns:
    """Add the files with fetched rows, then the published ones; then take the stretches.

    :param window: rows of it are the run's own.
    :param scratch: folder on the local disk.
    :param ends: of each file in order: how many rows it and those before it have.
    :param answered: how many rows the files with fetched rows have.
    :param spans: of the rows that were added and are wanted.
    :param samples: times of some of them: each stands for ``SAMPLED`` rows.
    """

    store: ObjectStore
    dataset: Dataset
    window: Window
    scratch: str
    ends: list[int] = field(default_factory=list)
    answered: int = 0
    spans: Spans = field(default_factory=dict)
    samples: list[Numbers] = field(default_factory=list)
    _read: list[pa.Table] = field(default_factory=list)
    _parts: list[pa.RecordBatch] = field(default_factory=list)
    _aside: list[tuple[int, int]] = field(default_factory=list)
    _file: Any = None

    @property
    def rows(self) -> int:
        """Of all files."""
        return self.ends[-1] if self.ends else 0

    def rows_of(self, source: int) -> slice:
        """Numbers of the rows of a file."""
        return slice(self.ends[source - 1] if source else 0, self.ends[source])

    def add(self, paths: list[str], wanted: RowFilter | None) -> None:
        """Add files with fetched rows, of which those count that are ``wanted``, or published files."""
        once = self.dataset.once
        names = [*once.identity, once.time_field, once.placed_by, once.version_field, EXTRACTED_AT, RECORD_HASH]
        columns = [name for name in dict.fromkeys(names) if name is not None]
        schema = arrow_schema(self.dataset.model)
        rows, taken = self.rows, self.rows
        for path in paths:
            for table in read_batches(self.store, path, schema, columns):
                self._read.append(table)
                rows += table.num_rows
                if rows - taken >= PART_ROWS:
                    self._take(taken, wanted)
                    taken = rows
            self.ends.append(rows)
        self._take(taken, wanted)
        if wanted is not None:
            self.answered = rows

    def stretches(self) -> Iterator[KeyRows]:
        """All rows, those of one record together."""
        if self._file is None:
            if self._parts:
                yield self._as_rows(self._parts)
            return
        self._put_aside()
        self._file.close()
        samples = np.sort(np.concatenate(self.samples))
        step = STRETCH_ROWS // SAMPLED
        ends = [*np.unique(samples[step::step]).tolist(), np.iinfo(np.int64).max]
        with pa.OSFile(str(self._path)) as file:
            aside, start = pa.ipc.open_file(file), np.iinfo(np.int64).min
            for end in ends:
                touched = [part for part, (first, last) in enumerate(self._aside) if first < end and last >= start]
                if touched:
                    yield self._as_rows([_between(aside.get_batch(part), start, end) for part in touched])
                start = end

    def _take(self, first: int, wanted: RowFilter | None) -> None:
        """Make a part of what was read: rows from number ``first`` on."""
        if not self._read:
            return
        table, once = pa.concat_tables(self._read), self.dataset.once
        self._read.clear()
        placed = table.column(once.placed_by)
        fetched = integers(table.column(EXTRACTED_AT))
        if wanted is not None and not once.replaces_known:
            # Older than anything: it adds records, and takes no fields from those that are there.
            version = np.zeros_like(fetched)
        else:
            version = np.ones_like(fetched) if once.version_field is None else integers(table[once.version_field])
        part = pa.table(
            {
                "number": np.arange(first, first + table.num_rows),
                "text": row_keys(table, tuple(name for name in once.identity if name != once.time_field)),
                "time": integers(table.column(once.time_field)),
                "version": version,
                "fetched": fetched,
                "content": integers(table.column(RECORD_HASH)),
                "own": within(placed, self.window),
            }
        )
        if wanted is not None:
            part = part.filter(wanted(placed))
        if not part.num_rows:
            return
        times = integers(part.column("time"))
        self.samples.append(np.sort(times)[::SAMPLED].copy())
        self.spans = union(self.spans, _spans(times))
        self._parts += part.combine_chunks().to_batches()
        if self._by_time and sum(kept.num_rows for kept in self._parts) > STRETCH_ROWS:
            self._put_aside()

    def _put_aside(self) -> None:
        if self._parts and self._file is None:
            packed = pa.ipc.IpcWriteOptions(compression="lz4")
            self._file = pa.ipc.new_file(str(self._path), self._parts[0].schema, options=packed)
        for part in self._parts:
            times = part.column("time").to_numpy()
            self._aside.append((int(times.min()), int(times.max())))
            self._file.write(part)
        self._parts.clear()

    @property
    def _path(self) -> Path:
        return Path(self.scratch) / "key_columns.arrow"

    def _as_rows(self, parts: list[pa.RecordBatch]) -> KeyRows:
        table = pa.Table.from_batches(parts)
        numbers = {name: integers(table.column(name)) for name in ("number", "version", "fetched", "content", "time")}
        return KeyRows(
            **numbers,
            source=np.searchsorted(np.asarray(self.ends), numbers["number"], side="right"),
            near=codes(table.column("time")) if self._by_time else np.zeros_like(numbers["time"]),
            text=table.column("text"),
            own=table.column("own").to_numpy(),
            held=numbers["number"] >= self.answered,
        )

    @property
    def _by_time(self) -> bool:
        """Whether rows of different times are of different records."""
        return self.dataset.once.time_field in self.dataset.once.identity


def union(some: Spans, others: Spans) -> Spans:
    """The days of both, each with the first and the last time."""
    both = dict(some)
    for day, (first, last) in others.items():
        known = both.get(day, (first, last))
        both[day] = (min(first, known[0]), max(last, known[1]))
    return both


def _spans(times: Numbers) -> Spans:
    days = times // DAY
    found = {}
    for day in np.unique(days).tolist():
        there = times[days == day]
        found[date_of(day)] = (instant_of(int(there.min())), instant_of(int(there.max())))
    return found


def _between(part: pa.RecordBatch, start: int, end: int) -> pa.RecordBatch:
    times = part.column("time").to_numpy()
    inside = (times >= start) & (times < end)
    return part if inside.all() else part.filter(pa.array(inside))
