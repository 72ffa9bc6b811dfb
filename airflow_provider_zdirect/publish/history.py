# SPDX-License-Identifier: Apache-2.0
"""Every version of every record, with from when until when it was seen, in one file per merchant.

Beside it, under ``<dataset>_current``, lies the file of the versions that are valid now; it follows from the history.
Both are small, and are read and written whole.

No lock is taken. A run reads the history, puts its observation behind it, writes the whole as a new file, and looks
again. If another run has published something meanwhile, it begins anew, on top of that; if not, it deletes the files
that it has read. So a file is deleted only by a run that has written another with all that was in it, or by the run
that has written it, if it turns out to come too late. Files that lie beside one another, because runs met or one was
killed, are read as one history: of each record, all that happened, in the order of time.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.datasets.arrow import INSTANT, RECORD_HASH, arrow_schema
from airflow_provider_zdirect.datasets.table import Dataset
from airflow_provider_zdirect.publish.files import PublishedFile, PublishedState, measure, publish_tables
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.publish.read import read_published
from airflow_provider_zdirect.publish.record_versions import Version, as_one, observe
from airflow_provider_zdirect.publish.rounds import LaterObservation, in_rounds
from airflow_provider_zdirect.publish.same_row import row_hashes, row_keys, same_rows
from airflow_provider_zdirect.storage.layout import Layout, PublishedName, dated
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import read_table
from airflow_provider_zdirect.windows import Window

VALID_FROM, VALID_TO = "_valid_from", "_valid_to"


def history_schema(dataset: Dataset) -> pa.Schema:
    """The columns of the dataset's history, and of the table of what is valid now."""
    own = [pa.field(name, INSTANT) for name in (VALID_FROM, VALID_TO)]
    return pa.schema([*arrow_schema(dataset.model), *own])


@dataclass(frozen=True)
class KnownVersions:
    """What the files of a history hold.

    :param rows: of all files, one after the other.
    :param versions: one history of them all.
    """

    paths: list[str]
    rows: pa.Table
    versions: list[Version]

    @property
    def valid(self) -> pa.Table:
        """The records that are valid now, with the columns of the dataset."""
        now = [version.row for version in self.versions if version.valid_to is None]
        return self.rows.take(pa.array(now, pa.int64())).drop_columns([VALID_FROM, VALID_TO])


@dataclass(frozen=True)
class RecordHistory:
    """The history of one dataset of one merchant.

    :param pause: waits for this many seconds.
    """

    place: Place
    dataset: Dataset
    pause: Callable[[float], None] = time.sleep

    @property
    def layout(self) -> Layout:
        return self.place.layout(self.dataset.name)

    @property
    def current_layout(self) -> Layout:
        return self.place.layout(f"{self.dataset.name}_current")

    @property
    def identity(self) -> tuple[str, ...]:
        return self.dataset.publish.identity

    def read(self) -> KnownVersions:
        """All that is known.

        :raises ConcurrentRunError: if other runs keep replacing the files.
        """
        return read_published(self.place.in_words(self.dataset.name), lambda: self.read_files(self.files(self.layout)))

    def record(self, rows: pa.Table, at: datetime, scope: tuple[str, Collection[str]] | None = None) -> PublishedState:
        """Put an observation behind the history; safe to repeat, and at the same time as any other.

        :param rows: each record once.
        :param at: when it was made.
        :param scope: a field and the values of it that were asked for; None: all records were. What is known, in scope
            and not among ``rows`` is gone.
        :raises LaterObservation: if the history has a later one and this one does not agree with it.
        :raises ConcurrentRunError: if other runs kept publishing all the time.
        """
        run = _Recording(self, rows, at, scope)
        return in_rounds(
            self.place.in_words(self.dataset.name), run.round, self.pause, self.dataset.endpoint.refetch_delay
        )

    def files(self, layout: Layout) -> list[str]:
        """Paths of the files, the latest change last; usually one."""
        return [path for _, path in dated(self.place.store.files_below(layout.merchant))]

    def read_files(self, paths: list[str]) -> KnownVersions:
        """What these files hold.

        :raises FileNotFoundError: if one is gone.
        """
        schema = history_schema(self.dataset)
        all_rows, histories = schema.empty_table(), []
        for path in paths:
            rows = read_table(self.place.store, [path], schema)
            # One has no neighbours that are the same; several may have the same record under different texts.
            contents = rows.column(RECORD_HASH) if len(paths) == 1 else pa.array(row_hashes(rows))
            columns = (column.to_pylist() for column in (rows.column(VALID_FROM), contents, rows.column(VALID_TO)))
            numbers = range(all_rows.num_rows, all_rows.num_rows + rows.num_rows)
            keys = row_keys(rows, self.identity).to_pylist()
            histories.append([Version(*each) for each in zip(keys, *columns, numbers, strict=True)])
            all_rows = pa.concat_tables([all_rows, rows])
        return KnownVersions(paths, all_rows, as_one(histories))


