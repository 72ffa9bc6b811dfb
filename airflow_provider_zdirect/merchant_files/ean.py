"""EAN-13 (GTIN-13, https://www.gs1.org/services/how-calculate-check-digit-manually): the check digit, lost zeros."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

DIGITS = 13
SHORTEST = 8
"""Digits of the shortest number that is an EAN when zeros are put before it: EAN-8, UPC-A, EAN-13."""


def ean13(first_twelve: str) -> str:
    """Twelve digits with their check digit (weights 1 and 3 in turn)."""
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(first_twelve))
    return f"{first_twelve}{-total % 10}"


def is_ean13(text: str) -> bool:
    """Whether ``text`` is 13 digits, of which the last is the check digit of the others."""
    return len(text) == DIGITS and text.isascii() and text.isdigit() and ean13(text[:-1]) == text


def restored_ean(value: Any) -> str | None:
    """The EAN that was meant, with the leading zeros that spreadsheets drop; None if it is none.

    :param value: text, or a whole number; a UPC (12 digits) is an EAN with a zero before it.
    """
    number = whole_number(value)
    text = str(value if number is None else number).strip()
    # A handful of digits is no EAN that lost its zeros; one in ten of them would have a fitting check digit.
    if not SHORTEST <= len(text) <= DIGITS:
        return None
    text = text.zfill(DIGITS)
    return text if is_ean13(text) and int(text) else None


def whole_number(value: Any) -> int | None:
    """A number without a fraction as such, whatever type it came in; None for anything else, texts too."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not math.isfinite(value):
        return None
    return int(value) if value == int(value) else None
