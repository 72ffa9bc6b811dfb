"""How two sets of rows differ that nothing identifies: a comparison of multisets (see :mod:`.same_row`)."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple

import pyarrow as pa

from airflow_provider_zdirect.datasets.arrow import RECORD_HASH, UNKNOWN_FIELDS
from airflow_provider_zdirect.publish.same_row import row_hashes
from airflow_provider_zdirect.storage.row_files import as_json_value

Tables = Callable[[], Iterator[pa.Table]]
"""Gives the rows from their beginning, every time it is called."""


class _Row(NamedTuple):
    """A row that only one side seems to have; its text lies in a file."""

    hash: int
    key: bytes
    start: int
    size: int


def row_changes(
    before: Tables, after: Tables, alike: tuple[str, ...], write: Callable[[bytes], object]
) -> Counter[str]:
    """How many rows were ``added``, ``removed`` and ``changed`` between two multisets of rows.

    :param alike: fields by which a row that is gone and one that came are taken for one that changed.
    :param write: is given a line of JSON for each difference: ``change``, ``before`` and ``after``.
    """
    were, are = _of_texts(before()), _of_texts(after())
    if were == are:
        return Counter()
    with tempfile.TemporaryFile() as texts:
        gone, came = _surplus(before(), were - are, alike, texts), _surplus(after(), are - were, alike, texts)
        del were, are
        # Of another text, and yet the same.
        same = Counter(row.hash for row in gone) & Counter(row.hash for row in came)
        gone, came = _without(gone, same), _without(came, same)
        pairs = _paired(gone, came) if alike else [*((row, None) for row in gone), *((None, row) for row in came)]
        counts: Counter[str] = Counter()
        for change in ("changed", "removed", "added"):
            for was, now in pairs:
                if change == ("added" if was is None else "removed" if now is None else "changed"):
                    counts[change] += 1
                    line = (change.encode(), _text(was, texts), _text(now, texts))
                    write(b'{"change": "%s", "before": %s, "after": %s}\n' % line)
    return counts


def _of_texts(tables: Iterator[pa.Table]) -> Counter[int]:
    return Counter(found for table in tables for found in table.column(RECORD_HASH).to_pylist())


def _surplus(tables: Iterator[pa.Table], left: Counter[int], alike: tuple[str, ...], texts: IO[bytes]) -> list[_Row]:
    """As many rows of each text as ``left`` says; their JSON goes to the end of the file."""
    rows = []
    start = texts.tell()
    for table in tables:
        mask = []
        for found in table.column(RECORD_HASH).to_pylist():
            mask.append(left[found] > 0)
            if mask[-1]:
                left[found] -= 1
        table = table.filter(pa.array(mask, pa.bool_()))
        names = [name for name in table.column_names if name == UNKNOWN_FIELDS or name[0] != "_"]
        for row, content in zip(table.select(names).to_pylist(), row_hashes(table), strict=True):
            key = hashlib.blake2b(repr([row[name] for name in alike]).encode(), digest_size=16).digest()
            size = texts.write(json.dumps(row, default=as_json_value, ensure_ascii=False).encode())
            rows.append(_Row(content, key, start, size))
            start += size
    return rows


def _without(rows: list[_Row], same: Counter[int]) -> list[_Row]:
    same = Counter(same)
    left = []
    for row in rows:
        if same[row.hash] > 0:
            same[row.hash] -= 1
        else:
            left.append(row)
    return left


def _paired(gone: list[_Row], came: list[_Row]) -> list[tuple[_Row | None, _Row | None]]:
    """Rows with the same key as pairs, and those left over."""
    by_key: dict[bytes, deque[_Row]] = defaultdict(deque)
    for row in gone:
        by_key[row.key].append(row)
    pairs: list[tuple[_Row | None, _Row | None]] = []
    for row in came:
        same = by_key.get(row.key)
        pairs.append((same.popleft() if same else None, row))
    return pairs + [(row, None) for rows in by_key.values() for row in rows]


def _text(row: _Row | None, texts: IO[bytes]) -> bytes:
    if row is None:
        return b"null"
    texts.seek(row.start)
    return texts.read(row.size)
