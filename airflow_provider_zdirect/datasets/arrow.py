"""From models to Arrow: the one rule by which a record becomes a row.

A declared field is a column of the same name. A nested object is a struct, a list is a list. Text is ``string``,
a time ``timestamp[us, UTC]``, a date ``date32``, a count ``int64``, money ``decimal128(38, 18)``. Lineage columns
start with ``_`` and stand behind the fields.

The one exception: a field that is called like a folder of the table (``merchant_id=...``) is a column ``api_<field>``.
Readers make a column of the folder's name, and pandas, Spark and Glue refuse a table that has it twice.
"""

from __future__ import annotations

import hashlib
import json
import types
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
import pyarrow as pa

from airflow_provider_zdirect.datasets.record import MONEY_DECIMALS, Record

INSTANT = pa.timestamp("us", "UTC")

UNKNOWN_FIELDS = "_unknown_fields"
RECORD_HASH = "_record_hash"
EXTRACTED_AT = "_extracted_at"

PARTITIONS = frozenset({"merchant_id", "date"})
"""Names of the folders that published files lie in, which readers show as columns."""

_OF_THE_API = "api_"

_LINEAGE = (
    ("_merchant_id", pa.string()),
    ("_environment", pa.string()),
    ("_window_from", INSTANT),
    ("_window_to", INSTANT),
    (EXTRACTED_AT, INSTANT),
    (RECORD_HASH, pa.int64()),
    (UNKNOWN_FIELDS, pa.string()),
)

_SCALARS: dict[type, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    datetime: INSTANT,
    date: pa.date32(),
    Decimal: pa.decimal128(38, MONEY_DECIMALS),
}


@dataclass(frozen=True)
class Lineage:
    """Where rows come from: the same for every row of an answer.

    :param extracted_at: when the answer came.
    """

    merchant_id: str
    environment: str
    window_from: datetime
    window_to: datetime
    extracted_at: datetime


def column_of(field: str) -> str:
    """The column of a field of the API."""
    return f"{_OF_THE_API}{field}" if field in PARTITIONS else field


def field_of(column: str) -> str:
    """The field of the API that a column holds."""
    field = column.removeprefix(_OF_THE_API)
    return field if field in PARTITIONS else column


@cache
def arrow_schema(model: type[Record]) -> pa.Schema:
    """The schema of a dataset's files: the model's fields, then the lineage columns."""
    fields = [pa.field(column_of(name), arrow_type(info.annotation)) for name, info in model.model_fields.items()]
    return pa.schema(fields + [pa.field(name, kind) for name, kind in _LINEAGE])


def arrow_type(annotation: Any) -> pa.DataType:
    """The Arrow type of a field's annotation."""
    if get_origin(annotation) is Annotated:
        return arrow_type(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        (inner,) = (arg for arg in get_args(annotation) if arg is not types.NoneType)
        return arrow_type(inner)
    if get_origin(annotation) is list:
        return pa.list_(arrow_type(get_args(annotation)[0]))
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return pa.struct(
            [pa.field(name, arrow_type(info.annotation)) for name, info in annotation.model_fields.items()]
        )
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    # pydantic's AwareDatetime is a marker class of its own, not a datetime.
    if getattr(annotation, "__name__", "") == "AwareDatetime":
        return INSTANT
    raise TypeError(f"No Arrow type for {annotation!r}.")


def to_table(model: type[Record], records: Sequence[Record], sources: Sequence[bytes], lineage: Lineage) -> pa.Table:
    """Rows of validated records.

    :param sources: the JSON text of each record as it came, for ``_record_hash``.
    """
    schema = arrow_schema(model)
    columns: dict[str, pa.Array] = {}
    for name in model.model_fields:
        column = column_of(name)
        columns[column] = pa.array([_plain(getattr(record, name)) for record in records], schema.field(column).type)
    count = len(records)
    unknown = [record.unknown_fields() for record in records]
    columns |= {
        "_merchant_id": pa.repeat(pa.scalar(lineage.merchant_id, pa.string()), count),
        "_environment": pa.repeat(pa.scalar(lineage.environment, pa.string()), count),
        "_window_from": pa.repeat(pa.scalar(lineage.window_from, INSTANT), count),
        "_window_to": pa.repeat(pa.scalar(lineage.window_to, INSTANT), count),
        EXTRACTED_AT: pa.repeat(pa.scalar(lineage.extracted_at, INSTANT), count),
        RECORD_HASH: pa.array([record_hash(content_of(model, source)) for source in sources], pa.int64()),
        UNKNOWN_FIELDS: pa.array([_as_json(fields) for fields in unknown], pa.string()),
    }
    return pa.Table.from_pydict(columns, schema=schema)


def content_of(model: type[Record], source: bytes) -> bytes:
    """The record's JSON text, without what is not its own content."""
    if not model.not_content:
        return source
    fields = msgspec.json.decode(source, type=dict[str, msgspec.Raw])
    return msgspec.json.encode({name: value for name, value in fields.items() if name not in model.not_content})


def record_hash(source: bytes) -> int:
    """A 64-bit hash of the record's JSON text: equal texts are equal records."""
    return int.from_bytes(hashlib.blake2b(source, digest_size=8).digest(), "big", signed=True)


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return {name: _plain(nested) for name, nested in value.__dict__.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _as_json(fields: dict[str, Any] | None) -> str | None:
    if fields is None:
        return None
    return json.dumps(fields, ensure_ascii=False, sort_keys=True, default=str, allow_nan=False)
