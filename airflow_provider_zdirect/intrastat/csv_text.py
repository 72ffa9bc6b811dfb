"""Tables as CSV for spreadsheets: UTF-8, comma, decimal point, rows end with CR LF (RFC 4180).

A text that starts with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return gets an apostrophe in front: spreadsheets
would run it as a formula, and these texts come from outside. The Parquet file has them as they are.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from airflow_provider_zdirect.intrastat.country_report import LINES

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
UNKNOWN_TYPE = "unknown"
"""Stands for movements whose type zDirect did not give."""


def table_as_csv(table: pa.Table) -> bytes:
    """The table, column by column."""
    return _as_csv(table.column_names, zip(*(column.to_pylist() for column in table.columns), strict=True))


def lines_as_csv(lines: pa.Table) -> bytes:
    """The lines of a report; instead of the list of movement types two columns for each type that occurs."""
    by_type = [_by_type(types) for types in lines.column("movement_types").to_pylist()]
    types = sorted({name for sums in by_type for name in sums})
    at = LINES.get_field_index("movement_types")
    before, after = LINES.names[:at], LINES.names[at + 1 :]
    header = [*before, *(f"{what}_{name}" for name in types for what in ("net_quantity", "movements")), *after]
    typed = ([part for name in types for part in sums.get(name, (0, 0))] for sums in by_type)
    columns = [lines.column(name).to_pylist() for name in (*before, *after)]
    rows = ((*values[:at], *sums, *values[at:]) for values, sums in zip(zip(*columns, strict=True), typed, strict=True))
    return _as_csv(header, rows)


def _by_type(types: list[dict[str, Any]]) -> dict[str, tuple[int, int]]:
    sums: dict[str, tuple[int, int]] = {}
    for entry in types:
        name = entry["movement_type"] or UNKNOWN_TYPE
        quantity, movements = sums.get(name, (0, 0))
        sums[name] = quantity + entry["net_quantity"], movements + entry["movements"]
    return sums


def _as_csv(header: Sequence[str], rows: Iterable[Iterable[Any]]) -> bytes:
    text = io.StringIO(newline="")
    # Also what makes the writer quote a carriage return within a text.
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return as_digits(value)
    return value


def as_digits(value: Decimal) -> str:
    """Every digit, without zeros at the end."""
    digits = format(value, "f")
    return digits.rstrip("0").rstrip(".") if "." in digits else digits
