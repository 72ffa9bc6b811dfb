"""What spreadsheets, programs and people do to the cells of a file, and what each reader has to make of it.

A damage makes a cell of a good text. A reader reads it as it was meant, refuses it, or finds it blank: never as
something else. Those that are not named refuse it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

TRACKING, EAN, QUANTITY, CN8, AMOUNT = READERS = ("tracking_number", "ean", "quantity", "cn8_code", "net_mass_kg")
NUMBERS = frozenset({EAN, QUANTITY, CN8, AMOUNT})
EVERY = frozenset(READERS)
NONE: frozenset[str] = frozenset()

GOOD = {TRACKING: "003404341600000001", EAN: "0191476239145", QUANTITY: "12", CN8: "01012100", AMOUNT: "12"}
"""Two have zeros in front."""


@dataclass(frozen=True)
class Damage:
    """What was done.

    :param cell: the damaged cell, of the good text.
    :param meant: the readers that know what was meant.
    :param blank: nothing is left, which is no error where cells may be blank.
    """

    cell: Callable[[str], Any]
    meant: frozenset[str] = NONE
    blank: bool = False


def _always(cell: Any) -> Callable[[str], Any]:
    return lambda good: cell


PLACEHOLDERS = (
    "-", "--", "---", "\N{EM DASH}", ".", "?", "??", "/", "n/a", "N/A", "#N/A", "#NV", "#NAME?", "#REF!", "#VALUE!",
    "#WERT!", "#BEZUG!", "#DIV/0!", "####", "TBD", "tbc", "\\N", "undefined", "null", "NULL", "none", "None", "nan",
    "NaN", "NaT", "<NA>", "nil", "keine", "x", "xxx", "XXXXXXXXXXXX", "unknown", "pending", "test", "true", "false",
    "siehe Mail", "siehe Mail 12345678", "folgt", "TEST1234", "Tracking 12345678", "n.a.", "leer", "@", "=",
    "NA", "k.A.", "TBA", "<null>", "NULL0000", "tbd 12345678", "28 Nov 2026", "1299.00 EUR", "0171/1234567", "empty",
)  # fmt: skip

DAMAGE: dict[str, Damage] = {
    "formula": Damage('="{}"'.format, EVERY),
    "formula in quotes": Damage('"=""{}"""'.format, EVERY),
    "formula with a blank": Damage('= "{}"'.format, EVERY),
    "apostrophe": Damage("'{}".format, EVERY),
    "typographic apostrophe": Damage("\N{RIGHT SINGLE QUOTATION MARK}{}".format, EVERY),
    "quotes": Damage('"{}"'.format, EVERY),
    "typographic quotes": Damage("\N{LEFT DOUBLE QUOTATION MARK}{}\N{RIGHT DOUBLE QUOTATION MARK}".format, EVERY),
    "blanks": Damage("  {}\t".format, EVERY),
    "no-break space": Damage("\N{NO-BREAK SPACE}{}\N{NARROW NO-BREAK SPACE}".format, EVERY),
    "zero-width": Damage("\N{ZERO WIDTH SPACE}{}\N{ZERO WIDTH NO-BREAK SPACE}".format, EVERY),
    "line break after it": Damage("{}\r\n".format, EVERY),
    "bytes": Damage(str.encode, EVERY),
    "text with .0": Damage("{}.0".format, NUMBERS),
    "text with .00": Damage("{}.00".format, NUMBERS),
    "text with ,0": Damage("{},0".format, NUMBERS - {AMOUNT}),
    "lost zeros": Damage(lambda good: good.lstrip("0"), NUMBERS),
    "lost zeros and .0": Damage(lambda good: f"{good.lstrip('0')}.0", NUMBERS),
    "number": Damage(int, NUMBERS),
    "float": Damage(float, NUMBERS),
    "decimal": Damage(Decimal, NUMBERS),
    "decimal with .0": Damage(lambda good: Decimal(f"{good}.0"), NUMBERS),
    "scientific": Damage(lambda good: f"{float(good):.2E}".replace("+0", "+"), frozenset({AMOUNT})),
    "scientific with a comma": Damage(lambda good: f"{float(good):.2E}".replace(".", ",")),
    "line break in it": Damage(lambda good: f"{good[:1]}\n{good[1:]}"),
    "control character": Damage(lambda good: f"{good[:1]}\x07{good[1:]}"),
    "other digits": Damage(lambda good: good.translate({48 + digit: 0xFF10 + digit for digit in range(10)})),
    "unclosed quote": Damage('"{}'.format),
    "unit": Damage("{} Stk.".format),
    "minus": Damage("-{}".format),
    "two of them": Damage("{0} / {0}".format),
    "a truth": Damage(_always(True)),
    "a date": Damage(_always(date(2026, 11, 28))),
    "a list": Damage(lambda good: [good]),
    "blank": Damage(_always(""), blank=True),
    "blanks only": Damage(_always(" \N{NO-BREAK SPACE} "), blank=True),
    "empty formula": Damage(_always('=""'), blank=True),
    "missing number": Damage(_always(float("nan")), blank=True),
    **{f"placeholder {cell}": Damage(_always(cell)) for cell in PLACEHOLDERS},
}  # fmt: skip
