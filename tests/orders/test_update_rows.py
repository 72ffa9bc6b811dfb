from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
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


def read(row: dict[str, Any], **how: Any) -> OrderUpdate | Part | None:
    found = read_updates([("row 2", row)], merchant_id=MERCHANT, **how)
    return next(iter([*found.updates, *found.wrong]), None)


@pytest.mark.parametrize("kind", ["csv", "semicolons", "parquet", "jsonl"])
def test_a_file_of_any_kind_says_the_same(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"tracking.{'csv' if kind == 'semicolons' else kind}"
    rows = [{"Order ID": ORDER.upper(), "Tracking-Code": "003403418039972556", "return tracking number": "R-20000001"}]
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif kind == "jsonl":
        path.write_text(json.dumps(rows[0]) + "\n")
    else:
        delimiter = "," if kind == "csv" else ";"
        path.write_text(delimiter.join(rows[0]) + "\n" + delimiter.join(rows[0].values()) + "\n")
    file = TableFile(fsspec.filesystem("file"), str(path), str(path), "updates_path", COLUMNS, REQUIRED)
    (update,) = read_updates(file.rows(), merchant_id=MERCHANT).updates
    assert (update.order_id, update.tracking_number, update.return_tracking_number) == tuple(GOOD.values())


def test_a_file_that_names_no_order_is_refused_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("order,tracking_number\n1,2\n")
    file = TableFile(fsspec.filesystem("file"), str(tmp_path / "a.csv"), "a.csv", "updates_path", COLUMNS, REQUIRED)
    with pytest.raises(ZDirectConfigurationError, match="no column order_id or order_number, only: order,"):
        list(file.rows())


BLANKS = ("n.a.", "NA", "n/a", "tbc", "TBA", "k.A.", "keine", "test", "x", "xxx", "leer", "0", "-", "<NA>", "unbekannt")
CODES = ("tracking_number", "return_tracking_number")
PLACEHOLDERS = ("-", "n/a", "0", "00000000", "TBD", "?", "N/A", "\\N", "undefined", "keine", "x")
SAME = (
    ("003404341600000001", "003404341600000001"),
    ("003404341600000001", "3404341600000001"),
    ("1Z999AA10123456784", "1z 999 aa1 01 2345 6784"),
    ("003404341600000001", '="003404341600000001"'),
)
ROUNDED = ("3.40341E+17", "3,40434E+17", "3.40341E17", "34E+16", 340434160000000013.0, float(10**15))


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
        *(({"tracking_number": cell}, "has rounded; write it as text") for cell in ROUNDED),
        *(({"return_tracking_number": cell}, "stands for no value") for cell in ("#N/A", "#NV", "nan", "None", "?")),
        *(({"merchant_order_id": cell}, "merchant_order_id stands for no value") for cell in BLANKS),
        *(({"shipment": cell, "weight_grams": 5}, "shipment stands for no value") for cell in BLANKS),
        ({"merchant_order_id": "3404341600000001.0"}, "merchant_order_id is a decimal"),
        ({"tracking_number": "a\nb"}, "a character that cannot be printed (U+000A)"),
        ({"tracking_number": "a\N{THIN SPACE}b"}, "a character that cannot be printed (U+2009)"),
        ({"tracking_number": "x" * 256}, "longer than 255"),
        ({"tracking_number": True}, "tracking_number='True' is not text or a number"),
        *(({"tracking_number": cell}, f"tracking_number={cell!r} ") for cell in PLACEHOLDERS),
        *(
            (
                {"tracking_number": out, "return_tracking_number": back},
                f"tracking_number={out!r} is the return_tracking",
            )
            for out, back in SAME
        ),
        ({"order_line_id": ORDER}, "order_line_id is given without status"),
        ({"order_line_id": ORDER, "external_id": "1", "status": "shipped"}, "both given"),
        ({"shipment": "A"}, "without weight_grams"),
        ({"weight_grams": 5}, "without shipment"),
        ({"shipment": "A", "weight_grams": 0}, "not a whole number of 1 or more"),
        ({"shipment": "A", "weight_grams": 5, "status": "returned", "reason": 1}, "can be shipped or canceled"),
    ],
)
def test_a_wrong_row_says_what_is_wrong(row: dict[str, Any], why: str) -> None:
    found = read({**GOOD, **row})
    assert isinstance(found, Part)
    assert found.row == 2
    assert why in str(found.reason)


