# SPDX-License-Identifier: Apache-2.0
"""Publishing snapshots: each as a whole, in a file that is named by the time that it is of, once.

A snapshot that was empty or incomplete is replaced by one of the same time that holds more; the former one moves to
``_revisions``. Of files of the same time, left by runs at once, everybody takes the same one: that with most rows.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime
from itertools import chain

import numpy as np

from airflow_provider_zdirect.datasets.table import Dataset
from airflow_provider_zdirect.publish.file_rows import FileRows, differing
from airflow_provider_zdirect.publish.files import PublishedState, measure, publish_tables
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.publish.read import read_published
from airflow_provider_zdirect.publish.same_row import record_numbers
from airflow_provider_zdirect.storage.layout import Layout, PublishedName, moment
from airflow_provider_zdirect.storage.object_store import ObjectStore

COUNT_DIGITS = 8
"""Hexadecimal digits of the number of rows, with which the part of a file's name begins."""


def store_snapshot(
    place: Place, dataset: Dataset, rows: FileRows, at: datetime, *, incomplete: bool = False
) -> PublishedState:
    """Write the rows, unless the snapshot of that time is there; safe to repeat, and at the same time as any other.

    :param rows: each record once; may be none: a snapshot of nothing.
    :param at: the time that the snapshot is of.
    :param incomplete: whether records of the one that is there, if there is one, were left out.
    :raises ConcurrentRunError: if other runs kept publishing it all the time.
    """
    # The same name for the same records, so that runs at the same time write the same file.
    digest = hashlib.blake2b(np.sort(rows.hashes).tobytes(), digest_size=8).hexdigest()
    part = f"{rows.count:0{COUNT_DIGITS}x}{digest}"
    layout, stored = place.layout(dataset.name), False

    def publish() -> PublishedState:
        nonlocal stored
        there = _files(place.store, layout, at)
        held = rows_named(there[0]) if there else None
        if held is None or (rows.count > held and (incomplete or not held)):
            publish_tables(place, dataset.name, at.date(), rows.schema, rows.tables(), moment(at), part=part)
            stored = True
        first = _tidied(place.store, layout, at)
        file, same = measure(place.store, first, rows_named(first)), _part(first) == part
        before = rows if same else replace(rows, paths=[first], places=None)
        return PublishedState([file], stored and same, _differences(before, rows, dataset.publish.identity))

    return read_published(place.in_words(dataset.name), publish)


def _files(store: ObjectStore, layout: Layout, at: datetime) -> list[str]:
    """The file of that snapshot, if there is one; several, if runs met: the first one counts."""
    paths = store.files(layout.published(at.date()))
    found = [path for path in paths if (name := PublishedName.parse(path)) and name.span.start == at]
    return sorted(found, key=lambda path: (-rows_named(path), _part(path), not path.endswith(".parquet")))


def _tidied(store: ObjectStore, layout: Layout, at: datetime) -> str:
    first, *others = _files(store, layout, at)
    for path in others:
        if _part(path) == _part(first):
            store.delete(path)
        else:
            store.move(path, f"{layout.revisions(at.date())}/{path.rpartition('/')[2]}")
    return first


def _differences(before: FileRows, after: FileRows, identity: tuple[str, ...]) -> dict[str, int]:
    """How many records were ``added``, ``changed`` and ``removed``."""
    if before is after:
        return {"added": 0, "changed": 0, "removed": 0}
    gone, came = differing(before, after)
    records = record_numbers(chain(gone.tables(identity), came.tables(identity)), identity)
    of_gone, of_came = np.split(records, [gone.count])
    changed = len(np.intersect1d(of_gone, of_came))
    return {"added": came.count - changed, "changed": changed, "removed": gone.count - changed}


def rows_named(path: str) -> int:
    """The number of rows of a snapshot, by its name."""
    return int(_part(path)[:COUNT_DIGITS], 16)


def _part(path: str) -> str:
    name = PublishedName.parse(path)
    assert name is not None
    return name.part
