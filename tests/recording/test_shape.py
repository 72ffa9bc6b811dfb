from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_zdirect.recording.shape import DEEPEST, MOST_NAMES, OTHER, field_name, form_of, shape_of


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (None, "null"),
        (True, "boolean"),
        (7, "integer"),
        (-7, "negative integer"),
        (0.5, "number"),
        (-0.5, "negative number"),
        ([], "empty list"),
        ({}, "empty object"),
        ("", "empty text"),
        (" ", "blank text"),
        ("01924c48-49bb-40c2-9c32-ab582e6db6f4", "uuid"),
        ("01924C48-49bb-40c2-9c32-ab582e6db6f4", "uuid with blanks or capitals"),
        ("01924c48-49bb-40c2-9c32- ab582e6db6f4", "uuid with blanks or capitals"),
        ("2026-11-22T10:00:00Z", "9999-99-99T99:99:99Z"),
        ("2026-11-22T10:00:00.123+01:00", "9999-99-99T99:99:99.999+99:99"),
        ("2026-11-22", "9999-99-99"),
        ("0012345678905", "text of 13 digits"),
        ("7", "text of 1 digit"),
        ("19.90", "text of a number"),
        ("OUTBOUND_WAREHOUSE", "word in capitals"),
        ("fulfilled", "word in small letters"),
        ("https://api.merchants.zalando.com/x", "address"),
        ("Jane Doe", "text"),
        ("+49 30 2000", "text"),
        ("٣٤٥", "text"),
    ],
)
def test_a_value_is_told_by_its_form(value: Any, form: str) -> None:
    assert form_of(value) == form


def test_paths_have_counts_so_that_missing_fields_show() -> None:
    answer = {"items": [{"ean": "0012345678905"}, {"ean": None}, {}], "next": ""}
    assert shape_of(answer) == {
        "$": {"object": 1},
        "$.items": {"list": 1},
        "$.items[]": {"empty object": 1, "object": 2},
        "$.items[].ean": {"null": 1, "text of 13 digits": 1},
        "$.next": {"empty text": 1},
    }


@pytest.mark.parametrize(
    "name", ["ean", "merchant_b2b_reference", "level_1", "shipping-notices", "createdAt", "_links"]
)
def test_names_of_fields_are_shown(name: str) -> None:
    assert field_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "0012345678905", "jane@example.com", "Jane Doe", "01924c48-49bb-40c2-9c32-ab582e6db6f4", "a" * 41, "Ü"]
)
def test_what_may_be_a_value_is_not_shown_as_a_name(name: str) -> None:
    assert field_name(name) == OTHER
    assert name not in shape_of({name: 1}) or not name


def test_keys_of_a_map_are_not_shown_one_by_one() -> None:
    letters = [f"{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(3 * MOST_NAMES)]
    shape = shape_of([{name: 1} for name in letters])
    assert len(shape) == 2 + MOST_NAMES + 1
    assert shape[f"$[].{OTHER}"] == {"integer": 2 * MOST_NAMES}


def test_what_is_nested_too_deeply_is_left_out() -> None:
    value: Any = "innermost"
    for _ in range(5 * DEEPEST):
        value = [value]
    assert len(shape_of(value)) == DEEPEST + 1


PLANTED = st.one_of(
    st.text(min_size=12),
    st.emails(),
    st.uuids().map(str),
    st.from_regex(r"[0-9]{13}", fullmatch=True),
    st.from_regex(r"20[0-2][0-9]-1[0-2]-2[0-8]T1[0-9]:3[0-8]:4[0-8]Z", fullmatch=True),
    st.integers(min_value=10**9),
    st.floats(min_value=1e6, allow_infinity=False),
)
VOCABULARY = json.dumps(shape_of({}) | {form_of(value): {} for value in (None, True, -1, 1, -0.5, 0.5, [], {}, "A-b")})


@given(st.recursive(PLANTED, lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["a", "b"]), inner)))
def test_no_value_is_part_of_the_shape(value: Any) -> None:
    written = json.dumps(shape_of(value), ensure_ascii=False)
    for planted in leaves(value):
        text = planted if isinstance(planted, str) else json.dumps(planted)
        assert text not in written or text in VOCABULARY or not text.strip()


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    return [leaf for each in value for leaf in leaves(each)] if isinstance(value, list) else [value]
