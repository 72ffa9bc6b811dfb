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
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from airflow_provider_zdirect.datasets.arrow import INSTANT, arrow_schema
from airflow_provider_zdirect.datasets.table import Dataset
from airflow_provider_zdirect.erasure.ledger import ErasedPeople, ErasureLedger
from airflow_provider_zdirect.erasure.rows import (
    COLUMNS,
    Contacts,
    column,
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
from airflow_provider_zdirect.publish.read import ATTEMPTS, RETRY_SECONDS, read_published
from airflow_provider_zdirect.publish.row_index import EPOCH
from airflow_provider_zdirect.storage.layout import FORMATS, Layout, PublishedName, moment
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import BATCH_ROWS, parquet_bytes, read_batches

STAGED_AS = "order_erasures"
"""Where rows are staged, as if it was a dataset."""

_HASHED = re.compile(r"[0-9a-f]{32}")
"""What a keyed hash looks like."""


@dataclass
class Erased:
    """What a run has erased.

    :param begin: called before anything is erased.
    :param rows: erased rows by table; each once per file that it was in.
    :param files: files that were deleted or rewritten.
    :param documents: deleted shipping documents.
    """

    begin: Callable[[], None] = lambda: None
    rows: Counter[str] = field(default_factory=Counter)
    files: set[str] = field(default_factory=set)
    documents: int = 0


@dataclass(frozen=True)
class OrderTables:
    """The published tables of orders of one merchant.

    :param at: the present.
    """

    ledger: ErasureLedger
    at: datetime

    @property
    def store(self) -> ObjectStore:
        return self.ledger.store

    def learn(self, contacts: Contacts) -> ErasedPeople:
        """Enter in the ledger the orders that are found by customer number or contact, and the hashes of numbers.

        An order is found by a contact only if it names no customer: two customers may share one.

        :param contacts: known contacts; those in the customers' orders are added.
        :returns: all people who have to be erased.
        """
        people = self.ledger.people()
        if not people:
            return people
        for _ in range(ATTEMPTS):
            known = len(contacts)
            what = f"Orders of merchant {self.ledger.merchant_id}"
            orders, hashed = read_published(what, partial(self._found, people, contacts))
            entered = self.ledger.add(at=self.at, orders=dict.fromkeys(sorted(orders)), customers=hashed)
            if entered.entries == people.entries and len(contacts) == known:
                return people
            people = entered
        raise self._kept_changing()

    def _found(self, people: ErasedPeople, contacts: Contacts) -> tuple[set[str], dict[str, str | None]]:
        """Order ids, and hashes with when their erasure was requested."""
        orders: set[str] = set()
        hashed: dict[str, str | None] = {}
        for rows in self._orders():
            theirs = is_theirs(rows, people)
            for row in rows.filter(theirs).to_pylist():
                contacts |= contacts_of(row)
                order_id, number = row["order_id"], row["customer_number"]
                orders.add(order_id)
                if number and _HASHED.fullmatch(number):
                    hashed[number] = max(hashed.get(number) or "", people.orders.get(order_id) or "")
            nameless = pc.and_(pc.is_null(column(rows, "customer_number")), has_personal_data(rows))
            if people.asked_last is not None:
                nameless = pc.and_(nameless, placed_before(rows, pa.scalar(people.asked_last, INSTANT)))
            if contacts and pc.any(nameless).as_py():
                found = rows.filter(nameless).to_pylist()
                orders.update(row["order_id"] for row in found if not contacts.isdisjoint(contacts_of(row)))
        return orders, hashed

    def _orders(self) -> Iterator[pa.Table]:
        """The columns of published and staged orders that say whose they are, and their personal data."""
        for dataset in (table for table in order_tables() if table.personal_data):
            for path in self._published(dataset):
                yield from self._read(dataset, path)
        for path in self.store.files_below(Layout("orders", self.ledger.merchant_id).staged):
            if path.endswith(".parquet"):
                yield from (rows for rows in read_columns(self.store, path) if "customer_number" in rows.column_names)

    def erase(self, people: ErasedPeople, done: Erased) -> None:
        """Erase until nothing is found any more.

        :param done: is added to.
        :raises ConcurrentRunError: if something was found each time.
        """
        for _ in range(ATTEMPTS):
            if not self._erase(people, done):
                return
        raise self._kept_changing()

    def _kept_changing(self) -> ConcurrentRunError:
        return ConcurrentRunError(
            f"Orders of merchant {self.ledger.merchant_id}: other runs kept publishing rows of erased customers, "
            f"{ATTEMPTS} times in a row.",
            remedy="No action needed if the task retries. Run it after the extractions.",
            retry_after=RETRY_SECONDS,
        )

    def _erase(self, people: ErasedPeople, done: Erased) -> bool:
        """Whether there was anything to erase."""
        found = False
        for dataset in order_tables():
            days: dict[tuple[str, str], list[str]] = defaultdict(list)
            for path in self._published(dataset):
                if self._is_to_erase(dataset, path, people):
                    suffix = next(suffix for suffix in FORMATS.values() if path.endswith(f".{suffix}"))
                    days[path.rpartition("/")[0], suffix].append(path)
            for (_, suffix), paths in sorted(days.items()):
                self._replace(dataset, paths, suffix, people, done)
            found = found or bool(days)
        return found

    def _replace(self, dataset: Dataset, paths: list[str], suffix: str, people: ErasedPeople, done: Erased) -> None:
        """Publish what remains of the rows in files of one date."""
        layout = Layout(dataset.name, self.ledger.merchant_id)
        staging = Layout(STAGED_AS, self.ledger.merchant_id).staging(moment(self.at), uuid.uuid4().hex)
        # No time lies in that window, so that files are named after the rows that they hold.
        merger = RowMerger(self.store, layout, dataset, moment(EPOCH), suffix)
        staged = []
        try:
            for path in paths:
                theirs = self._theirs(dataset, path, people)
                if theirs.num_rows:
                    done.begin()
                    staged.append(f"{staging}/{uuid.uuid4().hex}.parquet")
                    self.store.write(staged[-1], parquet_bytes(erased(dataset, theirs, self.at)))
                    done.rows[dataset.name] += theirs.num_rows
                    done.files.add(path)
            if staged:
                merger.merge(staged, lambda times: pa.chunked_array([pa.repeat(True, len(times))]))
        finally:
            self.store.delete_folder(staging)

    def _theirs(self, dataset: Dataset, path: str, people: ErasedPeople) -> pa.Table:
        """Rows of a file that have to be erased, whole; none if it is gone."""
        schema = arrow_schema(dataset.model)
        with suppress(FileNotFoundError):
            tables = [rows.filter(to_erase(rows, people)) for rows in read_batches(self.store, path, schema)]
            return pa.concat_tables([schema.empty_table(), *tables])
        return schema.empty_table()

    def _is_to_erase(self, dataset: Dataset, path: str, people: ErasedPeople) -> bool:
        """True, too, if it is gone: another run has replaced it, and the new file has to be checked."""
        try:
            return any(pc.any(to_erase(rows, people)).as_py() for rows in self._read(dataset, path))
        except FileNotFoundError:
            return True

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
