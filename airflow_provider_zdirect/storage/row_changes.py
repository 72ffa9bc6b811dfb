"""What differs between two sets of rows that nothing identifies: a comparison of multisets.

Two rows are the same if all their fields are, unknown ones included; where they came from and when does not count.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from airflow_provider_zdirect.models.arrow import UNKNOWN_FIELDS
from airflow_provider_zdirect.storage.row_files import BATCH_ROWS, as_json_value

Tables = Callable[[], Iterator[pa.Table]]
"""Gives the rows from their beginning, every time it is called."""


@dataclass(frozen=True)
class RowChanges:
    """What became of rows.

    :param changed: rows as they were and as they are, where enough is alike to take the one for the other.
    """

    added: list[dict[str, Any]] = field(default_factory=list)
    removed: list[dict[str, Any]] = field(default_factory=list)
    changed: list[tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    @property
    def counts(self) -> dict[str, int]:
        return {"added": len(self.added), "removed": len(self.removed), "changed": len(self.changed)}

    def as_lines(self) -> bytes:
        """A line of JSON for each."""
        found = [
            *({"change": "changed", "before": before, "after": after} for before, after in self.changed),
            *({"change": "removed", "before": row, "after": None} for row in self.removed),
            *({"change": "added", "before": None, "after": row} for row in self.added),
        ]
        return b"".join(json.dumps(line, default=as_json_value, ensure_ascii=False).encode() + b"\n" for line in found)


def row_changes(before: Tables, after: Tables, alike: tuple[str, ...]) -> RowChanges:
    """The difference of two multisets of rows.

    :param alike: fields by which a row that is gone and one that came are taken for one that changed.
    """
    were, are = _counted(before()), _counted(after())
    gone = _surplus(before(), were - are) if were - are else []
    came = _surplus(after(), are - were) if are - were else []
    gone_by_key: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in gone:
        gone_by_key[_key(row, alike)].append(row)
    added, changed = [], []
    for row in came:
        same = gone_by_key[_key(row, alike)] if alike else []
        if same:
            changed.append((same.pop(0), row))
        else:
            added.append(row)
    return RowChanges(added, [row for rows in gone_by_key.values() for row in rows], changed)


def contents(table: pa.Table) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Every row without its lineage, and a digest of it."""
    names = [name for name in table.column_names if not name.startswith("_") or name == UNKNOWN_FIELDS]
    for row in table.select(names).to_pylist():
        text = json.dumps(row, default=as_json_value, sort_keys=True)
        yield hashlib.blake2b(text.encode(), digest_size=16).digest(), row


def digests(table: pa.Table) -> Iterator[bytes]:
    """Of every row, in order, as :func:`contents` has them."""
    for batch in table.to_batches(max_chunksize=BATCH_ROWS):
        yield from (digest for digest, _ in contents(pa.Table.from_batches([batch])))


def _counted(tables: Iterator[pa.Table]) -> Counter[bytes]:
    return Counter(digest for table in tables for digest, _ in contents(table))


def _surplus(tables: Iterator[pa.Table], surplus: Counter[bytes]) -> list[dict[str, Any]]:
    """As many rows of each content as ``surplus`` says."""
    left, rows = Counter(surplus), []
    for table in tables:
        for digest, row in contents(table):
            if left[digest] > 0:
                left[digest] -= 1
                rows.append(row)
    return rows


def _key(row: dict[str, Any], alike: tuple[str, ...]) -> str:
    return json.dumps([row[name] for name in alike], default=as_json_value)
