"""Erasing people from what lies beside the published tables: staged pages, rejected records, shipping documents.

Other files about orders (windows, manifests, states, results of updates) hold nothing personal.
"""

from __future__ import annotations

import gzip
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.erasure.ledger import ErasedPeople
from airflow_provider_zdirect.erasure.rows import ORDER_DATASETS, Contacts, line_without_erased, to_erase
from airflow_provider_zdirect.erasure.tables import Erased, read_columns
from airflow_provider_zdirect.storage.checkpoint import Checkpoint
from airflow_provider_zdirect.storage.layout import Layout, documents_folder
from airflow_provider_zdirect.storage.object_store import ObjectStore


@dataclass(frozen=True)
class BesideTables:
    """Erases people from these files of one merchant.

    :param contacts: by which a rejected record that names no customer is theirs.
    :param begin: is called before anything is erased.
    :param done: is added to.
    """

    store: ObjectStore
    people: ErasedPeople
    contacts: Contacts
    begin: Callable[[], None]
    done: Erased

    def erase(self) -> None:
        self._erase_staged()
        self._erase_unfinished_writes()
        self._erase_rejected()
        self._erase_documents()

    def _erase_staged(self) -> None:
        """Discard unfinished windows that have fetched their orders: the retry fetches them again."""
        folders = defaultdict(list)
        for name in ORDER_DATASETS:
            for path in self.store.files_below(Layout(name, self.people.merchant_id).staged):
                folders[path.rpartition("/")[0]].append(path)
        for folder, paths in folders.items():
            if any(staged_to_erase(self.store, path, self.people) for path in paths):
                self.begin()
                Checkpoint(self.store, folder, {}).discard()
                self.done.files.update(paths)

    def _erase_unfinished_writes(self) -> None:
        """Where objects are written beside and renamed, a write that was killed leaves the whole.

        Half an object cannot be read. It is deleted as abandoned later, when no task can be writing it.
        """
        for path in self.store.files("_staging/_tmp"):
            try:
                if staged_to_erase(self.store, path, self.people):
                    self.begin()
                    self.store.delete(path)
                    self.done.files.add(path)
            except (pa.ArrowException, msgspec.MsgspecError, zlib.error, EOFError, OSError):
                continue

    def _erase_rejected(self) -> None:
        for name in ORDER_DATASETS:
            for path in self.store.files_below(f"_rejected/{Layout(name, self.people.merchant_id).merchant}"):
                if count := erase_lines(self.store, path, self.people, self.contacts, self.begin):
                    self.done.rows[f"_rejected/{name}"] += count
                    self.done.files.add(path)

    def _erase_documents(self) -> None:
        """Delete shipping documents. A task that is fetching some looks at the ledger after it has written."""
        for paths in documents_of(self.store, self.people):
            self.begin()
            self.store.delete_folder(paths[0].rpartition("/")[0])
            self.done.documents += len(paths)


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


def erase_lines(
    store: ObjectStore, path: str, people: ErasedPeople, contacts: Contacts, begin: Callable[[], None] = lambda: None
) -> int:
    """Erase their records in a file with invalid ones; how many there were.

    :param begin: is called before the file changes.
    """
    try:
        lines = list(lines_of(store, path))
    except FileNotFoundError:
        return 0
    left = [line_without_erased(line, people, contacts) for line in lines]
    count = sum(one != other for one, other in zip(lines, left, strict=True))
    if count:
        begin()
        store.write(path, gzip.compress(b"".join(left), mtime=0))
    return count
