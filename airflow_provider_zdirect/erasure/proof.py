"""Proving an erasure: all files about the merchant's orders are read again, and searched for the people.

Of every row that is theirs, what may be personal is null; and none of their texts (customer number, e-mail, telephone,
or family name with street) is found in any file, whatever it is. A row of another customer with the same e-mail or
telephone is that customer's own: it is counted, and left. So is an order that was placed after the request. An order
with such a text that names no customer is taken for theirs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from airflow_provider_zdirect.datasets.arrow import INSTANT, arrow_schema
from airflow_provider_zdirect.datasets.table import Dataset
from airflow_provider_zdirect.erasure.people import ErasedPeople
from airflow_provider_zdirect.erasure.places import is_rejected_of
from airflow_provider_zdirect.erasure.rows import (
    dataset_of_columns,
    erased_line,
    lines_of,
    order_tables,
    placed_before,
    to_erase,
)
from airflow_provider_zdirect.erasure.texts import SoughtTexts, texts_in
from airflow_provider_zdirect.shipping_documents.documents import documents_folder
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import BATCH_ROWS, read_batches

ABOUT_ORDERS = ("orders", "order_", "announced_returns", "shipping_document")
"""How the names of datasets about orders begin."""

MAX_LOOKS = 10


@dataclass
class Proof:
    """What was searched, and found.

    :param texts: that were searched for.
    :param of_others: rows of other customers, or of later orders, with such a text.
    :param found: traces by file.
    :param elsewhere: those of these files that are not about to be erased.
    :param theirs: ids of orders that name no customer, and have such a text.
    """

    files: int = 0
    rows: int = 0
    texts: int = 0
    of_others: int = 0
    found: Counter[str] = field(default_factory=Counter)
    elsewhere: set[str] = field(default_factory=set)
    theirs: set[str] = field(default_factory=set)


def prove(store: ObjectStore, people: ErasedPeople, texts: SoughtTexts) -> Proof:
    """Search every file about the merchant's orders."""
    search = _Search(store, people, texts)
    read: set[str] = set()
    for _ in range(MAX_LOOKS):
        # A file that is replaced meanwhile is replaced by another, which is to be read too.
        new = [path for path in _files(store, people.merchant_id) if path not in read]
        if not new:
            break
        for path in new:
            search.search(path)
        read.update(new)
    return search.proof


def _files(store: ObjectStore, merchant_id: str) -> Iterator[str]:
    for top in (path.strip("/") for path in store.files("")):
        places = store.files(top) if top.startswith("_") else [top]
        for place in places:
            if place.rpartition("/")[2].startswith(ABOUT_ORDERS):
                yield from store.files_below(f"{place}/merchant_id={merchant_id}")


