"""Which movement counts where, and how often."""

from __future__ import annotations

import csv
import json
import logging
import re
from datetime import date
from pathlib import Path

import pytest
from landing import MERCHANT, Landing, movement, query

from airflow_provider_zdirect.intrastat.country_report import FOLDERS, LINES
from airflow_provider_zdirect.operators.intrastat import country_codes


def test_a_movement_is_an_arrival_there_and_a_dispatch_here(landing: Landing) -> None:
    landing.land_month({1: [movement("DE", "PL", 3), movement("IT", "DE", 2)]})
    result = landing.report()
    assert [(report["country"], report["arrivals"], report["dispatches"]) for report in result["reports"]] == [
        ("DE", 2, 3),
        ("IT", 0, 2),
        ("PL", 3, 0),
    ]
    assert [(row["flow"], row["counterpart_country"], row["net_quantity"]) for row in landing.lines("DE")] == [
        ("arrival", "IT", 2),
        ("dispatch", "PL", 3),
    ]


def test_corrections_are_subtracted_and_equal_rows_all_count(landing: Landing) -> None:
    landing.land_month(
        {1: [movement(quantity=2)] * 3, 20: [movement(quantity=-1, movement_type="a_correction")]}, format="jsonl"
    )
    landing.report()
    (row,) = landing.lines("PL")
    assert (row["net_quantity"], row["movements"]) == (5, 4)
    assert row["movement_types"] == [
        {"movement_type": "a_correction", "net_quantity": -1, "movements": 1},
        {"movement_type": "automatic_relocation", "net_quantity": 6, "movements": 3},
    ]


def test_a_movement_belongs_to_the_month_of_its_report_and_tells_its_own(landing: Landing) -> None:
    october, november = date(2026, 10, 29), date(2026, 11, 30)
    landing.land_month({1: [movement(quantity=4, transaction_date=october), movement()]})
    landing.land(date(2026, 12, 1), [movement(quantity=100, transaction_date=november)])
    landing.land(date(2026, 10, 31), [movement(quantity=100, transaction_date=october)])
    landing.report()
    assert [(row["transaction_month"], row["net_quantity"]) for row in landing.lines("PL")] == [
        ("2026-10", 4),
        ("2026-11", 1),
    ]
    html = landing.html("PL")
    assert "1 arrival (net quantity 4) and 0 dispatches (net quantity 0) took place in other months" in html
    assert "correct or complete the declarations of those months:\n2026-10." in html


def test_movements_without_a_country_are_listed_counted_and_warned_of(
    landing: Landing, caplog: pytest.LogCaptureFixture
) -> None:
    landing.land_month(
        {
            2: [movement(), movement(None, "PL"), movement("DE", None, 7), movement("DE", "Germany")],
            3: [movement(None, None, -2, merchant_sku="=1+1"), movement(" de ", "pl")],
        }
    )
    with caplog.at_level(logging.WARNING):
        result = landing.report()
    assert (result["movements"], result["without_country"]) == (6, 4)
    assert [report["country"] for report in result["reports"]] == ["DE", "PL"]
    assert [row["movements"] for row in landing.lines("PL")] == [2], "lower case and blanks do not matter"
    listed = list(csv.DictReader((landing.folder("PL").parent / "movements-without-country.csv").open()))
    assert [(row["report_date"], row["source_country_code"], row["destination_country_code"]) for row in listed] == [
        ("2026-11-02", "", "PL"),
        ("2026-11-02", "DE", ""),
        ("2026-11-02", "DE", "Germany"),
        ("2026-11-03", "", ""),
    ]
    assert [row["quantity"] for row in listed] == ["1", "7", "1", "-2"]
    assert listed[-1]["merchant_sku"] == "'=1+1"
    for country in ("DE", "PL"):
        assert "4 movements without a country" in landing.html(country)
    assert "4 movements without a country" in caplog.text
    assert MERCHANT in caplog.text
    landing.land(date(2026, 11, 2), [movement()])
    landing.land(date(2026, 11, 3), [movement()])
    landing.report()
    assert not (landing.folder("PL").parent / "movements-without-country.csv").exists()


