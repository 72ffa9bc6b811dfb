from __future__ import annotations

import json
from collections import deque
from decimal import Decimal
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.inbound.item_set import COLUMNS, ItemSet
from airflow_provider_zdirect.merchant_files.tables import TableFile

GOOD = {"0191476239145": 2, "4006381333931": 1}
ROWS = [{"ean": ean, "quantity": quantity} for ean, quantity in GOOD.items()]


def of_file(path: Path) -> ItemSet:
    return ItemSet.of_file(TableFile(fsspec.filesystem("file"), str(path), str(path), "items_path", COLUMNS))


def test_a_list_is_what_zdirect_takes() -> None:
    items = ItemSet.of_list(ROWS, name="items")
    assert (items.quantities, len(items), items.pieces) == (GOOD, 2, 3)
    assert items.as_body() == {"items": ROWS}


@pytest.mark.parametrize("items", [tuple(ROWS), deque(ROWS), (row for row in ROWS)])
def test_anything_that_can_be_gone_through_is_a_list(items: Any) -> None:
    """The results of mapped tasks are a sequence that is no list."""
    assert ItemSet.of_list(items, name="items").quantities == GOOD


@pytest.mark.parametrize("items", [json.dumps(ROWS), b"[]", ROWS[0], 7])
def test_a_text_or_a_single_item_is_no_list(items: Any) -> None:
    with pytest.raises(ZDirectConfigurationError, match="items is not a list, but"):
        ItemSet.of_list(items, name="items")


@pytest.mark.parametrize("quantity", [2, "2", " 2 ", "2.0", 2.0, Decimal("2")])
@pytest.mark.parametrize("ean", ["0191476239145", "191476239145", 191476239145, 191476239145.0])
def test_numbers_and_texts_mean_the_same_and_lost_zeros_come_back(ean: Any, quantity: Any) -> None:
    assert ItemSet.of_list([{"ean": ean, "quantity": quantity}], name="items").quantities == {"0191476239145": 2}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("items.csv", "EAN,Quantity,name\n191476239145,2,shirt\n4006381333931,1,\n"),
        ("items.csv", "\ufeffgtin;pieces\r\n0191476239145;2\r\n4006381333931;1.0\r\n"),
        ("items.jsonl", "\n".join(map(json.dumps, ROWS))),
    ],
)
def test_files_of_text_are_read(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_bytes(text.encode())
    assert of_file(tmp_path / name).quantities == GOOD


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.decimal128(13, 0)])
def test_parquet_is_read_whatever_type_its_numbers_have(tmp_path: Path, kind: pa.DataType) -> None:
    columns = {"ean": [Decimal(ean) for ean in GOOD], "quantity": [Decimal(n) for n in GOOD.values()]}
    pq.write_table(
        pa.table({name: pa.array(values, pa.decimal128(13, 0)).cast(kind) for name, values in columns.items()}),
        tmp_path / "items.parquet",
    )
    assert of_file(tmp_path / "items.parquet").quantities == GOOD


@pytest.mark.parametrize(
    ("row", "named"),
    [
        (
            {"ean": "4006381333930", "quantity": 1},
            "ean='4006381333930' is not a valid EAN: its check digit does not fit",
        ),
        ({"ean": "4.00638E+12", "quantity": 1}, "ean='4.00638E+12'"),
        ({"ean": "", "quantity": 1}, "ean is missing"),
        ({"quantity": 1}, "ean is missing"),
        ({"ean": "4006381333931"}, "quantity is missing"),
        ({"ean": "4006381333931", "quantity": 0}, "quantity='0' of EAN 4006381333931"),
        ({"ean": "4006381333931", "quantity": -1}, "quantity='-1'"),
        ({"ean": "4006381333931", "quantity": 1.5}, "quantity='1.5'"),
        ({"ean": "4006381333931", "quantity": "1,5"}, "quantity='1,5'"),
        ({"ean": "4006381333931", "quantity": True}, "quantity='True'"),
        ({"ean": "4006381333931", "quantity": 2**31}, "quantity='2147483648'"),
        ({"ean": "4006381333931", "quantity": "²"}, "quantity='²'"),
        ({"ean": "4006381333931", "quantity": 1, "sku": "x"}, "not an object of ean and quantity"),
        ("4006381333931", "not an object of ean and quantity"),
        (None, "not an object of ean and quantity"),
        ({"ean": "0191476239145", "quantity": 1}, "EAN 0191476239145 was in item 1 already"),
        ({"ean": 191476239145, "quantity": 1}, "EAN 0191476239145 was in item 1 already"),
    ],
)
def test_a_wrong_item_is_refused_by_its_number(row: Any, named: str) -> None:
    with pytest.raises(ZDirectConfigurationError, match="items has 1 error: item 3: ") as caught:
        ItemSet.of_list([*ROWS, row], name="items")
    assert named in str(caught.value)
    assert "nothing was sent" in str(caught.value)


def test_all_errors_are_told_together_the_first_ten_in_full(tmp_path: Path) -> None:
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
        ("4006381333931", "items is not a list, but str"),
        ([ROWS[0]] * 1001, "items has 1001 items; a list may have 1000"),
    ],
)
def test_what_is_no_list_of_items_is_refused_with_another_way(items: Any, named: str) -> None:
    with pytest.raises(ZDirectConfigurationError, match=named) as caught:
        ItemSet.of_list(items, name="items")
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["items.csv", "items.jsonl"])
def test_a_file_without_rows_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("ean,quantity\n" if name.endswith("csv") else "\n\n")
    with pytest.raises(ZDirectConfigurationError, match=r"has no items|is empty"):
        of_file(tmp_path / name)