class _Search:
    def __init__(self, store: ObjectStore, people: ErasedPeople, texts: SoughtTexts) -> None:
        self.store = store
        self.people = people
        self.texts = texts
        self.patterns = list(texts.patterns())
        self.streets = list(texts.street_patterns())
        self.compiled = texts.compiled()
        self.tables = {table.name: table for table in order_tables()}
        self.proof = Proof(texts=len(texts.single) + len(texts.together))

    def search(self, path: str) -> None:
        try:
            if path.endswith(".parquet"):
                self._search_parquet(path)
            elif path.endswith(".jsonl.gz"):
                self._search_lines(path)
            else:
                self._search_whole(path)
            self.proof.files += 1
        except FileNotFoundError:
            return

    def _search_parquet(self, path: str) -> None:
        with self.store.open(path) as file:
            parquet = pq.ParquetFile(file)
            dataset = dataset_of_columns(parquet.schema_arrow.names)
            if dataset is None:
                for batch in parquet.iter_batches(batch_size=BATCH_ROWS, use_threads=False):
                    self._search_rows(path, None, pa.Table.from_batches([batch]))
                return
        for rows in read_batches(self.store, path, arrow_schema(dataset.model)):
            self._search_rows(path, dataset, rows)

    def _search_lines(self, path: str) -> None:
        dataset = self.tables.get(path.partition("/")[0])
        if dataset is not None:
            for rows in read_batches(self.store, path, arrow_schema(dataset.model)):
                self._search_rows(path, dataset, rows)
            return
        for line in lines_of(self.store, path):
            self.proof.rows += 1
            is_record = path.startswith(("_rejected/", "_staging/"))
            if is_record and is_rejected_of(line, self.people, self.texts, self.compiled):
                self._found(path, erased_line(line) != line)
            elif not is_record:
                self._found(path, self._is_in("\n".join(texts_in(msgspec.json.decode(line)))), elsewhere=True)

    def _search_whole(self, path: str) -> None:
        folder, _, name = path.rpartition("/")
        if path.startswith("shipping_documents/"):
            # What a document shows cannot be read, so it is known by the order that it belongs to.
            order_id = folder.rpartition("order_id=")[2]
            if order_id in self.people.orders and folder == documents_folder(self.people.merchant_id, order_id):
                self._found(path, 1)
        if name.endswith(".pdf"):
            return
        data = self.store.read(path)
        if data is None:
            raise FileNotFoundError(path)
        text = data.decode(errors="replace")
        if name.endswith(".json"):
            # Numbers in files of this package are counts.
            text = "\n".join(texts_in(msgspec.json.decode(data), numbers=not path.startswith("_")))
        self._found(path, self._is_in(text), elsewhere=True)

    def _found(self, path: str, traces: int, *, elsewhere: bool = False) -> None:
        if traces:
            self.proof.found[path] += traces
            if elsewhere:
                self.proof.elsewhere.add(path)

    def _is_in(self, text: str) -> bool:
        return self.texts.are_in(text, self.compiled)

    def _search_rows(self, path: str, dataset: Dataset | None, rows: pa.Table) -> None:
        self.proof.rows += rows.num_rows
        left = pa.repeat(False, rows.num_rows) if dataset is None else to_erase(dataset, rows, self.people)
        matching = pc.and_not(self._matching(rows), left)
        elsewhere = True
        if dataset is not None and "customer_number" in dataset.personal_data:
            # Theirs would be among those that are left, so these are of somebody else, or of a later order.
            of_other = pc.is_valid(rows.column("customer_number").combine_chunks())
            if (asked := self.people.asked_last) is not None:
                of_other = pc.or_(of_other, pc.invert(placed_before(rows, pa.scalar(asked, INSTANT))))
            self.proof.of_others += _count(pc.and_(matching, of_other))
            matching = pc.and_not(matching, of_other)
            self.proof.theirs.update(rows.filter(matching).column("order_id").to_pylist())
            elsewhere = False
        self._found(path, _count(left))
        self._found(path, _count(matching), elsewhere=elsewhere)

    def _matching(self, rows: pa.Table) -> pa.Array:
        """Rows with one of the texts in any column, or with name and street in whichever."""
        numbers = self._with_text(rows, self.patterns)
        for number in self._with_text(rows, self.streets) - numbers:
            if self._is_in("\n".join(texts_in(rows.slice(number, 1).to_pylist(), numbers=False))):
                numbers.add(number)
        return pa.array([number in numbers for number in range(rows.num_rows)], pa.bool_())

    def _with_text(self, rows: pa.Table, patterns: list[str]) -> set[int]:
        """Numbers of the rows with a text of this kind in any column."""
        numbers: set[int] = set()
        for column in rows.columns:
            for values, of_rows in _texts(column.combine_chunks(), pa.array(range(rows.num_rows), pa.int64())):
                if values.null_count == len(values):
                    continue
                for pattern in patterns:
                    hits = pc.fill_null(pc.match_substring_regex(values, pattern), False)
                    if _count(hits):
                        numbers.update(of_rows.filter(hits).to_pylist())
        return numbers


def _texts(values: pa.Array, of_rows: pa.Array) -> Iterator[tuple[pa.Array, pa.Array]]:
    """All texts in a column, each with the number of its row."""
    if pa.types.is_struct(values.type):
        for one in values.type:
            yield from _texts(pc.struct_field(values, one.name), of_rows)
    elif pa.types.is_list(values.type):
        yield from _texts(pc.list_flatten(values), of_rows.take(pc.list_parent_indices(values)))
    elif pa.types.is_string(values.type):
        yield values, of_rows


def _count(mask: pa.Array) -> int:
    return int(pc.sum(mask).as_py() or 0)
