"""Rows by what identifies them, and by their number."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc


def row_keys(table: pa.Table, identity: tuple[str, ...]) -> pa.ChunkedArray:
    """One text per row that is the same for the same record."""
    parts = []
    for name in identity:
        column = table.column(name)
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.int64())
        parts.append(column.cast(pa.string()))
    return pc.binary_join_element_wise(*parts, "\x1f", null_handling="replace")


def take_rows(tables: Iterator[pa.Table], rows: Iterator[int]) -> Iterator[pa.Table]:
    """The rows with those numbers (ascending) of tables that follow one another."""
    offset = 0
    row = next(rows, None)
    for table in tables:
        if row is None:
            return
        end = offset + table.num_rows
        taken = []
        while row is not None and row < end:
            taken.append(row - offset)
            row = next(rows, None)
        if taken:
            yield table if len(taken) == table.num_rows else table.take(pa.array(taken))
        offset = end