def test_movements_within_a_country_are_counted_and_not_reported(landing: Landing) -> None:
    landing.land_month({1: [movement("DE", "DE", 5), movement("FR", "FR"), movement("DE", "PL")]})
    result = landing.report()
    assert (result["movements"], result["within_country"], result["without_country"]) == (3, 2, 0)
    assert [(r["country"], r["arrivals"], r["dispatches"]) for r in result["reports"]] == [
        ("DE", 0, 1),
        ("FR", 0, 0),
        ("PL", 1, 0),
    ]
    assert "2 movements within one country" in landing.html("FR")
    assert landing.lines("FR") == []


def test_articles_and_types_that_are_not_given_are_groups_of_their_own(landing: Landing) -> None:
    bare = movement(ean=None, merchant_sku=None, product_sku=None, movement_type=None)
    landing.land_month({1: [bare, movement(), bare, movement(movement_type="unknown"), movement(movement_type=None)]})
    landing.report()
    known, unknown = landing.lines("PL")
    assert (unknown["ean"], unknown["merchant_sku"], unknown["product_sku"], unknown["movements"]) == (None,) * 3 + (2,)
    assert unknown["movement_types"] == [{"movement_type": "", "net_quantity": 2, "movements": 2}]
    assert known["movements"] == 3
    rows = list(csv.DictReader(landing.file("PL", "csv").open()))
    assert [row["movements_unknown"] for row in rows] == ["2", "2"], "both mean that the type is not known"


def test_a_country_that_nothing_touches_is_a_finding_on_the_page_and_in_the_result(
    landing: Landing, caplog: pytest.LogCaptureFixture
) -> None:
    landing.land_month({1: [movement("DE", "GB"), movement("FR", "FR"), movement("IT", None)]})
    with caplog.at_level(logging.WARNING):
        result = landing.report(countries=("CZ", "DE", "FR", "IT", "XI"))
    assert [report["lines"] for report in result["reports"]] == [0, 1, 0, 0, 0]
    assert not landing.folder("GB").exists(), "nobody has asked for it"
    assert not landing.table_folder("GB").exists()
    assert landing.lines("CZ") == []
    assert "None." in landing.html("CZ")
    found = {report["country"]: " ".join(report["findings"]) for report in result["reports"]}
    assert found["CZ"].startswith("No movement touches Czechia (CZ): In no movement of 2026-11")
    assert "goods there are under GB" in found["XI"]
    assert found["FR"].startswith("No movement crosses the border of France (FR)")
    assert found["IT"].startswith("No movement crosses the border of Italy (IT)")
    assert "No movement" not in found["DE"]
    for country in ("CZ", "XI"):
        assert "No movement touches" in landing.html(country)
    assert "No movement touches" not in landing.html("DE")
    assert f"intrastat 2026-11 CZ, merchant {MERCHANT[:8]}: No movement touches Czechia (CZ)" in caplog.text
    told = {report["country"]: report["findings"] for report in landing.manifest()["reports"]}
    assert told == {report["country"]: report["findings"] for report in result["reports"]}
    assert json.loads(json.dumps(result))["reports"][0]["findings"] == result["reports"][0]["findings"]


@pytest.mark.parametrize(
    ("sent", "asked", "published", "name"),
    [
        ("GR", "el", "GR", "Greece (GR)"),
        ("EL", "GR", "GR", "Greece (GR)"),
        (" el ", None, "GR", "Greece (GR)"),
        ("GB", " uk", "GB", "United Kingdom (GB)"),
        ("UK", "GB", "GB", "United Kingdom (GB)"),
        ("XI", "xi", "XI", "Northern Ireland (XI)"),
    ],
)
def test_greece_and_the_united_kingdom_have_one_code_in_the_table_whatever_they_are_called(
    landing: Landing, sent: str, asked: str | None, published: str, name: str
) -> None:
    landing.land_month({1: [movement("DE", sent, 3)], 2: [movement("DE", published, 4)]})
    result = landing.report(countries=country_codes(asked))
    assert [(r["country"], r["arrivals"]) for r in result["reports"] if r["country"] != "DE"] == [(published, 7)]
    assert f"Arrivals in {name}" in landing.html(published)


