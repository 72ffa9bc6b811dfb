"""Every version of every record, with from when until when it was seen, in one file per merchant.

Beside it, under ``<dataset>_current``, lies the file of the versions that are valid now; it follows from the history.

No lock is taken. A run reads the history, puts its observation behind it, writes the whole as a new file, and looks
again. A file is deleted only if the one that stays holds all that was in it, and only by who has looked again and
found nobody between; who has, begins anew. Files that lie beside one another (runs that met, or one that was killed)
are read as one history: of each record, all that happened, in the order of time. ``docs/exactly-once.md`` has more.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain

import pyarrow as pa

from airflow_provider_zdirect.datasets import Dataset
from airflow_provider_zdirect.exceptions import ConcurrentRunError
from airflow_provider_zdirect.models.arrow import INSTANT, arrow_schema
from airflow_provider_zdirect.storage.layout import Layout, PublishedName
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.published_files import FileBuilder, PublishedFile, measure
from airflow_provider_zdirect.storage.row_changes import digests
from airflow_provider_zdirect.storage.row_files import BATCH_ROWS, read_batches
from airflow_provider_zdirect.storage.row_selection import row_keys

VALID_FROM, VALID_TO = "_valid_from", "_valid_to"
MAX_ROUNDS = 30
LONGEST_STEP_BACK = 10.0
_DICE = random.SystemRandom()


@dataclass(frozen=True)
class Version:
    """A record as it was seen from one observation until the one in which it was another, or gone.

    :param key: names the record.
    :param digest: of its content.
    :param valid_to: None: it still is so.
    :param row: where its row is; two of the same content may have different ones.
    """

    key: str
    valid_from: datetime
    digest: bytes
    valid_to: datetime | None = None
    row: int = field(default=-1, compare=False)


@dataclass(frozen=True)
class Seen:
    """The content of an observed record.

    :param row: where its row is.
    """

    digest: bytes
    row: int = -1


def observe(
    history: Iterable[Version],
    observed: Mapping[str, Seen],
    at: datetime,
    in_scope: Callable[[str], bool] = lambda key: True,
) -> list[Version]:
    """The history after an observation that is later than all of it.

    :param history: versions of each record do not overlap.
    :param observed: all records in scope, by key.
    :param in_scope: which of the known records the observation would have seen, if they were still there.
    """
    versions, missing = [], dict(observed)
    for version in history:
        if version.valid_to is not None or (version.key not in observed and not in_scope(version.key)):
            versions.append(version)
        elif version.key in observed and observed[version.key].digest == version.digest:
            versions.append(version)
            del missing[version.key]
        else:
            versions.append(replace(version, valid_to=at))
    versions += [Version(key, at, seen.digest, None, seen.row) for key, seen in missing.items()]
    return _in_order(versions)


def as_one(histories: Sequence[Iterable[Version]]) -> list[Version]:
    """One history of all that happened in several: of each record the beginnings and ends, in the order of time.

    One of them may be the beginning of another; then it is the other.
    """
    if len(histories) == 1:
        return _in_order(histories[0])
    # What begins at a time is what is true then, even if something else ends.
    events: dict[str, dict[datetime, tuple[bool, bytes, int]]] = {}
    for version in chain.from_iterable(histories):
        times = events.setdefault(version.key, {})
        begins = (True, version.digest, version.row)
        times[version.valid_from] = max(times.get(version.valid_from, begins), begins)
        if version.valid_to is not None:
            times.setdefault(version.valid_to, (False, b"", -1))
    versions: list[Version] = []
    for key, times in events.items():
        current: Version | None = None
        for at, (is_beginning, digest, row) in sorted(times.items()):
            if current is not None and is_beginning and current.digest == digest:
                continue
            if current is not None:
                versions.append(replace(current, valid_to=at))
            current = Version(key, at, digest, None, row) if is_beginning else None
        if current is not None:
            versions.append(current)
    return _in_order(versions)


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


def digest_of(contents: Iterable[tuple[str, bytes]]) -> str:
    """One for a set of records.

    :param contents: key and digest of each.
    """
    found = hashlib.blake2b(digest_size=16)
    for key, digest in sorted(contents):
        found.update(key.encode("utf-8", "surrogatepass") + b"\x1e" + digest)
    return found.hexdigest()


class _Recording:
    """One observation on its way into the history.

    ``mine`` are files that hold it already; ``settled``: one of them was found to hold everything.
    """

    def __init__(
        self, history: RecordHistory, rows: pa.Table, at: datetime, scope: tuple[str, Collection[str]] | None
    ) -> None:
        self.h = history
        self.rows = rows
        self.at = at
        self.scope = scope
        self.mine: set[str] = set()
        self.settled = False

    def round(self) -> Recorded | None:
        """None if another run came between."""
        history, files, pool = self.h, self.h.files(), _Pool(self.h)
        target = base = pool.known(files)
        if not self.settled:
            observed = pool.observed(self.rows)
            target = observe(base, observed, self.at, self._in_scope(pool, base))
            if target != base and self._is_outrun(files):
                raise LaterObservation
        if not target:
            return Recorded(None, None, False, self._changes(target))
        holder = next((path for path in reversed(files) if pool.versions[path] == target), None)
        if holder is None:
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
        return Recorded(file, current, bool(self.mine), self._changes(target))

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
        began = {version.key for version in versions if version.valid_from == self.at} if self.mine else set()
        ended = {version.key for version in versions if version.valid_to == self.at} if self.mine else set()
        return {"added": len(began - ended), "changed": len(began & ended), "removed": len(ended - began)}


class _Pool:
    """Rows from several places, as one table that versions point into."""

    def __init__(self, history: RecordHistory) -> None:
        self._h = history
        self._tables = [history.schema.empty_table()]
        self._size = 0
        self.versions: dict[str, list[Version]] = {}

    def known(self, paths: list[str]) -> list[Version]:
        """The versions in those files, as one history."""
        for path in paths:
            tables = list(read_batches(self._h.store, path, self._h.schema))
            found = self._versions(pa.concat_tables([self._h.schema.empty_table(), *tables]))
            self.versions[path] = _in_order(found)
        return as_one(list(self.versions.values()))

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


def _in_order(versions: Iterable[Version]) -> list[Version]:
    return sorted(versions, key=lambda version: (version.key, version.valid_from))


def _stem(path: str) -> str:
    """The name without the ending, which another format may have."""
    name = PublishedName.parse(path)
    assert name is not None
    return name.file_name("")
