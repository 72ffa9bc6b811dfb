"""How two sets of rows differ that nothing identifies: a comparison of multisets (see :mod:`.same_row`)."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict, deque
from itertools import chain
from typing import NamedTuple

import pyarrow as pa

from airflow_provider_zdirect.datasets.arrow import RECORD_HASH, UNKNOWN_FIELDS
from airflow_provider_zdirect.publish.same_row import row_hashes
from airflow_provider_zdirect.storage.row_files import BATCH_ROWS, as_json_value


class _Row(NamedTuple):
    """A row that only one side seems to have.

    :param key: of the fields by which rows are taken for the same one.
    """

    hash: int
    key: bytes
    text: bytes


def row_changes(before: pa.Table, after: pa.Table, alike: tuple[str, ...]) -> tuple[Counter[str], list[bytes]]:
    """How many rows were ``added``, ``removed`` and ``changed`` between two multisets of rows, and a line of JSON for
    each: ``change``, ``before`` and ``after``.

    :param alike: fields by which a row that is gone and one that came are taken for one that changed.
    """
    were, are = (Counter(rows.column(RECORD_HASH).to_pylist()) for rows in (before, after))
    gone, came = _surplus(before, were - are, alike), _surplus(after, are - were, alike)
    # Of another text, and yet the same.
    same = Counter(row.hash for row in gone) & Counter(row.hash for row in came)
    gone, came = _without(gone, same), _without(came, same)
    by_key: dict[bytes, deque[_Row]] = defaultdict(deque)
    for row in gone:
        by_key[row.key].append(row)
    changed: list[tuple[bytes, bytes]] = []
    added: list[bytes] = []
    for row in came:
        if alike and by_key[row.key]:
            changed.append((by_key[row.key].popleft().text, row.text))
        else:
            added.append(row.text)
    removed = [row.text for rows in by_key.values() for row in rows]
    lines = [b'{"change": "changed", "before": %s, "after": %s}\n' % pair for pair in changed]
    lines += [b'{"change": "removed", "before": %s, "after": null}\n' % text for text in removed]
    lines += [b'{"change": "added", "before": null, "after": %s}\n' % text for text in added]
    return Counter(changed=len(changed), removed=len(removed), added=len(added)), lines


def _surplus(rows: pa.Table, left: Counter[int], alike: tuple[str, ...]) -> list[_Row]:
    """As many rows of each text as ``left`` says."""
    mask = []
    for found in rows.column(RECORD_HASH).to_pylist():
        mask.append(left[found] > 0)
        left[found] -= mask[-1]
    rows = rows.filter(pa.array(mask, pa.bool_()))
    names = [name for name in rows.column_names if name == UNKNOWN_FIELDS or name[0] != "_"]
    batches = rows.select(names).to_batches(max_chunksize=BATCH_ROWS)
    surplus = []
    for row, content in zip(chain.from_iterable(map(pa.RecordBatch.to_pylist, batches)), row_hashes(rows), strict=True):
        key = hashlib.blake2b(repr([row[name] for name in alike]).encode(), digest_size=16).digest()
        surplus.append(_Row(content, key, json.dumps(row, default=as_json_value, ensure_ascii=False).encode()))
    return surplus


def _without(rows: list[_Row], same: Counter[int]) -> list[_Row]:
    """The rows without as many of each hash as ``same`` says."""
    left, same = [], Counter(same)
    for row in rows:
        if same[row.hash] > 0:
            same[row.hash] -= 1
        else:
            left.append(row)
    return left
