# SPDX-License-Identifier: Apache-2.0
"""The rows of a file or a list that update orders, each checked before anything is sent.

An invalid row does not stop the others: it becomes a :class:`WrongRow`, and is in the results too.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

from airflow_provider_zdirect.client.merchants import MerchantNames, id_or_name
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.merchant_files.cells import (
    UUID,
    CellError,
    bare,
    read_code,
    read_count,
    shown,
)
from airflow_provider_zdirect.merchant_files.given_list import given_list
from airflow_provider_zdirect.merchant_files.tables import Row
from airflow_provider_zdirect.merchant_files.tracking_number import read_tracking_number, same_number
from airflow_provider_zdirect.orders.row_parts import REFUSED, ROW, Part
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.words import counted

log = logging.getLogger(__name__)

T = TypeVar("T")

RESERVED, SHIPPED, CANCELED, RETURNED = "reserved", "shipped", "canceled", "returned"
STATUSES = (RESERVED, SHIPPED, CANCELED, RETURNED)

REASONS: Mapping[str, int] = MappingProxyType(
    {
        "UNKNOWN_CAUSE": 0,
        "DISLIKE": 1,
        "SIZE_BIG": 2,
        "SIZE_SMALL": 3,
        "VALUE_FOR_MONEY": 4,
        "DELIVERY_TOO_LATE": 5,
        "NOT_LIKE_IMAGINED": 6,
        "ARTICLE_WRONG": 9,
        "DEFECTIVE": 10,
    }
)
"""Reasons of returns (zDirect docs, *Orders*, returns)."""

COLUMNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "order_id": ("order_uuid",),
        "order_number": (),
        "order_line_id": ("line_id",),
        "external_id": ("ean", "merchant_sku", "sku"),
        "merchant_order_id": (),
        "tracking_number": ("tracking_code", "outbound_tracking_number"),
        "return_tracking_number": ("return_tracking_code",),
        "status": (),
        "reason": ("return_reason",),
        "outbound_logistic_center_id": ("logistic_center_id",),
        "shipment": ("merchant_specified_shipment_id",),
        "weight_grams": ("weight",),
        "merchant_id": (),
    }
)
"""Columns of a file, each with its other names."""
REQUIRED = ("order_id or order_number",)

_CODES = ("tracking_number", "return_tracking_number")
_ADDRESS = re.compile(r"\S@\S")
_WORD = re.compile(r"[A-Za-z_]{1,20}")
_HEAVIEST = 2**31 - 1


@dataclass(frozen=True)
class OrderUpdate:
    """The wanted state of an order, or of one of its lines; what is None is not changed.

    :param row: number of its row, for the results; each update has its own.
    :param order_id: UUID in lower case; None if the order is named by ``order_number``.
    :param order_line_id: UUID of the line that ``status`` is of; None with ``external_id`` None: of all lines.
    :param merchant_order_id: number of the order at the merchant's; setting it exports the order.
    :param tracking_number: of the parcel to the customer.
    :param return_tracking_number: of the parcel back.
    :param status: one of :data:`STATUSES`.
    :param reason: code of :data:`REASONS`, for returns.
    :param outbound_logistic_center_id: UUID of the logistic center that ships.
    :param order_number: Zalando's number, which several orders may share.
    :param external_id: the merchant's product identifier, or Zalando's: of all lines of that article.
    :param shipment: the merchant's id of one of several parcels.
    :param weight_grams: of that parcel.
    :param of_any: the row does not name the merchant, and may be of any merchant of the file.
    """

    row: int
    order_id: str | None = None
    order_line_id: str | None = None
    merchant_order_id: str | None = None
    tracking_number: str | None = None
    return_tracking_number: str | None = None
    status: str | None = None
    reason: int | None = None
    outbound_logistic_center_id: str | None = None
    order_number: str | None = None
    external_id: str | None = None
    shipment: str | None = None
    weight_grams: int | None = None
    of_any: bool = False

    @property
    def names_lines(self) -> bool:
        return self.order_line_id is not None or self.external_id is not None


@dataclass(frozen=True)
class UpdateRows:
    """The rows of one source.

    :param wrong: the results of invalid rows. Their cells are not quoted (but for tracking numbers and a status of one
        short word), because columns may be mixed up, and some are personal.
    :param of_others: rows of other merchants, which are left out.
    :param others: the ids of these.
    """

    updates: tuple[OrderUpdate, ...]
    wrong: tuple[Part, ...] = ()
    of_others: int = 0
    others: tuple[str, ...] = ()

    def log(self, place: Place) -> None:
        others = f"{counted(self.of_others, 'row')} of other merchants ({', '.join(self.others[:20])}) left out"
        log.info(
            "%s: %s%s%s.",
            place.subject("order updates", full_id=True),
            counted(len(self.updates), "update"),
            f"; {counted(len(self.wrong), 'row is', 'rows are')} invalid" if self.wrong else "",
            f"; {others}" if self.of_others else "",
        )
        if self.of_others and not (self.updates or self.wrong):
            log.warning("All rows are of other merchants; is their merchant_id right?")


def listed_updates(items: Any, name: str) -> list[Row]:
    """The rows of a list of mappings.

    :param name: the parameter that it came in, for errors.
    :raises ZDirectConfigurationError: if it is not a list, too long, or a row has an unknown field.
    """
    example = '[{"order_id": "...", "tracking_number": "..."}]'
    rows = given_list(items, name=name, example=example, path=f"{name}_path")
    called = {other: column for column, others in COLUMNS.items() for other in (column, *others)}
    listed = []
    for number, row in enumerate(rows, start=1):
        unknown = sorted(set(row) - set(called)) if isinstance(row, Mapping) else [type(row).__name__]
        if unknown or len({called[field] for field in row}) < len(row):
            raise ZDirectConfigurationError(
                f"{name}: item {number} is not a row of an update ({', '.join(map(str, unknown or row))[:100]}).",
                remedy=f"Use the fields: {', '.join(COLUMNS)}; each once.",
            )
        listed.append((f"item {number}", {called[field]: value for field, value in row.items()}))
    return listed


def read_updates(
    rows: Iterable[Row],
    *,
    merchant_id: str,
    default_reason: int | None = None,
    names_merchant: bool = False,
    is_shared: bool = False,
    merchants: MerchantNames | None = None,
) -> UpdateRows:
    """The updates in rows of :data:`COLUMNS`.

    :param merchant_id: whose orders are updated; rows that name another merchant are left out.
    :param default_reason: of returns without one.
    :param names_merchant: a row without ``merchant_id`` is wrong.
    :param is_shared: the file has orders of several merchants; a row without ``merchant_id`` may be of any of them, and
        has to name its order by ``order_id``: merchants may have orders of the same number.
    :param merchants: the names that rows may have as ``merchant_id``; None: they are not known yet.
    """
    updates: list[OrderUpdate] = []
    wrong: list[Part] = []
    of_others: Counter[str] = Counter()
    for where, row in rows:
        number = int(where.rpartition(" ")[2])
        cells: dict[str, Any] = {}
        try:
            _read_cells(row, _NAMES, cells)
            owner = cells.pop("merchant_id")
            if owner is not None and merchants is not None:
                owner = merchants.find(owner)
                if owner is None:
                    raise ValueError("merchant_id is neither a UUID nor a merchant name of the connection")
            if owner not in (None, merchant_id):
                of_others[owner] += 1
                continue
            if owner is None and names_merchant:
                raise ValueError("merchant_id is missing, and the file is for several merchants")
            if owner is None and is_shared and not cells["order_id"]:
                raise ValueError("give order_id or merchant_id: several merchants may have an order of that number")
            _read_cells(row, _CHANGES, cells)
            _check_sense(cells, default_reason)
            updates.append(OrderUpdate(number, **cells, of_any=owner is None and is_shared))
        except ValueError as error:
            part = Part(number, ROW, cells.get("order_id"), cells.get("order_number"))
            part.settle(REFUSED, str(error))
            wrong.append(part)
    return UpdateRows(tuple(updates), tuple(wrong), of_others.total(), tuple(of_others))


def reason_code(value: Any) -> int:
    """The code of a return reason, from code or name.

    :raises ValueError: if it is unknown.
    """
    text = bare(value)
    number = int(text) if text.isascii() and text.isdigit() else None
    code = REASONS.get(re.sub(r"[\s-]+", "_", text.upper()), number)
    if code is None or code not in REASONS.values():
        known = ", ".join(f"{name} ({code})" for name, code in REASONS.items())
        raise ValueError(f"reason is not a return reason; use {known}")
    return code


def _read_cells(row: Mapping[str, Any], readers: Mapping[str, Callable[[Any], Any]], cells: dict[str, Any]) -> None:
    """Read the cells of some columns; None for a blank one."""
    for name, read in readers.items():
        cell = row.get(name)
        try:
            cells[name] = read(cell) if bare(cell) else None
        except CellError as error:
            # Tracking numbers are not personal, and people need them to find the row.
            quoted = f"{name}={shown(cell)}" if name in _CODES and not _ADDRESS.search(str(cell)) else name
            raise ValueError(f"{quoted} {error}") from error


def _read_id(value: Any) -> str:
    text = bare(value).lower()
    if not UUID.fullmatch(text):
        raise CellError("is not a UUID")
    return text


def _read_merchant(value: Any) -> str:
    try:
        return id_or_name(bare(value))
    except ValueError as error:
        raise CellError(f"is not {error}") from error


def _read_status(value: Any) -> str:
    text = bare(value)
    status = {"cancelled": CANCELED}.get(text.lower(), text.lower())
    if status not in STATUSES:
        # Anything else may come from another column, and be personal.
        quoted = f" {text!r}" if _WORD.fullmatch(text) else ""
        raise ValueError(f"status{quoted} is unknown; use {', '.join(STATUSES)}")
    return status


def _read_weight(value: Any) -> int:
    weight = read_count(value)
    if not 0 < weight <= _HEAVIEST:
        raise CellError("is not a whole number of 1 or more")
    return weight


# What names the order comes first, so that it is known even if the rest is wrong.
_NAMES: Mapping[str, Callable[[Any], Any]] = {
    "order_number": read_code,
    **dict.fromkeys(("order_id", "order_line_id", "outbound_logistic_center_id"), _read_id),
    "merchant_id": _read_merchant,
}
_CHANGES: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("external_id", "merchant_order_id", "shipment"), read_code),
    **dict.fromkeys(_CODES, read_tracking_number),
    "status": _read_status,
    "reason": reason_code,
    "weight_grams": _read_weight,
}


def _check_sense(cells: dict[str, Any], default_reason: int | None) -> None:
    """Check the cells of a row together, and fill in the reason."""
    if cells["order_id"]:
        # The id is exact; several orders may share the number.
        cells["order_number"] = None
    elif cells["order_number"] is None:
        raise ValueError("neither order_id nor order_number is given")
    wanted = ("merchant_order_id", "tracking_number", "return_tracking_number", "status")
    if not any(cells[name] for name in wanted):
        raise ValueError(f"there is nothing to do: none of {', '.join(wanted)} is given")
    out, back = (cells[name] for name in _CODES)
    if out and back and same_number(out, back):
        raise ValueError(f"tracking_number={shown(out)} is the return_tracking_number, too; every parcel has its own")
    for name in ("order_line_id", "external_id", "outbound_logistic_center_id"):
        if cells[name] and not cells["status"] and not cells["shipment"]:
            raise ValueError(f"{name} is given without status: only a status is that of a line")
    if cells["order_line_id"] and cells["external_id"]:
        raise ValueError("order_line_id and external_id (ean, merchant_sku) are both given; one names the line")
    if cells["shipment"] and cells["weight_grams"] is None:
        raise ValueError("shipment is given without weight_grams, which zDirect requires of each")
    if cells["weight_grams"] is not None and not cells["shipment"]:
        raise ValueError("weight_grams is given without shipment")
    if cells["shipment"] and cells["status"] not in (None, SHIPPED, CANCELED):
        raise ValueError(f"a shipment can be shipped or canceled, not {cells['status']}")
    if cells["status"] != RETURNED:
        if cells["reason"] is not None:
            raise ValueError("reason is given, but status is not returned")
    elif cells["reason"] is None:
        if default_reason is None:
            raise ValueError("status is returned, and there is no reason; give one, or a default_reason")
        cells["reason"] = default_reason
