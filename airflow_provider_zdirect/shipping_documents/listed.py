# SPDX-License-Identifier: Apache-2.0
"""The orders whose shipping documents are fetched, as people name them: in a list or a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from airflow_provider_zdirect.client.merchants import MerchantNames
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.merchant_files.cells import UUID, CellError, bare
from airflow_provider_zdirect.merchant_files.given_list import given_list
from airflow_provider_zdirect.merchant_files.tables import TableFile

COLUMNS: Mapping[str, tuple[str, ...]] = MappingProxyType({"order_id": ("order_uuid",), "merchant_id": ()})

SHOWN = 5


def listed_orders(value: Any, name: str) -> list[str]:
    """Order ids of a list, or of comma separated text; each once, in order.

    :param name: their parameter, for errors.
    :raises ZDirectConfigurationError: if it is not a list, too long, or an id is not a UUID.
    """
    if isinstance(value, str):
        value = [text for text in value.replace(",", " ").split() if text]
    found = given_list(value, name=name, example="a list of order ids", path="orders_path")
    return _checked(((f"item {number}", order_id) for number, order_id in enumerate(found, start=1)), f"{name}: ")


def orders_of_file(file: TableFile, merchant_id: str, merchants: MerchantNames) -> list[str]:
    """The ids in a file with :data:`COLUMNS`, each once, in order; rows that name another merchant are left out.

    :param merchants: the names that rows may have as ``merchant_id``.
    :raises ZDirectConfigurationError: if the file cannot be read, or an id is not a UUID; it names the rows.
    """
    rows = (
        (where, row.get("order_id"))
        for where, row in file.rows()
        if not (owner := _id(row.get("merchant_id"))) or merchants.find(owner) == merchant_id
    )
    return _checked(rows, f"{file.name}={file.uri!r}: ")


def _id(value: Any) -> str:
    try:
        return bare(value).lower()
    except CellError:
        return str(value)


def _checked(rows: Iterable[tuple[str, Any]], where: str) -> list[str]:
    good: dict[str, None] = {}
    bad: list[str] = []
    for place, value in rows:
        order_id = _id(value)
        if UUID.fullmatch(order_id):
            good[order_id] = None
        else:
            bad.append(f"{place} ({str(value)[:60]!r})")
    if bad:
        more = f" and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        raise ZDirectConfigurationError(
            f"{where}{len(bad)} order ids are not UUIDs: {', '.join(bad[:SHOWN])}{more}.",
            remedy="Give ids of orders (order_id), not their numbers.",
        )
    return list(good)