def test_what_looks_like_a_broken_number_and_is_none_stays() -> None:
    for code in ("1E123456", "#1001", "NANCY-1", "NA-1", "TEST-1", "3404.341"):
        assert isinstance(found := read({**GOOD, "merchant_order_id": code}), OrderUpdate)
        assert found.merchant_order_id == code
    for number in (123456789012345.0, 340434160000000013, Decimal("340434160000000013")):
        assert isinstance(found := read({**GOOD, "tracking_number": number}), OrderUpdate)
        assert found.tracking_number == str(int(number))


def test_a_wrong_row_is_known_as_one_of_its_order_and_does_not_quote_its_cells() -> None:
    name = "Erika Mustermann, Hauptstr. 1"
    found = read({"order_number": "10105", "order_line_id": name, "status": name})
    assert isinstance(found, Part)
    assert (found.order_number, name in str(found.reason)) == ("10105", False)
    for column in ("order_id", "status", "reason", "weight_grams"):
        assert isinstance(found := read({**GOOD, "status": "returned", column: name}), Part)
        assert name not in str(found.reason)
    assert isinstance(found := read({**GOOD, "tracking_number": "erika@example.com"}), Part)
    assert "erika" not in str(found.reason)


def test_rows_of_other_merchants_are_left_out_and_counted() -> None:
    rows = [("row 2", {**GOOD, "merchant_id": MERCHANT.upper()}), ("row 3", {**GOOD, "merchant_id": OTHER})]
    rows.append(("row 4", dict(GOOD)))
    found = read_updates(rows, merchant_id=MERCHANT)
    assert ([update.row for update in found.updates], found.of_others, found.others) == ([2, 4], 1, (OTHER,))
    strict = read_updates(rows, merchant_id=MERCHANT, names_merchant=True)
    assert [(row.row, "merchant_id is missing" in str(row.reason)) for row in strict.wrong] == [(4, True)]


@pytest.mark.parametrize("name", REASONS)
def test_a_reason_is_a_name_or_a_number(name: str) -> None:
    forms = (name, name.lower().replace("_", " "), REASONS[name], str(REASONS[name]), float(REASONS[name]))
    assert {reason_code(form) for form in forms} == {REASONS[name]}


def test_a_default_reason_is_for_returns_without_one() -> None:
    back = {"order_id": ORDER, "status": "returned"}
    assert read(back, default_reason=10) == OrderUpdate(2, ORDER, status="returned", reason=10)
    assert read({**back, "reason": 2}, default_reason=10) == OrderUpdate(2, ORDER, status="returned", reason=2)
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


def test_formulas_of_a_spreadsheet_are_undone() -> None:
    found = read(
        {**GOOD, "tracking_number": '="003404341600000001"', "return_tracking_number": '="003404341600000002"'}
    )
    assert isinstance(found, OrderUpdate)
    assert (found.tracking_number, found.return_tracking_number) == ("003404341600000001", "003404341600000002")


def test_a_row_of_a_shared_file_names_its_merchant_or_the_id_of_its_order() -> None:
    rows = [("row 2", GOOD), ("row 3", {**GOOD, "order_id": None, "order_number": "10105"}),
            ("row 4", {**GOOD, "merchant_id": MERCHANT}), ("row 5", {**GOOD, "merchant_id": OTHER})]  # fmt: skip
    found = read_updates(rows, merchant_id=MERCHANT, is_shared=True)
    assert [(update.row, update.of_any) for update in found.updates] == [(2, True), (4, False)]
    assert [(row.row, "several merchants" in str(row.reason)) for row in found.wrong] == [(3, True)]
    assert found.of_others == 1
