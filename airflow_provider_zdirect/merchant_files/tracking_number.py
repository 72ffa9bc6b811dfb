"""Tracking numbers: what a carrier could have printed on a parcel.

No list of carriers is complete, so this is what their numbers have in common: 8 (GLS Track-ID, Mondial
Relay) to 34 letters and digits (USPS with postcode), perhaps in groups. Four or more are digits; a Track-ID may have a
single one. The formats that it was made from are in ``tests/merchant_files``.
"""

from __future__ import annotations

import re
from typing import Any

from airflow_provider_zdirect.merchant_files.cells import CellError, read_code

SHORTEST, LONGEST = 8, 34
FEWEST_DIGITS = 4
LONG = 10
"""Of two groups that long, each is a number of its own."""

# An application identifier in brackets, as in (00)340434161094042557, and groups.
_PRINTED = re.compile(r"(\([0-9A-Za-z]{1,4}\) ?)?[0-9A-Za-z]+([ .-][0-9A-Za-z]+)*|[0-9]{3,4}/[0-9]{7,8}")
_TRACK_ID = re.compile(r"(?=.*[0-9])[0-9A-Z]{8}")
_SEPARATORS = re.compile(r"[ ()./-]+")
_DECIMAL = re.compile(r"[0-9]+\.[0-9]+")
_DATE = re.compile(r"[0-9]{4}[-.][0-9]{1,2}[-.][0-9]{1,2}|[0-9]{1,2}[-.][0-9]{1,2}[-.]([0-9]{2}|[0-9]{4})")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_COUNTED_UP = "01234567890"
_PLACEHOLDER = re.compile(
    r"(?<![a-z])(demo|dummy|example|fake|folgt|invalid|keine|mail|muster|pending|placeholder|platzhalter|sample|siehe|test|"
    r"unbekannt|unknown)(?![a-z])",
    re.IGNORECASE,
)
_WORD = re.compile("[A-Za-z]{5,}")
_MASKED = re.compile(r"x{4}", re.IGNORECASE)

REFUSED = "is not a tracking number that a carrier could have printed"


def read_tracking_number(value: Any) -> str:
    """A tracking number as the merchant wrote it, without what spreadsheets put around it; empty for a blank cell.

    :raises CellError: if it may be another one than was meant, or a carrier cannot have printed it.
    """
    text = re.sub(" +", " ", read_code(value))
    if not text:
        return ""
    if _DATE.fullmatch(text) or _UUID.fullmatch(text) or _DECIMAL.fullmatch(text) or not _PRINTED.fullmatch(text):
        raise CellError(REFUSED)
    core = normalized(text)
    if not SHORTEST <= len(core) <= LONGEST:
        raise CellError(f"{REFUSED}: these have {SHORTEST} to {LONGEST} letters and digits")
    groups = _SEPARATORS.split(text)
    if any(map(_WORD.fullmatch, groups)):
        raise CellError(f"{REFUSED}: it has words in it")
    if sum(len(group) >= LONG for group in groups) > 1:
        raise CellError(f"{REFUSED}: it looks like several; a row has one")
    digits = re.sub("[^0-9]", "", core)
    if len(digits) < FEWEST_DIGITS and not _TRACK_ID.fullmatch(text):
        raise CellError(f"{REFUSED}: it has too few digits")
    is_one_digit = len(set(digits)) == 1 and len(digits) > FEWEST_DIGITS
    if is_one_digit or core in _COUNTED_UP or _MASKED.search(core) or _PLACEHOLDER.search(text):
        raise CellError(f"{REFUSED}: it looks like a placeholder")
    return text


def normalized(text: str) -> str:
    """Letters and digits of a tracking number, in upper case: the same for all ways to write it."""
    return _SEPARATORS.sub("", text).upper()


def same_number(one: str, other: str) -> bool:
    """Whether two tracking numbers mean the same parcel: zeros in front are lost easily."""
    return normalized(one).lstrip("0") == normalized(other).lstrip("0")
