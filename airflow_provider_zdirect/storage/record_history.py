"""Every version of every record, with from when until when it was seen, in one file per merchant.

Beside it, under ``<dataset>_current``, lies the file of the versions that are valid now; it follows from the history.

No lock is taken. A run reads the history, puts its observation behind it, writes the whole as a new file, and looks
again. If another run has published something meanwhile, it begins anew, on top of that; if not, it deletes the files
that it has read. So a file is deleted only by who has written another that holds all that was in it. (And by who has
written it, if it turns out to come too late.) Files that lie beside one another, because runs met or one was killed,
are read as one history: of each record, all that happened, in the order of time.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from airflow_provider_zdirect.datasets import Dataset
from airflow_provider_zdirect.exceptions import ConcurrentRunError
from airflow_provider_zdirect.models.arrow import INSTANT, arrow_schema
from airflow_provider_zdirect.storage.layout import Layout, PublishedName
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.published_files import FileBuilder, PublishedFile, measure
from airflow_provider_zdirect.storage.record_versions import Seen, Version, as_one, digest_of, observe
from airflow_provider_zdirect.storage.row_changes import digests
from airflow_provider_zdirect.storage.row_files import BATCH_ROWS, read_batches
from airflow_provider_zdirect.storage.row_selection import row_keys

VALID_FROM, VALID_TO = "_valid_from", "_valid_to"
MAX_ROUNDS = 30
LONGEST_STEP_BACK = 10.0
_DICE = random.SystemRandom()


class LaterObservation(Exception):
    """Another run has published a later observation, which this one differs from; only a new one can say more."""


@dataclass(frozen=True)
class Recorded:
    """What became of an observation.

    :param file: the history; None if there is none yet.
    :param current_file: the versions that are valid now.
    :param stored: whether the history has changed.
    :param changes: ``added``, ``changed`` and ``removed`` records.
    """

    file: PublishedFile | None
    current_file: PublishedFile | None
    stored: bool
    changes: dict[str, int]


@dataclass(frozen=True)
class Standing:
    """What is valid now.

    :param rows: with the columns of the dataset's files.
    :param digest: of the content; the same for the same rows.
    """

    rows: pa.Table
    digest: str


@dataclass(frozen=True)
class RecordHistory:
    """The history of one dataset of one merchant.

    :param suffix: of files to be; those that are there may have another.
    :param pause: waits for so many seconds.
    """

    store: ObjectStore
    layout: Layout
    dataset: Dataset
    suffix: str
    pause: Callable[[float], None] = time.sleep

    @property
    def schema(self) -> pa.Schema:
        """Of the files: the dataset's columns and the two times."""
        schema = arrow_schema(self.dataset.model)
        return pa.schema([*schema, pa.field(VALID_FROM, INSTANT), pa.field(VALID_TO, INSTANT)])

    @property
    def current_layout(self) -> Layout:
        return Layout(f"{self.layout.dataset}_current", self.layout.merchant_id)

    def standing(self) -> Standing:
        """What is valid now, by the history."""
        for _ in range(MAX_ROUNDS):
            with contextlib.suppress(FileNotFoundError):
                pool = _Pool(self)
                valid = [version for version in pool.known(self.files()) if version.valid_to is None]
                rows = pool.take(valid).select(arrow_schema(self.dataset.model).names)
                return Standing(rows, digest_of((version.key, version.digest) for version in valid))
        raise self._met_too_often()

    def digest(self, rows: pa.Table) -> str:
        """What :class:`Standing` would have, if just these rows were valid."""
        assert self.dataset.identity is not None
        return digest_of(zip(row_keys(rows, self.dataset.identity).to_pylist(), digests(rows), strict=True))

    def record(self, rows: pa.Table, at: datetime, scope: tuple[str, Collection[str]] | None = None) -> Recorded:
        """Put an observation behind the history; safe to repeat, and at the same time as any other.

        :param rows: each record once.
        :param at: when it was made.
        :param scope: a field and the values of it that were asked for; None: all records were.
        :raises LaterObservation: if the history has a later one and this one does not agree with it.
        :raises ConcurrentRunError: if other runs kept publishing all the time.
        """
        run = _Recording(self, rows, at, scope)
        for number in range(MAX_ROUNDS):
            # Another run may delete a file between our listing and our reading; then we look again.
            with contextlib.suppress(FileNotFoundError):
                if (recorded := run.round()) is not None:
                    return recorded
            self.pause(_DICE.uniform(0, min(LONGEST_STEP_BACK, 0.02 * 2**number)))
        raise self._met_too_often()

    def files(self) -> list[str]:
        """The files of the history, the latest change last; usually one."""
        return self._dated(self.layout)

    def current_files(self) -> list[str]:
        return self._dated(self.current_layout)

    def _dated(self, layout: Layout) -> list[str]:
        names = {path: PublishedName.parse(path) for path in self.store.files_below(layout.merchant)}
        dated = [(name.fetched, name.part, path) for path, name in names.items() if name and name.fetched]
        return [path for _, _, path in sorted(dated)]

    def write(
        self, layout: Layout, rows: pa.Table, first: datetime, last: datetime, part: str | None = None
    ) -> PublishedFile:
        """A file whose rows began between ``first`` and ``last``."""
        with tempfile.TemporaryDirectory(prefix="zdirect-") as scratch:
            builder = FileBuilder(
                self.schema, layout.published(last.date()), self.suffix, scratch, fetched=last, part=part
            )
            builder.cover(first, last)
            for start in range(0, rows.num_rows, BATCH_ROWS):
                builder.write(rows.slice(start, BATCH_ROWS))
            return builder.publish(self.store)

    def _met_too_often(self) -> ConcurrentRunError:
        return ConcurrentRunError(
            f"{self.dataset.name} of merchant {self.layout.merchant_id}: other runs published the same history at the "
            f"same time, {MAX_ROUNDS} times in a row.",
            remedy="Let the retry do it; run fewer of them at once.",
            retry_after=self.dataset.refetch_delay,
        )


