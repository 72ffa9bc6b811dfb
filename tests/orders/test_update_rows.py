from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.merchant_files.tables import TableFile
from airflow_provider_zdirect.orders.row_parts import Part
from airflow_provider_zdirect.orders.update_rows import (
    COLUMNS,
    REASONS,
    REQUIRED,
    OrderUpdate,
    listed_updates,
    read_updates,
    reason_code,
)

MERCHANT = "01924c48-49bb-40c2-9c32-ab582e6db6f4"
OTHER = "00f2a393-6889-4fc0-8cd9-86e454e6dfa3"
ORDER = "5b1f6a52-9d3c-4d6e-8f3a-0c9a5b7e1d24"
GOOD = {"order_id": ORDER, "tracking_number": "003403418039972556", "return_tracking_number": "R-20000001"}


def read(row: dict[str, Any], **how: Any) -> OrderUpdate:
    (update,) = read_updates([("row 2", row)], merchant_id=MERCHANT, **how).updates
    return update


def read_wrong(row: dict[str, Any]) -> Part:
    (part,) = read_updates([("row 2", row)], merchant_id=MERCHANT).wrong
    assert (part.row, part.what, part.outcome) == (2, "row", "refused")
    return part


def test_columns_of_a_file_have_other_names_and_one_names_the_order(tmp_path: Path) -> None:
    path = tmp_path / "tracking.csv"
    file = TableFile(fsspec.filesystem("file"), str(path), path.as_uri(), "updates_path", COLUMNS, REQUIRED)
    path.write_text(f"Order ID;Tracking-Code;return tracking number\n{';'.join([ORDER.upper(), *CODES])}\n")
    assert read_updates(file.rows(), merchant_id=MERCHANT).updates == (OrderUpdate(2, **GOOD),)
    path.write_text("order,tracking_number\n1,2\n")
    with pytest.raises(ZDirectConfigurationError, match="no column order_id or order_number, only: order,"):
        list(file.rows())


BLANKS = ("n.a.", "NA", "n/a", "tbc", "TBA", "k.A.", "keine", "test", "x", "xxx", "leer", "0", "-", "<NA>", "unbekannt")
CODES = (GOOD["tracking_number"], GOOD["return_tracking_number"])


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"order_id": None}, "neither order_id nor order_number"),
        ({"order_id": "4711"}, "order_id is not a UUID"),
        ({"tracking_number": None, "return_tracking_number": " "}, "there is nothing to do"),
        ({"status": "Sent"}, "status 'Sent' is unknown"),
        *(({"status": other}, "status is unknown") for other in ("J. Doe", "doe@shop", "4711", "x" * 21)),
        ({"status": "returned"}, "there is no reason"),
        ({"status": "returned", "reason": 7}, "reason is not a return reason"),
        ({"reason": 1}, "status is not returned"),
        ({"tracking_number": "3,40434E+17"}, "tracking_number='3,40434E+17' is a number that a spreadsheet"),
        ({"return_tracking_number": "#N/A"}, "return_tracking_number='#N/A' stands for no value"),
        *(({"merchant_order_id": cell}, "merchant_order_id stands for no value") for cell in BLANKS),
        ({"shipment": "n/a", "weight_grams": 5}, "shipment stands for no value"),
        ({"merchant_order_id": "3404341600000001.0"}, "merchant_order_id is a decimal"),
        ({"tracking_number": "a\nb"}, "a character that cannot be printed (U+000A)"),
        ({"tracking_number": "a\N{THIN SPACE}b"}, "a character that cannot be printed (U+2009)"),
        ({"merchant_order_id": "x" * 256}, "longer than 255"),
        ({"tracking_number": True}, "tracking_number='True' is not text or a number"),
        ({"return_tracking_number": f'="{CODES[0].lstrip("0")}"'}, f"'{CODES[0]}' is the return_tracking_number, too"),
        ({"order_line_id": ORDER}, "order_line_id is given without status"),
        ({"order_line_id": ORDER, "external_id": "1", "status": "shipped"}, "both given"),
        ({"shipment": "A"}, "without weight_grams"),
        ({"weight_grams": 5}, "without shipment"),
        ({"shipment": "A", "weight_grams": 0}, "not a whole number of 1 or more"),
        ({"shipment": "A", "weight_grams": 5, "status": "returned", "reason": 1}, "can be shipped or canceled"),
    ],
)
def test_a_wrong_row_says_what_is_wrong(row: dict[str, Any], why: str) -> None:
    assert why in str(read_wrong({**GOOD, **row}).reason)


