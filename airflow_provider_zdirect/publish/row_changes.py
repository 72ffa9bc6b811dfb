"""How two sets of rows differ that nothing identifies: a comparison of multisets (see :mod:`.same_row`)."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from itertools import chain
from typing import NamedTuple

import pyarrow as pa

from airflow_provider_zdirect.datasets.arrow import RECORD_HASH, UNKNOWN_FIELDS
from airflow_provider_zdirect.publish.same_row import row_hashes
from airflow_provider_zdirect.storage.row_files import as_json_value

Tables = Callable[[], Iterator[pa.Table]]
"""Gives the rows from their beginning, every time it is called."""


class _Row(NamedTuple):
    """A row that only one side seems to have.

    :param key: of the fields by which rows are taken for the same one.
    """

    hash: int
    key: bytes
    text: bytes


def row_changes(
    before: Tables, after: Tables, alike: tuple[str, ...], write: Callable[[bytes], object]
) -> Counter[str]:
    """How many rows were ``added``, ``removed`` and ``changed`` between two multisets of rows.

    :param alike: fields by which a row that is gone and one that came are taken for one that changed.
    :param write: is given a line of JSON for each difference: ``change``, ``before`` and ``after``.
    """
    were, are = _of_texts(before()), _of_texts(after())
    gone, came = _surplus(before(), were - are, alike), _surplus(after(), are - were, alike)
    # Of another text, and yet the same.
    same = Counter(row.hash for row in gone) & Counter(row.hash for row in came)
    gone, came = _without(gone, same), _without(came, same)
    changed: list[tuple[_Row, _Row]] = []
    added: list[_Row] = []
    removed: dict[bytes, deque[_Row]] = defaultdict(deque)
    for row in gone:
        removed[row.key].append(row)
    for row in came:
        if alike and removed[row.key]:
            changed.append((removed[row.key].popleft(), row))
        else:
            added.append(row)
    left = list(chain.from_iterable(removed.values()))
    for was, now in changed:
        write(b'{"change": "changed", "before": %s, "after": %s}\n' % (was.text, now.text))
    for row in left:
        write(b'{"change": "removed", "before": %s, "after": null}\n' % row.text)
    for row in added:
        write(b'{"change": "added", "before": null, "after": %s}\n' % row.text)
    return Counter(changed=len(changed), removed=len(left), added=len(added))


def _of_texts(tables: Iterator[pa.Table]) -> Counter[int]:
    return Counter(found for table in tables for found in table.column(RECORD_HASH).to_pylist())


def _surplus(tables: Iterator[pa.Table], left: Counter[int], alike: tuple[str, ...]) -> list[_Row]:
    """As many rows of each text as ``left`` says."""
    rows = []
    for table in tables:
        mask = []
        for found in table.column(RECORD_HASH).to_pylist():
            mask.append(left[found] > 0)
            left[found] -= mask[-1]
        table = table.filter(pa.array(mask, pa.bool_()))
        names = [name for name in table.column_names if name == UNKNOWN_FIELDS or name[0] != "_"]
        for row, content in zip(table.select(names).to_pylist(), row_hashes(table), strict=True):
            key = hashlib.blake2b(repr([row[name] for name in alike]).encode(), digest_size=16).digest()
            text = json.dumps(row, default=as_json_value, ensure_ascii=False).encode()
            rows.append(_Row(content, key, text))
    return rows


def _without(rows: list[_Row], same: Counter[int]) -> list[_Row]:
    """The rows without as many of each hash as ``same`` says."""
    left, same = [], Counter(same)
    for row in rows:
        if same[row.hash] > 0:
            same[row.hash] -= 1
        else:
            left.append(row)
    return left
