from __future__ import annotations

import csv
import gzip
import io
import json
import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.merchant_files.tables import TableFile, is_passing, is_table, table_kind

COLUMNS = {"ean": ("gtin",), "quantity": ("pieces",)}
ROWS = [{"ean": "0191476239145", "quantity": 2}, {"ean": "4006381333931", "quantity": 1}]
TEXTS = {"ean": "0191476239145", "quantity": "2"}
FS = fsspec.filesystem("memory")


def table(content: str | bytes | pa.Table, name: str = "items.csv") -> TableFile:
    if isinstance(content, pa.Table):
        sink = io.BytesIO()
        pq.write_table(content, sink)
        content, name = sink.getvalue(), "items.parquet"
    FS.pipe_file(f"/{name}", content.encode() if isinstance(content, str) else content)
    return TableFile(FS, f"/{name}", name, "items_path", COLUMNS)


def rows(content: str | bytes | pa.Table, name: str = "items.csv") -> list[dict[str, Any]]:
    return [row for _, row in table(content, name).rows()]


def rows_and_invalid(file: TableFile) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """The rows, and of the invalid ones where they are and what is wrong with them."""
    aside: list[tuple[str, str]] = []
    return [row for _, row in file.rows(lambda where, why, content: aside.append((where, why)))], aside


def test_each_kind_of_file_has_its_types_and_its_names_of_rows() -> None:
    objects = "\ufeff" + "\n\n".join(
        json.dumps({"GTIN": row["ean"], "Pieces": row["quantity"], "x": 1}) for row in ROWS
    )
    assert list(table(objects, "items.jsonl").rows()) == [("row 1", ROWS[0]), ("row 3", ROWS[1])]
    for delimiter in ",;":
        text = f"EAN{delimiter}Quantity\r\n\r\n0191476239145{delimiter}2\r\n"
        assert list(table(text, "items.CSV").rows()) == [("row 3", TEXTS)]
    assert list(table(pa.Table.from_pylist(ROWS)).rows()) == [("row 1", ROWS[0]), ("row 2", ROWS[1])]


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("items.jsonl", "", "it is empty"),
        ("items.jsonl", '{"ean": 1', "row 1: it is not JSON"),
        ("items.jsonl", '{"ean": "1"}\n[1]', "row 2: it is not a JSON object"),
        ("items.jsonl", '{"ean": "1"}\n{"ean": "2", "ean": "3"}', "row 2: it is not JSON ('ean' is in it twice)"),
        ("items.jsonl", '{"ean": "1"}\n\n{"quantity": 1}', "row 3: it has no column ean, only: quantity"),
        ("items.jsonl", '{"sku": "1"}', "it has no column ean, only: sku"),
        ("items.jsonl", '{"ean": "1", "gtin": "2"}', "several of its columns mean ean"),
        ("items.jsonl", b"\xff\xff", "not UTF-8"),
        ("items.csv", "ean,quantity\n1\n", "row 2: it has 1 field, and"),
        ("items.csv", "e\x07an,quantity\n1,2\n", "no column ean, only: 'e\\x07an', quantity"),
        ("items.parquet", "no", "not a Parquet file"),
        ("items.xlsx", "PK", "unknown kind"),
        ("items.csv.gz", "ean,quantity\n", "not a complete gzip file"),
        ("items.csv.gz", gzip.compress(b"ean,quantity\n1,2\n" * 99, mtime=0)[:-9], "not a complete gzip file"),
        ("missing.csv", None, "FileNotFoundError"),
    ],
)
def test_what_is_no_such_table_is_refused_with_parameter_and_remedy(name: str, content: Any, named: str) -> None:
    file = replace(table("", name), path="/nowhere.csv") if content is None else table(content, name)
    with pytest.raises(ZDirectConfigurationError, match="items_path=") as caught:
        list(file.rows())
    assert named in str(caught.value)
    assert caught.value.remedy


def test_the_kind_is_the_end_of_the_name() -> None:
    assert table_kind("s3://bucket/a.b/items.JSONL", name="items_path") == "jsonl"
    with pytest.raises(ZDirectConfigurationError, match=r"a file whose name ends in \.tsv, \.csv, \.parquet or"):
        table_kind("items.xlsx", name="master_data")