def test_what_looks_like_a_broken_number_and_is_none_stays() -> None:
    for code in ("1E123456", "#1001", "NANCY-1", "NA-1", "TEST-1", "3404.341"):
        assert read({**GOOD, "merchant_order_id": code}).merchant_order_id == code
    for number in (123456789012345.0, 340434160000000013, Decimal("340434160000000013")):
        assert read({**GOOD, "tracking_number": number}).tracking_number == str(int(number))


def test_a_wrong_row_is_known_as_one_of_its_order_and_does_not_quote_its_cells() -> None:
    name = "Erika Mustermann, Hauptstr. 1"
    assert read_wrong({"order_number": "10105", "order_line_id": name, "status": name}).order_number == "10105"
    for column in ("order_id", "order_line_id", "status", "reason", "weight_grams"):
        assert name not in str(read_wrong({**GOOD, "status": "returned", column: name}).reason)
    assert "erika" not in str(read_wrong({**GOOD, "tracking_number": "erika@example.com"}).reason)


@pytest.mark.parametrize(
    ("how", "updates", "wrong"),
    [
        ({}, [(2, False), (3, False), (4, False)], []),
        ({"names_merchant": True}, [(4, False)], [(2, "merchant_id is missing"), (3, "merchant_id is missing")]),
        ({"is_shared": True}, [(2, True), (4, False)], [(3, "several merchants")]),
    ],
)
def test_rows_of_other_merchants_are_left_out_and_counted_and_a_shared_file_names_merchant_or_order_id(
    how: dict[str, Any], updates: list[tuple[int, bool]], wrong: list[tuple[int, str]]
) -> None:
    rows = [GOOD, {**GOOD, "order_id": None, "order_number": "10105"}]
    rows += [{**GOOD, "merchant_id": MERCHANT.upper()}, {**GOOD, "merchant_id": OTHER, "tracking_number": "n/a"}]
    found = read_updates([(f"row {n}", row) for n, row in enumerate(rows, start=2)], merchant_id=MERCHANT, **how)
    assert [(update.row, update.of_any) for update in found.updates] == updates
    assert [part.row for part in found.wrong] == [row for row, _ in wrong]
    assert all(why in str(part.reason) for part, (_, why) in zip(found.wrong, wrong, strict=True))
    assert (found.of_others, found.others) == (1, (OTHER,))


def test_a_reason_is_a_name_or_a_number_or_the_default() -> None:
    for name, code in REASONS.items():
        for form in (name, name.lower().replace("_", " "), code, str(code), float(code)):
            assert reason_code(form) == code
    back = {"order_id": ORDER, "status": "returned"}
    assert read(back, default_reason=10) == OrderUpdate(2, ORDER, status="returned", reason=10)
    assert read({**back, "reason": 0}, default_reason=10) == OrderUpdate(2, ORDER, status="returned", reason=0)
    assert read({**GOOD}, default_reason=10) == OrderUpdate(2, **GOOD)


CELLS = st.one_of(
    st.none(),
    st.text(max_size=8),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.sampled_from([ORDER, ORDER.upper(), MERCHANT, OTHER, "shipped", "returned", "canceled", "9", "A"]),
)


@settings(max_examples=40)
@given(st.lists(st.dictionaries(st.sampled_from(sorted(COLUMNS)), CELLS), max_size=5))
def test_whatever_the_rows_are_each_is_an_update_wrong_or_anothers(rows: list[dict[str, Any]]) -> None:
    found = read_updates([(f"row {n}", row) for n, row in enumerate(rows)], merchant_id=MERCHANT)
    assert len(found.updates) + len(found.wrong) + found.of_others == len(rows)
    for update in found.updates:
        again = {name: getattr(update, name) for name in COLUMNS if name != "merchant_id"}
        assert read_updates([(f"row {update.row}", again)], merchant_id=MERCHANT).updates == (update,)


@pytest.mark.parametrize(
    ("items", "named"),
    [
        ("x", "is not a list, but str"),
        ({"order_id": ORDER}, "is not a list, but dict"),
        ([{"order_id": ORDER, "tracking": "x"}], "item 1 is not a row of an update (tracking)"),
        (["x"], "item 1 is not a row"),
        ([{**GOOD, "external_id": "1", "ean": "1", "status": "shipped"}], "item 1 is not a row"),
        ([GOOD] * 1001, "has 1001 entries"),
    ],
)
def test_what_is_not_a_list_of_rows_is_refused(items: Any, named: str) -> None:
    with pytest.raises(ZDirectConfigurationError) as caught:
        listed_updates(items, name="updates")
    assert named in str(caught.value)


def test_a_list_may_have_the_names_that_a_file_may_have() -> None:
    (row,) = listed_updates([{"order_id": ORDER, "ean": "1", "tracking_code": "2"}], name="updates")
    assert row == ("item 1", {"order_id": ORDER, "external_id": "1", "tracking_number": "2"})
