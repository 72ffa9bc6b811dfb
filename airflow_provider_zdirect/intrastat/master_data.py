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

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa
from fsspec import AbstractFileSystem

from airflow_provider_zdirect.intrastat.selection import master_data_kind
from airflow_provider_zdirect.merchant_files.tables import Row, TableFile

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
        master_data_kind(self.uri)
        file = TableFile(self.fs, self.path, self.uri, "master_data", ALIASES)
        try:
            return _table(file.rows())
        except _Wrong as error:
            raise file.refusal(str(error), error.remedy) from error


class _Wrong(Exception):
    def __init__(self, what: str, remedy: str = "Correct the file.") -> None:
        super().__init__(what)
        self.remedy = remedy


def _table(rows: Iterator[Row]) -> pa.Table:
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