@pytest.mark.parametrize(
    "data",
    [
        b"sep=;\r\nean;quantity\r\n0191476239145;2\r\n",
        b"\xef\xbb\xbfsep=,\nean,quantity\n0191476239145,2\n",
        b'"sep=;"\nean;quantity\n0191476239145;2\n',
        b"sep=|\nean|quantity\n0191476239145|2\n",
        b"ean\tquantity\n0191476239145\t2\n",
        b"\xef\xbb\xbf\xef\xbb\xbfean,quantity\n0191476239145,2\n",
        "ean\tquantity\r\n0191476239145\t2\r\n".encode("utf-16"),
        b"\xfe\xff" + "ean;quantity\n0191476239145;2\n".encode("utf-16-be"),
        b"ean;quantity\n0191476239145;2;\n",
        b"ean;quantity;\n0191476239145;2;\n",
        b"ean;quantity;;;\n0191476239145;2;;;\n;;;;\n",
        b"ean;quantity;\n0191476239145;2\n",
        b'ean,"unit, price",quantity\n0191476239145,"1,5",2\n',
        b'ean,"the\nname",quantity\n0191476239145,"a\nb",2\n',
        b"ean,name,quantity\n0191476239145,M\xfctze,2\n",
        b"ean,quantity\r0191476239145,2\r",
        "sep=;\n\ufeffean;quantity\n0191476239145;2\n".encode(),
        '\ufeff"\ufeffean",\u200bquantity\n0191476239145,2\n'.encode(),
        b'="ean",="quantity"\n0191476239145,2\n',
        b"'ean';'quantity'\n0191476239145;2\n",
        "ean,quantity\r\n0191476239145,2\r\n\ufeffean,quantity\r\n".encode(),
        b"ean;quantity;\nean;quantity;\n0191476239145;2;\n",
        b'ean,quantity\n"0191476239145","2",\n',
        b"ean,quantity,\n0191476239145,2,\n",
    ],
)
def test_whatever_a_program_puts_around_a_table_it_is_read(data: bytes) -> None:
    assert rows(data) == [TEXTS]


@pytest.mark.parametrize("name", ["items.csv.gz", "items.TSV.GZ", "items.tsv", "items.jsonl.gz"])
def test_gzip_and_tsv_are_read(name: str) -> None:
    text = json.dumps(TEXTS) if "json" in name else "ean\tquantity\n0191476239145\t2\n"
    assert rows(gzip.compress(text.encode()) if name.lower().endswith("gz") else text, name) == [TEXTS]


