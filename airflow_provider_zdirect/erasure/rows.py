"""Rows of people who have to be forgotten: which they are, and what stays of them. No file is changed here.

The row stays, with order id, number and amounts: the books need it. Of what is personal the country of an address
stays, as where personal data is dropped; a field that nobody knows may be personal, and goes too.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from airflow_provider_zdirect.datasets.arrow import (
    EXTRACTED_AT,
    INSTANT,
    RECORD_HASH,
    UNKNOWN_FIELDS,
    arrow_schema,
)
from airflow_provider_zdirect.datasets.personal_data import KEPT
from airflow_provider_zdirect.datasets.rejected import NOT_READABLE
from airflow_provider_zdirect.datasets.table import Dataset, get_dataset
from airflow_provider_zdirect.erasure.people import ErasedPeople
from airflow_provider_zdirect.publish.same_row import row_hashes
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import read_batches

ORDER_DATASETS = ("orders", "order_items", "order_lines", "announced_returns")
"""Datasets with rows of orders."""

_NOTHING = msgspec.Raw(b"null")
_IDS = ("order_id", "order_item_id", "order_line_id", "announced_return_id")
_WHOSE = ("order_id", "customer_number", "order_date", "orders")


def order_tables() -> list[Dataset]:
    """The rows of all tables of these datasets, with those of the latest versions."""
    rows = [get_dataset(name) for name in ORDER_DATASETS]
    return [table for row in rows for table in (row, row.of_latest()) if table is not None]


def telling_columns(dataset: Dataset) -> list[str]:
    """The columns that say whose a row is, and whether anything personal is left in it."""
    schema = arrow_schema(dataset.model)
    wanted = dict.fromkeys([*_WHOSE, *dataset.personal_data, UNKNOWN_FIELDS])
    return [name for name in wanted if name in schema.names]


def is_theirs(rows: pa.Table, people: ErasedPeople) -> pa.Array:
    """Which rows are of one of these people, by the columns that are there."""
    theirs = pa.repeat(False, rows.num_rows)
    if "order_id" in rows.column_names:
        ids = pa.array(list(people.orders), pa.string())
        theirs = pc.or_(theirs, pc.is_in(_whole(rows, "order_id"), value_set=ids))
    if "customer_number" in rows.column_names:
        numbers = _whole(rows, "customer_number")
        named = {each: asked for each in pc.unique(numbers).to_pylist() if (asked := people.asked_at(each))}
        at = pc.index_in(numbers, value_set=pa.array(list(named), pa.string()))
        theirs = pc.or_(theirs, placed_before(rows, pa.array(list(named.values()), INSTANT).take(at)))
    if "orders" in rows.column_names:
        several = [
            any(order["order_id"] in people.orders for order in orders or () if order)
            for orders in rows.column("orders").to_pylist()
        ]
        theirs = pc.or_(theirs, pa.array(several, pa.bool_()))
    return theirs


def placed_before(rows: pa.Table, asked: pa.Array | pa.Scalar) -> pa.Array:
    """Which rows are of orders that were placed before these times; False where there is none."""
    earlier = pc.fill_null(pc.less_equal(_whole(rows, "order_date"), asked), True)
    return pc.and_(earlier, pc.is_valid(asked))


def is_telling(dataset: Dataset, rows: pa.Table) -> pa.Array:
    """Which rows hold anything that may be personal."""
    telling = pa.repeat(False, rows.num_rows)
    for name in (*dataset.personal_data, UNKNOWN_FIELDS):
        telling = pc.or_(telling, _holds(_whole(rows, name)))
    return telling


def to_erase(dataset: Dataset, rows: pa.Table, people: ErasedPeople) -> pa.Array:
    """Which rows are of one of these people and hold anything personal; needs the telling columns."""
    telling = is_telling(dataset, rows)
    if "orders" not in rows.column_names:
        return pc.and_(telling, is_theirs(rows, people))
    # Lists are looked at row by row, so only where there is a reason.
    mask = telling.to_pylist()
    few = is_theirs(rows.filter(telling), people).to_pylist()
    return pa.array([one and few.pop(0) for one in mask], pa.bool_())


def erased(dataset: Dataset, rows: pa.Table, at: datetime | None = None) -> pa.Table:
    """What stays of rows.

    :param at: the present, for published rows: it makes them later versions of what they were; None: the rows have just
        been fetched.
    """
    for name in (*dataset.personal_data, UNKNOWN_FIELDS):
        rows = _with(rows, name, _forgotten(_whole(rows, name)))
    if at is not None:
        later = pc.add(_whole(rows, EXTRACTED_AT), pa.scalar(timedelta(microseconds=1), pa.duration("us")))
        now = pa.scalar(at, INSTANT)
        rows = _with(rows, EXTRACTED_AT, pc.if_else(pc.greater(later, now), later, now))
    # Of what stays, so that the same is known again, whenever it is fetched.
    return _with(rows, RECORD_HASH, pa.array(row_hashes(rows, dataset.model.not_content), pa.int64()))


def without_erased(dataset: Dataset, rows: pa.Table, people: ErasedPeople) -> pa.Table:
    """Rows that have just been fetched, all of them, without what is personal of these people."""
    if dataset.name not in ORDER_DATASETS or not people:
        return rows
    # Orders were stripped already, before they were validated; the hash is to be that of rows that were erased later.
    theirs = is_theirs(rows, people) if dataset.personal_data else to_erase(dataset, rows, people)
    if not pc.any(theirs).as_py():
        return rows
    changed = erased(dataset, rows.filter(theirs))
    # In their order: those that stay are taken from the first, the others from the second.
    own, other, numbers = 0, rows.num_rows, []
    for number, is_own in enumerate(theirs.to_pylist()):
        numbers.append(other + own if is_own else number)
        own += is_own
    return pa.concat_tables([rows, changed]).take(pa.array(numbers, pa.int64())).combine_chunks()


def is_theirs_line(line: bytes, people: ErasedPeople) -> bool:
    """Whether a line is about an invalid record of one of these people; one that cannot be decoded may be."""
    record = msgspec.json.decode(line, type=dict[str, msgspec.Raw]).get("record", _NOTHING)
    return bool(people) and (bytes(record).startswith(b'"') or people.has_record(record))


def erased_line(line: bytes) -> bytes:
    """What stays of a line with an invalid record: the reason, and the ids of what it is about."""
    content = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    try:
        record = msgspec.json.decode(content.get("record", _NOTHING), type=dict[str, msgspec.Raw])
        said = {name: msgspec.json.decode(record[name]) for name in _IDS if name in record}
    except NOT_READABLE:
        said = {}
    left = {name: value for name, value in said.items() if isinstance(value, str)}
    return msgspec.json.encode({"reason": content.get("reason", _NOTHING), "record": left}) + b"\n"


def staged_is_telling(store: ObjectStore, path: str, people: ErasedPeople) -> bool:
    """Whether a staged file holds anything personal of these people; False if it is gone.

    Staged Parquet files do not say of which dataset they are; their columns do.
    """
    try:
        if path.endswith(".jsonl.gz"):
            return any(is_theirs_line(line, people) and erased_line(line) != line for line in lines_of(store, path))
        if not path.endswith(".parquet"):
            return False
        with store.open(path) as file:
            names = pq.ParquetFile(file).schema_arrow.names
        dataset = dataset_of_columns(names)
        if dataset is None:
            return False
        tables = read_batches(store, path, arrow_schema(dataset.model), telling_columns(dataset))
        return any(pc.any(to_erase(dataset, table, people)).as_py() for table in tables)
    except FileNotFoundError:
        return False


def lines_of(store: ObjectStore, path: str) -> Iterator[bytes]:
    """Those of a file of JSON lines."""
    with store.open(path) as file, gzip.open(file) as lines:
        yield from lines


def dataset_of_columns(names: list[str]) -> Dataset | None:
    """The dataset whose files have these columns; None if it is none of orders."""
    tables = {name: set(arrow_schema(get_dataset(name).model).names) for name in ORDER_DATASETS}
    # Older files do not have all columns of today; the table is the one that lacks the fewest of them.
    lacking = {name: len(columns.difference(names)) for name, columns in tables.items() if columns.issuperset(names)}
    return get_dataset(min(lacking, key=lambda name: lacking[name])) if lacking and EXTRACTED_AT in names else None


def _whole(rows: pa.Table, name: str) -> pa.Array:
    column = rows.column(name)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _with(rows: pa.Table, name: str, values: pa.Array) -> pa.Table:
    number = rows.schema.get_field_index(name)
    return rows.set_column(number, rows.schema.field(name), values)


def _holds(values: pa.Array) -> pa.Array:
    if not pa.types.is_struct(values.type):
        return pc.is_valid(values)
    holds = pa.repeat(False, len(values))
    for field in values.type:
        if field.name not in KEPT:
            holds = pc.or_(holds, _holds(pc.struct_field(values, field.name)))
    return holds


def _forgotten(values: pa.Array) -> pa.Array:
    kind = values.type
    if not pa.types.is_struct(kind) or KEPT.isdisjoint(field.name for field in kind):
        return pa.nulls(len(values), kind)
    fields = list(kind)
    kept = {field.name: pc.struct_field(values, field.name) for field in fields if field.name in KEPT}
    nothing = pa.repeat(True, len(values))
    for each in kept.values():
        nothing = pc.and_(nothing, pc.is_null(each))
    children = [kept.get(field.name, pa.nulls(len(values), field.type)) for field in fields]
    return pa.StructArray.from_arrays(children, fields=fields, mask=nothing)
