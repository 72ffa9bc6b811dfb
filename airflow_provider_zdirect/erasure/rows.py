# SPDX-License-Identifier: Apache-2.0
"""Which rows and rejected records belong to erased people, and what remains of them. Knows no files.

The row remains, with order id, number and amounts, because accounting needs it. Of personal data, only the country of
an address remains, as when personal data is dropped. Undeclared fields may be personal, so they are erased too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from datetime import datetime, timedelta
from functools import reduce
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.datasets.arrow import EXTRACTED_AT, INSTANT, RECORD_HASH, UNKNOWN_FIELDS
from airflow_provider_zdirect.datasets.personal_data import KEPT
from airflow_provider_zdirect.datasets.table import Dataset, get_dataset
from airflow_provider_zdirect.erasure.ledger import ORDER_DATASETS, ErasedPeople
from airflow_provider_zdirect.publish.same_row import row_hashes

WHOSE = ("order_id", "customer_number", "order_date", "orders")
"""Columns that say whose a row is."""

PERSONAL = (*get_dataset("orders").personal_data, UNKNOWN_FIELDS)
"""Columns that may hold personal data."""

COLUMNS = tuple(dict.fromkeys((*WHOSE, *PERSONAL)))
"""Both: all that decides whether a row has to be erased."""

Contacts = set[tuple[str, ...]]
"""What identifies customers besides their numbers; see :func:`contacts_of`."""

SHORTEST_CONTACT = 6
"""Characters; a shorter text does not identify a person."""

_NOTHING = msgspec.Raw(b"null")
_IDS = ("order_id", "order_item_id", "order_line_id", "announced_return_id")


def order_tables() -> list[Dataset]:
    """The rows of all tables of these datasets, with those of the latest versions."""
    rows = [get_dataset(name) for name in ORDER_DATASETS]
    return [table for row in rows for table in (row, row.of_latest()) if table is not None]


def is_theirs(rows: pa.Table, people: ErasedPeople) -> pa.Array:
    """Which rows are of one of these people, by those of the columns in :data:`WHOSE` that are there."""
    theirs = pa.repeat(False, rows.num_rows)
    ids = pa.array(list(people.orders), pa.string())
    if "order_id" in rows.column_names:
        theirs = pc.or_(theirs, pc.is_in(rows["order_id"].combine_chunks(), value_set=ids))
    if "customer_number" in rows.column_names:
        numbers = rows["customer_number"].combine_chunks()
        named = {each: asked for each in pc.unique(numbers).to_pylist() if (asked := people.asked_at(each))}
        at = pc.index_in(numbers, value_set=pa.array(list(named), pa.string()))
        theirs = pc.or_(theirs, placed_before(rows, pa.array(list(named.values()), INSTANT).take(at)))
    if "orders" in rows.column_names:
        orders = rows["orders"].combine_chunks()
        hits = pc.is_in(pc.struct_field(pc.list_flatten(orders), "order_id"), value_set=ids)
        positions = pa.array(range(rows.num_rows), pa.int64())
        theirs = pc.or_(theirs, pc.is_in(positions, value_set=pc.list_parent_indices(orders).filter(hits)))
    return theirs


def placed_before(rows: pa.Table, asked: pa.Array | pa.Scalar) -> pa.Array:
    """Which rows are of orders that were placed before these times; False where there is none."""
    earlier = pc.fill_null(pc.less_equal(rows["order_date"].combine_chunks(), asked), True)
    return pc.and_(earlier, pc.is_valid(asked))


def has_personal_data(rows: pa.Table) -> pa.Array:
    """Which rows hold anything that may be personal, in those of the columns in :data:`PERSONAL` that are there."""
    return _any_holds((rows[name].combine_chunks() for name in _personal(rows)), rows.num_rows)


def to_erase(rows: pa.Table, people: ErasedPeople) -> pa.Array:
    """Which rows are of one of these people and hold anything personal."""
    return pc.and_(has_personal_data(rows), is_theirs(rows, people))


def erased(dataset: Dataset, rows: pa.Table, at: datetime | None = None) -> pa.Table:
    """What remains of rows.

    :param at: the present, for published rows: they become later versions of themselves; None: they were just fetched.
    """
    for name in _personal(rows):
        rows = _with(rows, name, _forgotten(rows[name].combine_chunks()))
    if at is not None:
        later = pc.add(rows[EXTRACTED_AT].combine_chunks(), pa.scalar(timedelta(microseconds=1), pa.duration("us")))
        now = pa.scalar(at, INSTANT)
        rows = _with(rows, EXTRACTED_AT, pc.if_else(pc.greater(later, now), later, now))
    # Of what remains, so that the same row is recognized whenever it is fetched.
    return _with(rows, RECORD_HASH, pa.array(row_hashes(rows, dataset.model.not_content)))


def without_erased(dataset: Dataset, rows: pa.Table, people: ErasedPeople) -> pa.Table:
    """All of these rows, which were just fetched, without the personal data of these people."""
    if dataset.name not in ORDER_DATASETS or not people:
        return rows
    # Orders were stripped before they were validated; their hash has to be that of rows that are erased later.
    theirs = is_theirs(rows, people) if dataset.personal_data else to_erase(rows, people)
    if not pc.any(theirs).as_py():
        return rows
    # Theirs are replaced by what remains of them, which is put behind all rows first.
    replaced = np.flatnonzero(theirs.to_numpy(zero_copy_only=False))
    places = np.arange(rows.num_rows)
    places[replaced] = rows.num_rows + np.arange(len(replaced))
    return pa.concat_tables([rows, erased(dataset, rows.filter(theirs))]).take(pa.array(places))


def line_without_erased(line: bytes, people: ErasedPeople, contacts: Set[tuple[str, ...]] = frozenset()) -> bytes:
    """A line with an invalid record; if it is theirs, only the reason and the ids.

    A record that cannot be decoded may be theirs. One that names no customer is, if it has one of the contacts.
    """
    content = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    raw = content.get("record", _NOTHING)
    record = msgspec.json.decode(raw)
    is_object = isinstance(record, Mapping)
    if not people or not (
        isinstance(record, str)
        or people.has_record(raw)
        or (is_object and not record.get("customer_number") and not contacts.isdisjoint(contacts_of(record)))
    ):
        return line
    ids = {name: record[name] for name in _IDS if isinstance(record.get(name), str)} if is_object else {}
    return msgspec.json.encode({"reason": content.get("reason", _NOTHING), "record": ids}) + b"\n"


def contacts_of(order: Mapping[str, Any]) -> Contacts:
    """E-mail, telephone, and family name with street, of a row, a record as it came, or a deletion request."""
    phone = order.get("customer_phone")
    single = [order.get("customer_email"), phone.get("number") if isinstance(phone, Mapping) else None]
    found: list[tuple[str, ...]] = [(text.strip(),) for text in single if isinstance(text, str)]
    for name in ("shipping_address", "billing_address"):
        address = order.get(name)
        if isinstance(address, Mapping):
            family, street = (str(address.get(part) or "").strip() for part in ("last_name", "address_line_1"))
            if family:
                found.append((family, street))
    return {contact for contact in found if len(contact[-1]) >= SHORTEST_CONTACT}


def _personal(rows: pa.Table) -> list[str]:
    return [name for name in PERSONAL if name in rows.column_names]


def _with(rows: pa.Table, name: str, values: pa.Array) -> pa.Table:
    number = rows.schema.get_field_index(name)
    return rows.set_column(number, rows.schema.field(name), values)


def _holds(values: pa.Array) -> pa.Array:
    if not pa.types.is_struct(values.type):
        return pc.is_valid(values)
    fields = (pc.struct_field(values, field.name) for field in values.type if field.name not in KEPT)
    return _any_holds(fields, len(values))


def _any_holds(columns: Iterable[pa.Array], count: int) -> pa.Array:
    return reduce(pc.or_, map(_holds, columns), pa.repeat(False, count))


def _forgotten(values: pa.Array) -> pa.Array:
    kind = values.type
    if not pa.types.is_struct(kind) or KEPT.isdisjoint(field.name for field in kind):
        return pa.nulls(len(values), kind)
    fields = list(kind)
    kept = {field.name: pc.struct_field(values, field.name) for field in fields if field.name in KEPT}
    nothing = reduce(pc.and_, map(pc.is_null, kept.values()), pa.repeat(True, len(values)))
    children = [kept.get(field.name, pa.nulls(len(values), field.type)) for field in fields]
    return pa.StructArray.from_arrays(children, fields=fields, mask=nothing)
