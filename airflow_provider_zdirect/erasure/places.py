"""All places under the base path where orders leave personal data, and erasing people from each of them.

Other files about orders (windows, manifests, states, results of updates) hold nothing personal; the proof looks there
too.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
import pyarrow as pa

from airflow_provider_zdirect.datasets.table import Dataset
from airflow_provider_zdirect.erasure.files import FileEraser, erase_lines
from airflow_provider_zdirect.erasure.people import ErasedPeople, ErasureLedger
from airflow_provider_zdirect.erasure.rows import (
    ORDER_DATASETS,
    erased_line,
    is_theirs_line,
    lines_of,
    staged_is_telling,
)
from airflow_provider_zdirect.erasure.texts import SoughtTexts, texts_in
from airflow_provider_zdirect.shipping_documents.documents import erase_documents, erased_orders, orders_with_documents
from airflow_provider_zdirect.storage.checkpoint import Checkpoint
from airflow_provider_zdirect.storage.object_store import ObjectStore

ABANDONED_AFTER = timedelta(hours=24)
"""As with checkpoints: what is older is not used any more."""


class BegunErasures:
    """Which runs have begun to erase and not come to their end: what they erased is still to be proved and told.

    What they erased is not known any more, and cannot be searched for again. So each mark names the files with traces
    that were found while it was, by what these files held.

    :param folder: relative to the base path.
    """

    def __init__(self, store: ObjectStore, folder: str) -> None:
        self._store = store
        self.folder = folder
        self._marks = store.files(folder)
        self._own: str | None = None

    @property
    def any(self) -> bool:
        """This one included."""
        return bool(self._marks)

    @property
    def is_own(self) -> bool:
        """Whether this run has begun."""
        return self._own is not None

    def begin(self, traces: Iterable[str]) -> None:
        """To be called before anything is erased, and again if more is found.

        :param traces: files with traces that are not erased.
        """
        if self._own is None:
            self._own = f"{self.folder}/{uuid.uuid4().hex}"
            self._marks.append(self._own)
        content = {path: digest for path in sorted(traces) if (digest := self._digest(path)) is not None}
        self._store.write_json(self._own, {"traces": content})

    def traces_left(self) -> list[str]:
        """Files with traces that are as they were when these were found."""
        marks = [json.loads(text) for text in self._store.read_many(self._marks)]
        found = {(path, digest) for mark in marks for path, digest in mark["traces"].items()}
        return sorted({path for path, digest in found if self._digest(path) == digest})

    def end(self) -> None:
        for mark in self._marks:
            self._store.delete(mark)

    def _digest(self, path: str) -> str | None:
        data = self._store.read(path)
        return None if data is None else hashlib.sha256(data).hexdigest()


@dataclass
class PlaceEraser:
    """Erases the ledger's people from all places of one merchant.

    :param texts: what must not be found afterwards; what is erased is added.
    :param begin: is called before anything of these people is erased.
    """

    store: ObjectStore
    ledger: ErasureLedger
    texts: SoughtTexts
    at: datetime
    begin: Callable[[ErasedPeople], None]
    rows: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    files: set[str] = field(default_factory=set)
    documents: int = 0

    def erase(self) -> tuple[ErasedPeople, bool]:
        """The people, and whether anything of them was found."""
        before = len(self.files), self.documents

        def seen(dataset: Dataset, rows: pa.Table) -> None:
            self.begin(people)
            self.texts.add_rows(dataset, rows)

        eraser = FileEraser(self.store, self.ledger, self.at, seen)
        people = eraser.learn()
        self._erase_staged(people)
        self._erase_unfinished_writes(people)
        done = eraser.erase(people)
        for name, count in done.rows.items():
            self.rows[name] += count
        self.files |= done.files
        # After the rows, which say what there is to look for.
        self._erase_rejected(people)
        self._erase_documents(people)
        return people, (len(self.files), self.documents) != before

    def _erase_staged(self, people: ErasedPeople) -> None:
        """Discard unfinished windows that have fetched their orders: whoever meets this fetches them again."""
        folders = defaultdict(list)
        for name in ORDER_DATASETS:
            place = f"_staging/{name}/merchant_id={self.ledger.merchant_id}"
            for path in self.store.files_below(place):
                folders[path.rpartition("/")[0]].append(path)
        for folder, paths in folders.items():
            if any(staged_is_telling(self.store, path, people) for path in paths):
                self.begin(people)
                Checkpoint(self.store, folder, {}).discard()
                self.files.update(paths)

    def _erase_unfinished_writes(self, people: ErasedPeople) -> None:
        """Where objects are written beside and renamed, a write that was killed leaves the whole."""
        for path in self.store.files("_staging/_tmp"):
            try:
                if staged_is_telling(self.store, path, people):
                    self.begin(people)
                    self.store.delete(path)
                    self.files.add(path)
            except FileNotFoundError:
                continue
            except (pa.ArrowException, msgspec.MsgspecError, zlib.error, EOFError, OSError):
                # Half an object, of whatever; one that is still being written is let alone.
                if self.at - self.store.fs.modified(self.store.full(path)) > ABANDONED_AFTER:
                    self.store.delete(path)

    def _erase_rejected(self, people: ErasedPeople) -> None:
        patterns = self.texts.compiled()
        for name in ORDER_DATASETS:
            for path in self.store.files_below(f"_rejected/{name}/merchant_id={self.ledger.merchant_id}"):

                def is_theirs(line: bytes) -> bool:
                    return is_rejected_of(line, people, self.texts, patterns)

                try:
                    if not any(is_theirs(line) and erased_line(line) != line for line in lines_of(self.store, path)):
                        continue
                except FileNotFoundError:
                    continue
                self.begin(people)
                self.rows[f"_rejected/{name}"] += erase_lines(self.store, path, is_theirs)
                self.files.add(path)

    def _erase_documents(self, people: ErasedPeople) -> None:
        merchant_id = self.ledger.merchant_id
        marked = erased_orders(self.store, merchant_id)
        there = orders_with_documents(self.store, merchant_id)
        for order_id in sorted(people.orders):
            if order_id in there:
                self.begin(people)
            if order_id in there or order_id not in marked:
                self.documents += erase_documents(self.store, merchant_id, order_id, self.at)


def is_rejected_of(line: bytes, people: ErasedPeople, texts: SoughtTexts, patterns: list[re.Pattern[str]]) -> bool:
    """Whether a line with an invalid record is about erased people: by its ids, or, if it names nobody, by its texts.

    :param patterns: compiled, of the texts.
    """
    if is_theirs_line(line, people):
        return True
    record = msgspec.json.decode(line).get("record")
    if isinstance(record, dict) and record.get("customer_number"):
        return False
    return texts.are_in("\n".join(texts_in(record)), patterns)
