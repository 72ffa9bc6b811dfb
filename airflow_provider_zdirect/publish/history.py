"""Every version of every record, with from when until when it was seen, in one file per merchant.

Beside it, under ``<dataset>_current``, lies the file of the versions that are valid now; it follows from the history.

No lock is taken. A run reads the history, puts its observation behind it, writes the whole as a new file, and looks
again. If another run has published something meanwhile, it begins anew, on top of that; if not, it deletes the files
that it has read. So a file is deleted only by who has written another that holds all that was in it. (And by who has
written it, if it turns out to come too late.) Files that lie beside one another, because runs met or one was killed,
are read as one history: of each record, all that happened, in the order of time.

Each row has a hash of what it says, so that what is known is compared without being decoded.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.datasets.arrow import INSTANT, arrow_schema
from airflow_provider_zdirect.datasets.table import Dataset
from airflow_provider_zdirect.exceptions import ConcurrentRunError
from airflow_provider_zdirect.publish.content_hash import content_hashes
from airflow_provider_zdirect.publish.files import FileBuilder, PublishedFile, measure
from airflow_provider_zdirect.publish.known_versions import (
    VALID_FROM,
    VALID_TO,
    KnownVersions,
    history_schema,
    seen_in,
)
from airflow_provider_zdirect.publish.record_versions import Version, digest_of, observe
from airflow_provider_zdirect.publish.row_selection import row_keys
from airflow_provider_zdirect.storage.layout import Layout, PublishedName
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import read_batches

MAX_ROUNDS = 30
LONGEST_STEP_BACK = 10.0
_DICE = random.SystemRandom()


class LaterObservation(Exception):
    """Another run has published a later observation, which this one differs from; only a new one can say more.

    :param at: when the later one says that it was made.
    """

    def __init__(self, at: datetime) -> None:
        super().__init__(at)
        self.at = at


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

    :param count: of records.
    :param digest: of the content; the same for the same rows.
    :param known: what was read to say so.
    """

    count: int
    digest: str
    known: KnownVersions


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
        """Of the files."""
        return history_schema(self.dataset.model)

    @property
    def identity(self) -> tuple[str, ...]:
        assert self.dataset.identity is not None
        return self.dataset.identity

    @property
    def current_layout(self) -> Layout:
        return Layout(f"{self.layout.dataset}_current", self.layout.merchant_id)

    def standing(self) -> Standing:
        """What is valid now, by the history."""
        for _ in range(MAX_ROUNDS):
            with contextlib.suppress(FileNotFoundError):
                known = self.read(self.files())
                contents = ((version.key, version.digest) for version in known.valid)
                return Standing(len(known.valid), digest_of(contents), known)
        raise self._met_too_often()

    def rows(self, standing: Standing) -> pa.Table:
        """The records that stand, with the columns of the dataset's files.

        :raises FileNotFoundError: if another run has published something since.
        """
        rows = pa.concat_tables([self.schema.empty_table(), *standing.known.contents(standing.known.valid)])
        return rows.select(arrow_schema(self.dataset.model).names)

    def digest(self, rows: pa.Table) -> str:
        """What :class:`Standing` would have, if just these rows were valid."""
        return digest_of(zip(row_keys(rows, self.identity).to_pylist(), content_hashes(rows), strict=True))

    def read(self, paths: list[str]) -> KnownVersions:
        return KnownVersions.read(self.store, paths, self.schema, self.identity)

    def record(
        self,
        rows: pa.Table,
        at: datetime,
        scope: tuple[str, Collection[str]] | None = None,
        standing: Standing | None = None,
    ) -> Recorded:
        """Put an observation behind the history; safe to repeat, and at the same time as any other.

        :param rows: each record once.
        :param at: when it was made.
        :param scope: a field and the values of it that were asked for; None: all records were. What is known, in scope
            and not among ``rows`` is gone.
        :param standing: what was valid before; its reading is not repeated if no run has published since.
        :raises LaterObservation: if the history has a later one and this one does not agree with it.
        :raises ConcurrentRunError: if other runs kept publishing all the time.
        """
        run = _Recording(self, rows, at, scope, standing.known if standing else None)
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
        self, layout: Layout, tables: Iterable[pa.Table], first: datetime, last: datetime, part: str | None = None
    ) -> PublishedFile:
        """A file whose rows began between ``first`` and ``last``."""
        with tempfile.TemporaryDirectory(prefix="zdirect-") as scratch:
            builder = FileBuilder(
                self.schema, layout.published(last.date()), self.suffix, scratch, fetched=last, part=part
            )
            builder.cover(first, last)
            for table in tables:
                builder.write(table)
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
        self,
        history: RecordHistory,
        rows: pa.Table,
        at: datetime,
        scope: tuple[str, Collection[str]] | None,
        known: KnownVersions | None,
    ) -> None:
        self.h = history
        self.rows = rows
        self.at = at
        self.scope = scope
        self.known = known
        self.seen = seen_in(rows, history.identity, 0)
        self.mine: set[str] = set()
        self.changed = False
        self.settled = False

    def round(self) -> Recorded | None:
        """None if another run came between."""
        history, files = self.h, self.h.files()
        if self.known is None or list(self.known.paths) != files:
            self.known = history.read(files)
        known = self.known
        target = base = known.versions
        if not self.settled:
            first = len(known.keys)
            observed = {key: replace(seen, row=first + seen.row) for key, seen in self.seen.items()}
            target = observe(base, observed, self.at, self._in_scope(known))
            if target != base and (later := self._outrun_by(files)):
                # What is void must not become part of the history; nobody relies on a file that is not his own.
                for path in self.mine:
                    history.store.delete(path)
                raise LaterObservation(later)
            self.changed = self.changed or target != base
        if not target and not known.ended.num_rows:
            return Recorded(None, None, False, self._changes(known, target))
        if len(files) == 1 and target == base:
            holder = files[0]
        else:
            times = known.ended
            firsts = [version.valid_from for version in target]
            lasts = [version.valid_to or version.valid_from for version in target]
            if times.num_rows:
                firsts.append(pc.min(times.column(VALID_FROM)).as_py())
                lasts.append(pc.max(times.column(VALID_TO)).as_py())
            rows = known.all_with(target, self.rows)
            holder = history.write(history.layout, rows, min(firsts), max(lasts)).path
            self.mine.add(holder)
        there = history.files()
        if not set(there) <= {*files, holder}:
            return None
        for path in there:
            if path != holder:
                history.store.delete(path)
        self.settled = True
        current = self._keep_current(holder, sum(version.valid_to is None for version in target))
        if current is None:
            return None
        file = measure(history.store, holder, len(target) + known.ended.num_rows)
        return Recorded(file, current, self.changed, self._changes(known, target))

    def _keep_current(self, holder: str, count: int) -> PublishedFile | None:
        """Let the file of what is valid now be that of this history; None if it is no longer the latest."""
        history = self.h
        name = PublishedName.parse(holder)
        assert name is not None
        assert name.fetched is not None
        held = [path for path in history.current_files() if path.rpartition("/")[2].startswith(_stem(holder))]
        if not held:
            tables = read_batches(history.store, holder, history.schema)
            valid = (table.filter(pc.is_null(table.column(VALID_TO))) for table in tables)
            held = [history.write(history.current_layout, valid, name.span.start, name.fetched, name.part).path]
        if history.files() != [holder]:
            return None
        for path in history.current_files():
            if path != held[0]:
                history.store.delete(path)
        return measure(history.store, held[0], count)

    def _in_scope(self, known: KnownVersions) -> Callable[[str], bool]:
        if self.scope is None:
            return lambda key: True
        name, values = self.scope
        rows = pa.concat_tables([self.h.schema.empty_table(), *known.contents(known.valid)])
        asked = rows.filter(pc.is_in(rows.column(name), value_set=pa.array(sorted(values), pa.string())))
        return set(row_keys(asked, self.h.identity).to_pylist()).__contains__

    def _outrun_by(self, files: list[str]) -> datetime | None:
        names = (PublishedName.parse(path) for path in files if path not in self.mine)
        times = [name.fetched for name in names if name and name.fetched and name.fetched >= self.at]
        return max(times, default=None)

    def _changes(self, known: KnownVersions, versions: list[Version]) -> dict[str, int]:
        if not self.changed:
            return {"added": 0, "changed": 0, "removed": 0}
        began = {version.key for version in versions if version.valid_from == self.at}
        ended = {version.key for version in versions if version.valid_to == self.at}
        for keys, name in ((began, VALID_FROM), (ended, VALID_TO)):
            keys.update(known.ended.filter(pc.field(name) == pa.scalar(self.at, INSTANT)).column("key").to_pylist())
        return {"added": len(began - ended), "changed": len(began & ended), "removed": len(ended - began)}


def _stem(path: str) -> str:
    """The name without the ending, which another format may have."""
    name = PublishedName.parse(path)
    assert name is not None
    return name.file_name("")
