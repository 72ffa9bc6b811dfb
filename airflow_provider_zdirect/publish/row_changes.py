"""What differs between two sets of rows that nothing identifies: a comparison of multisets.

Two rows are the same if all their fields are, unknown ones included unless they are empty; where they came from and
when does not count. Rows that came as the same text are not looked into.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import IO, Any, NamedTuple

import pyarrow as pa

from airflow_provider_zdirect.datasets.arrow import RECORD_HASH, UNKNOWN_FIELDS
from airflow_provider_zdirect.storage.row_files import BATCH_ROWS, as_json_value

_JSON = json.JSONEncoder(default=as_json_value, ensure_ascii=False).encode

Tables = Callable[[], Iterator[pa.Table]]
"""Gives the rows from their beginning, every time it is called."""


@dataclass(frozen=True)
class RowChanges:
    """How many rows came, went, and changed: where enough is alike to take one that went for one that came."""

    added: int = 0
    removed: int = 0
    changed: int = 0

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    @property
    def counts(self) -> dict[str, int]:
        return asdict(self)


class _Row(NamedTuple):
    """A row that only one side seems to have; its text lies in a file."""

    digest: bytes
    key: bytes
    start: int
    size: int


def row_changes(
    before: Tables, after: Tables, alike: tuple[str, ...], write: Callable[[bytes], object] | None = None
) -> RowChanges:
    """The difference of two multisets of rows.

    :param alike: fields by which a row that is gone and one that came are taken for one that changed.
    :param write: is given a line of JSON for each difference: ``change``, ``before`` and ``after``.
    """
    were, are = _hashes(before()), _hashes(after())
    if were == are:
        return RowChanges()
    with tempfile.TemporaryFile() as texts:
        gone, came = _surplus(before(), were - are, alike, texts), _surplus(after(), are - were, alike, texts)
        del were, are
        # Of another text, and yet the same.
        gone_digests, came_digests = (Counter(row.digest for row in rows) for rows in (gone, came))
        gone = _without(gone, gone_digests & came_digests)
        came = _without(came, gone_digests & came_digests)
        changed, removed, added = _paired(gone, came) if alike else ([], gone, came)
        if write is not None:

            def text(row: _Row | None) -> bytes:
                if row is None:
                    return b"null"
                texts.seek(row.start)
                return texts.read(row.size)

            lines: tuple[tuple[bytes, list[tuple[_Row | None, _Row | None]]], ...] = (
                (b"changed", [*changed]),
                (b"removed", [(row, None) for row in removed]),
                (b"added", [(None, row) for row in added]),
            )
            for change, pairs in lines:
                for was, now in pairs:
                    write(b'{"change": "%s", "before": %s, "after": %s}\n' % (change, text(was), text(now)))
    return RowChanges(added=len(added), removed=len(removed), changed=len(changed))


def digests(table: pa.Table) -> Iterator[bytes]:
    """A digest of every row without its lineage, in order."""
    for batch in table.to_batches(max_chunksize=BATCH_ROWS):
        yield from (digest for digest, _, _ in contents(pa.Table.from_batches([batch])))


def contents(table: pa.Table) -> Iterator[tuple[bytes, dict[str, Any], bytes]]:
    """Of every row: a digest, the row without its lineage, and that as JSON."""
    names = [name for name in table.column_names if not name.startswith("_") or name == UNKNOWN_FIELDS]
    for row in table.select(names).to_pylist():
        text = content = _JSON(row).encode()
        if unknown := row.get(UNKNOWN_FIELDS):
            filled = _filled(fields := json.loads(unknown))
            if filled != fields:
                as_text = None if filled is None else json.dumps(filled, ensure_ascii=False, sort_keys=True)
                content = _JSON({**row, UNKNOWN_FIELDS: as_text}).encode()
        yield hashlib.blake2b(content, digest_size=16).digest(), row, text


def _filled(fields: dict[str, Any]) -> dict[str, Any] | None:
    """The fields that hold something: zDirect may begin to send an empty one for every record."""
    nested = {name: _filled(value) if isinstance(value, dict) else value for name, value in fields.items()}
    return {name: value for name, value in nested.items() if value not in (None, "")} or None


def _hashes(tables: Iterator[pa.Table]) -> Counter[int]:
    return Counter(found for table in tables for found in table.column(RECORD_HASH).to_pylist())


def _surplus(tables: Iterator[pa.Table], left: Counter[int], alike: tuple[str, ...], texts: IO[bytes]) -> list[_Row]:
    """As many rows of each hash as ``left`` says; their texts go to the end of the file."""
    rows = []
    start = texts.tell()
    for table in tables:
        mask = []
        for found in table.column(RECORD_HASH).to_pylist():
            mask.append(left[found] > 0)
            if mask[-1]:
                left[found] -= 1
        for digest, row, text in contents(table.filter(pa.array(mask, pa.bool_()))):
            key = hashlib.blake2b(repr([row[name] for name in alike]).encode(), digest_size=16).digest()
            rows.append(_Row(digest, key, start, len(text)))
            start += texts.write(text)
    return rows


def _without(rows: list[_Row], same: Counter[bytes]) -> list[_Row]:
    same = Counter(same)
    left = []
    for row in rows:
        if same[row.digest] > 0:
            same[row.digest] -= 1
        else:
            left.append(row)
    return left


def _paired(gone: list[_Row], came: list[_Row]) -> tuple[list[tuple[_Row, _Row]], list[_Row], list[_Row]]:
    """Rows with the same key as pairs, and those left over."""
    by_key: dict[bytes, deque[_Row]] = defaultdict(deque)
    for row in gone:
        by_key[row.key].append(row)
    pairs, added = [], []
    for row in came:
        if same := by_key.get(row.key):
            pairs.append((same.popleft(), row))
        else:
            added.append(row)
    return pairs, [row for rows in by_key.values() for row in rows], added