@dataclass
class _Recording:
    """One observation on its way into the history.

    :param mine: files that it has written.
    :param settled: the file that was found to hold everything.
    """

    h: RecordHistory
    rows: pa.Table
    at: datetime
    scope: tuple[str, Collection[str]] | None
    mine: set[str] = field(default_factory=set)
    changed: bool = False
    settled: str | None = None

    @property
    def store(self) -> ObjectStore:
        return self.h.place.store

    def round(self) -> PublishedState | None:
        """None if another run came between."""
        # Another run may delete a file between our listing and our reading.
        with contextlib.suppress(FileNotFoundError):
            return self._round()
        return None

    def _round(self) -> PublishedState | None:
        h = self.h
        paths = h.files(h.layout)
        known = h.read_files(paths)
        versions = known.versions if self.settled else self._observed(known)
        if not versions:
            return PublishedState([], False, self._changes(versions))
        rows = self._table(known, versions)
        if len(paths) == 1 and versions == known.versions:
            holder = measure(self.store, paths[0], rows.num_rows)
        else:
            first = min(version.valid_from for version in versions)
            last = max(version.valid_to or version.valid_from for version in versions)
            span = Window(first, last + timedelta(microseconds=1))
            holder = publish_tables(h.place, h.dataset.name, last.date(), rows.schema, [rows], span, last)
            self.mine.add(holder.path)
        there = h.files(h.layout)
        if not set(there) <= {*paths, holder.path}:
            return None
        for path in there:
            if path != holder.path:
                self.store.delete(path)
        self.settled = self.settled or holder.path
        current = self._keep_current(holder.path, rows.filter(pc.is_null(rows.column(VALID_TO))))
        if current is None:
            return None
        return PublishedState([holder, current], self.changed, self._changes(versions), self.settled)

    def _observed(self, known: KnownVersions) -> list[Version]:
        seen = self._seen(known)
        versions = observe(known.versions, seen, self.at, self._in_scope(known))
        if versions != known.versions:
            later = [at for at, path in dated(known.paths) if path not in self.mine and at >= self.at]
            if later:
                # What is void must not become part of the history; no other run relies on a file that is not its own.
                for path in self.mine:
                    self.store.delete(path)
                raise LaterObservation(max(later))
            self.changed = True
        return versions

    def _seen(self, known: KnownVersions) -> list[Version]:
        """What was observed; what is the same as the version that is valid has the content of that."""
        keys, contents = row_keys(self.rows, self.h.identity), self.rows.column(RECORD_HASH).to_numpy().copy()
        valid = [version for version in known.versions if version.valid_to is None]
        at = pc.index_in(keys, value_set=pa.array([version.key for version in valid], pa.string()))
        ours, theirs = np.flatnonzero(at.is_valid()), at.drop_null().to_numpy()
        same = same_rows(self.rows.take(pa.array(ours)), known.valid.take(pa.array(theirs)))
        contents[ours[same]] = [valid[number].content for number in theirs[same]]
        numbered = enumerate(zip(keys.to_pylist(), contents.tolist(), strict=True), known.rows.num_rows)
        return [Version(key, self.at, content, None, row) for row, (key, content) in numbered]

    def _in_scope(self, known: KnownVersions) -> Callable[[Version], bool]:
        if self.scope is None:
            return lambda version: True
        name, values = self.scope
        asked = pc.is_in(known.rows.column(name), value_set=pa.array(sorted(values), pa.string())).to_pylist()
        return lambda version: bool(asked[version.row])

    def _table(self, known: KnownVersions, versions: list[Version]) -> pa.Table:
        """The rows of the versions; those that are new are numbered behind the known ones."""
        rows = pa.concat_tables([known.rows.drop_columns([VALID_FROM, VALID_TO]), self.rows])
        rows = rows.take(pa.array([version.row for version in versions], pa.int64()))
        rows = rows.append_column(VALID_FROM, pa.array([version.valid_from for version in versions], INSTANT))
        return rows.append_column(VALID_TO, pa.array([version.valid_to for version in versions], INSTANT))

    def _keep_current(self, holder: str, rows: pa.Table) -> PublishedFile | None:
        """Let the file of what is valid now be that of this history; None if it is no longer the latest."""
        h = self.h
        name = PublishedName.parse(holder)
        assert name is not None
        assert name.fetched is not None
        # The name without the ending, which another format may have.
        held = [path for path in h.files(h.current_layout) if f"/{name.file_name('')}" in path]
        if held:
            current = measure(self.store, held[0], rows.num_rows)
        else:
            day, fetched, dataset = name.fetched.date(), name.fetched, h.current_layout.dataset
            current = publish_tables(h.place, dataset, day, rows.schema, [rows], name.span, fetched, name.part)
        if h.files(h.layout) != [holder]:
            return None
        for path in h.files(h.current_layout):
            if path != current.path:
                self.store.delete(path)
        return current

    def _changes(self, versions: list[Version]) -> dict[str, int]:
        began = {version.key for version in versions if self.changed and version.valid_from == self.at}
        ended = {version.key for version in versions if self.changed and version.valid_to == self.at}
        return {"added": len(began - ended), "changed": len(began & ended), "removed": len(ended - began)}
