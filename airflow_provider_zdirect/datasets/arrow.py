# SPDX-License-Identifier: Apache-2.0
"""From models to Arrow: the one rule by which a record becomes a row.

A declared field is a column of the same name. A nested object is a struct, a list is a list. Text is ``string``,
a time ``timestamp[us, UTC]``, a date ``date32``, a count ``int64``, money ``decimal128(38, 18)``. Lineage columns
start with ``_`` and stand behind the fields.

The one exception: a field that is called like a folder of the table (``merchant_id=...``) is a column ``api_<field>``.
Readers make a column of the folder's name, and pandas, Spark and Glue refuse a table that has it twice.
"""

from __future__ import annotations

import json
import re
import types
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

import numpy as np
import pyarrow as pa
from pydantic import AwareDatetime
from xxhash import xxh3_64_intdigest

from airflow_provider_zdirect.datasets.record import MONEY_DECIMALS, Record

INSTANT = pa.timestamp("us", "UTC")

UNKNOWN_FIELDS = "_unknown_fields"
RECORD_HASH = "_record_hash"
EXTRACTED_AT = "_extracted_at"

PARTITIONS = frozenset({"merchant_id", "date"})
"""Names of the folders that published files lie in, which readers show as columns."""

_LINEAGE = (
    ("_merchant_id", pa.string()),
    ("_environment", pa.string()),
    ("_window_from", INSTANT),
    ("_window_to", INSTANT),
    (EXTRACTED_AT, INSTANT),
    (RECORD_HASH, pa.int64()),
    (UNKNOWN_FIELDS, pa.string()),
)

_SCALARS: dict[Any, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    AwareDatetime: INSTANT,
    date: pa.date32(),
    Decimal: pa.decimal128(38, MONEY_DECIMALS),
}


@dataclass(frozen=True)
class Lineage:
    """Where the rows of an answer come from; each field is a column with ``_`` before its name.

    :param extracted_at: when the answer came.
    """

    merchant_id: str
    environment: str
    window_from: datetime
    window_to: datetime
    extracted_at: datetime


def column_of(field: str) -> str:
    """The column of a field of the API."""
    return f"api_{field}" if field in PARTITIONS else field


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
    raise TypeError(f"No Arrow type for {annotation!r}.")


def to_table(model: type[Record], records: Sequence[Record], sources: Sequence[Any], lineage: Lineage) -> pa.Table:
    """Rows of validated records.

    :param sources: the JSON text of each record as it came.
    """
    columns = [
        pa.array([_plain(getattr(record, name)) for record in records], arrow_type(info.annotation))
        for name, info in model.model_fields.items()
    ]
    unknown = [record.unknown_fields() for record in records]
    texts = pa.array([None if fields is None else json_text(fields) for fields in unknown], pa.string())
    return with_lineage(model, columns, texts, sources, lineage)


def with_lineage(
    model: type[Record], columns: Sequence[pa.Array], unknown: pa.Array, sources: Sequence[Any], lineage: Lineage
) -> pa.Table:
    """Rows of a model's columns.

    :param unknown: the unknown fields of each record, as JSON.
    :param sources: the JSON text of each record as it came.
    """
    schema = arrow_schema(model)
    origins = [
        pa.repeat(pa.scalar(value, schema.field(f"_{name}").type), len(sources))
        for name, value in vars(lineage).items()
    ]
    hashes = record_hashes(sources, model.not_content)
    return pa.Table.from_arrays([*columns, *origins, hashes, unknown], schema=schema)


def record_hashes(sources: Sequence[Any], without: frozenset[str] = frozenset()) -> pa.Array:
    """64 bits of each record's JSON text: rows of equal texts are the same.

    :param without: fields that are not content. They are left out where they stand first in a record, so that it is
        hashed as it came; elsewhere they count, which makes no two records the same that are not.
    """
    if without:
        first = _first_field(without)
        sources = [memoryview(source)[found.end() if (found := first.match(source)) else 0 :] for source in sources]
    hashes = np.fromiter(map(xxh3_64_intdigest, sources), np.uint64, len(sources))
    return pa.array(hashes.view(np.int64))


@cache
def _first_field(names: frozenset[str]) -> re.Pattern[bytes]:
    any_of = b"|".join(re.escape(name.encode()) for name in sorted(names))
    return re.compile(rb'\{"(?:%s)":(?:null|"[^"\\]*+(?:\\.[^"\\]*+)*+"),' % any_of)


def json_text(value: Any) -> str:
    """JSON as it is stored for unknown fields.

    :raises ValueError: if it cannot be said in JSON.
    """
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return {name: _plain(nested) for name, nested in value.__dict__.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
