"""What is in a delivery: pieces by EAN, checked before anything is sent.

zDirect docs, *Shipping Notices*, announced and dispatch item sets: ``{"items": [{"ean", "quantity"}]}``, each of which
replaces the whole set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.merchant_files.cells import CellError, read_count, shown
from airflow_provider_zdirect.merchant_files.ean import read_ean
from airflow_provider_zdirect.merchant_files.tables import Row, TableFile

ANNOUNCED, DISPATCHED = "announced", "dispatched"
"""The two kinds of item sets of a shipping notice."""

MOST_IN_A_LIST = 1_000
"""EANs of a list that is given as it is, and so goes through Airflow's database; more have to come as a file."""

COLUMNS = {"ean": ("gtin", "ean13"), "quantity": ("qty", "pieces")}
"""Columns of a file, with what else they may be called."""

SHOWN = 10
"""Errors of one input that are named."""

LARGEST = 2**31 - 1
"""Pieces of one EAN; zDirect's specifications have quantities as int32."""


@dataclass(frozen=True)
class ItemSet:
    """Pieces by EAN, in the order in which they were given; at least one, each 1 or more."""

    quantities: Mapping[str, int]

    @classmethod
    def of_list(cls, items: Any, name: str) -> ItemSet:
        """The set in a list, or anything else to go through, of ``{"ean": ..., "quantity": ...}``.

        :param name: the parameter that it came in, for errors.
        :raises ZDirectConfigurationError: with what is wrong with each of its items.
        """
        if not isinstance(items, Iterable) or isinstance(items, str | bytes | Mapping):
            raise ZDirectConfigurationError(
                f"{name} is not a list, but {type(items).__name__}.",
                remedy=f'Give {name} as [{{"ean": "4006381333931", "quantity": 2}}], or a file as {name}_path.',
            )
        # The results of mapped tasks are fetched while they are gone through.
        items = list(items)
        if len(items) > MOST_IN_A_LIST:
            raise ZDirectConfigurationError(
                f"{name} has {len(items)} items; a list may have {MOST_IN_A_LIST}, because Airflow keeps it in its "
                "database.",
                remedy=f"Write them to a CSV, Parquet or JSON-lines file, and give it as {name}_path.",
            )
        rows = ((f"item {number}", item) for number, item in enumerate(items, start=1))
        return cls._of(rows, what=name)

    @classmethod
    def of_file(cls, file: TableFile) -> ItemSet:
        """The set in a file with the columns :data:`COLUMNS`.

        :raises ZDirectConfigurationError: if it cannot be read, or with what is wrong with each of its rows.
        """
        return cls._of(file.rows(), what=f"{file.name}={file.uri!r}")

    @classmethod
    def _of(cls, rows: Iterable[Row], *, what: str) -> ItemSet:
        quantities: dict[str, int] = {}
        first_at: dict[str, str] = {}
        wrong: list[str] = []
        for where, row in rows:
            found = _item(row)
            if isinstance(found, str):
                wrong.append(f"{where}: {found}")
                continue
            ean, quantity = found
            if ean in quantities:
                wrong.append(f"{where}: EAN {ean} was in {first_at[ean]} already")
                continue
            quantities[ean], first_at[ean] = quantity, where
        if wrong:
            count = f"{len(wrong)} {'error' if len(wrong) == 1 else 'errors'}"
            more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
            raise ZDirectConfigurationError(
                f"{what} has {count}: {'; '.join(wrong[:SHOWN])}{more}.",
                remedy="Correct them; nothing was sent. An EAN has 13 digits, of which the last is a check digit, and "
                "is written as text (spreadsheets turn it into 4.01E+12); a quantity is a whole number, 1 or more.",
            )
        if not quantities:
            raise ZDirectConfigurationError(f"{what} has no items.", remedy="Give at least one EAN with its quantity.")
        return cls(quantities)

    def __len__(self) -> int:
        """How many EANs."""
        return len(self.quantities)

    @property
    def pieces(self) -> int:
        return sum(self.quantities.values())

    def as_body(self) -> dict[str, Any]:
        """As zDirect takes it."""
        return {"items": [{"ean": ean, "quantity": quantity} for ean, quantity in self.quantities.items()]}


def _item(row: Any) -> tuple[str, int] | str:
    """EAN and quantity, or what is wrong."""
    if not isinstance(row, Mapping) or not row.keys() <= COLUMNS.keys():
        return f"{str(row)[:60]} is not an object of ean and quantity"
    for name in COLUMNS:
        if row.get(name) in (None, ""):
            return f"{name} is missing"
    cell = "ean"
    try:
        ean = read_ean(row[cell])
        cell = "quantity"
        quantity = read_count(row[cell])
    except CellError as error:
        return f"{cell}={shown(row[cell])} {error}"
    if not 1 <= quantity <= LARGEST:
        return f"quantity={str(quantity)!r} of EAN {ean} is not a whole number, 1 or more"
    return ean, quantity
