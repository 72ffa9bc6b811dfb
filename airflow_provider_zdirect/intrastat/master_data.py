# SPDX-License-Identifier: Apache-2.0
"""What the merchant knows of his goods and Zalando does not: commodity code, mass, value, origin; by EAN.

A file with one row per EAN. Names of columns are compared in lower case, with blanks and hyphens as
``_``:

=====================  ===============================================  =========================================
column                 also called                                      value
=====================  ===============================================  =========================================
``ean``                ``gtin``                                         13 digits; lost leading zeros are restored
``cn8_code``           ``cn8``, ``cn_code``, ``cn``, ``commodity_code``  8 digits, or 7 and a lost zero in front
``net_mass_kg``        ``net_mass``, ``net_weight_kg``, ``net_weight``  kilograms of one piece
``statistical_value``  ``stat_value``                                   value of one piece
``country_of_origin``  ``origin``, ``origin_country``                   ISO 3166-1 alpha-2, or a code of the customs
=====================  ===============================================  =========================================

All but ``ean`` may be missing or blank; other columns are not looked at. Mass and value have up to six decimals, with a
point, or with a comma in a CSV whose fields are separated by ``;``. Once one of these has a comma, ``1.250`` may be
thousands and is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa

from airflow_provider_zdirect.intrastat.countries import CUSTOMS
from airflow_provider_zdirect.intrastat.selection import country
from airflow_provider_zdirect.merchant_files.cells import (
    ROUNDED,
    CellError,
    bare,
    is_scientific,
    shown,
    without_zero_decimals,
)
from airflow_provider_zdirect.merchant_files.ean import read_ean
from airflow_provider_zdirect.merchant_files.tables import TableFile

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
_COMMA = re.compile(r"0,[0-9]+|[0-9]+,([0-9]{1,2}|[0-9]{4,})|[0-9]{4,},[0-9]+")
"""A decimal comma: three digits after it may be thousands, if one to three are before it."""
_POINT = re.compile(r"[1-9][0-9]{0,2}(\.[0-9]{3})+")
"""A decimal point that may be of thousands, where others write decimals with a comma."""
_CN8 = re.compile(r"[0-9]{7,8}|[0-9]{3,4}([ .])[0-9]{2}\1[0-9]{2}|[0-9]{4}[ .][0-9]{4}|[0-9]{6} [0-9]{2}"
                  r"|[0-9]{2}([ .])[0-9]{2}\2[0-9]{2}\2[0-9]{2}")  # fmt: skip


def read_master_data(file: TableFile) -> pa.Table:
    """One row per EAN, ordered by it, with the columns of SCHEMA; mass and value are those of one piece.

    :raises ZDirectConfigurationError: if the file is missing, empty, of another kind, or a row of it is wrong.
    """
    table = file.read()
    goods: dict[str, list[Any]] = {}
    differing: set[str] = set()
    with_comma = with_point = ""
    for where, row in table.rows:
        values: list[Any] = []
        for name in SCHEMA.names:
            cell = row.get(name)
            try:
                values.append(_READERS[name](cell) if name in _READERS else _amount(cell, table.decimal_comma))
            except CellError as error:
                raise file.refusal(f"{where}: {name}={shown(cell)} {error}") from error
            if table.decimal_comma and name not in _READERS:
                text = bare(cell)
                if "," in text:
                    with_comma = with_comma or f"{where}: {name}={shown(text)}"
                elif _POINT.fullmatch(text):
                    with_point = with_point or f"{where}: {name}={shown(text)}"
        if goods.setdefault(values[0], values) != values:
            differing.add(values[0])
    if with_comma and with_point:
        raise file.refusal(
            f"{with_point} may be thousands or a decimal, and {with_comma} has a decimal comma",
            "Write all decimals with a comma or all with a point, and thousands without a separator.",
        )
    if differing:
        eans = ", ".join(sorted(differing)[:10]) + (f" and {len(differing) - 10} more" if len(differing) > 10 else "")
        raise file.refusal(f"these EANs have several rows with different values: {eans}", "Leave one row per EAN.")
    if not goods:
        raise file.refusal("it has no rows", "Give a row per EAN, or leave master_data out.")
    columns = list(zip(*(goods[ean] for ean in sorted(goods)), strict=True))
    return pa.table([pa.array(column, kind) for column, kind in zip(columns, SCHEMA.types, strict=True)], schema=SCHEMA)


def _cn8(value: Any) -> str | None:
    """Eight digits. A number has lost the zero in front, but none at the end; a text may have blanks or points where
    codes have them (``6109.10.00``)."""
    text = without_zero_decimals(bare(value))
    if not text:
        return None
    if not _CN8.fullmatch(text):
        digits = re.sub(r"[\s.]", "", text)
        if is_scientific(text):
            raise CellError(ROUNDED)
        if text.isascii() and digits.isdigit() and len(digits) in (6, 10):
            kind = "an HS code, of which CN8 is a part more" if len(digits) == 6 else "a TARIC code"
            raise CellError(f"is not a CN8 code of 8 digits but has {len(digits)} digits, as {kind}")
        raise CellError("is not a CN8 code of 8 digits")
    code = re.sub(r"[ .]", "", text).zfill(8)
    if code.startswith("00"):
        raise CellError("is not a CN8 code: there is no chapter 00")
    return code


def _origin(value: Any) -> str | None:
    text = bare(value).upper()
    if not text or text in CUSTOMS:
        return text or None
    try:
        return country(text)
    except ValueError as error:
        raise CellError(f"is not {error}") from None


def _amount(value: Any, decimal_comma: bool) -> Decimal | None:
    text = bare(value)
    if not text:
        return None
    if decimal_comma and _COMMA.fullmatch(text):
        text = text.replace(",", ".")
    if "," in text:
        raise CellError("has a comma that may be of thousands; write decimals with a point and thousands without sign")
    if not _NUMBER.fullmatch(text):
        raise CellError("is not a number of 0 or more")
    amount = Decimal(text)
    if amount >= 10 ** (PER_PIECE.precision - DECIMALS):
        raise CellError("is too large")
    exact = round(amount, DECIMALS)
    if exact == 0 != amount:
        raise CellError(f"is less than {Decimal(1).scaleb(-DECIMALS):f}, the least that is not 0")
    # A binary float has digits that were never written; a text or a decimal has not.
    if exact != amount and not isinstance(value, float):
        raise CellError(f"has more than {DECIMALS} decimals")
    return exact


_READERS: dict[str, Callable[[Any], str | None]] = {"ean": read_ean, "cn8_code": _cn8, "country_of_origin": _origin}
