# SPDX-License-Identifier: Apache-2.0
"""Tables as CSV for spreadsheets: UTF-8, comma, decimal point, rows end with CR LF (RFC 4180).

A text that starts with ``=``, ``+``, ``-``, ``@`` (also in full width), a tab or a line break gets an apostrophe in
front: spreadsheets would run it as a formula, and these texts come from outside. The Parquet file has them as they are.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

_FORMULA = (*"=+-@", *"\t\r\n", *"\uff1d\uff0b\uff0d\uff20")
_SUMS = ("net_quantity", "movements")


def table_as_csv(table: pa.Table) -> bytes:
    """The table, column by column."""
    return _as_csv(table.column_names, zip(*(column.to_pylist() for column in table.columns), strict=True))


def lines_as_csv(lines: pa.Table) -> bytes:
    """The lines of a report; instead of the list of movement types two columns for each type that occurs."""
    rows: list[dict[str, Any]] = lines.to_pylist()
    kinds = set()
    for row in rows:
        for entry in row.pop("movement_types"):
            kind = entry["movement_type"] or "unknown"
            kinds.add(kind)
            for name in _SUMS:
                row[f"{name}_{kind}"] = row.get(f"{name}_{kind}", 0) + entry[name]
    typed = [f"{name}_{kind}" for kind in sorted(kinds) for name in _SUMS]
    at = lines.schema.get_field_index("movement_types")
    header = [*lines.column_names[:at], *typed, *lines.column_names[at + 1 :]]
    absent = dict.fromkeys(typed, 0)
    return _as_csv(header, ([{**absent, **row}[name] for name in header] for row in rows))


def _as_csv(header: Sequence[str], rows: Iterable[Iterable[Any]]) -> bytes:
    text = io.StringIO(newline="")
    # Also what makes the writer quote a carriage return within a text.
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows(map(_cell, row) for row in rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        # Every digit, without zeros at the end; all have six decimals.
        return format(value, "f").rstrip("0").rstrip(".")
    return value
