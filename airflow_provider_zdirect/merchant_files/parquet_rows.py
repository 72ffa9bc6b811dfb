# SPDX-License-Identifier: Apache-2.0
"""Rows of a Parquet file, where the values or the text may not be what was written."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from airflow_provider_zdirect.merchant_files.tables import FoundRow, Numbers, TableFile

_ROUNDED = object()
"""Stands for a floating point number that may be another one than was written."""


class Parquet:
    """A Parquet file; a row is found by its number, from 1."""

    def __init__(self, data: bytes, file: TableFile) -> None:
        self._file = file
        with self._refused():
            table = pq.read_table(io.BytesIO(data))
        names = file.header_of(table.column_names, "its schema")
        self._columns = {name: table.column(at) for at, name in enumerate(names) if name}
        self._count = table.num_rows

    def columns(self) -> pa.Table:
        """All rows; a cell that is neither a text nor a whole number is a question mark, which no reader takes."""
        columns = {"number": pa.array(np.arange(1, self._count + 1))}
        for name, column in self._columns.items():
            is_readable = pa.types.is_integer(column.type) or pa.types.is_string(column.type)
            columns[name] = column.cast(pa.string()) if is_readable else pa.repeat("?", self._count)
        return pa.table(columns)

    def rows(self, without: Numbers | tuple[()] = ()) -> Iterator[FoundRow]:
        """
        :param without: numbers of rows that are left out.
        """
        numbers = np.setdiff1d(np.arange(1, self._count + 1), without)
        columns = self._columns
        if len(without):
            # Only texts and whole numbers can be plain; not every other type can be taken from.
            columns = {name: column.take(numbers - 1) for name, column in columns.items()}
        with self._refused():
            cells = {name: _cells(column) for name, column in columns.items()}
        return _rows(numbers.tolist(), cells)

    @contextmanager
    def _refused(self) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            what = f"it is not a Parquet file that can be read ({type(error).__name__})"
            raise self._file.refusal(what) from error


def _rows(numbers: list[int], columns: dict[str, list[Any]]) -> Iterator[FoundRow]:
    for number, *cells in zip(numbers, *columns.values(), strict=True):
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
