from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from landing import Landing, movement, query

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.intrastat.master_data import ALIASES, read_master_data
from airflow_provider_zdirect.merchant_files.tables import TableFile

GOOD = """EAN;CN-Code;Net mass kg;Statistical Value;Country of origin;Brand
12345678905;6109.10.00;0.25;19.99;cn;X
4012345678901; 1012100 ;1.000001;0.1;PT;"a;b"
4012345678918;;;;;

"""


def read(path: Path) -> list[dict[str, Any]]:
    return read_master_data(
        TableFile(fsspec.filesystem("file"), str(path), str(path), "master_data", ALIASES)
    ).to_pylist()


def written(tmp_path: Path, text: str | bytes, name: str = "master.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_codes_and_amounts_are_read_as_they_are_meant(tmp_path: Path) -> None:
    first, second, third = read(written(tmp_path, GOOD))
    assert list(first.values()) == ["0012345678905", "61091000", "CN", Decimal("0.250000"), Decimal("19.990000")]
    assert (second["cn8_code"], second["net_mass_kg"]) == ("01012100", Decimal("1.000001"))
    assert list(third.values()) == ["4012345678918", None, None, None, None]


@pytest.mark.parametrize("header", ["ean,cn8", "EAN,CN_CODE", "Gtin,commodity code", "ean , Commodity-Code", "ean,CN"])
def test_columns_may_be_called_otherwise(tmp_path: Path, header: str) -> None:
    (row,) = read(written(tmp_path, f"{header}\n4012345678901,61091000\n"))
    assert row["cn8_code"] == "61091000"


def test_parquet_with_numbers_is_read_without_the_digits_of_binary_floats(tmp_path: Path) -> None:
    table = pa.table(
        {
            "EAN": pa.array([4012345678901, 12345678905], pa.int64()),
            "CN8": pa.array([61091000, 1012100], pa.int64()),
            "net_mass": pa.array([0.1 + 0.2, None], pa.float64()),
            "statistical_value": pa.array([Decimal("19.99"), None], pa.decimal128(10, 2)),
        }
    )
    pq.write_table(table, tmp_path / "master.parquet")
    second, first = read(tmp_path / "master.parquet")
    assert (first["ean"], first["net_mass_kg"]) == ("4012345678901", Decimal("0.300000"))
    assert (second["ean"], second["cn8_code"], second["net_mass_kg"]) == ("0012345678905", "01012100", None)
    assert first["statistical_value"] == Decimal("19.99")


def test_small_floats_of_parquet_do_not_become_zero(tmp_path: Path) -> None:
    for mass in (pa.array([4e-7]), pa.array([4e-7], pa.float32()), pa.array([Decimal("0.0000004")])):
        pq.write_table(pa.table({"ean": ["4012345678901"], "net_mass_kg": mass}), tmp_path / "master.parquet")
        with pytest.raises(ZDirectConfigurationError, match=r"row 1: net_mass_kg=.* is less than 0.000001"):
            read(tmp_path / "master.parquet")


@pytest.mark.parametrize(
    ("cell", "code"),
    [("cn", "CN"), ("EL", "GR"), ("uk", "GB"), ("XI", "XI"), ("XK", "XK"), ("XS", "XS"), ("QV", "QV"), (" qy ", "QY")],
)
def test_a_country_of_origin_is_an_iso_code_or_one_of_the_customs(tmp_path: Path, cell: str, code: str) -> None:
    (row,) = read(written(tmp_path, f"ean,origin\n1234567890128,{cell}\n"))
    assert row["country_of_origin"] == code


def test_a_decimal_comma_leaves_points_that_cannot_be_of_thousands(tmp_path: Path) -> None:
    text = "ean;net_mass_kg;stat_value\n4006381333931;0,25;0.250\n4012345678901;1.25;1234.500\n4012345678918;1.5;250\n"
    assert [str(row["statistical_value"]) for row in read(written(tmp_path, text))] == [
        "0.250000", "1234.500000", "250.000000",
    ]  # fmt: skip


def test_the_same_ean_twice_with_the_same_values_is_one(tmp_path: Path) -> None:
    assert len(read(written(tmp_path, "ean,cn8\n1234567890128,61091000\n1234567890128,6109 1000\n"))) == 1


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Landing:
    """A month that could be reported; no test here does."""
    landing = Landing(tmp_path_factory.mktemp("untouched"))
    landing.land_month({1: [movement()]})
    return landing


# By what follows "ean" in the header: what follows a good EAN in row 2, and what is said of it.
WRONG_CELLS = {
    ",cn8": {"610910": "cn8_code='610910'", "6109100X": "cn8_code='6109100X'"},
    ",net_mass_kg": {
        "-1": "net_mass_kg='-1'",
        "1 kg": "net_mass_kg='1 kg'",
        "NaN": "net_mass_kg='NaN'",
        "0,25": "it has 3 fields",
        '"0,25"': "net_mass_kg='0,25' has a comma",
        "0.1234567": "net_mass_kg='0.1234567' has more than 6 decimals",
        "1000000000000": "net_mass_kg='1000000000000' is too large",
        "1e999999999": "net_mass_kg='1e999999999' is too large",
        "0.0000001": "net_mass_kg='0.0000001' is less than 0.000001",
    },
    ",net_mass_kg,stat_value": {"0,25,": "it has 4 fields, and the header has 3"},
    ",stat_value,net_mass_kg": {"1.234,50,": "it has 4 fields, and the header has 3"},
    ",net_mass_kg,stat_value,origin": {"0,2500,,": "it has 5 fields"},
    ";net_mass_kg": {"1,250": "net_mass_kg='1,250' has a comma"},
    ";statistical_value": {"1.234,50": "statistical_value='1.234,50'"},
    ";net_mass_kg;stat_value": {
        "0,25;1.250": "statistical_value='1.250' may be thousands or a decimal, and row 2: net_mass_kg='0,25' has"
    },
    ";stat_value": {
        "12.345.678\n4012345678901;2,5": "statistical_value='12.345.678' is not a number",
        "12.345\n4012345678901;2.5\n4012345678918;2,5": "statistical_value='12.345' may be thousands or a decimal, "
        "and row 4: statistical_value='2,5' has",
    },
    ",origin": {
        cell: f"country_of_origin='{cell}' is not a country code"
        for cell in ("China", "ZZ", "QQ", "EU", "C1", "NA ME", "156")
    },
}
WRONG_EANS = {
    "12": "is not a valid EAN: it has 2 digits, not 13",
    "4006381333932": "is not a valid EAN: its check digit is wrong",
    "4.00638E+12": "is a number that a spreadsheet or program has rounded",
    "4006380000000": "is not a valid EAN: it ends with 6 zeros, as rounded numbers do",
    "14006381333938": "is not a valid EAN: it has 14 digits, not 13 (a GTIN-14",
    "n/a": "is not a valid EAN",
}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("ean,cn8\n", "no rows"),
        ("sku,cn8\nA,61091000\n", "no column ean"),
        ("ean,cn8,commodity_code\n1234567890128,61091000,61091000\n", "several of its columns mean cn8_code"),
        ("ean,cn8\n1234567890128,61091000\n1234567890128,61091001\n", "1234567890128"),
        ("ean,cn8\n1234567890128,61091000\n,61091000\n", "row 3: ean=''"),
        ('ean,cn8\n1234567890128,"61091000\n', "a quote that is not closed"),
        ("ean,cn8\n1234567890128,Ä\n".encode("latin-1"), "UTF-8"),
        *(
            (f"ean{header}\n1234567890128{header[0]}{cell}\n", f"row 2: {why}")
            for header, cells in WRONG_CELLS.items()
            for cell, why in cells.items()
        ),
        *((f"ean,cn8\n{cell},61091000\n", f"row 2: ean='{cell}' {why}") for cell, why in WRONG_EANS.items()),
        (("master.xlsx", b"PK"), "unknown kind"),
        (("master.parquet", b"no parquet"), "not a Parquet file"),
        (("missing.csv", None), "FileNotFoundError"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_and_nothing_is_written(
    tmp_path: Path, untouched: Landing, text: Any, named: str
) -> None:
    name, content = text if isinstance(text, tuple) else ("master.csv", text)
    path = tmp_path / name if content is None else written(tmp_path, content, name)
    with pytest.raises(ZDirectConfigurationError) as caught:
        untouched.report(master_data=path)
    assert named in str(caught.value)
    assert f"master_data='{path}'" in str(caught.value)
    assert caught.value.remedy
    assert not untouched.written()
    assert not (untouched.root / "_manifests/intrastat").exists()


def test_lines_get_their_totals_and_unknown_goods_are_listed(landing: Landing, tmp_path: Path) -> None:
    landing.land_month(
        {
            1: [movement(quantity=3, ean="0012345678905"), movement(quantity=-1), movement(quantity=2)],
            2: [
                movement(quantity=4, ean="9999999999999", merchant_sku="-x"),
                movement("PL", "DE", 1, ean=None, merchant_sku=None),
                movement(quantity=5, ean="4012345678918"),
            ],
        }
    )
    result = landing.report(master_data=written(tmp_path, GOOD))
    poland = next(report for report in result["reports"] if report["country"] == "PL")
    assert (poland["lines"], poland["without_master_data"]) == (5, 2)
    rows = {row["ean"]: row for row in landing.lines("PL")}
    known = rows["0012345678905"]
    assert (known["cn8_code"], known["country_of_origin"], known["has_master_data"]) == ("61091000", "CN", True)
    assert (known["net_mass_kg"], known["statistical_value"]) == (Decimal("0.75"), Decimal("59.97"))
    assert rows["4012345678901"]["net_mass_kg"] == Decimal("1.000001")
    assert rows["4012345678918"]["has_master_data"], "known, and nothing known of it"
    assert rows["4012345678918"]["net_mass_kg"] is None
    for ean in (None, "9999999999999"):
        assert rows[ean]["has_master_data"] is False
        assert rows[ean]["cn8_code"] is None
    goods = list(csv.DictReader((landing.folder("PL") / "goods-without-master-data.csv").open()))
    assert [(row["ean"], row["merchant_sku"], row["arrival_net_quantity"], row["dispatch_net_quantity"])
            for row in goods] == [("9999999999999", "'-x", "4", "0"), ("", "", "0", "1")]  # fmt: skip
    html = landing.html("PL")
    assert "has no row for 2 of the goods" in html
    assert "6109" in html
    kinds = {name: kind for name, kind, *_ in duckdb.sql(
        f"DESCRIBE SELECT * FROM read_parquet('{landing.file('PL', 'parquet')}', hive_partitioning = false)"
    ).fetchall()}  # fmt: skip
    assert (kinds["net_mass_kg"], kinds["statistical_value"]) == ("DECIMAL(38,6)", "DECIMAL(38,6)")


def test_without_master_data_its_columns_are_there_and_empty(landing: Landing) -> None:
    landing.land_month({1: [movement()]})
    (report, _) = landing.report()["reports"]
    assert report["without_master_data"] is None
    (row,) = landing.lines("PL")
    columns = ("cn8_code", "country_of_origin", "net_mass_kg", "statistical_value", "has_master_data")
    assert [row[name] for name in columns] == [None] * 5
    assert "Goods without master data" not in landing.html("PL")


def test_totals_are_exact_where_floats_would_not_be(landing: Landing, tmp_path: Path) -> None:
    landing.land_month({1: [movement(quantity=10**15 + 1), movement("PL", "DE", -(10**15))]})
    landing.report(master_data=written(tmp_path, "ean,net_mass_kg\n4012345678901,0.000001\n"))
    assert [row["net_mass_kg"] for row in landing.lines("PL")] == [Decimal("1000000000.000001"), Decimal(-(10**9))]
    total = query(f"SELECT sum(net_mass_kg) AS it FROM read_parquet('{landing.file('PL', 'parquet')}')")
    assert total == [{"it": Decimal("0.000001")}]


@pytest.mark.parametrize(
    ("code", "cells"),
    [
        (
            "01012100",
            ["1012100.0", "1012100.00", "1012100,0", "1012100", "0101 21 00", "101.21.00", '="01012100"', "'01012100",
             1012100, 1012100.0, Decimal("1012100.0")],
        ),
        ("61091000", ["61091000.0", "6109 1000", "61 09 10 00"]),
        ("10121000", ["1012.10.00"]),
        (
            None,
            ["nan", "610910", "610910.0", "610910.00", 610910.0, "101210.0", "6109100000", "6109 10 00 00", "6109.1",
             6109.1, "6109.10", "61.091.000", "6.1091E+07", "00000000", True],
        ),
    ],
)  # fmt: skip
def test_a_code_is_read_as_it_was_meant_or_refused(tmp_path: Path, code: str | None, cells: list[Any]) -> None:
    for cell in cells:
        pq.write_table(pa.table({"ean": ["4006381333931"], "cn8": [cell]}), tmp_path / "master.parquet")
        if code is None:
            with pytest.raises(ZDirectConfigurationError, match="row 1: cn8_code="):
                read(tmp_path / "master.parquet")
        else:
            assert [row["cn8_code"] for row in read(tmp_path / "master.parquet")] == [code], cell


WAYS_TO_WRITE_A_CODE = (
    str,
    int,
    float,
    Decimal,
    "{}.0".format,
    "{},00".format,
    "{}00".format,
    lambda code: code.lstrip("0"),
    lambda code: Decimal(f"{code}.0"),
    lambda code: f"{int(code)}.0",
    lambda code: f"{code[:4]}.{code[4:6]}.{code[6:]}",
    lambda code: f"{code[:4]} {code[4:]}",
    lambda code: f"{code[:6]}.{code[6:]}",
    lambda code: float(f"{code[:4]}.{code[4:]}"),
    lambda code: f"{float(code):.3E}",
    lambda code: code[:6],
    lambda code: f"{code[:6]}.0",
)


@given(st.from_regex("(0[1-9]|[1-9][0-9])[0-9]{6}", fullmatch=True), st.sampled_from(WAYS_TO_WRITE_A_CODE))
def test_a_code_never_becomes_another_one(code: str, written_as: Any) -> None:
    fs = fsspec.filesystem("memory")
    sink = io.BytesIO()
    pq.write_table(pa.table({"ean": ["4006381333931"], "cn8": [written_as(code)]}), sink)
    fs.pipe_file("/codes.parquet", sink.getvalue())
    try:
        (row,) = read_master_data(TableFile(fs, "/codes.parquet", "codes.parquet", "master_data", ALIASES)).to_pylist()
    except ZDirectConfigurationError:
        return
    assert row["cn8_code"] == code


@pytest.mark.parametrize(
    ("cell", "amount"),
    [("12,00", "12"), ("0,25", "0.25"), ("0,250", "0.25"), ("1,5", "1.5"), ("1234,500", "1234.5"), ("1,250", None),
     ("1.234,50", None), ("1,2,3", None), ("0.25", "0.25"), ('="0,25"', "0.25")],
)  # fmt: skip
def test_a_comma_is_one_of_decimals_where_semicolons_separate_and_it_cannot_be_of_thousands(
    tmp_path: Path, cell: str, amount: str | None
) -> None:
    path = written(tmp_path, f"ean;net_mass_kg\n4006381333931;{cell}\n")
    if amount is None:
        with pytest.raises(ZDirectConfigurationError, match="row 2: net_mass_kg="):
            read(path)
    else:
        assert [row["net_mass_kg"] for row in read(path)] == [Decimal(amount)]
