# SPDX-License-Identifier: Apache-2.0
"""What a merchant writes into a shipping notice: checked before it is sent, compared with what is there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.merchant_files.cells import UUID, CellError, read_count

MERCHANT = "zalando_merchant_id"
REFERENCE = "merchant_b2b_reference"
LOCATION = "requested_zalando_location_id"
DELIVERY = "earliest_delivery_date"
COUNTS = ("pallets_count", "colli_count", "hanging_goods_count")
TEXTS = (
    "carrier_name",
    LOCATION,
    "requested_zalando_location_name",
    REFERENCE,
    "contact_name",
    "contact_email",
    "additional_contact_email",
    "comments",
)
FIELDS = (*TEXTS, *COUNTS, DELIVERY)
"""Fields that a merchant may write (zDirect docs, *Shipping Notices*, creating; those of the newer copies included).
Which of them zDirect requires is not confirmed, so that is left to its answer."""

ELSEWHERE = {
    MERCHANT: "give the merchant as merchant_id",
    "announced_items": "give the items as items or items_path, with the operation announce",
    "shipping_notice_id": "give the id as shipping_notice_id",
}
_ZONE = ZoneInfo("Europe/Berlin")
"""Of the offsets in zDirect's examples."""


def checked_fields(fields: Any) -> dict[str, Any]:
    """The fields as they are sent, without those that are blank.

    :raises ZDirectConfigurationError: for an unknown name, or a value that the field cannot have.
    """
    if not isinstance(fields, Mapping):
        # Not its content, which may be personal data.
        size = f" of {len(fields)} characters" if isinstance(fields, str) else ""
        raise refusal(f"notice is not a mapping, but {type(fields).__name__}{size}", "Give it as {field: value}.")
    for name in fields:
        if name in ELSEWHERE:
            raise refusal(f"notice has the field {name}", f"Leave it out, and {ELSEWHERE[name]}.")
        if name not in FIELDS:
            raise refusal(f"notice has the unknown field {str(name)[:60]}", f"Use: {', '.join(FIELDS)}.")
    return {name: _checked(name, value) for name, value in fields.items() if not _is_blank(value)}


def differing_fields(wanted: Mapping[str, Any], there: Mapping[str, Any]) -> list[str]:
    """The names of those wanted fields that a notice has another value in.

    A field that zDirect leaves out or blank does not count: which fields it gives back is not confirmed.

    :param wanted: what :func:`checked_fields` gave, with or without :data:`MERCHANT`.
    :param there: the notice as zDirect sends it.
    """
    return [name for name, value in wanted.items() if not _same(name, value, there.get(name))]


def _checked(name: str, value: Any) -> Any:
    given = f"notice[{name!r}]={str(value)[:60]!r}"
    if name in COUNTS:
        with suppress(CellError):
            if (number := read_count(value)) >= 0:
                return number
        raise refusal(f"{given} is not a count", "Give a whole number, 0 or more.")
    if name == DELIVERY:
        text = str(value).strip()
        with suppress(ValueError):
            # Not 20261130, which Python takes for a date as well.
            if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
                return date.fromisoformat(text).isoformat()
        raise refusal(f"{given} is not a date", "Give it as 2026-11-30.")
    if isinstance(value, int) and not isinstance(value, bool):
        # A template that renders native objects makes a number of an order number.
        value = str(value)
    if not isinstance(value, str):
        raise refusal(f"notice[{name!r}] is not a text, but {type(value).__name__}", "Give a text.")
    if name == LOCATION and not UUID.fullmatch(value := value.strip().lower()):
        raise refusal(f"{given} is not a UUID", "Give the id of a logistic center (dataset logistic_centers).")
    return value


def _same(name: str, wanted: Any, there: Any) -> bool:
    if _is_blank(there):
        return True
    if name == DELIVERY:
        return wanted in _dates_of(str(there))
    if name in COUNTS:
        with suppress(CellError):
            return bool(read_count(there) == wanted)
        return False
    if name in (LOCATION, MERCHANT):
        # Examples show UUIDs in upper case, and with a blank in them.
        return re.sub(r"\s", "", str(there)).lower() == str(wanted).lower()
    return str(there).strip() == str(wanted).strip()


def _dates_of(text: str) -> set[str]:
    """The date that is written, and that of a time in Germany: it is read as a midnight with an offset."""
    found = {text[:10]}
    with suppress(ValueError):
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            found.add(moment.astimezone(_ZONE).date().isoformat())
    return found


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def refusal(what: str, remedy: str) -> ZDirectConfigurationError:
    return ZDirectConfigurationError(f"{what}.", remedy=remedy)
