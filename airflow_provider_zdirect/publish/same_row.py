"""Whether two rows are of the same record, and whether they are the same: the one definition of each.

Rows are of the same record if the fields that identify it are equal (:func:`row_keys`).

Rows are the same if all fields that hold something are equal, unknown ones included (:func:`row_hashes`). Null, an
empty text and an object without content hold nothing: a field that the models learn, or that zDirect begins to send
empty for every record, changes no row. Lineage does not count. Rows of the same text have the same ``_record_hash`` and
are the same, so only the others have to be looked into.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.datasets.arrow import UNKNOWN_FIELDS
from airflow_provider_zdirect.storage.row_files import BATCH_ROWS

_EMPTY: tuple[Any, ...] = (None, "", {})


def row_keys(table: pa.Table, identity: tuple[str, ...]) -> pa.ChunkedArray:
    """One text per row that is the same for the same record."""
    parts = []
    for name in identity:
        column = table.column(name)
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.int64())
        parts.append(column.cast(pa.string()))
    return pc.binary_join_element_wise(*parts, "\x1f", null_handling="replace")


def row_hashes(table: pa.Table, without: Collection[str] = ()) -> Iterator[int]:
    """64 bits per row, in order, that are the same for the same row.

    :param without: columns in which rows may differ and still be the same.
    """
    names = [name for name in table.column_names if name == UNKNOWN_FIELDS or (name[0] != "_" and name not in without)]
    for batch in table.select(names).to_batches(max_chunksize=BATCH_ROWS):
        for row in batch.to_pylist():
            if unknown := row.get(UNKNOWN_FIELDS):
                left = _filled(json.loads(unknown))
                row[UNKNOWN_FIELDS] = json.dumps(left, sort_keys=True) if left else None
            content = msgspec.json.encode(_filled(row), order="sorted")
            yield int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big", signed=True)


def contents(table: pa.Table, identity: tuple[str, ...]) -> dict[str, int]:
    """The hash of every record, by its key; each record once."""
    return dict(zip(row_keys(table, identity).to_pylist(), row_hashes(table), strict=True))


def digest(contents: Mapping[str, int]) -> str:
    """The same for the same records with the same content."""
    found = hashlib.blake2b(digest_size=16)
    for key, content in sorted(contents.items()):
        found.update(key.encode("utf-8", "surrogatepass") + b"\x1e" + content.to_bytes(8, "big", signed=True))
    return found.hexdigest()


def _filled(value: Any) -> Any:
    """What holds something of a value."""
    if isinstance(value, list):
        return [_filled(item) for item in value]
    if isinstance(value, dict):
        return {name: left for name, item in value.items() if (left := _filled(item)) not in _EMPTY}
    return value