def test_places_outside_of_the_eu_are_pointed_out(landing: Landing) -> None:
    landing.land_month({1: [movement("DE", "CH"), movement("DE", "PL")]})
    landing.report()
    assert "Not in the EU: CH." in landing.html("DE")
    assert "Not in the EU: CH." in landing.html("CH")
    assert "Not in the EU" not in landing.html("PL")


def test_texts_that_a_spreadsheet_would_run_are_defused_in_csv_and_kept_in_parquet(landing: Landing) -> None:
    texts = ["=HYPERLINK(1)", "+1", "-1", "@x", "\tx", "\rx", 'a,"b"', "plain"]
    landing.land_month({1: [movement(merchant_sku=text) for text in texts]})
    landing.report()
    assert {row["merchant_sku"] for row in landing.lines("PL")} == set(texts)
    with landing.file("PL", "csv").open(newline="") as file:
        found = {row["merchant_sku"] for row in csv.DictReader(file)}
    assert found == {*(f"'{text}" for text in texts[:6]), *texts[6:]}


def test_the_schema_is_the_same_whatever_is_in_the_report(landing: Landing, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    landing.land_month({1: [movement("DE", "PL")]})
    landing.report(countries=("CZ", "PL"))
    schemas = [pq.read_schema(landing.file(country, "parquet")) for country in ("CZ", "PL")]
    master = tmp_path / "master.csv"
    master.write_text("ean,cn8\n4012345678901,61091000\n")
    landing.report(countries=("CZ", "PL"), master_data=master)
    schemas += [pq.read_schema(landing.file(country, "parquet")) for country in ("CZ", "PL")]
    assert all(schema.names == [name for name in LINES.names if name not in FOLDERS] for schema in schemas)
    assert all(schema.field(name) == LINES.field(name) for schema in schemas for name in schema.names)


def test_a_rerun_replaces_what_was_there(landing: Landing, tmp_path: Path) -> None:
    landing.land_month({1: [movement("DE", "PL"), movement("DE", "CZ")]})
    master = tmp_path / "master.csv"
    master.write_text("ean,cn8\n4012345678918,61091000\n")
    landing.report(master_data=master)
    assert (landing.folder("CZ") / "goods-without-master-data.csv").exists()
    notes = landing.folder("CZ") / "notes.txt"
    notes.write_text("somebody's own")
    landing.land(date(2026, 11, 1), [movement("DE", "PL")])
    landing.report(countries=("PL",))
    assert {report["country"] for report in landing.manifest()["reports"]} == {"CZ", "DE", "PL"}
    assert {"/country=CZ/", "/country=DE/", "/country=PL/"} == {
        f"/{part}/" for file in landing.manifest()["files"] for part in file["path"].split("/") if "country=" in part
    }
    assert not (landing.folder("PL") / "goods-without-master-data.csv").exists()
    assert (landing.folder("DE") / "goods-without-master-data.csv").exists(), "DE was not asked for"
    landing.report()
    assert [report["country"] for report in landing.manifest()["reports"]] == ["DE", "PL"]
    assert list(landing.folder("CZ").iterdir()) == [notes]
    assert len(landing.manifest()["files"]) == len(landing.written()) - 1 == 6


def test_the_query_of_the_documents_and_the_csv_have_merchant_month_and_country(landing: Landing) -> None:
    document = Path(__file__).parent.parent.parent / "docs" / "movement-reports.md"
    (documented,) = re.findall(r'duckdb -c "(.*)"', document.read_text())
    landing.land_month({1: [movement("DE", "PL", 3)]})
    landing.report()
    rows = query(documented.replace("'zdirect/", f"'{landing.root}/"))
    assert [tuple(row.values()) for row in rows] == [("2026-11", "DE", "dispatch", 3), ("2026-11", "PL", "arrival", 3)]
    (row,) = csv.DictReader(landing.file("PL", "csv").open())
    assert [row[name] for name in FOLDERS] == [MERCHANT, "2026-11", "PL"]
