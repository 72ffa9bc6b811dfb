from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.inbound.item_set import COLUMNS, ItemSet, listed_items, read_items
from airflow_provider_zdirect.merchant_files.tables import TableFile

GOOD = {"0191476239145": 2, "4006381333931": 1}
ROWS = [{"ean": ean, "quantity": quantity} for ean, quantity in GOOD.items()]


def of_file(path: Path) -> ItemSet:
    return read_items(TableFile(fsspec.filesystem("file"), str(path), str(path), "items_path", COLUMNS))


@pytest.mark.parametrize("items", [ROWS, tuple(ROWS), deque(ROWS), (row for row in ROWS)])
def test_anything_that_can_be_gone_through_is_a_list(items: Any) -> None:
    """The results of mapped tasks are a sequence that is no list."""
    assert listed_items(items, name="items") == GOOD


def test_a_file_is_read_with_what_spreadsheets_made_of_it(tmp_path: Path) -> None:
    """Everything else that they may make of it: tests/merchant_files."""
    (tmp_path / "items.csv").write_text("\ufeffgtin;Quantity;name\r\n191476239145;2;shirt\r\n4006381333931;1.0;\r\n")
    pq.write_table(
        pa.table({"ean": [float(ean) for ean in GOOD], "quantity": list(GOOD.values())}), tmp_path / "a.parquet"
    )
    assert of_file(tmp_path / "items.csv") == of_file(tmp_path / "a.parquet") == GOOD


@pytest.mark.parametrize(
    ("row", "named"),
    [
        (
            {"ean": "4006381333930", "quantity": 1},
            "ean='4006381333930' is not a valid EAN: its check digit is wrong",
        ),
        ({"ean": "", "quantity": 1}, "ean is missing"),
        ({"ean": "4006381333931"}, "quantity is missing"),
        ({"ean": "4006381333931", "quantity": 0}, "quantity='0' of EAN 4006381333931"),
        ({"ean": "4006381333931", "quantity": 1.5}, "quantity='1.5'"),
        ({"ean": "4006381333931", "quantity": True}, "quantity='True'"),
        ({"ean": "4006381333931", "quantity": 2**31}, "quantity='2147483648'"),
        ({"ean": "4006381333931", "quantity": 1, "sku": "x"}, "not an object of ean and quantity"),
        ("4006381333931", "not an object of ean and quantity"),
        ({"ean": "0191476239145", "quantity": 1}, "EAN 0191476239145 was in item 1 already"),
        ({"ean": 191476239145, "quantity": 1}, "EAN 0191476239145 was in item 1 already"),
    ],
)
def test_a_wrong_item_is_refused_by_its_number(row: Any, named: str) -> None:
    with pytest.raises(ZDirectConfigurationError, match="items has 1 error: item 3: ") as caught:
        listed_items([*ROWS, row], name="items")
    assert named in str(caught.value)
    assert "nothing was sent" in str(caught.value)


def test_all_errors_are_reported_together_the_first_ten_in_full(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text("ean,quantity\n" + "4006381333930,1\n4006381333931,0\n" * 7)
    with pytest.raises(ZDirectConfigurationError) as caught:
        of_file(path)
    text = str(caught.value)
    assert f"items_path='{path}' has 14 errors: row 2: ean=" in text
    assert "row 3: quantity='0'" in text
    assert "row 11:" in text
    assert "row 12:" not in text
    assert "and 4 more" in text


@pytest.mark.parametrize(
    ("items", "named"),
    [
        ([], "items has no items"),
        ({"items": ROWS}, "items is not a list, but dict"),
        (json.dumps(ROWS), "items is not a list, but str"),
        (b"[]", "items is not a list, but bytes"),
        (7, "items is not a list, but int"),
        ([ROWS[0]] * 1001, "items has 1001 entries; a list may have 1000"),
    ],
)
def test_what_is_no_list_of_items_is_refused_with_another_way(items: Any, named: str) -> None:
    with pytest.raises(ZDirectConfigurationError, match=named) as caught:
        listed_items(items, name="items")
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["items.csv", "items.jsonl"])
def test_a_file_without_rows_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("ean,quantity\n" if name.endswith("csv") else "\n\n")
    with pytest.raises(ZDirectConfigurationError, match=r"has no items|is empty"):
        of_file(tmp_path / name)
