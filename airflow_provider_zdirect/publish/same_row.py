# SPDX-License-Identifier: Apache-2.0
"""Whether two rows are of the same record, and whether they are the same: the one definition of each.

Rows are of the same record if the fields that identify it are equal (:func:`row_keys`, :func:`record_numbers`).

Rows are the same if all fields that hold something are equal, unknown ones included (:func:`row_hashes`). Null, an
empty text and an object without content hold nothing: a field that the models learn, or that zDirect begins to send
empty for every record, changes no row. Lineage does not count. Rows of the same text have the same ``_record_hash`` and
are the same, so only the others have to be looked into.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from typing import Any, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from airflow_provider_zdirect.datasets.arrow import RECORD_HASH, UNKNOWN_FIELDS
from airflow_provider_zdirect.storage.row_files import BATCH_ROWS

Numbers: TypeAlias = npt.NDArray[np.int64]

_EMPTY: tuple[Any, ...] = (None, "", {})


def row_keys(table: pa.Table, identity: tuple[str, ...]) -> pa.ChunkedArray:
    """One text per row that is the same for the same record."""
    first, *others = _parts(table, identity)
    return pc.binary_join_element_wise(first, *others, "\x1f") if others else first


def record_numbers(tables: Iterable[pa.Table], identity: tuple[str, ...]) -> Numbers:
    """One number per row, from 0 on, that is the same for the same record: as keys, for many rows."""
    encoded: list[list[pa.DictionaryArray]] = [[] for _ in identity]
    for table in tables:
        for part, chunks in zip(_parts(table, identity), encoded, strict=True):
            chunks += part.dictionary_encode().chunks
    numbers = np.zeros(1, np.int64)
    for chunks in encoded:
        column = pa.chunked_array(chunks, pa.dictionary(pa.int32(), pa.string())).unify_dictionaries()
        chunks.clear()
        of_column = codes(column)
        numbers = np.unique(numbers * len(of_column) + of_column, return_inverse=True)[1]
    return numbers


def codes(values: pa.ChunkedArray) -> Numbers:
    """A number for each value, from 0 on, that is the same for the same value; encoded ones share a dictionary."""
    chunks = values.dictionary_encode().chunks
    return np.concatenate([np.empty(0, np.int64), *(chunk.indices.to_numpy() for chunk in chunks)])


def _parts(table: pa.Table, identity: tuple[str, ...]) -> Iterator[pa.ChunkedArray]:
    for name in identity:
        column = table.column(name)
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.int64())
        yield column.cast(pa.string()).fill_null("")


def row_hashes(table: pa.Table, without: Collection[str] = ()) -> Numbers:
    """64 bits per row, in order, that are the same for the same row.

    Each row is looked into: ask for those only whose ``_record_hash`` does not answer the question.

    :param without: columns in which rows may differ and still be the same.
    """
    names = [name for name in table.column_names if name == UNKNOWN_FIELDS or (name[0] != "_" and name not in without)]
    hashes = []
    for batch in table.select(names).to_batches(max_chunksize=BATCH_ROWS):
        for row in batch.to_pylist():
            if unknown := row.get(UNKNOWN_FIELDS):
                left = _filled(json.loads(unknown))
                row[UNKNOWN_FIELDS] = json.dumps(left, sort_keys=True) if left else None
            hashes.append(xxhash.xxh3_64_intdigest(msgspec.json.encode(_filled(row), order="sorted")))
    return np.array(hashes, np.uint64).view(np.int64)


def same_rows(some: pa.Table, others: pa.Table) -> npt.NDArray[np.bool_]:
    """Which rows are the same as those that stand at their place in the other table."""
    same: npt.NDArray[np.bool_] = some.column(RECORD_HASH).to_numpy() == others.column(RECORD_HASH).to_numpy()
    unlike = np.flatnonzero(~same)
    same[unlike] = row_hashes(some.take(pa.array(unlike))) == row_hashes(others.take(pa.array(unlike)))
    return same


def unmatched(some: Numbers, others: Numbers) -> Numbers:
    """The places of those numbers that ``others`` do not have, or not as often; ascending."""
    # Numbers in order are found many times faster than others.
    order = np.argsort(some, kind="stable")
    in_order, others = some[order], np.sort(others)
    often = np.searchsorted(others, in_order, "right") - np.searchsorted(others, in_order)
    return np.sort(order[_earlier_of_same(in_order) >= often])


def earlier_of_same(numbers: Numbers) -> Numbers:
    """How often each number is there before its place."""
    order = np.argsort(numbers, kind="stable")
    earlier = np.empty(len(numbers), np.int64)
    earlier[order] = _earlier_of_same(numbers[order])
    return earlier


def _earlier_of_same(in_order: Numbers) -> Numbers:
    return np.arange(len(in_order)) - np.searchsorted(in_order, in_order)


def _filled(value: Any) -> Any:
    """What holds something of a value."""
    if isinstance(value, list):
        return [_filled(item) for item in value]
    if isinstance(value, dict):
        return {name: left for name, item in value.items() if (left := _filled(item)) not in _EMPTY}
    return value
