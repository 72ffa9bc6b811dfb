# SPDX-License-Identifier: Apache-2.0
"""EAN-13 (GTIN-13, https://www.gs1.org/services/how-calculate-check-digit-manually): the check digit, lost zeros."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_zdirect.merchant_files.cells import ROUNDED, CellError, bare, is_scientific, without_zero_decimals

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

DIGITS = 13
SHORTEST = 8
"""Digits of the shortest number that is an EAN when zeros are put before it: EAN-8, UPC-A, EAN-13."""
ROUNDED_ZEROS = "000000"
"""At the end of what was rounded to ``4.00638E+12``; next to no article has such a number."""


def ean13(first_twelve: str) -> str:
    """Twelve digits with their check digit (weights 1 and 3 in turn)."""
    total = sum(map(int, first_twelve[::2])) + 3 * sum(map(int, first_twelve[1::2]))
    return f"{first_twelve}{-total % 10}"


def is_ean13(text: str) -> bool:
    """Whether ``text`` is 13 digits, of which the last is the check digit of the others."""
    return len(text) == DIGITS and text.isascii() and text.isdigit() and ean13(text[:-1]) == text


def read_ean(value: Any) -> str:
    """The EAN in a cell, with the leading zeros that spreadsheets drop.

    :param value: text, or a whole number; a UPC (12 digits) is an EAN with a zero before it, and so is a GTIN-14 that
        begins with a zero, which it has too many.
    :raises CellError: if it is not a valid EAN, or may be another one than was meant.
    """
    text = without_zero_decimals(bare(value))
    if not (text.isascii() and text.isdigit()):
        raise CellError(ROUNDED if is_scientific(text) else "is not a valid EAN, which has 13 digits")
    if len(text) > DIGITS and not (len(text) == DIGITS + 1 and text[0] == "0"):
        packing = " (a GTIN-14 that does not begin with 0 is of a package)" if len(text) == DIGITS + 1 else ""
        raise CellError(f"is not a valid EAN: it has {len(text)} digits, not 13{packing}")
    # A few digits are not an EAN that lost its zeros: one in ten of them has a fitting check digit by chance.
    if len(text) < SHORTEST:
        raise CellError(f"is not a valid EAN: it has {len(text)} digits, not 13")
    text = text[-DIGITS:].zfill(DIGITS)
    if text.endswith(ROUNDED_ZEROS):
        raise CellError(f"is not a valid EAN: it ends with {len(ROUNDED_ZEROS)} zeros, as rounded numbers do")
    if not is_ean13(text):
        raise CellError("is not a valid EAN: its check digit is wrong")
    return text


def are_eans(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which of these numbers of 13 digits, zeros in front included, :func:`read_ean` takes."""
    total = sum(numbers // 10**place % 10 * (3 if place % 2 else 1) for place in range(DIGITS))
    is_right: npt.NDArray[np.bool_] = (total % 10 == 0) & (numbers % 10 ** len(ROUNDED_ZEROS) != 0)
    return is_right


def restored_ean(value: Any) -> str | None:
    """As :func:`read_ean`; None if it is not a valid EAN."""
    try:
        return read_ean(value)
    except CellError:
        return None
