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

from airflow_provider_zdirect.erasure.ledger import ErasedPeople
from airflow_provider_zdirect.erasure.rows import ORDER_DATASETS, Contacts, line_without_erased, to_erase
from airflow_provider_zdirect.erasure.tables import Erased, read_columns
from airflow_provider_zdirect.storage.checkpoint import Checkpoint
from airflow_provider_zdirect.storage.layout import Layout, documents_folder
from airflow_provider_zdirect.storage.object_store import ObjectStore


def erase_beside(store: ObjectStore, people: ErasedPeople, contacts: Contacts, done: Erased) -> None:
    """Erase people from these files of one merchant.

    :param contacts: a rejected record that names no customer is theirs if it has one of these.
    :param done: is added to.
    """
    _erase_staged(store, people, done)
    _erase_unfinished_writes(store, people, done)
    for name in ORDER_DATASETS:
        for path in store.files_below(f"_rejected/{Layout(name, people.merchant_id).merchant}"):
            erase_lines(store, path, people, contacts, done)
    # A task that is fetching documents looks at the ledger after it has written.
    for paths in documents_of(store, people):
        done.begin()
        store.delete_folder(paths[0].rpartition("/")[0])
        done.documents += len(paths)


def _erase_staged(store: ObjectStore, people: ErasedPeople, done: Erased) -> None:
    """Discard unfinished windows that have fetched their orders: the retry fetches them again."""
    folders = defaultdict(list)
    for name in ORDER_DATASETS:
        for path in store.files_below(Layout(name, people.merchant_id).staged):
            folders[path.rpartition("/")[0]].append(path)
    for folder, paths in folders.items():
        if any(staged_to_erase(store, path, people) for path in paths):
            done.begin()
            Checkpoint(store, folder, {}).discard()
            done.files.update(paths)


def _erase_unfinished_writes(store: ObjectStore, people: ErasedPeople, done: Erased) -> None:
    """Delete whole objects that killed writes left, where objects are written beside and renamed.

    Half an object cannot be read. It is deleted as abandoned later, when no task can be writing it.
    """
    for path in store.files("_staging/_tmp"):
        with suppress(pa.ArrowException, msgspec.MsgspecError, zlib.error, EOFError, OSError):
            if staged_to_erase(store, path, people):
                done.begin()
                store.delete(path)
                done.files.add(path)


def documents_of(store: ObjectStore, people: ErasedPeople) -> Iterator[list[str]]:
    """Paths of the shipping documents of their orders, order by order."""
    for folder in store.files(documents_folder(people.merchant_id)):
        if folder.rpartition("order_id=")[2] in people.orders and (paths := store.files_below(folder)):
            yield paths


def staged_to_erase(store: ObjectStore, path: str, people: ErasedPeople) -> bool:
    """Whether a staged file holds anything personal of these people; False if it is gone."""
    try:
        if path.endswith(".jsonl.gz"):
            return any(line_without_erased(line, people) != line for line in lines_of(store, path))
        if path.endswith(".parquet"):
            return any(pc.any(to_erase(rows, people)).as_py() for rows in read_columns(store, path))
    except FileNotFoundError:
        pass
    return False


def lines_of(store: ObjectStore, path: str) -> Iterator[bytes]:
    """The lines of a file of JSON lines."""
    with store.open(path) as file, gzip.open(file) as lines:
        yield from lines


def erase_lines(store: ObjectStore, path: str, people: ErasedPeople, contacts: Contacts, done: Erased) -> None:
    """Erase their records in a file with rejected ones, if there is such a file."""
    try:
        lines = list(lines_of(store, path))
    except FileNotFoundError:
        return
    left = [line_without_erased(line, people, contacts) for line in lines]
    if count := sum(one != other for one, other in zip(lines, left, strict=True)):
        done.begin()
        store.write(path, gzip.compress(b"".join(left), mtime=0))
        done.rows[path.partition("/merchant_id=")[0]] += count
        done.files.add(path)
