# SPDX-License-Identifier: Apache-2.0
"""Files of rows: Parquet (zstd) and JSON lines (gzip), read in batches and written in row groups.

The bytes of a file follow from its rows alone, so that writing the same rows again gives the same file.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
import pyarrow.parquet as pq

from airflow_provider_zdirect.storage.object_store import ObjectStore

BATCH_ROWS = 8_192
"""Rows in memory at the same time, several times over while they are filtered and encoded."""
ROW_GROUP_ROWS = 100_000
"""Rows of a row group of a Parquet file, at most."""
SAMPLE_ROWS = 2_000
"""Rows that show whether the values of a column repeat."""
JSON_BLOCK_BYTES = 8 * 1024 * 1024


class ParquetWriter:
    """Parquet, zstd, with statistics and page index.

    :param group_rows: so many rows are gathered in memory before they are written, as a row group or equal ones.
    """

    def __init__(self, local: Path, schema: pa.Schema, group_rows: int = BATCH_ROWS) -> None:
        self._local = local
        self._schema = schema
        self._group_rows = group_rows
        self._gathered: list[pa.Table] = []
        self._writer: pq.ParquetWriter | None = None

    def write(self, table: pa.Table) -> None:
        self._gathered.append(table)
        if sum(gathered.num_rows for gathered in self._gathered) >= self._group_rows:
            self._write_gathered()

    def close(self) -> None:
        self._write_gathered()
        self._opened(self._schema.empty_table()).close()

    def _write_gathered(self) -> None:
        if self._gathered:
            rows = pa.concat_tables(self._gathered)
            self._gathered.clear()
            groups = math.ceil(rows.num_rows / ROW_GROUP_ROWS) or 1
            self._opened(rows).write_table(rows, row_group_size=math.ceil(rows.num_rows / groups) or 1)

    def _opened(self, rows: pa.Table) -> pq.ParquetWriter:
        """The writer, which is opened for these rows if they are the first."""
        if self._writer is None:
            repeating = _repeating(rows.slice(0, SAMPLE_ROWS))
            self._writer = pq.ParquetWriter(
                self._local, self._schema, compression="zstd", write_page_index=True, use_dictionary=repeating
            )
        return self._writer


class JsonLinesWriter:
    """JSON lines, gzip. Times are RFC 3339 in UTC, dates ISO 8601, money a string that keeps every digit."""

    def __init__(self, local: Path, schema: pa.Schema) -> None:
        self._file = local.open("wb")
        self._gzip = gzip.GzipFile(filename="", mode="wb", fileobj=self._file, mtime=0)

    def write(self, table: pa.Table) -> None:
        for batch in table.to_batches(max_chunksize=BATCH_ROWS):
            for row in batch.to_pylist():
                line = json.dumps(row, default=as_json_value, ensure_ascii=False)
                self._gzip.write(line.encode() + b"\n")

    def close(self) -> None:
        self._gzip.close()
        self._file.close()


def _repeating(rows: pa.Table) -> list[str]:
    """The columns whose values repeat, so that a dictionary of them is worth its while."""
    flat = (name for name, kind in zip(rows.schema.names, rows.schema.types, strict=True) if not kind.num_fields)
    return [name for name in flat if 2 * pc.count_distinct(rows.column(name)).as_py() <= rows.num_rows]


def open_writer(
    local: Path, schema: pa.Schema, *, suffix: str, group_rows: int = BATCH_ROWS
) -> ParquetWriter | JsonLinesWriter:
    """Writes tables, one after the other, to one local file."""
    return ParquetWriter(local, schema, group_rows) if suffix == "parquet" else JsonLinesWriter(local, schema)


def read_batches(
    store: ObjectStore,
    path: str,
    schema: pa.Schema,
    columns: Sequence[str] | None = None,
) -> Iterator[pa.Table]:
    """The rows of a file in batches, in order, with exactly the columns of ``schema`` (or those named).

    A column that the file does not have is null.
    """
    wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    local = store.copies.get(path)
    with pa.OSFile(str(local)) if local else store.open(path) as file:
        if path.endswith(".parquet"):
            parquet = pq.ParquetFile(file)
            # Asked for once: each time it is made of the file's metadata.
            in_file = set(parquet.schema_arrow.names)
            present = [name for name in wanted.names if name in in_file]
            for batch in parquet.iter_batches(batch_size=BATCH_ROWS, columns=present, use_threads=False):
                yield _conform(pa.Table.from_batches([batch]), wanted)
        else:
            options = pa.json.ParseOptions(
                explicit_schema=pa.schema([pa.field(field.name, _in_json(field.type)) for field in wanted]),
                unexpected_field_behavior="ignore",
            )
            with gzip.open(file) as lines:
                while block := lines.readlines(JSON_BLOCK_BYTES):
                    yield _conform(pa.json.read_json(io.BytesIO(b"".join(block)), parse_options=options), wanted)


def read_table(store: ObjectStore, paths: Iterable[str], schema: pa.Schema) -> pa.Table:
    """All rows of small files, with the columns of ``schema``."""
    tables = [table for path in paths for table in read_batches(store, path, schema)]
    return pa.concat_tables([schema.empty_table(), *tables])


def parquet_bytes(table: pa.Table) -> bytes:
    """A small table as a Parquet file."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def sha256(local: Path) -> str:
    with local.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _in_json(kind: pa.DataType) -> pa.DataType:
    # What Arrow's JSON reader does not parse comes in as text and is cast afterwards.
    if pa.types.is_date(kind) or pa.types.is_decimal(kind):
        return pa.string()
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(field.name, _in_json(field.type)) for field in kind])
    if pa.types.is_list(kind):
        return pa.list_(_in_json(kind.value_type))
    return kind


def _conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    if table.schema.equals(schema):
        return table
    present = set(table.column_names)
    columns = [
        table.column(field.name).cast(field.type) if field.name in present else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def as_json_value(value: Any) -> str:
    """``default`` of ``json.dumps`` for the values of rows."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        digits = format(value, "f")
        return digits.rstrip("0").rstrip(".") if "." in digits else digits
    raise TypeError(f"No JSON form for {value!r}.")
