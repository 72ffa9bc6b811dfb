# SPDX-License-Identifier: Apache-2.0
"""Erasing people from the published tables of orders, of all windows.

No published file is changed. What remains of a row is published as a later version of it, and the files with the
former version are replaced as with any other change. So an erasure may be killed between any two writes, and run beside
extractions and other erasures.
"""

from __future__ import annotations

import re
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from airflow_provider_zdirect.datasets.arrow import INSTANT, arrow_schema
from airflow_provider_zdirect.datasets.table import Dataset
from airflow_provider_zdirect.erasure.ledger import ErasedPeople, ErasureLedger
from airflow_provider_zdirect.erasure.rows import (
    COLUMNS,
    Contacts,
    contacts_of,
    erased,
    has_personal_data,
    is_theirs,
    order_tables,
    placed_before,
    to_erase,
)
from airflow_provider_zdirect.exceptions import ConcurrentRunError
from airflow_provider_zdirect.publish.merge import RowMerger
from airflow_provider_zdirect.publish.placed_rows import EPOCH, everything
from airflow_provider_zdirect.publish.read import RETRY_SECONDS
from airflow_provider_zdirect.storage.layout import FORMATS, Layout, PublishedName, moment
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import BATCH_ROWS, parquet_bytes, read_batches

STAGED_AS = "order_erasures"
"""Where rows are staged, as if it was a dataset."""

MAX_LOOKS = 20
"""How often a run looks for something to learn or to erase, in case others publish meanwhile."""

_HASHED = re.compile(r"[0-9a-f]{32}")
"""What a keyed hash looks like."""


