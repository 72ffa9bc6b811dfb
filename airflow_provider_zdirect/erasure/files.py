"""Erasing people from files: published rows of all windows, and rows that are parked.

A published file never changes here either. What stays of a row is published as a later version of it, so that the files
with the former one are written anew and deleted as with any other change: safe to kill between any two writes, and to
run beside extractions and other erasures.
"""

from __future__ import annotations

import gzip
import re
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.datasets.arrow import arrow_schema
from airflow_provider_zdirect.datasets.table import Dataset
from airflow_provider_zdirect.erasure.people import ErasedPeople, ErasureLedger
from airflow_provider_zdirect.erasure.rows import (
    erased,
    erased_line,
    is_theirs,
    lines_of,
    order_tables,
    telling_columns,
    to_erase,
)
from airflow_provider_zdirect.exceptions import ConcurrentRunError
from airflow_provider_zdirect.publish.merge import RowMerger
from airflow_provider_zdirect.publish.row_index import EPOCH
from airflow_provider_zdirect.storage.layout import FORMATS, Layout, PublishedName, moment
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import open_writer, read_batches

MAX_LOOKS = 10
RETRY_SECONDS = 60.0

STAGED_AS = "order_erasures"
"""Where rows are staged, as if it was a dataset."""

WHOSE = ["order_id", "customer_number", "order_date"]
"""Columns of orders that say whose a row is."""

_HASHED = re.compile(r"[0-9a-f]{32}")
"""As a keyed hash looks."""


def erase_lines(store: ObjectStore, path: str, is_theirs: Callable[[bytes], bool]) -> int:
    """Erase lines with invalid records in the file that holds them; how many there were."""
    try:
        lines = list(lines_of(store, path))
    except FileNotFoundError:
        return 0
    left = [erased_line(line) if is_theirs(line) else line for line in lines]
    count = sum(one != other for one, other in zip(lines, left, strict=True))
    if count:
        store.write(path, gzip.compress(b"".join(left), mtime=0))
    return count


Seen = Callable[[Dataset, pa.Table], None]


