"""A month that was really fetched, against sums that DuckDB makes of the published files."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from extraction import Extraction
from landing import NOVEMBER, query

from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.intrastat.report import IntrastatJob, IntrastatResult, report_month
from airflow_provider_zdirect.windows import Window

FIRST, LAST = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
MONTH = Window(FIRST, LAST)
FIELDS = ("report_date", "transaction_date", "ean", "merchant_sku", "quantity", "order_number", "movement_type")
KEYS = ("country", "flow", "counterpart_country", "ean", "merchant_sku", "product_sku", "transaction_month")


@pytest.fixture(scope="module")
def shared_emulator() -> Iterator[EmulatorServer]:
    with EmulatorServer(
        seed=7, now="2026-12-05T21:00:00+00:00", rate_limits=False, volume=4, empty_reports=0.1, icm_page_size=30
    ) as emulator:
        yield emulator


@pytest.fixture
def runs(shared_emulator: EmulatorServer, tmp_path: Path) -> Extraction:
    shared_emulator.reset()
    return Extraction(shared_emulator, tmp_path)


def report(runs: Extraction, **options: Any) -> IntrastatResult:
    fs = runs.job("intra_community_movements", MONTH).fs
    return report_month(IntrastatJob(NOVEMBER, runs.merchant_id, fs, str(runs.root), f"file://{runs.root}", **options))


def reported(root: Path) -> list[tuple[Any, ...]]:
    """Every quantity and count that the reports hold, per movement type."""
    rows = query(
        f"""SELECT {", ".join(KEYS)}, t.movement_type AS type, t.net_quantity AS quantity, t.movements AS movements
        FROM (SELECT *, unnest(movement_types) AS t
              FROM read_parquet('{root}/intrastat/**/*.parquet', hive_partitioning = true))"""
    )
    return sorted(tuple(map(str, row.values())) for row in rows)


def expected(root: Path, kind: str = "parquet") -> list[tuple[Any, ...]]:
    """The same from the published movements, by SQL."""
    files = f"{root}/intra_community_movements/**/*"
    source = (
        f"read_parquet('{files}.parquet', hive_partitioning = false, union_by_name = true)"
        if kind == "parquet"
        else f"read_json('{files}.jsonl.gz', hive_partitioning = false, union_by_name = true, "
        "columns = {report_date: 'DATE', transaction_date: 'DATE', product_sku: 'VARCHAR', ean: 'VARCHAR', "
        "merchant_sku: 'VARCHAR', quantity: 'BIGINT', movement_type: 'VARCHAR', "
        "source_stock_location: 'STRUCT(country_code VARCHAR)', "
        "destination_stock_location: 'STRUCT(country_code VARCHAR)'})"
    )
    rows = query(
        f"""WITH m AS (
            SELECT source_stock_location.country_code AS s, destination_stock_location.country_code AS d,
                   ean, merchant_sku, product_sku, strftime(transaction_date, '%Y-%m') AS transaction_month,
                   coalesce(movement_type, '') AS type, quantity
            FROM {source} WHERE report_date BETWEEN DATE '2026-11-01' AND DATE '2026-11-30'),
        f AS (
            SELECT d AS country, 'arrival' AS flow, s AS counterpart_country, * FROM m WHERE s <> d
            UNION ALL SELECT s, 'dispatch', d, * FROM m WHERE s <> d)
        SELECT {", ".join(KEYS)}, type, sum(quantity), count(*) FROM f GROUP BY ALL"""
    )
    return sorted(tuple(map(str, row.values())) for row in rows)


def written(root: Path) -> dict[str, bytes]:
    paths = [path for folder in ("intrastat", "_reports/intrastat") for path in (root / folder).rglob("*")]
    return {str(path): path.read_bytes() for path in paths if path.is_file()}


@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_every_sum_is_the_one_that_sql_finds(runs: Extraction, format: str) -> None:
    runs.run("intra_community_movements", MONTH, format=format)
    result = report(runs)
    found = reported(runs.root)
    assert found == expected(runs.root, format)
    assert len(found) > 1000
    assert any("correction" in row[7] and int(row[8]) < 0 for row in found), "no correction was tested"
    assert {row[6] for row in found} > {"2026-11"}, "no transaction of another month was tested"
    assert result.movements == len(runs.published("intra_community_movements"))
    assert (result.days, result.without_country) == (30, 0)
    for summary in result.reports:
        for flow, quantity in (("arrival", summary.arrivals), ("dispatch", summary.dispatches)):
            assert quantity == sum(int(row[8]) for row in found if row[:2] == (summary.country, flow))


def test_csv_holds_the_same_lines_as_parquet(runs: Extraction) -> None:
    runs.run("intra_community_movements", MONTH)
    for summary in report(runs).reports:
        names = [*KEYS, "net_quantity", "movements"]
        columns = ", ".join(names)
        read = f"read_csv('{summary.csv.removeprefix('file://')}', all_varchar = true)"
        parquet = f"read_parquet('{summary.parquet.removeprefix('file://')}', hive_partitioning = true)"
        assert [tuple(row.values()) for row in query(f"SELECT {columns} FROM {read}")] == [
            tuple(str(value) for value in row.values()) for row in query(f"SELECT {columns} FROM {parquet}")
        ]
        typed = [name for name in query(f"SELECT * FROM {read} LIMIT 1")[0] if name.startswith("net_quantity_")]
        assert len(typed) >= 4
        sums = " + ".join(f'"{name}"::BIGINT' for name in typed)
        assert query(f"SELECT count(*) AS wrong FROM {read} WHERE {sums} <> net_quantity::BIGINT") == [{"wrong": 0}]


def test_a_month_that_was_fetched_in_many_ways_is_the_same(runs: Extraction) -> None:
    runs.run("intra_community_movements", Window(FIRST - timedelta(days=20), FIRST + timedelta(days=9)))
    for day in range(8, 14):
        runs.run("intra_community_movements", Window.of_day((FIRST + timedelta(days=day)).date()))
    runs.run(
        "intra_community_movements",
        Window(Window.of_day(datetime(2026, 11, 15).date(), "Europe/Berlin").start,  # noqa: DTZ001
               Window.of_day(datetime(2026, 12, 2).date(), "Europe/Berlin").end),  # noqa: DTZ001
        timezone="Europe/Berlin",
    )  # fmt: skip
    assert report(runs).days == 30
    assert reported(runs.root) == expected(runs.root)


def test_running_again_writes_the_same_bytes_and_a_changed_day_only_what_it_changes(
    runs: Extraction, shared_emulator: EmulatorServer
) -> None:
    runs.run("intra_community_movements", MONTH)
    report(runs)
    before = written(runs.root)
    report(runs)
    assert written(runs.root) == before
    sums = set(reported(runs.root))
    shared_emulator.set_options(volume=5)
    shared_emulator.clock.set(datetime(2026, 12, 5, 22, tzinfo=UTC))
    changed = Window.of_day((FIRST + timedelta(days=14)).date())
    published = {str(row) for row in runs.published("intra_community_movements")}
    runs.run("intra_community_movements", changed)
    touched = published ^ {str(row) for row in runs.published("intra_community_movements")}
    assert touched
    assert all("2026, 11, 15" in row for row in touched)
    report(runs)
    assert reported(runs.root) == expected(runs.root)
    assert set(reported(runs.root)) != sums


def test_the_manifest_names_every_file_with_its_checksum(runs: Extraction) -> None:
    runs.run("intra_community_movements", MONTH)
    result = report(runs)
    manifest = json.loads(Path(result.manifest.removeprefix("file://")).read_text())
    files = {str(runs.root / file["path"]): file for file in manifest["files"]}
    assert files.keys() == written(runs.root).keys()
    for path, data in written(runs.root).items():
        assert (files[path]["sha256"], files[path]["bytes"]) == (hashlib.sha256(data).hexdigest(), len(data))
    assert len(manifest["days"]) == 30
    assert manifest["missing_days"] == []
    assert manifest["empty_days"], "a report without movements is a report"
    assert manifest["movements"] == result.movements
    assert manifest["package_version"]
    assert manifest["created_at"]


def test_a_month_of_200_000_movements_in_twenty_pages_a_day_is_complete_and_adds_up(tmp_path: Path) -> None:
    options = {"volume": 545, "empty_reports": 0, "icm_page_size": 345, "rate_limits": False}
    with EmulatorServer(seed=7, now="2026-12-05T21:00:00+00:00", **options) as emulator:
        runs = Extraction(emulator, tmp_path)
        result = runs.run("intra_community_movements", MONTH)
        truth = movements_of(emulator.truth("intra_community_movements", runs.merchant_id, FIRST, LAST))
        assert truth.total() > 200_000
        assert result.manifest.pages / 30 >= 20
        assert published_movements(tmp_path) == truth
        report(runs)
        assert reported(tmp_path) == expected(tmp_path)
        files = {path: path.stat() for path in runs.paths("intra_community_movements")}
        emulator.clock.advance(3600)
        again = runs.run("intra_community_movements", Window.of_day((FIRST + timedelta(days=14)).date()))
        assert (again.manifest.new_records, again.manifest.pages) == (0, -(-again.manifest.records // 345))
        assert {path: path.stat() for path in runs.paths("intra_community_movements")} == files
        assert published_movements(tmp_path) == truth


def movements_of(rows: list[dict[str, Any]]) -> Counter[tuple[Any, ...]]:
    places = ("source_stock_location", "destination_stock_location")
    return Counter(
        (*(row.get(name) for name in FIELDS), *(row[name]["country_code"] for name in places)) for row in rows
    )


def published_movements(root: Path) -> Counter[tuple[Any, ...]]:
    rows = duckdb.sql(
        "SELECT report_date::VARCHAR, transaction_date::VARCHAR, ean, merchant_sku, quantity, order_number, "
        "movement_type, source_stock_location.country_code, destination_stock_location.country_code "
        f"FROM read_parquet('{root}/intra_community_movements/**/*.parquet', hive_partitioning = false)"
    ).fetchall()
    return Counter(rows)
