"""Levels that were sent, as rows: one form for the log and for the published tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any

import pyarrow as pa

from airflow_provider_zdirect.datasets.arrow import INSTANT
from airflow_provider_zdirect.stocks.level import Level, Sent

COLUMNS = [
    ("sales_channel_id", pa.string()),
    ("ean", pa.string()),
    ("quantity", pa.int64()),
    ("outcome", pa.string()),
    ("status", pa.string()),
    ("code", pa.int64()),
    ("description", pa.string()),
    ("feed_time", INSTANT),
    ("orders_time", INSTANT),
    ("sent_at", INSTANT),
]
LINEAGE = [("_merchant_id", pa.string()), ("_environment", pa.string())]
SCHEMA = pa.schema([*COLUMNS, ("attempts", pa.int64()), ("run", pa.string())])

_CELLS: Mapping[str, Callable[[Sent], Any]] = {
    "sales_channel_id": lambda item: item.pair[0],
    "ean": lambda item: item.pair[1],
    "quantity": lambda item: item.level.quantity,
    "feed_time": lambda item: item.level.feed_time,
    "orders_time": lambda item: item.level.orders_time,
    **{name: attrgetter(name) for name in ("outcome", "status", "code", "description", "sent_at", "attempts", "run")},
}


def as_row(item: Sent) -> dict[str, Any]:
    return {name: cell(item) for name, cell in _CELLS.items()}


def as_table(items: Iterable[Sent], schema: pa.Schema = SCHEMA, **lineage: str) -> pa.Table:
    """Sorted by sales channel and EAN.

    :param lineage: columns that have one value.
    """
    items = sorted(items, key=lambda item: item.pair)
    columns = [
        pa.repeat(pa.scalar(lineage[column.name], column.type), len(items))
        if column.name in lineage
        else _column(map(_CELLS[column.name], items), column.type)
        for column in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def of_table(table: pa.Table) -> list[Sent]:
    columns = {name: _values(table.column(name)) for name in SCHEMA.names}
    levels = map(Level, columns["quantity"], columns["feed_time"], columns["orders_time"])
    pairs = zip(columns["sales_channel_id"], columns["ean"], strict=True)
    rest = (columns[name] for name in ("sent_at", "run", "outcome", "status", "code", "description", "attempts"))
    return list(map(Sent, pairs, levels, *rest))


def _values(column: pa.ChunkedArray) -> list[Any]:
    """Each value of a column, equal ones as one object: there may be a million rows, and few times."""
    encoded = column.combine_chunks().dictionary_encode()
    values = encoded.dictionary.to_pylist()
    return [None if at is None else values[at] for at in encoded.indices.to_pylist()]


def _column(values: Iterable[Any], kind: pa.DataType) -> pa.Array:
    """The opposite: each value that there is is converted once."""
    places: dict[Any, int] = {}
    at = [places.setdefault(value, len(places)) for value in values]
    return pa.array(list(places), kind).take(pa.array(at, pa.int32()))
