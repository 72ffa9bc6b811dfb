from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.merchant_files.tables import TableFile, table_kind

COLUMNS = {"ean": ("gtin",), "quantity": ("pieces",)}
ROWS = [{"ean": "0191476239145", "quantity": 2}, {"ean": "4006381333931", "quantity": 1}]


def file(path: Path) -> TableFile:
    return TableFile(fsspec.filesystem("file"), str(path), str(path), "items_path", COLUMNS)


def written(tmp_path: Path, name: str, text: str | bytes) -> TableFile:
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return file(tmp_path / name)


def test_json_lines_keep_the_types_that_they_have(tmp_path: Path) -> None:
    text = "\ufeff" + "\n\n".join(json.dumps({"GTIN": row["ean"], "Pieces": row["quantity"], "x": 1}) for row in ROWS)
    assert list(written(tmp_path, "items.jsonl", text).rows()) == [("row 1", ROWS[0]), ("row 3", ROWS[1])]


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_csv_has_texts_and_the_lines_of_the_file(tmp_path: Path, delimiter: str) -> None:
    text = f"EAN{delimiter}Quantity\r\n\r\n0191476239145{delimiter}2\r\n"
    rows = list(written(tmp_path, "items.CSV", text).rows())
    assert rows == [("row 3", {"ean": "0191476239145", "quantity": "2"})]


def test_parquet_has_the_values_of_its_columns(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "items.parquet")
    assert [row for _, row in file(tmp_path / "items.parquet").rows()] == ROWS


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("items.jsonl", "", "it is empty"),
        ("items.jsonl", '{"ean": 1', "row 1: it is not JSON"),
        ("items.jsonl", '{"ean": "1"}\n[1]', "row 2: it is not a JSON object"),
        (
            "items.jsonl",
            '{"ean": "1"}\n{"ean": "2", "quantity": 1, "ean": "3"}',
            "row 2: it is not JSON ('ean' is in it twice)",
        ),
        ("items.jsonl", '{"ean": "1"}\n\n{"quantity": 1}', "row 3: it has no column ean, only: quantity"),
        ("items.jsonl", '{"sku": "1"}', "it has no column ean, only: sku"),
        ("items.jsonl", '{"ean": "1", "gtin": "2"}', "several of its columns mean ean"),
        ("items.jsonl", b"\xff\xff", "not UTF-8"),
        ("items.csv", "ean,quantity\n1\n", "row 2: it has 1 fields"),
        ("items.parquet", "no", "not a Parquet file"),
        ("items.xlsx", "PK", "unknown kind"),
        ("missing.csv", None, "FileNotFoundError"),
    ],
)
def test_what_is_no_such_table_is_refused_with_parameter_and_remedy(
    tmp_path: Path, name: str, content: Any, named: str
) -> None:
    table = file(tmp_path / name) if content is None else written(tmp_path, name, content)
    with pytest.raises(ZDirectConfigurationError, match="items_path=") as caught:
        list(table.rows())
    assert named in str(caught.value)
    assert caught.value.remedy


def test_the_kind_is_the_end_of_the_name() -> None:
    assert table_kind("s3://bucket/a.b/items.JSONL", name="items_path") == "jsonl"
    with pytest.raises(ZDirectConfigurationError, match=r"Give a file whose name ends in \.csv or \.parquet"):
        table_kind("items.jsonl", name="master_data", kinds=("csv", "parquet"))
