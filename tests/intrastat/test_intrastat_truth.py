"""A month that was really fetched, against sums that plain Python makes of the emulator's truth."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from extraction import Extraction
from landing import NOVEMBER, Landing

from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.intrastat.report import IntrastatJob, report_month
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.windows import Window

ICM = "intra_community_movements"
FIRST, LAST = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
MONTH = Window(FIRST, LAST)
KEYS = ("flow", "counterpart_country", "ean", "merchant_sku", "product_sku", "transaction_month")
# Net quantity and movements by country, KEYS and movement type.
Sums = dict[tuple[Any, ...], tuple[int, int]]


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


@pytest.fixture(scope="module")
def reported_month(
    shared_emulator: EmulatorServer, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Extraction, dict[str, Any]]:
    """The month, fetched and reported once; not to be changed."""
    shared_emulator.reset()
    runs = Extraction(shared_emulator, tmp_path_factory.mktemp("month"))
    runs.run(ICM, MONTH)
    return runs, report(runs)


def report(runs: Extraction) -> dict[str, Any]:
    fs = runs.job(ICM, MONTH).place.fs
    place = Place(fs, str(runs.root), f"file://{runs.root}", runs.merchant_id, "production")
    return report_month(IntrastatJob(NOVEMBER, place))


def path_of(uri: str) -> Path:
    return Path(uri.removeprefix("file://"))


def reported(result: dict[str, Any]) -> Sums:
    """Every quantity and count that the reports hold, per movement type."""
    return {
        (summary["country"], *(row[key] for key in KEYS), entry["movement_type"]): (
            entry["net_quantity"],
            entry["movements"],
        )
        for summary in result["reports"]
        for row in pq.read_table(path_of(summary["parquet"]), partitioning=None).to_pylist()
        for entry in row["movement_types"]
    }


def truth(runs: Extraction, start: datetime = FIRST, end: datetime = LAST) -> list[dict[str, Any]]:
    return runs.emulator.truth(ICM, runs.merchant_id, start, end)


def expected(movements: list[dict[str, Any]]) -> Sums:
    """The same from the truth of the emulator."""
    quantities: Counter[tuple[Any, ...]] = Counter()
    counts: Counter[tuple[Any, ...]] = Counter()
    for row in movements:
        source, destination = (row[f"{side}_stock_location"]["country_code"] for side in ("source", "destination"))
        article = (row["ean"], row["merchant_sku"], row["product_sku"], row["transaction_date"][:7])
        if source != destination:
            for way in ((destination, "arrival", source), (source, "dispatch", destination)):
                quantities[*way, *article, row["movement_type"]] += row["quantity"]
                counts[*way, *article, row["movement_type"]] += 1
    return {key: (quantities[key], count) for key, count in counts.items()}


@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_every_sum_is_the_one_of_the_truth(runs: Extraction, format: str) -> None:
    runs.run(ICM, MONTH, format=format)
    result = report(runs)
    found = reported(result)
    assert found == expected(truth(runs))
    assert len(found) > 1000
    assert any("correction" in key[-1] and quantity < 0 for key, (quantity, _) in found.items()), "no correction"
    assert {key[6] for key in found} > {"2026-11"}, "no transaction of another month was tested"
    assert result["movements"] == len(truth(runs))
    assert (result["days"], result["without_country"]) == (30, 0)
    for summary in result["reports"]:
        for flow, quantity in (("arrival", summary["arrivals"]), ("dispatch", summary["dispatches"])):
            assert quantity == sum(sums[0] for key, sums in found.items() if key[:2] == (summary["country"], flow))


def test_csv_holds_the_same_lines_as_parquet(reported_month: tuple[Extraction, dict[str, Any]]) -> None:
    for summary in reported_month[1]["reports"]:
        with path_of(summary["csv"]).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        lines = pq.read_table(path_of(summary["parquet"]), partitioning=None).to_pylist()
        names = [*KEYS, "net_quantity", "movements"]
        assert [[row[name] for name in names] for row in rows] == [
            [str(line[name]) for name in names] for line in lines
        ]
        typed = [name for name in rows[0] if name.startswith("net_quantity_")]
        assert len(typed) >= 4
        assert all(sum(int(row[name]) for name in typed) == int(row["net_quantity"]) for row in rows)


def test_a_month_that_was_fetched_in_many_ways_is_the_same(runs: Extraction) -> None:
    runs.run(ICM, Window(FIRST - timedelta(days=20), FIRST + timedelta(days=9)))
    for day in range(8, 14):
        runs.run(ICM, Window.of_day((FIRST + timedelta(days=day)).date()))
    berlin = [Window.of_day(day, "Europe/Berlin") for day in (NOVEMBER.days[14], LAST.date() + timedelta(days=1))]
    runs.run(ICM, Window(berlin[0].start, berlin[1].end), timezone="Europe/Berlin")
    result = report(runs)
    assert result["days"] == 30
    assert reported(result) == expected(truth(runs))


def test_running_again_writes_the_same_bytes_and_a_changed_day_only_what_it_changes(
    runs: Extraction, shared_emulator: EmulatorServer
) -> None:
    runs.run(ICM, MONTH)
    former = truth(runs)
    assert reported(report(runs)) == expected(former)
    before = Landing(runs.root).written()
    report(runs)
    assert Landing(runs.root).written() == before
    shared_emulator.set_options(volume=5)
    shared_emulator.clock.set(datetime(2026, 12, 5, 22, tzinfo=UTC))
    start = FIRST + timedelta(days=14)
    runs.run(ICM, Window.of_day(start.date()))
    kept = [row for row in former if row["report_date"] != start.date().isoformat()]
    changed = truth(runs, start, start + timedelta(days=1))
    assert len(kept) + len(changed) > len(former)
    assert reported(report(runs)) == expected([*kept, *changed]) != expected(former)


def test_the_manifest_names_every_file_with_its_checksum(reported_month: tuple[Extraction, dict[str, Any]]) -> None:
    runs, result = reported_month
    manifest = json.loads(path_of(result["manifest"]).read_text())
    files = {file["path"]: file for file in manifest["files"]}
    written = Landing(runs.root).written()
    assert files.keys() == written.keys()
    for path, data in written.items():
        assert (files[path]["sha256"], files[path]["bytes"]) == (hashlib.sha256(data).hexdigest(), len(data))
    assert len(manifest["days"]) == 30
    assert manifest["missing_days"] == []
    assert manifest["empty_days"], "a report without movements is a report"
    assert manifest["movements"] == result["movements"]
    assert manifest["package_version"]
    assert manifest["created_at"]


@pytest.mark.exhaustive
def test_a_month_of_200_000_movements_in_twenty_pages_a_day_is_complete_and_adds_up(tmp_path: Path) -> None:
    options = {"volume": 545, "empty_reports": 0, "icm_page_size": 345, "rate_limits": False}
    with EmulatorServer(seed=7, now="2026-12-05T21:00:00+00:00", **options) as emulator:
        runs = Extraction(emulator, tmp_path)
        result = runs.run(ICM, MONTH)
        movements = Counter(map(_movement, truth(runs)))
        assert movements.total() > 200_000
        assert result.manifest.pages / 30 >= 20
        assert Counter(map(_movement, runs.published(ICM))) == movements
        assert reported(report(runs)) == expected(truth(runs))
        files = {path: path.stat() for path in runs.paths(ICM)}
        emulator.clock.advance(3600)
        again = runs.run(ICM, Window.of_day(NOVEMBER.days[14]))
        assert (again.manifest.new_records, again.manifest.pages) == (0, -(-again.manifest.records // 345))
        assert {path: path.stat() for path in runs.paths(ICM)} == files
        assert Counter(map(_movement, runs.published(ICM))) == movements


def _movement(row: dict[str, Any]) -> tuple[Any, ...]:
    fields = ("ean", "merchant_sku", "quantity", "order_number", "movement_type")
    places = (row[f"{side}_stock_location"]["country_code"] for side in ("source", "destination"))
    return str(row["report_date"]), str(row["transaction_date"]), *(row[name] for name in fields), *places
