"""What the merchant knows of his goods and Zalando does not: commodity code, mass, value, origin; by EAN.

A CSV (``,`` or ``;``, UTF-8) or Parquet file with one row per EAN. Names of columns are compared in lower case, with
blanks and hyphens as ``_``:

=====================  ===============================================  =========================================
column                 also called                                      value
=====================  ===============================================  =========================================
``ean``                ``gtin``                                         13 digits; lost leading zeros are restored
``cn8_code``           ``cn8``, ``cn_code``, ``cn``, ``commodity_code``  8 digits; blanks and dots are dropped
``net_mass_kg``        ``net_mass``, ``net_weight_kg``, ``net_weight``  kilograms of one piece, decimal point
``statistical_value``  ``stat_value``                                   value of one piece, decimal point
``country_of_origin``  ``origin``, ``origin_country``                   two letters
=====================  ===============================================  =========================================

All but ``ean`` may be missing or blank; other columns are not looked at. Mass and value have up to six decimals.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec import AbstractFileSystem

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.intrastat.selection import master_data_kind

DECIMALS = 6
PER_PIECE = pa.decimal128(18, DECIMALS)
SCHEMA = pa.schema(
    [
        ("ean", pa.string()),
        ("cn8_code", pa.string()),
        ("country_of_origin", pa.string()),
        ("net_mass_kg", PER_PIECE),
        ("statistical_value", PER_PIECE),
    ]
)
ALIASES = {
    "ean": ("gtin",),
    "cn8_code": ("cn8", "cn_code", "cn", "commodity_code"),
    "country_of_origin": ("origin", "origin_country"),
    "net_mass_kg": ("net_mass", "net_weight_kg", "net_weight"),
    "statistical_value": ("stat_value",),
}
_COLUMN_OF = {name: column for column, names in ALIASES.items() for name in (column, *names)}
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class MasterDataFile:
    """Where the master data lies.

    :param path: as ``fs`` names it.
    :param uri: as people name it.
    """

    fs: AbstractFileSystem
    path: str
    uri: str

    def read(self) -> pa.Table:
        """One row per EAN, ordered by it, with the columns of SCHEMA; mass and value are those of one piece.

        :raises ZDirectConfigurationError: if the file is missing, empty, of another kind, or a row of it is wrong.
        """
        data = self._data()
        rows = _csv_rows(data) if master_data_kind(self.uri) == "csv" else _parquet_rows(data)
        try:
            return _table(rows)
        except _Wrong as error:
            raise self._refusal(str(error), error.remedy) from error

    def _data(self) -> bytes:
        try:
            data: bytes = self.fs.cat_file(self.path)
        except (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError) as error:
            raise self._refusal(
                f"it cannot be read: {type(error).__name__}", "Put the file there, or leave master_data out."
            ) from error
        if not data.strip():
            raise self._refusal("it is empty", "Give a file with a header and a row per EAN, or leave master_data out.")
        return data

    def _refusal(self, what: str, remedy: str) -> ZDirectConfigurationError:
        return ZDirectConfigurationError(f"master_data={self.uri!r}: {what}.", remedy=remedy)


class _Wrong(Exception):
    def __init__(self, what: str, remedy: str = "Correct the file.") -> None:
        super().__init__(what)
        self.remedy = remedy


def _csv_rows(data: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each row with how to find it, as values by our names of the columns."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _Wrong("it is not UTF-8", "Save it as CSV in UTF-8.") from None
    header_line = text.lstrip("\r\n").partition("\n")[0]
    delimiter = ";" if header_line.count(";") > header_line.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header: list[str | None] | None = None
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = _columns(cells)
                continue
            where = f"row {reader.line_num}"
            if len(cells) != len(header):
                raise _Wrong(
                    f"{where} has {len(cells)} fields, and the header has {len(header)}",
                    "Write decimals with a point, and put texts that hold the delimiter in quotes.",
                )
            yield where, {name: cell for name, cell in zip(header, cells, strict=True) if name}
    except csv.Error as error:
        raise _Wrong(f"row {reader.line_num} is no CSV ({error})") from error


def _parquet_rows(data: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        table = pq.read_table(io.BytesIO(data))
    except (pa.ArrowException, OSError) as error:
        raise _Wrong(f"it is no Parquet file ({type(error).__name__})") from error
    names = _columns(table.column_names)
    wanted = [number for number, name in enumerate(names) if name]
    for number, row in enumerate(table.select(wanted).to_pylist(), start=1):
        yield f"row {number}", {name: row[table.column_names[at]] for at, name in enumerate(names) if name}


def _columns(header: list[str]) -> list[str | None]:
    """Our name of each column, None for those that are not looked at."""
    found = [_COLUMN_OF.get(re.sub(r"[\s_-]+", "_", name.strip().lower())) for name in header]
    if "ean" not in found:
        raise _Wrong(f"it has no column ean, only: {', '.join(header)[:300]}", "Name the column with the EANs ean.")
    for column in ALIASES:
        if found.count(column) > 1:
            raise _Wrong(f"several of its columns mean {column}: {', '.join(header)[:300]}", "Leave one of them.")
    return found


def _table(rows: Iterator[tuple[str, dict[str, Any]]]) -> pa.Table:
    goods: dict[str, tuple[Any, ...]] = {}
    differing: set[str] = set()
    for where, row in rows:
        values = tuple(_PARSERS[name](row.get(name), where, name) for name in SCHEMA.names)
        if goods.setdefault(values[0], values) != values:
            differing.add(values[0])
    if differing:
        shown = ", ".join(sorted(differing)[:10]) + (f" and {len(differing) - 10} more" if len(differing) > 10 else "")
        raise _Wrong(f"these EANs have several rows with different values: {shown}", "Leave one row per EAN.")
    if not goods:
        raise _Wrong("it has no rows", "Give a row per EAN, or leave master_data out.")
    columns = list(zip(*(goods[ean] for ean in sorted(goods)), strict=True))
    return pa.table([pa.array(column, kind) for column, kind in zip(columns, SCHEMA.types, strict=True)], schema=SCHEMA)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _ean(value: Any, where: str, name: str) -> str:
    text = _text(value)
    if not (text.isascii() and text.isdigit() and len(text) <= 13):
        raise _Wrong(
            f"{where}: {name}={text!r} is no EAN", "Write 13 digits, as text (spreadsheets turn them into 4.01E+12)."
        )
    return text.zfill(13)


def _cn8(value: Any, where: str, name: str) -> str | None:
    text = re.sub(r"[\s.]", "", _text(value))
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) in (7, 8)):
        raise _Wrong(f"{where}: {name}={_text(value)!r} is no code of 8 digits")
    return text.zfill(8)


def _origin(value: Any, where: str, name: str) -> str | None:
    text = _text(value).upper()
    if text and not re.fullmatch("[A-Z]{2}", text):
        raise _Wrong(f"{where}: {name}={text!r} is no country", "Write two letters (ISO 3166-1 alpha-2), such as CN.")
    return text or None


def _amount(value: Any, where: str, name: str) -> Decimal | None:
    text = _text(value)
    if not text:
        return None
    if "," in text:
        raise _Wrong(f"{where}: {name}={text!r} has a comma", "Write decimals with a point and thousands without sign.")
    if not _NUMBER.fullmatch(text):
        raise _Wrong(f"{where}: {name}={text!r} is no number of 0 or more")
    try:
        amount = Decimal(text)
        exact = amount.quantize(Decimal(1).scaleb(-DECIMALS))
    except InvalidOperation:
        exact = amount = Decimal("Infinity")
    if exact >= 10 ** (PER_PIECE.precision - DECIMALS):
        raise _Wrong(f"{where}: {name}={text!r} is too large")
    # A binary float has digits that nobody wrote; a text or a decimal has not.
    if exact != amount and not isinstance(value, float):
        raise _Wrong(f"{where}: {name}={text!r} has more than {DECIMALS} decimals")
    return exact


_PARSERS: dict[str, Callable[[Any, str, str], Any]] = {
    "ean": _ean,
    "cn8_code": _cn8,
    "country_of_origin": _origin,
    "net_mass_kg": _amount,
    "statistical_value": _amount,
}
