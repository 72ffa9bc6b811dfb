"""Rows of a Parquet file, where the values or the text may not be what was written."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from airflow_provider_zdirect.merchant_files.tables import FoundRow, TableFile

_ROUNDED = object()
"""Stands for a floating point number that may be another one than was written."""


def parquet_rows(data: bytes, file: TableFile) -> Iterator[FoundRow]:
    try:
        table = pq.read_table(io.BytesIO(data))
        names = file.header_of(table.column_names, "its schema")
        columns = {name: _cells(table.column(at)) for at, name in enumerate(names) if name}
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise file.refusal(f"it is not a Parquet file that can be read ({type(error).__name__})") from error
    for number, cells in enumerate(zip(*columns.values(), strict=True), start=1):
        row = {name: None if cell is _ROUNDED else cell for name, cell in zip(columns, cells, strict=True)}
        problem = ""
        if _ROUNDED in cells:
            rounded = list(columns)[cells.index(_ROUNDED)]
            problem = f"{rounded} is a 16-bit or 32-bit number, which rounds; write it as text"
        yield f"row {number}", row, problem, row


def _cells(column: pa.ChunkedArray) -> list[Any]:
    """The cells of a column; bytes that are not UTF-8 are left as lone surrogates."""
    try:
        cells: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        found = column.cast(pa.binary()).to_pylist()
        return [None if cell is None else cell.decode(errors="surrogateescape") for cell in found]
    if not (is_half := pa.types.is_float16(column.type)) and not pa.types.is_float32(column.type):
        return cells
    # The text has the digits that were written: 12345.678, which as a float is 12345.677734375.
    texts = column.cast(pa.string()).to_pylist()
    return [None if text is None else _exact(float(text), is_half) for text in texts]


def _exact(number: float, is_half: bool) -> Any:
    """A number that had 24 bits, or 11, which are enough for smaller whole numbers; 11 are too few for decimals."""
    if math.isnan(number):
        return None
    is_exact = abs(number) < (2**11 if is_half else 2**24) and not (is_half and number % 1)
    return number if is_exact else _ROUNDED
