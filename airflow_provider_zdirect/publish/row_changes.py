# SPDX-License-Identifier: Apache-2.0
"""How two sets of rows differ that nothing identifies: a comparison of multisets (see :mod:`.same_row`)."""

from __future__ import annotations

import json
import tempfile
from array import array
from collections import Counter
from collections.abc import Callable
from itertools import chain

import numpy as np

from airflow_provider_zdirect.datasets.arrow import UNKNOWN_FIELDS
from airflow_provider_zdirect.publish.file_rows import FileRows, differing
from airflow_provider_zdirect.publish.same_row import Numbers, earlier_of_same, record_numbers
from airflow_provider_zdirect.storage.row_files import as_json_value

_NONE = -1


def row_changes(
    before: FileRows, after: FileRows, alike: tuple[str, ...], write: Callable[[bytes], object]
) -> Counter[str]:
    """How many rows were ``added``, ``removed`` and ``changed`` between two multisets of rows.

    :param alike: fields by which a row that is gone and one that came are taken for one that changed; none: no two are.
    :param write: is given a line of JSON for each difference: ``change``, ``before`` and ``after``.
    """
    gone, came = differing(before, after)
    counts: Counter[str] = Counter()
    with tempfile.TemporaryFile() as texts:
        keys, ends = [], array("q", [0])
        for table in chain(gone.tables(), came.tables()):
            keys.append(table.select(alike))
            names = [name for name in table.column_names if name == UNKNOWN_FIELDS or name[0] != "_"]
            for row in table.select(names).to_pylist():
                text = json.dumps(row, default=as_json_value, ensure_ascii=False).encode()
                ends.append(ends[-1] + texts.write(text))

        def text_of(number: int) -> bytes:
            if number == _NONE:
                return b"null"
            texts.seek(ends[number])
            return texts.read(ends[number + 1] - ends[number])

        records = record_numbers(keys, alike) if alike else np.arange(len(ends) - 1)
        for change, removed, added in _paired(records, gone.count):
            counts[change] = len(removed)
            for was, now in zip(removed.tolist(), added.tolist(), strict=True):
                line = (change.encode(), text_of(was), text_of(now))
                write(b'{"change": "%s", "before": %s, "after": %s}\n' % line)
    return +counts


def _paired(records: Numbers, gone: int) -> list[tuple[str, Numbers, Numbers]]:
    """Each kind of change, with the rows before and after it.

    :param records: for every row, a number that is the same for rows that are taken for one that changed.
    :param gone: how many of the rows are gone; the others came.
    """
    # Of several such rows, the first with the first, and so on.
    was, now = (part * len(records) + earlier_of_same(part) for part in np.split(records, [gone]))
    _, removed, added = np.intersect1d(was, now, assume_unique=True, return_indices=True)
    order = np.argsort(added)
    only_gone, only_came = np.setdiff1d(np.arange(gone), removed), np.setdiff1d(np.arange(len(now)), added) + gone
    return [
        ("changed", removed[order], added[order] + gone),
        ("removed", only_gone, np.full(len(only_gone), _NONE)),
        ("added", np.full(len(only_came), _NONE), only_came),
    ]
