# SPDX-License-Identifier: Apache-2.0
"""Erasing people from files beside the published tables: staged pages, rejected records, shipping documents.

Other files about orders (windows, manifests, states, results of updates) hold nothing personal.
"""

from __future__ import annotations

import gzip
import zlib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.erasure.ledger import ORDER_DATASETS, ErasedPeople
from airflow_provider_zdirect.erasure.rows import line_without_erased, to_erase
from airflow_provider_zdirect.erasure.tables import OrderErasure, read_columns
from airflow_provider_zdirect.storage.checkpoint import discard
from airflow_provider_zdirect.storage.layout import Layout, documents_folder
from airflow_provider_zdirect.storage.object_store import ObjectStore


def erase_copies(erasure: OrderErasure, people: ErasedPeople) -> None:
    """Erase people from these files of one merchant.

    :raises FileNotFoundError: if another run has deleted one of them meanwhile.
    """
    store = erasure.store
    _erase_staged(erasure, people)
    for name in ORDER_DATASETS:
        for path in store.files_below(f"_rejected/{Layout(name, people.merchant_id).merchant}"):
            erase_lines(erasure, people, path)
    # A task that is fetching documents looks at the ledger after it has written.
    for paths in documents_of(store, people):
        erasure.begin()
        store.delete_folder(paths[0].rpartition("/")[0])
        erasure.documents += len(paths)


def _erase_staged(erasure: OrderErasure, people: ErasedPeople) -> None:
    store = erasure.store
    folders = defaultdict(list)
    for name in ORDER_DATASETS:
        for path in store.files_below(Layout(name, people.merchant_id).staged):
            folders[path.rpartition("/")[0]].append(path)
    for folder, paths in folders.items():
        if any(staged_to_erase(store, path, people) for path in paths):
            erasure.begin()
            # The retry fetches the window again.
            discard(store, folder)
            erasure.files.update(paths)
    # Whole objects that killed writes left, where objects are written beside and renamed. Half an object cannot be
    # read. It is deleted as abandoned later, when no task can be writing it.
    for path in store.files("_staging/_tmp"):
        with suppress(pa.ArrowException, msgspec.MsgspecError, zlib.error, EOFError, OSError):
            if staged_to_erase(store, path, people):
                erasure.begin()
                store.delete(path)
                erasure.files.add(path)


def documents_of(store: ObjectStore, people: ErasedPeople) -> Iterator[list[str]]:
    """Paths of the shipping documents of their orders, order by order."""
    for folder in store.files(documents_folder(people.merchant_id)):
        if folder.rpartition("order_id=")[2] in people.orders and (paths := store.files_below(folder)):
            yield paths


def staged_to_erase(store: ObjectStore, path: str, people: ErasedPeople) -> bool:
    """Whether a staged file holds anything personal of these people.

    :raises FileNotFoundError: if it is gone.
    """
    if path.endswith(".jsonl.gz"):
        return any(line_without_erased(line, people) != line for line in lines_of(store, path))
    if path.endswith(".parquet"):
        return any(pc.any(to_erase(rows, people)).as_py() for rows in read_columns(store, path))
    return False


def lines_of(store: ObjectStore, path: str) -> Iterator[bytes]:
    """The lines of a file of JSON lines."""
    with store.open(path) as file, gzip.open(file) as lines:
        yield from lines


def erase_lines(erasure: OrderErasure, people: ErasedPeople, path: str) -> None:
    """Erase their records in a file with rejected ones. One that names no customer is theirs by the contacts."""
    lines = list(lines_of(erasure.store, path))
    left = [line_without_erased(line, people, erasure.contacts) for line in lines]
    if count := sum(one != other for one, other in zip(lines, left, strict=True)):
        erasure.begin()
        erasure.store.write(path, gzip.compress(b"".join(left), mtime=0))
        erasure.rows[path.partition("/merchant_id=")[0]] += count
        erasure.files.add(path)
