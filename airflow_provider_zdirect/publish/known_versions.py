"""The versions in the files of a history: read without their content, and written anew with what has changed.

A file is in the order of its records and, for each, of time: the versions of a record, which are much alike, compress
well, and a changed history is written while the former one is read.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.datasets.arrow import INSTANT, arrow_schema
from airflow_provider_zdirect.datasets.record import Record
from airflow_provider_zdirect.publish.content_hash import content_hashes
from airflow_provider_zdirect.publish.record_versions import Seen, Version, as_one, in_order
from airflow_provider_zdirect.publish.row_selection import row_keys, take_rows
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import BATCH_ROWS, read_batches

CONTENT_HASH, VALID_FROM, VALID_TO = "_content_hash", "_valid_from", "_valid_to"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def history_schema(model: type[Record]) -> pa.Schema:
    """The dataset's columns, the hash of what a row says, and the two times."""
    own = [pa.field(CONTENT_HASH, pa.int64()), pa.field(VALID_FROM, INSTANT), pa.field(VALID_TO, INSTANT)]
    return pa.schema([*arrow_schema(model), *own])


@dataclass(frozen=True)
class KnownVersions:
    """What the files of a history hold. Rows are numbered through all of them.

    :param keys: of every row.
    :param versions: of one file those that have not ended: the others change no more. Of several, all, as one history.
    :param ended: columns ``key`` and the two times of the versions that are not among ``versions``.
    """

    store: ObjectStore
    schema: pa.Schema
    paths: tuple[str, ...]
    keys: pa.Array
    versions: list[Version]
    ended: pa.Table

    @classmethod
    def read(cls, store: ObjectStore, paths: list[str], schema: pa.Schema, identity: tuple[str, ...]) -> KnownVersions:
        columns = [*identity, CONTENT_HASH, VALID_FROM, VALID_TO]
        empty = pa.schema([schema.field(name) for name in columns]).empty_table()
        files = [pa.concat_tables([empty, *read_batches(store, path, schema, columns)]) for path in paths]
        rows = pa.concat_tables([empty, *files])
        keys = row_keys(rows, identity).combine_chunks()
        rows = rows.select(columns[len(identity) :]).append_column("key", keys)
        if len(files) == 1:
            valid = pc.is_null(rows.column(VALID_TO))
            versions = in_order(_versions(rows.filter(valid), pc.indices_nonzero(valid).to_pylist()))
            return cls(store, schema, tuple(paths), keys, versions, rows.filter(pc.invert(valid)))
        histories, start = [], 0
        for file in files:
            numbers = range(start, start := start + file.num_rows)
            histories.append(_versions(rows.slice(numbers.start, file.num_rows), numbers))
        return cls(store, schema, tuple(paths), keys, as_one(histories), rows.slice(0, 0))

    @property
    def valid(self) -> list[Version]:
        return [version for version in self.versions if version.valid_to is None]

    def contents(self, versions: Iterable[Version]) -> Iterator[pa.Table]:
        """Their rows, in the order of the files, as the files have them."""
        yield from take_rows(self._tables(), iter(sorted(version.row for version in versions)))

    def all_with(self, target: list[Version], observed: pa.Table) -> Iterator[pa.Table]:
        """All rows, if ``target`` is what becomes of ``versions``.

        :param observed: rows of new versions, numbered behind those of the files.
        """
        pieces = self._with(target, observed) if len(self.paths) == 1 else self._made_one(target, observed)
        held = [self.schema.empty_table()]
        for piece in pieces:
            held.append(piece)
            if sum(table.num_rows for table in held) >= BATCH_ROWS:
                rows = pa.concat_tables(held)
                yield rows.slice(0, BATCH_ROWS)
                held = [rows.slice(BATCH_ROWS)]
        rows = pa.concat_tables(held)
        yield from (rows.slice(start, BATCH_ROWS) for start in range(0, rows.num_rows, BATCH_ROWS))

    def _with(self, target: list[Version], observed: pa.Table) -> Iterator[pa.Table]:
        size = len(self.keys)
        ends = {version.row: _micros(version.valid_to) for version in target if version.row < size}
        new = [version for version in target if version.row >= size]
        places = [bisect_right(range(size), v.key, key=lambda row: self.keys[row].as_py()) for v in new]
        came = _new_rows(new, observed, size, self.schema)
        start = done = 0
        for table in self._tables():
            numbers = range(start, start := start + table.num_rows)
            until = table.column(VALID_TO).cast(pa.int64()).to_pylist()
            table = _ended(table, [ends.get(row, before) for row, before in zip(numbers, until, strict=True)])
            order, first, last = [], 0, done
            while last < len(new) and places[last] < numbers.stop:
                place = places[last] - numbers.start
                order += [*range(first, place), table.num_rows + last - done]
                first, last = place, last + 1
            if last > done:
                order += range(first, table.num_rows)
                table = pa.concat_tables([table, came.slice(done, last - done)]).take(pa.array(order, pa.int64()))
            done = last
            yield table
        yield came.slice(done)

    def _made_one(self, target: list[Version], observed: pa.Table) -> Iterator[pa.Table]:
        size = len(self.keys)
        known = [version for version in target if version.row < size]
        rows = pa.concat_tables([self.schema.empty_table(), *self.contents(known)])
        numbers = {row: number for number, row in enumerate(sorted(version.row for version in known))}
        rows = rows.take(pa.array([numbers[version.row] for version in known], pa.int64()))
        rows = _ended(rows, [_micros(version.valid_to) for version in known])
        new = [version for version in target if version.row >= size]
        rows = pa.concat_tables([rows, _new_rows(new, observed, size, self.schema)])
        place = {version: number for number, version in enumerate([*known, *new])}
        yield rows.take(pa.array([place[version] for version in target], pa.int64()))

    def _tables(self) -> Iterator[pa.Table]:
        for path in self.paths:
            yield from read_batches(self.store, path, self.schema)


def seen_in(rows: pa.Table, identity: tuple[str, ...], first: int) -> dict[str, Seen]:
    """What rows say, by key.

    :param first: number of the first of them.
    """
    found = zip(row_keys(rows, identity).to_pylist(), content_hashes(rows), strict=True)
    return {key: Seen(digest, number) for number, (key, digest) in enumerate(found, first)}


def _versions(rows: pa.Table, numbers: Iterable[int]) -> list[Version]:
    columns = (rows.column(name).to_pylist() for name in ("key", VALID_FROM, CONTENT_HASH, VALID_TO))
    return [Version(*values) for values in zip(*columns, numbers, strict=True)]


def _new_rows(new: list[Version], observed: pa.Table, size: int, schema: pa.Schema) -> pa.Table:
    rows = observed.take(pa.array([version.row - size for version in new], pa.int64()))
    own = {
        CONTENT_HASH: [version.digest for version in new],
        VALID_FROM: [version.valid_from for version in new],
        VALID_TO: [version.valid_to for version in new],
    }
    for name, values in own.items():
        rows = rows.append_column(schema.field(name), pa.array(values, schema.field(name).type))
    return rows


def _ended(rows: pa.Table, until: list[int | None]) -> pa.Table:
    position = rows.schema.get_field_index(VALID_TO)
    return rows.set_column(position, rows.schema.field(position), pa.array(until, pa.int64()).cast(INSTANT))


def _micros(at: datetime | None) -> int | None:
    return None if at is None else (at - _EPOCH) // timedelta(microseconds=1)