class _Recording:
    """One observation on its way into the history.

    ``mine`` are the files that it has written; ``settled``: one of them was found to hold everything.
    """

    def __init__(
        self, history: RecordHistory, rows: pa.Table, at: datetime, scope: tuple[str, Collection[str]] | None
    ) -> None:
        self.h = history
        self.rows = rows
        self.at = at
        self.scope = scope
        self.mine: set[str] = set()
        self.changed = False
        self.settled = False

    def round(self) -> Recorded | None:
        """None if another run came between."""
        history, files, pool = self.h, self.h.files(), _Pool(self.h)
        target = base = pool.known(files)
        if not self.settled:
            observed = pool.observed(self.rows)
            target = observe(base, observed, self.at, self._in_scope(pool, base))
            if target != base and self._is_outrun(files):
                # What is void must not become part of the history; nobody relies on a file that is not his own.
                for path in self.mine:
                    history.store.delete(path)
                raise LaterObservation
            self.changed = self.changed or target != base
        if not target:
            return Recorded(None, None, False, self._changes(target))
        if len(files) == 1 and target == base:
            holder = files[0]
        else:
            last = max(version.valid_to or version.valid_from for version in target)
            first = min(version.valid_from for version in target)
            holder = history.write(history.layout, pool.take(target), first, last).path
            self.mine.add(holder)
        there = history.files()
        if not set(there) <= {*files, holder}:
            return None
        for path in there:
            if path != holder:
                history.store.delete(path)
        self.settled = True
        current = self._keep_current(holder, pool, target)
        if current is None:
            return None
        file = measure(history.store, holder, len(target))
        return Recorded(file, current, self.changed, self._changes(target))

    def _keep_current(self, holder: str, pool: _Pool, versions: list[Version]) -> PublishedFile | None:
        """Let the file of what is valid now be that of this history; None if it is no longer the latest."""
        history, valid = self.h, [version for version in versions if version.valid_to is None]
        name = PublishedName.parse(holder)
        assert name is not None
        assert name.fetched is not None
        held = [path for path in history.current_files() if path.rpartition("/")[2].startswith(_stem(holder))]
        if not held:
            rows = pool.take(valid)
            held = [history.write(history.current_layout, rows, name.span.start, name.fetched, name.part).path]
        if history.files() != [holder]:
            return None
        for path in history.current_files():
            if path != held[0]:
                history.store.delete(path)
        return measure(history.store, held[0], len(valid))

    def _in_scope(self, pool: _Pool, base: list[Version]) -> Callable[[str], bool]:
        if self.scope is None:
            return lambda key: True
        name, values = self.scope
        asked = set(values)
        known = [version for version in base if version.valid_to is None]
        found = pool.take(known).column(name).to_pylist()
        keys = {version.key for version, value in zip(known, found, strict=True) if value in asked}
        return keys.__contains__

    def _is_outrun(self, files: list[str]) -> bool:
        names = (PublishedName.parse(path) for path in files if path not in self.mine)
        return any(name.fetched >= self.at for name in names if name and name.fetched)

    def _changes(self, versions: list[Version]) -> dict[str, int]:
        began = {version.key for version in versions if version.valid_from == self.at} if self.changed else set()
        ended = {version.key for version in versions if version.valid_to == self.at} if self.changed else set()
        return {"added": len(began - ended), "changed": len(began & ended), "removed": len(ended - began)}


