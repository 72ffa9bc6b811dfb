# SPDX-License-Identifier: Apache-2.0
"""What a cell of a merchant's file says, after what spreadsheets and programs have done to it.

Damage that can be undone with certainty is undone: ``="003404"``, a leading apostrophe, quotes, blanks and invisible
characters around a value, a whole number that became ``12.0``. Everything else is refused, never guessed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError

T = TypeVar("T")

LONGEST = 255
SHOWN = 40
"""Characters of a cell that an error shows."""

ROUNDED = "is a number that a spreadsheet or program has rounded; write it as text"

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""What zDirect's ids look like, in lower case."""

_EXACT = 10**15
"""Below it, a floating point number is the whole number that somebody wrote."""
_FORMULA = re.compile(r'=\s*"(.*)"', re.DOTALL)
_QUOTES = {'"': '"', "'": "'", "\N{LEFT DOUBLE QUOTATION MARK}": "\N{RIGHT DOUBLE QUOTATION MARK}",
           "\N{DOUBLE LOW-9 QUOTATION MARK}": "\N{LEFT DOUBLE QUOTATION MARK}"}  # fmt: skip
_APOSTROPHES = ("'", "\N{RIGHT SINGLE QUOTATION MARK}", "\N{LEFT SINGLE QUOTATION MARK}")
_BLANKS = dict.fromkeys((0xA0, 0x2007, 0x202F), " ")
_INVISIBLE: dict[int, str | None] = dict.fromkeys(
    (0xAD, 0x061C, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A), 0xFEFF)
)
_CLEANED = {**_INVISIBLE, **_BLANKS}

_WHOLE = re.compile(r"([+-]?[0-9]{1,20})([.,]0{1,2})?")
_GROUPS = re.compile(r"[+-]?[0-9]{1,3}([.,\s'][0-9]{3})+")
_SCIENTIFIC = re.compile(r"[+-]?[0-9]+[.,][0-9]*[eE][+-]?[0-9]+|[+-]?[0-9]+[eE]\+[0-9]+")
_ZERO_DECIMALS = re.compile(r"[0-9]+[.,]0+")
_NO_VALUE = re.compile(
    r"#+|#(n/?[abdv]|nv|brak|[^0-9\s]*(/0)?[!?])|\\n|n ?/ ?a|[nk]\.? ?a\.?|nan|nat|null|none|nil|undefined|unknown|"
    r"tb[acd]|keine?|leer|empty|blank|test|unbekannt|x{1,9}|<(na|null|none)>|\(null\)|0+",
    re.IGNORECASE,
)
"""What spreadsheets, databases, programs and people write where there is no value."""


def checked_merchant_id(text: str) -> str:
    """``text`` in lower case, if it can be a merchant id: a UUID. It becomes part of a path.

    :raises ZDirectConfigurationError: if it is anything else.
    """
    merchant_id = text.strip().lower()
    if not UUID.fullmatch(merchant_id):
        raise ZDirectConfigurationError(
            f"merchant_id={text[:60]!r} is not a UUID.",
            remedy="Give the merchant's BPID as /auth/me lists it, for example 01234567-89ab-cdef-0123-456789abcdef.",
        )
    return merchant_id


class CellError(ValueError):
    """What is wrong with a cell, to be read after its name and content: "is not a whole number"."""


def bare(value: Any) -> str:
    """The text of a cell, without what was put around it; a whole number of any type without a fraction.

    :returns: an empty text for a blank cell.
    :raises CellError: if it holds neither text nor a number.
    """
    if isinstance(value, str):
        return value if value.isalnum() and value.isascii() else _unwrapped(value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bytes):
        try:
            return _unwrapped(value.decode())
        except UnicodeDecodeError:
            raise CellError("is not text but bytes") from None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise CellError(f"is not text or a number but a {type(value).__name__}")
    return str(int(value) if math.isfinite(value) and value == int(value) else value)


@lru_cache(maxsize=1_024)
def column_name(name: str) -> str:
    """A column's name as it is compared."""
    return re.sub(r"[\s_-]+", "_", bare(name).lower())


def shown(value: Any) -> str:
    """A cell as an error shows it."""
    try:
        text = bare(value)
    except CellError:
        text = str(value)
    return repr(text[:SHOWN])


def read_cell(row: Mapping[str, Any], name: str, read: Callable[[Any], T]) -> T:
    """What ``read`` makes of a cell; its errors name the cell and what it holds."""
    try:
        return read(row.get(name))
    except CellError as error:
        raise CellError(f"{name}={shown(row.get(name))} {error}") from None


def without_zero_decimals(text: str) -> str:
    """``12`` for ``12.0``, ``12.00``, ``12,0`` and ``12,00``, which are no thousands; any other text as it is."""
    found = _WHOLE.fullmatch(text)
    return found[1] if found else text


def is_scientific(text: str) -> bool:
    """Whether a spreadsheet or program has shortened a number to ``4.01E+12``."""
    return _SCIENTIFIC.fullmatch(text) is not None


def read_count(value: Any) -> int:
    """A whole number, negative ones too.

    :raises CellError: if it is not a number, or may be thousands as well as a fraction.
    """
    text = bare(value)
    found = _WHOLE.fullmatch(text)
    if found is None:
        if _GROUPS.fullmatch(text):
            raise CellError("may be thousands or a fraction; write it without a point or comma")
        raise CellError("is not a whole number")
    return int(found[1])


def read_code(value: Any) -> str:
    """An identifier, such as the number of an order; an empty text for a blank cell.

    :raises CellError: if it may be another one than was meant, or stands for no value.
    """
    text = bare(value)
    if is_scientific(text) or (isinstance(value, float) and abs(value) >= _EXACT):
        raise CellError(ROUNDED)
    if _ZERO_DECIMALS.fullmatch(text):
        raise CellError("is a decimal, of which a program may have made a number; write it as text")
    if _NO_VALUE.fullmatch(text) or (text and not any(map(str.isalnum, text))):
        raise CellError("stands for no value; leave the cell blank")
    if len(text) > LONGEST:
        raise CellError(f"is longer than {LONGEST} characters")
    if strange := next((one for one in text if not one.isprintable()), ""):
        raise CellError(f"holds a character that cannot be printed (U+{ord(strange):04X})")
    return text


def _unwrapped(text: str) -> str:
    """The text within formula, quotes and blanks, however often it was put into them."""
    text = text.translate(_CLEANED)
    while True:
        inner = text.strip()
        if found := _FORMULA.fullmatch(inner):
            inner = found[1]
        elif len(inner) > 1 and _QUOTES.get(inner[0]) == inner[-1]:
            inner = inner[1:-1]
        elif inner.startswith(_APOSTROPHES):
            inner = inner[1:]
        if inner == text:
            return text
        text = inner
