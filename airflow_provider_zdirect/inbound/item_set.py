# SPDX-License-Identifier: Apache-2.0
"""What is in a delivery: pieces by EAN, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.merchant_files.cells import CellError, read_cell, read_count
from airflow_provider_zdirect.merchant_files.ean import read_ean
from airflow_provider_zdirect.merchant_files.given_list import given_list
from airflow_provider_zdirect.merchant_files.tables import Row, TableFile
from airflow_provider_zdirect.words import counted

ANNOUNCED, DISPATCHED = "announced", "dispatched"
"""The two kinds of item sets of a shipping notice."""

ItemSet = Mapping[str, int]
"""Pieces by EAN, each 1 or more."""

COLUMNS = {"ean": ("gtin", "ean13"), "quantity": ("qty", "pieces")}
"""Columns of a file, each with its other names."""

SHOWN = 10
"""Errors of one input that are named."""

LARGEST = 2**31 - 1
"""zDirect's specifications have quantities as int32."""


def listed_items(items: Any, name: str) -> ItemSet:
    """The set in a list, or anything else to go through, of ``{"ean": ..., "quantity": ...}``.

    :param name: the parameter that it came in, for errors.
    :raises ZDirectConfigurationError: with what is wrong with each of its items.
    """
    found = given_list(items, name=name, example='[{"ean": "4006381333931", "quantity": 2}]', path=f"{name}_path")
    return _checked(((f"item {number}", item) for number, item in enumerate(found, start=1)), name)


def read_items(file: TableFile) -> ItemSet:
    """The set in a file with the columns :data:`COLUMNS`.

    :raises ZDirectConfigurationError: if it cannot be read, or with what is wrong with each of its rows.
    """
    return _checked(file.rows(), f"{file.name}={file.uri!r}")


def _checked(rows: Iterable[Row], what: str) -> ItemSet:
    items: dict[str, int] = {}
    first_at: dict[str, str] = {}
    wrong: list[str] = []
    for where, row in rows:
        try:
            ean, quantity = _item(row)
            if ean in items:
                raise CellError(f"EAN {ean} was in {first_at[ean]} already")
            items[ean], first_at[ean] = quantity, where
        except CellError as error:
            wrong.append(f"{where}: {error}")
    if wrong:
        more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise ZDirectConfigurationError(
            f"{what} has {counted(len(wrong), 'error')}: {'; '.join(wrong[:SHOWN])}{more}.",
            remedy="Correct them; nothing was sent. An EAN has 13 digits, of which the last is a check digit, and is "
            "written as text (spreadsheets turn it into 4.01E+12); a quantity is a whole number, 1 or more.",
        )
    if not items:
        raise ZDirectConfigurationError(f"{what} has no items.", remedy="Give at least one EAN with its quantity.")
    return items


def _item(row: Any) -> tuple[str, int]:
    """EAN and quantity; raises CellError that says what is wrong."""
    if not isinstance(row, Mapping) or not row.keys() <= COLUMNS.keys():
        raise CellError(f"{str(row)[:60]} is not an object of ean and quantity")
    for name in COLUMNS:
        if row.get(name) in (None, ""):
            raise CellError(f"{name} is missing")
    ean, quantity = read_cell(row, "ean", read_ean), read_cell(row, "quantity", read_count)
    if not 1 <= quantity <= LARGEST:
        raise CellError(f"quantity={str(quantity)!r} of EAN {ean} is not a whole number, 1 or more")
    return ean, quantity