class _Pool:
    """Rows from several places, as one table that versions point into."""

    def __init__(self, history: RecordHistory) -> None:
        self._h = history
        self._tables = [history.schema.empty_table()]
        self._size = 0

    def known(self, paths: list[str]) -> list[Version]:
        """The versions in those files, as one history."""
        tables = [
            pa.concat_tables([self._h.schema.empty_table(), *read_batches(self._h.store, path, self._h.schema)])
            for path in paths
        ]
        return as_one([self._versions(rows) for rows in tables])

    def observed(self, rows: pa.Table) -> dict[str, Seen]:
        for name in (VALID_FROM, VALID_TO):
            rows = rows.append_column(self._h.schema.field(name), pa.nulls(rows.num_rows, INSTANT))
        return {key: Seen(digest, row) for key, digest, row in self._entries(rows)}

    def take(self, versions: list[Version]) -> pa.Table:
        """Their rows, with their times."""
        rows = pa.concat_tables(self._tables).take(pa.array([version.row for version in versions], pa.int64()))
        for name, values in (
            (VALID_FROM, [version.valid_from for version in versions]),
            (VALID_TO, [version.valid_to for version in versions]),
        ):
            position = rows.schema.get_field_index(name)
            rows = rows.set_column(position, self._h.schema.field(name), pa.array(values, INSTANT))
        return rows

    def _versions(self, rows: pa.Table) -> list[Version]:
        starts, ends = rows.column(VALID_FROM).to_pylist(), rows.column(VALID_TO).to_pylist()
        return [
            Version(key, start, digest, end, row)
            for (key, digest, row), start, end in zip(self._entries(rows), starts, ends, strict=True)
        ]

    def _entries(self, rows: pa.Table) -> Iterable[tuple[str, bytes, int]]:
        offset, self._size = self._size, self._size + rows.num_rows
        self._tables.append(rows)
        assert self._h.dataset.identity is not None
        keys = row_keys(rows, self._h.dataset.identity).to_pylist()
        return zip(keys, digests(rows), range(offset, self._size), strict=True)


def _stem(path: str) -> str:
    """The name without the ending, which another format may have."""
    name = PublishedName.parse(path)
    assert name is not None
    return name.file_name("")