@pytest.mark.parametrize(
    "content",
    ["ean,quantiy,quantity\n0191476239145,9,2\n", pa.table({"quantiy": [9], **{n: [v] for n, v in TEXTS.items()}})],
)
def test_the_log_names_columns_that_are_not_read(content: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        assert rows(content) == [TEXTS]
    assert "columns that are not read: 'quantiy'." in caplog.text


def test_a_wrong_header_names_its_line_and_all_columns_found_and_missing() -> None:
    file = replace(table("sep=;\n\nsku;amount;name\n1;2;3\n"), required=("ean or gtin", "quantity"))
    with pytest.raises(ZDirectConfigurationError) as caught:
        file.rows()
    assert "row 3: it has no column ean or gtin and no column quantity, only: sku, amount, name" in str(caught.value)


NUMBERS = st.decimals(0, 9_999_999, places=2) | st.decimals(0, 999, places=6)


@given(NUMBERS, st.sampled_from(["{}", " {}", "-{}", "EUR {}", "\N{EURO SIGN}{}"]), st.sampled_from([0, 1, 2]))
def test_a_decimal_comma_without_quotes_never_shifts_the_columns(number: Decimal, like: str, place: int) -> None:
    names = ["quantity", "a", "b"]
    names.insert(place, "price")
    cells = dict.fromkeys(names, "x") | {names[-1]: "", "price": like.format(number).replace(".", ",")}
    with pytest.raises(ZDirectConfigurationError, match="row 2: it has 6 fields, and the header has 5"):
        rows(f"ean,{','.join(names)}\n0191476239145,{','.join(cells[name] for name in names)}\n")


ROUNDED = "is a 16-bit or 32-bit number, which rounds; write it as text"
NOT_UTF8 = "has characters that are not UTF-8"


@pytest.mark.parametrize(
    ("cells", "read", "why"),
    [
        (pa.array([5, 16777215.0, None, float("nan")]).cast(pa.float32()), [5, 16777215, None, None], ""),
        (pa.array([0.1, 19.99, 12345.678]).cast(pa.float32(), safe=False), [0.1, 19.99, 12345.678], ""),
        *(
            (pa.array([5, number]).cast(pa.float32(), safe=False), [5], ROUNDED)
            for number in (4006381333931.0, 61091033.0, 16777217.0, float("inf"))
        ),
        (pa.array([5, 2047.0, None, float("nan")]).cast(pa.float16()), [5, 2047, None, None], ""),
        *((pa.array([5, number]).cast(pa.float16(), safe=False), [5], ROUNDED) for number in (2049.0, 0.1)),
        (pa.array([b"5", None, b"M\xfctze"]).view(pa.string()), ["5", None], NOT_UTF8),
        (pa.array([b"5", b"\xff"], pa.large_binary()).view(pa.large_string()), ["5"], NOT_UTF8),
    ],
)
def test_a_cell_of_parquet_that_is_rounded_or_not_text_is_wrong_and_no_other(
    cells: pa.Array, read: list[Any], why: str
) -> None:
    file = table(pa.table({"ean": cells}))
    found, aside = rows_and_invalid(file)
    assert [row["ean"] for row in found] == read
    assert [(where, why in said) for where, said in aside] == [(f"row {len(cells)}", True)] * bool(why)
    if why:
        with pytest.raises(ZDirectConfigurationError, match=f"row {len(cells)}: ean .*{re.escape(why)}"):
            list(file.rows())


JUNK = [
    '"Size 7" shoe"', '"Size 7\\" shoe"', '"Size 7', 'Size 7"', '7"', '"', '""', '"""', '"a"b"', '\\"', "plain",
    '"in quotes"', '"a ""quoted"" word"', "", '"Größe"',
]  # fmt: skip


@given(st.lists(st.sampled_from(JUNK), min_size=1, max_size=8), st.sampled_from([0, 1, 2]), st.sampled_from(",;\t"))
def test_a_quote_where_nobody_looks_takes_no_row_away(junk: list[str], place: int, delimiter: str) -> None:
    names = ["ean", "quantity"]
    lines = [[*names[:place], "name", *names[place:]]]
    cells = [(str(1000 + number), str(number)) for number in range(len(junk))]
    lines += [[*cell[:place], text, *cell[place:]] for cell, text in zip(cells, junk, strict=True)]
    found = rows("\n".join(map(delimiter.join, lines)))
    assert [(row["ean"], row["quantity"]) for row in found] == cells


@given(st.lists(st.text(alphabet="a1\" ,;\\'\n", max_size=12), max_size=8))
def test_whatever_stands_in_a_column_no_other_row_is_lost_or_changed(texts: list[str]) -> None:
    """Between any two rows of doubtful content is one that is certain."""
    lines = ["ean,quantity,name"]
    for number, text in enumerate(texts):
        lines += [f"{1000 + number},{number},{text}", f"certain{number},5,shoe"]
    found, aside = rows_and_invalid(table("\n".join(lines)))
    assert [row["ean"] for row in found if row["ean"].startswith("certain")] == [
        f"certain{n}" for n in range(len(texts))
    ]
    mine = [row for row in found if row["ean"] in {str(1000 + number) for number in range(len(texts))}]
    assert all(int(row["ean"]) - 1000 == int(row["quantity"]) for row in mine)
    assert len(mine) + len(aside) >= len(texts)


@given(st.lists(st.tuples(st.text("0123456789", min_size=1, max_size=13), st.text(alphabet='a" \n;')), max_size=5))
def test_what_a_csv_writer_writes_is_read_with_line_breaks_in_it(cells: list[tuple[str, str]]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([("ean", "name", "quantity"), *((ean, name, "5") for ean, name in cells)])
    assert rows(text.getvalue()) == [{"ean": ean, "quantity": "5"} for ean, _ in cells]


@pytest.mark.parametrize("line", [b'"4006381333931,5', b'4006381333931","5', b'"4006381333931"0,5', b"40\xdf,5"])
def test_a_row_whose_own_cell_has_a_broken_quote_or_character_is_named(line: bytes) -> None:
    file = table(b"ean,quantity\n1,2\n" + line + b"\n3,4\n")
    with pytest.raises(ZDirectConfigurationError, match="row 3: "):
        list(file.rows())
    found, aside = rows_and_invalid(file)
    assert ([row["ean"] for row in found], [where for where, _ in aside]) == (["1", "3"], ["row 3"])


@pytest.mark.parametrize(
    "name", ["~$stock.csv", ".stock.csv", "_stock.csv", "stock.csv.tmp", "stock.csv~", ".DS_Store"]
)
def test_lock_files_and_those_that_are_being_written_are_no_tables(name: str) -> None:
    assert not is_table(name)
    assert is_passing(name)
