# SPDX-License-Identifier: Apache-2.0
"""The base of every model: what all records of the zDirect API have in common, above all their drift.

The rules are those of docs/datasets.md, "How a record becomes a row"; the types below follow them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

MONEY_DECIMALS = 18


class Record(BaseModel):
    """One record of a dataset, or an object nested in one.

    ``not_content``: fields in which two records may differ and still say the same.

    ``looks_at``: for each model validator, the undeclared fields that it looks at. It leaves a record alone that has
    none of them and whose declared fields are plainly right (:mod:`.plain_records`).

    ``empty_is_absent``: an undeclared field with an empty text is none.
    """

    not_content: ClassVar[frozenset[str]] = frozenset()
    looks_at: ClassVar[Mapping[str, frozenset[str]]] = {}
    empty_is_absent: ClassVar[bool] = False

    model_config = ConfigDict(extra="allow", coerce_numbers_to_str=True, frozen=False)

    def unknown_fields(self) -> dict[str, Any] | None:
        """The fields that the model does not declare, nested ones included; None if there are none."""
        unknown = dict(self.__pydantic_extra__ or {})
        for name, value in self.__dict__.items():
            if isinstance(value, Record) and (nested := value.unknown_fields()):
                unknown[name] = nested
            if isinstance(value, list):
                each = [item.unknown_fields() for item in value if isinstance(item, Record)]
                if any(each):
                    unknown[name] = each
        return unknown or None


def _empty_is_null(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        # JSON has no such number; 1e400 is read as one.
        raise ValueError("number is out of range")
    return None if value == "" else value


def _undamaged(value: Any) -> Any:
    if isinstance(value, str) and "\ufffd" in value:
        raise ValueError("text that identifies is damaged (U+FFFD)")
    return _empty_is_null(value)


def _as_uuid(value: Any) -> Any:
    value = _undamaged(value)
    return ("".join(value.split()).lower() or None) if isinstance(value, str) else value


def _digits(width: int) -> BeforeValidator:
    # The API gives these a fixed width, so one with fewer digits was a number on its way and has lost zeros.
    def restore(value: Any) -> Any:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return f"{value:0{width}d}"
        if isinstance(value, str) and value.isascii() and value.isdigit():
            return value.zfill(width)
        return _undamaged(value)

    return BeforeValidator(restore)


def _rfc3339(value: Any) -> Any:
    # A bare number would be taken for seconds or milliseconds since 1970, whichever fits.
    if isinstance(value, str) and value[4:5] != "-":
        raise ValueError("time is not in RFC 3339 form")
    if not isinstance(value, (str, datetime)):
        raise ValueError("time is not a text")
    return value


def _iso_date(value: Any) -> Any:
    # As above: 20200401 is not a date.
    if not (isinstance(value, str) and value[4:5] == "-") and not isinstance(value, date):
        raise ValueError("date is not in the form YYYY-MM-DD")
    return value


def _in_reach(value: datetime) -> datetime:
    if not 1970 < value.year < 2200:
        raise ValueError("time lies before 1971 or after 2199")
    return value


def _date_as_written(value: Any) -> Any:
    # A local midnight with its offset means the date that is written, not the one in UTC.
    return value[:10] if isinstance(value, str) and value[10:11] == "T" else _empty_is_null(value)


def _as_text(value: Any) -> Any:
    if not isinstance(value, (dict, list)):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False)


def _no_truth_value(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("count is true or false")
    return _empty_is_null(value)


def _as_set(values: list[str | None] | None) -> list[str | None] | None:
    return values and sorted(set(values), key=lambda value: (value is None, value or ""))


def _storable(value: Decimal | None) -> Decimal | None:
    if value is None:
        return None
    if value.copy_abs() >= Decimal(10) ** (38 - MONEY_DECIMALS):
        raise ValueError("amount is too large")
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -MONEY_DECIMALS:
        with localcontext(prec=80):
            return value.quantize(Decimal(1).scaleb(-MONEY_DECIMALS), rounding=ROUND_HALF_EVEN)
    return value


Key = Annotated[str, BeforeValidator(_undamaged), Field(min_length=1)]
"""Text that identifies a record: required and not empty."""

Text = Annotated[str | None, BeforeValidator(_empty_is_null)]
Uuid = Annotated[str | None, BeforeValidator(_as_uuid)]
"""A UUID as text; zDirect writes one and the same in either case, and with blanks."""

UuidKey = Annotated[str, BeforeValidator(_as_uuid), Field(min_length=1)]
"""The same where it identifies a record."""

Ean = Annotated[str | None, _digits(13)]
"""EAN-13 as text (zDirect: ``^[0-9]{13}$``); leading zeros matter."""

EanKey = Annotated[str, _digits(13), Field(min_length=1)]
"""The same where it identifies a record."""

AdviceId = Annotated[str | None, _digits(8)]
"""Zalando advice id as text (zDirect: ``^[0-9]{8}$``, shown as a number in examples)."""

ShipmentNumber = Annotated[str | None, _digits(16)]
"""Return shipment number as text (zDirect: ``^[0-9]{16}$``)."""

Instant = Annotated[AwareDatetime, BeforeValidator(_rfc3339), AfterValidator(_in_reach)]
"""Required RFC 3339 time, kept to the microsecond; one without an offset is ambiguous and rejected."""

OptionalInstant = Annotated[Instant | None, BeforeValidator(_empty_is_null)]
OptionalDate = Annotated[date | None, BeforeValidator(_empty_is_null)]
LocalDate = Annotated[date | None, BeforeValidator(_date_as_written)]
"""A date that may come as a timestamp with an offset; the date as it is written."""

Day = Annotated[date, BeforeValidator(_iso_date)]
"""Required date, YYYY-MM-DD."""

_Int64 = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Quantity = Annotated[_Int64, BeforeValidator(_no_truth_value)]
"""Required whole number; negative ones correct earlier records."""

Count = Annotated[_Int64 | None, BeforeValidator(_no_truth_value)]
Flag = Annotated[bool | None, BeforeValidator(_empty_is_null)]
Number = Annotated[float | None, BeforeValidator(_empty_is_null)]
AnyText = Annotated[str | None, BeforeValidator(_as_text), BeforeValidator(_empty_is_null)]
"""Text, or whatever else came, as JSON; for fields whose shape is not confirmed."""

TextSet = Annotated[list[AnyText] | None, AfterValidator(_as_set)]
"""Texts whose order says nothing; they are put in order."""

Money = Annotated[Decimal | None, BeforeValidator(_empty_is_null), AfterValidator(_storable)]
"""An amount in major units as a decimal, never a float."""