@dataclass
class OrderErasure:
    """Erases the people in the ledger of one merchant, and counts.

    Before it erases anything it writes a mark, which a run that reports what was erased deletes.

    :param at: the present.
    :param contacts: that are known; those in the customers' orders are added.
    :param rows: erased rows by table; each once per file that it was in.
    :param files: files that were deleted or rewritten.
    :param documents: deleted shipping documents.
    :param mark: path of the mark, once there is one.
    """

    ledger: ErasureLedger
    at: datetime
    contacts: Contacts = field(default_factory=set)
    rows: Counter[str] = field(default_factory=Counter)
    files: set[str] = field(default_factory=set)
    documents: int = 0
    mark: str | None = None

    @property
    def store(self) -> ObjectStore:
        return self.ledger.store

    def marks(self) -> list[str]:
        """Of all erasures that were not reported yet."""
        return self.store.files(f"{self.ledger.folder}/begun")

    def begin(self) -> None:
        """Call this before anything is erased."""
        if self.mark is None:
            mark = f"{self.ledger.folder}/begun/{uuid.uuid4().hex}"
            self.store.write(mark, b"")
            self.mark = mark

    def erase(self, erase_copies: Callable[[OrderErasure, ErasedPeople], None]) -> ErasedPeople:
        """Erase until nothing is found any more.

        :param erase_copies: erases what is not in the published tables. It comes before the rows, which alone say what
            the contacts are.
        :returns: all people in the ledger.
        :raises ConcurrentRunError: if something was found each time.
        """
        for _ in range(MAX_LOOKS):
            people = self.ledger.people()
            if not people:
                return people
            try:
                if self.learn(people):
                    continue
                erase_copies(self, people)
                if not self._erase_rows(people):
                    return people
            except FileNotFoundError:
                # Another run has replaced it; the new file has to be looked at.
                continue
        raise ConcurrentRunError(
            f"Orders of merchant {self.ledger.merchant_id}: other runs kept publishing rows of erased customers, "
            f"{MAX_LOOKS} times in a row.",
            remedy="No action needed if the task retries. Run it after the extractions.",
            retry_after=RETRY_SECONDS,
        )

    def learn(self, people: ErasedPeople) -> bool:
        """Enter in the ledger the orders that are found by customer number or contact, and the hashes of numbers.

        An order is found by a contact only if it names no customer: two customers may share one.

        :returns: whether anything was not known before.
        """
        known = len(self.contacts)
        orders: set[str] = set()
        hashed: dict[str, str | None] = {}
        for rows in self._orders():
            for row in rows.filter(is_theirs(rows, people)).to_pylist():
                self.contacts |= contacts_of(row)
                order_id, number = row["order_id"], row["customer_number"]
                orders.add(order_id)
                if number and _HASHED.fullmatch(number):
                    hashed[number] = max(hashed.get(number) or "", people.orders.get(order_id) or "")
            nameless = pc.and_(pc.is_null(rows["customer_number"].combine_chunks()), has_personal_data(rows))
            if people.asked_last is not None:
                nameless = pc.and_(nameless, placed_before(rows, pa.scalar(people.asked_last, INSTANT)))
            if self.contacts and pc.any(nameless).as_py():
                found = rows.filter(nameless).to_pylist()
                orders.update(row["order_id"] for row in found if not self.contacts.isdisjoint(contacts_of(row)))
        entered = self.ledger.add(at=self.at, orders=dict.fromkeys(sorted(orders)), customers=hashed)
        return entered.entries != people.entries or len(self.contacts) != known

    def _orders(self) -> Iterator[pa.Table]:
        """The columns of published and staged orders that say whose they are, and their personal data."""
        for dataset in (table for table in order_tables() if table.personal_data):
            for path in self._published(dataset):
                yield from self._read(dataset, path)
        for path in self.store.files_below(Layout("orders", self.ledger.merchant_id).staged):
            if path.endswith(".parquet"):
                yield from (rows for rows in read_columns(self.store, path) if "customer_number" in rows.column_names)

    def _erase_rows(self, people: ErasedPeople) -> bool:
        """Whether there was anything to erase in the published tables."""
        found = False
        for dataset in order_tables():
            days: dict[tuple[str, str], list[str]] = defaultdict(list)
            for path in self._published(dataset):
                if any(pc.any(to_erase(rows, people)).as_py() for rows in self._read(dataset, path)):
                    suffix = next(suffix for suffix in FORMATS.values() if path.endswith(f".{suffix}"))
                    days[path.rpartition("/")[0], suffix].append(path)
            for (_, suffix), paths in sorted(days.items()):
                found = True
                self._replace(dataset, paths, suffix, people)
        return found

    def _replace(self, dataset: Dataset, paths: list[str], suffix: str, people: ErasedPeople) -> None:
        """Publish what remains of the rows in files of one date."""
        schema = arrow_schema(dataset.model)
        layout = Layout(dataset.name, self.ledger.merchant_id)
        staging = Layout(STAGED_AS, self.ledger.merchant_id).staging(moment(self.at), uuid.uuid4().hex)
        self.begin()
        staged = []
        try:
            for path in paths:
                theirs = [rows.filter(to_erase(rows, people)) for rows in read_batches(self.store, path, schema)]
                remains = erased(dataset, pa.concat_tables(theirs), self.at)
                staged.append(f"{staging}/{uuid.uuid4().hex}.parquet")
                self.store.write(staged[-1], parquet_bytes(remains))
                self.rows[dataset.name] += remains.num_rows
                self.files.add(path)
            # No time lies in that window, so that files are named after the rows that they hold.
            RowMerger(self.store, layout, dataset, moment(EPOCH), suffix).merge(staged, everything)
        finally:
            self.store.delete_folder(staging)

    def _published(self, dataset: Dataset) -> list[str]:
        found = self.store.files_below(Layout(dataset.name, self.ledger.merchant_id).merchant)
        return [path for path in found if PublishedName.parse(path) is not None]

    def _read(self, dataset: Dataset, path: str) -> Iterator[pa.Table]:
        schema = arrow_schema(dataset.model)
        return read_batches(self.store, path, schema, [name for name in COLUMNS if name in schema.names])


def read_columns(store: ObjectStore, path: str) -> Iterator[pa.Table]:
    """Of the rows of any Parquet file, those of ``COLUMNS`` that it has."""
    with store.open(path) as file:
        parquet = pq.ParquetFile(file)
        names = [name for name in COLUMNS if name in parquet.schema_arrow.names]
        for batch in parquet.iter_batches(batch_size=BATCH_ROWS, columns=names, use_threads=False):
            yield pa.Table.from_batches([batch])