@dataclass
class ErasedRows:
    """What was done.

    :param rows: that were erased, by table; each once per file that it lay in.
    :param files: that are gone, or hold something else now.
    """

    rows: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    files: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class FileEraser:
    """Erases the ledger's people from the order tables of one merchant.

    :param at: the present.
    :param seen: is given the rows before they are erased.
    :param pause: waits for so many seconds.
    """

    store: ObjectStore
    ledger: ErasureLedger
    at: datetime
    seen: Seen = lambda dataset, rows: None
    pause: Callable[[float], None] = time.sleep

    @property
    def merchant_id(self) -> str:
        return self.ledger.merchant_id

    def learn(self) -> ErasedPeople:
        """Enter orders of these people that are found by their customer number, and the hashes that stand for it.

        :returns: all people who have to be forgotten.
        """
        people = self.ledger.people()
        for _ in range(MAX_LOOKS):
            orders, hashed, missed = self._found(people)
            entered = self.ledger.add(at=self.at, orders=dict.fromkeys(sorted(orders)), customers=hashed)
            if entered.entries == people.entries and not missed:
                return people
            people = entered
        raise self._kept_changing()

    def _found(self, people: ErasedPeople) -> tuple[set[str], dict[str, str | None], bool]:
        """Order ids; hashes, with when their erasure was asked for; whether a file has gone before it was read."""
        orders: set[str] = set()
        hashed: dict[str, str | None] = {}
        missed = False
        for dataset in (row for row in order_tables() if people and "customer_number" in row.personal_data):
            for path in self._published(dataset):
                try:
                    for rows in self._tables(dataset, path, WHOSE):
                        theirs = rows.filter(is_theirs(rows, people))
                        for row in theirs.select(["order_id", "customer_number"]).to_pylist():
                            order_id, number = row["order_id"], row["customer_number"]
                            orders.add(order_id)
                            if number and _HASHED.fullmatch(number):
                                hashed[number] = max(hashed.get(number) or "", people.orders.get(order_id) or "")
                except FileNotFoundError:
                    missed = True
        return orders, hashed, missed

    def look(self, people: ErasedPeople) -> None:
        """Give ``seen`` the rows that :meth:`erase` would erase."""
        for dataset in order_tables():
            for path in self._published(dataset):
                if not self._is_telling(dataset, path, people):
                    continue
                try:
                    for rows in self._tables(dataset, path):
                        self.seen(dataset, rows.filter(to_erase(dataset, rows, people)))
                except FileNotFoundError:
                    continue

    def erase(self, people: ErasedPeople) -> ErasedRows:
        """Erase, and look again until nothing is found.

        :raises ConcurrentRunError: if something was found each time.
        """
        done = ErasedRows()
        for _ in range(MAX_LOOKS):
            if not self._erase_published(people, done):
                return done
        raise self._kept_changing()

    def _kept_changing(self) -> ConcurrentRunError:
        return ConcurrentRunError(
            f"Orders of merchant {self.merchant_id}: other runs kept publishing rows of erased customers, "
            f"{MAX_LOOKS} times in a row.",
            remedy="Nothing, if the task retries; run it after the extractions.",
            retry_after=RETRY_SECONDS,
        )

    def _erase_published(self, people: ErasedPeople, done: ErasedRows) -> int:
        """How many files there were."""
        count = 0
        for dataset in order_tables():
            found: dict[tuple[str, str], list[str]] = defaultdict(list)
            for path in self._published(dataset):
                if self._is_telling(dataset, path, people):
                    suffix = next(suffix for suffix in FORMATS.values() if path.endswith(f".{suffix}"))
                    found[path.rpartition("/")[0], suffix].append(path)
            for (_, suffix), paths in sorted(found.items()):
                self._replace(dataset, paths, suffix, people, done)
                count += len(paths)
        return count

    def _replace(self, dataset: Dataset, paths: list[str], suffix: str, people: ErasedPeople, done: ErasedRows) -> None:
        """Publish what stays of the rows in files of one date."""
        staging = Layout(STAGED_AS, self.merchant_id).staging(moment(self.at), uuid.uuid4().hex)
        with tempfile.TemporaryDirectory(prefix="zdirect-") as scratch:
            staged = [
                staged
                for path in paths
                if (staged := self._stage(dataset, path, people, scratch, staging, done)) is not None
            ]
        # No time lies in that window, so that files are named after the rows that they hold.
        merger = RowMerger(
            self.store, Layout(dataset.name, self.merchant_id), dataset, moment(EPOCH), suffix, self.pause
        )
        try:
            merger.merge(staged, lambda times: pa.chunked_array([pa.repeat(True, len(times))]))
        finally:
            self.store.delete_folder(staging)
        done.files.update(paths)

    def _stage(
        self, dataset: Dataset, path: str, people: ErasedPeople, scratch: str, folder: str, done: ErasedRows
    ) -> str | None:
        """What stays of a file's rows, in a file of its own; None if there is nothing to erase."""
        local = Path(scratch) / f"{uuid.uuid4().hex}.parquet"
        if not (count := self._write_erased(dataset, path, people, local)):
            return None
        done.rows[dataset.name] += count
        staged = f"{folder}/{local.name}"
        self.store.upload(local, staged)
        return staged

    def _write_erased(self, dataset: Dataset, path: str, people: ErasedPeople, local: Path) -> int:
        """How many rows were erased; 0 if the file is gone."""
        writer = open_writer(local, arrow_schema(dataset.model), suffix="parquet")
        count = 0
        try:
            for rows in self._tables(dataset, path):
                theirs = rows.filter(to_erase(dataset, rows, people))
                if theirs.num_rows:
                    self.seen(dataset, theirs)
                    writer.write(erased(dataset, theirs, self.at))
                    count += theirs.num_rows
        except FileNotFoundError:
            return 0
        finally:
            writer.close()
        return count

    def _is_telling(self, dataset: Dataset, path: str, people: ErasedPeople) -> bool:
        """Also if it is gone: whoever has replaced it has written another, which is to be looked at."""
        try:
            if dataset.personal_data:
                # Addresses are read only where there is an order of theirs.
                tables = self._tables(dataset, path, WHOSE)
                if not any(pc.any(is_theirs(rows, people)).as_py() for rows in tables):
                    return False
            tables = self._tables(dataset, path, telling_columns(dataset))
            return any(pc.any(to_erase(dataset, rows, people)).as_py() for rows in tables)
        except FileNotFoundError:
            return True

    def _published(self, dataset: Dataset) -> list[str]:
        found = self.store.files_below(Layout(dataset.name, self.merchant_id).merchant)
        return [path for path in found if PublishedName.parse(path) is not None]

    def _tables(self, dataset: Dataset, path: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
        return read_batches(self.store, path, arrow_schema(dataset.model), columns)
