from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_zdirect.merchant_files.ean import ean13, is_ean13, restored_ean

TWELVE = st.text("0123456789", min_size=12, max_size=12)


@pytest.mark.parametrize("ean", ["0191476239145", "4006381333931", "5901234123457", "9780201379624"])
def test_known_eans_are_right(ean: str) -> None:
    assert is_ean13(ean)


@pytest.mark.parametrize(
    "text", ["", "400638133393", "40063813339311", "4006381333930", "400638133393a", "４００６３８１３３３９３１"]
)
def test_other_texts_are_none(text: str) -> None:
    assert not is_ean13(text)


@given(TWELVE, st.integers(0, 12), st.integers(1, 9))
def test_one_wrong_digit_is_always_found(first: str, place: int, more: int) -> None:
    right = ean13(first)
    assert is_ean13(right)
    wrong = str((int(right[place]) + more) % 10)
    assert not is_ean13(right[:place] + wrong + right[place + 1 :])


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("4006381333931", "4006381333931"),
        (" 4006381333931\n", "4006381333931"),
        (4006381333931, "4006381333931"),
        (4006381333931.0, "4006381333931"),
        (Decimal("4006381333931"), "4006381333931"),
        ("191476239145", "0191476239145"),
        (191476239145, "0191476239145"),
        ("96385074", "0000096385074"),
        ("4006381333930", None),
        ("4.00638E+12", None),
        ("00000000", None),
        ("0000000000000", None),
        ("17", None),
        (4006381333931.5, None),
        (-4006381333931, None),
        (float("nan"), None),
        (True, None),
        (None, None),
        ("", None),
        ("14006381333938", None),
        ("04006381333931", "4006381333931"),
        ("00191476239145", "0191476239145"),
        ("004006381333931", None),
        ("4006381333931.0", "4006381333931"),
        ("191476239145,00", "0191476239145"),
        (Decimal("4006381333931.0"), "4006381333931"),
        ('="0191476239145"', "0191476239145"),
        ("4006380000000", None),
        (4.00638e12, None),
    ],
)
def test_lost_zeros_are_restored_and_nothing_else_is_guessed(value: Any, meant: str | None) -> None:
    assert restored_ean(value) == meant
