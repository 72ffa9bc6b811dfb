# SPDX-License-Identifier: Apache-2.0
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

# An identifier in brackets, as in (00)340434161094042557, and groups. Area codes of telephones begin with one zero.
_PRINTED = re.compile(
    r"(\((?!0[0-9]{2}|0\))[0-9A-Za-z]{1,4}\) ?)?[0-9A-Za-z]+([ .-][0-9A-Za-z]+)*|[1-9][0-9]{2,3}/[0-9]{7,8}"
)
_TRACK_ID = re.compile(r"(?=.*[0-9])[0-9A-Z]{8}")
_SEPARATORS = re.compile(r"[ ()./-]+")
_DAY, _MONTH, _YEAR = "(0?[1-9]|[12][0-9]|3[01])", "(0?[1-9]|1[0-2])", "20[0-9]{2}"
_NAME = "(jan|feb|m[aä]r|apr|ma[ijy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])[a-z]*"
_UNIT = "(eur|usd|gbp|chf|pln|czk|sek|dkk|nok|huf|ron|kg|gr?|lbs?|stk|pcs|cm|mm)"
_OTHERS = {
    "a date": rf"{_YEAR}[ .-]{_MONTH}[ .-]{_DAY}([ .T-].*)?|{_DAY}[ .-]{_MONTH}[ .-]{_YEAR}([ .T-].*)?"
    rf"|[0-9]{{4}}([-.][0-9]{{1,2}}){{2}}|([0-9]{{1,2}}[-.]){{2}}([0-9]{{2}}|[0-9]{{4}})"
    rf"|{_YEAR}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])|(0[1-9]|[12][0-9]|3[01])(0[1-9]|1[0-2]){_YEAR}"
    rf"|{_DAY}[ .-]*{_NAME}[ .-]*{_YEAR}|{_DAY}[ .-]+{_NAME}[ .-]+[0-9]{{2}}|{_NAME}[ .-]*{_DAY}[ .-]+{_YEAR}"
    rf"|{_YEAR}[ .-]+{_NAME}[ .-]*{_DAY}"
    rf"|{_YEAR}-?W[0-9]{{2}}(-.*)?",
    "a decimal or thousands": r"[0-9]+\.[0-9]+|[0-9]{1,3}(\.[0-9]{3}){2,}",
    "an amount with its unit": rf"[0-9. ]+ {_UNIT}|[0-9.]+(?!gr?$){_UNIT}|{_UNIT} [0-9. ]+",
    "a telephone number": r"(?!([0-9]{4} ?){3}$)0[1-9][0-9]{1,3}[ .-]([0-9][ .-]?){5,8}"
    r"|00[ .-]?[1-9][0-9]{0,2}[ .-]([0-9][ .-]?){6,12}",
    "a UUID": r"(?=.*[a-f-])[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}",
    "an IP address": r"[0-9]{1,3}(\.[0-9]{1,3}){3}",
    "a rounded number": r"[0-9]+e[0-9]{1,2}|[1-9][0-9]{14}0{3,7}",
    "a placeholder": r"0?(1234(5(6(7(89?)?)?)?)?)+",
}
"""What looks like a tracking number and is something else."""
_OTHER = {what: re.compile(pattern, re.IGNORECASE) for what, pattern in _OTHERS.items()}
_COUNTED = ("01234567890", "09876543210")
_IBAN = re.compile("(AT|BE|CH|CZ|DE|DK|ES|FI|FR|GB|HU|IE|IT|LU|NL|NO|PL|PT|RO|SE|SK)[0-9]{2}[0-9A-Z]{11,24}")
_PLACEHOLDER = re.compile(
    r"(?<![a-z])(bestellung|demo|dummy|error|example|fake|folgt|hallo|hello|invalid|keine?|leer|mail|muster|none|null|"
    r"no ?tracking|order|package|paket|parcel|pending|placeholder|platzhalter|retoure|return|sample|siehe|test|"
    r"tracking|unbekannt|undefined|unknown|versand)(?![a-z])|(?<![a-z0-9])(err|nan|nil|tb[cd])(?![a-z])",
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
    if not _PRINTED.fullmatch(text):
        raise CellError(REFUSED)
    core = normalized(text)
    looks_like = next((what for what, pattern in _OTHER.items() if pattern.fullmatch(text)), "")
    if _IBAN.fullmatch(core) and _rest_of_iban(core) == 1:
        looks_like = "an IBAN"
    if looks_like:
        raise CellError(f"{REFUSED}: it looks like {looks_like}")
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
    is_counted = any(core in counted for counted in _COUNTED)
    if is_one_digit or is_counted or _MASKED.search(core) or _PLACEHOLDER.search(text):
        raise CellError(f"{REFUSED}: it looks like a placeholder")
    return text


def _rest_of_iban(core: str) -> int:
    """1 for an IBAN (ISO 13616)."""
    return int("".join(str(int(sign, 36)) for sign in core[4:] + core[:4])) % 97


def normalized(text: str) -> str:
    """Letters and digits of a tracking number, in upper case: the same for all ways to write it."""
    return _SEPARATORS.sub("", text).upper()


def same_number(one: str, other: str) -> bool:
    """Whether two tracking numbers mean the same parcel: zeros in front are lost easily."""
    return normalized(one).lstrip("0") == normalized(other).lstrip("0")
