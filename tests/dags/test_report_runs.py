"""The DAGs of the movement reports for real: sensor, extract, asset, and the month's report."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
import pytest
import real_time
from extraction import Extraction

from airflow_provider_zdirect.airflow_sdk import AIRFLOW_V_3_3_PLUS
from airflow_provider_zdirect.assets import daily_asset, dataset_asset
from airflow_provider_zdirect.windows import Window

DAY = timedelta(days=1)
TODAY = real_time.today()
LONG_AGO = TODAY - 20 * DAY
ICM, CROSS_BORDER = "intra_community_movements", "cross_border_movements"
PARTITIONS = AIRFLOW_V_3_3_PLUS
FIELDS = ("report_date", "transaction_date", "ean", "movement_type")


def published(folder: Path) -> Counter[str]:
    if not list(folder.rglob("*.parquet")):
        return Counter()
    columns = ", ".join(f"{name}::VARCHAR AS {name}" for name in FIELDS)
    files = f"read_parquet('{folder}/**/*.parquet', hive_partitioning = false)"
    return multiset(
        dict(zip(FIELDS, row, strict=True)) for row in duckdb.sql(f"SELECT {columns} FROM {files}").fetchall()
    )


def multiset(rows: Iterable[dict[str, Any]]) -> Counter[str]:
    return Counter(json.dumps([row[name] for name in FIELDS]) for row in rows)


@pytest.mark.parametrize(
    ("dag_id", "dataset"),
    [
        ("zdirect_icm_daily", ICM),
        pytest.param("zdirect_cross_border_daily", CROSS_BORDER, marks=pytest.mark.newest_airflow),
    ],
)
def test_the_report_of_the_day_before_lands_for_every_merchant_and_the_daily_asset_is_told(
    run_dag, emulator, tmp_path, dag_id, dataset
):
    run = run_dag(dag_id, LONG_AGO)
    assert run.state == "success", run.log[-5000:]
    assert [task[:3] for task in run.tasks] == [
        ("all_landed", -1, "success"),
        *(("report.extract", index, "success") for index in (0, 1)),
        *(("report.ready", index, "success") for index in (0, 1)),
        ("reports", -1, "success"),
    ]
    total = 0
    for merchant in emulator.merchant_ids:
        truth = multiset(emulator.truth(dataset, merchant, LONG_AGO - DAY, LONG_AGO))
        assert published(tmp_path / dataset / f"merchant_id={merchant}") == truth
        total += truth.total()
    assert total > 0
    day = f"{LONG_AGO - DAY:%Y-%m-%d}"
    (daily,) = [event for event in run.events if event[0] == daily_asset(dataset, str(tmp_path)).uri]
    manifests = daily[1].pop("manifests")
    assert daily[1] == {
        "report_dates": [day],
        "merchant_ids": sorted(emulator.merchant_ids),
        "base_path": tmp_path.as_uri(),
        "environment": "production",
        "records": total,
        "rejected": 0,
        "manifest_count": 2,
    }
    assert all(Path(manifest.removeprefix("file://")).exists() for manifest in manifests)
    assert daily[2] == (day if PARTITIONS else None)
    # Whoever waits for the dataset as such is told too, without a partition.
    others = [event for event in run.events if "/daily" not in event[0]]
    assert sorted((uri, partition) for uri, _, partition in others) == sorted(
        2 * [(dataset_asset(dataset, place).uri, None) for place in (None, str(tmp_path))], key=lambda event: event[0]
    )


@pytest.mark.exhaustive
def test_several_days_by_hand_are_one_report_each(run_dag, emulator, tmp_path, moment):
    merchant = emulator.merchant_ids[1]
    start, end = LONG_AGO - 3 * DAY, LONG_AGO
    window = {"from": start.isoformat(), "to": end.isoformat(), "merchant_ids": [merchant]}
    run = run_dag("zdirect_icm_daily", moment, **window)
    assert run.state == "success", run.log[-5000:]
    assert published(tmp_path / ICM) == multiset(emulator.truth(ICM, merchant, start, end))
    asked = Counter(request.query for request in emulator.requests if "intra-community" in request.path)
    days = [f"{start + n * DAY:%Y-%m-%d}" for n in range(3)]
    # The sensor's look and the extraction.
    assert asked == {f"from={day}&to={day}": 2 for day in days}


@pytest.mark.parametrize(
    ("dag_id", "dataset", "path"),
    [
        pytest.param("zdirect_icm_daily", ICM, "intra-community", marks=pytest.mark.newest_airflow),
        pytest.param("zdirect_cross_border_daily", CROSS_BORDER, "cross-border", marks=pytest.mark.exhaustive),
    ],
)
def test_a_backfill_of_last_week_with_an_empty_day_ends_at_once(
    run_dag, emulator, tmp_path, moment, dag_id, dataset, path
):
    merchant, empty = emulator.merchant_ids[0], f"{TODAY - 4 * DAY:%Y-%m-%d}"
    emulator.set_options(empty_reports=0.0)
    asked = {"from": empty, "to": empty}
    answer = {"status": 200, "body": {"items": [], "query": asked}}
    emulator.faults.add({"match": {"path": path, "query": asked}, "action": answer, "times": None})
    # Days 8 to 2 ago: of the latter the report has been there since yesterday.
    start, end = TODAY - 8 * DAY, TODAY - DAY
    window = {"from": start.isoformat(), "to": end.isoformat(), "merchant_ids": [merchant]}
    run = run_dag(dag_id, moment, **window)
    assert run.state == "success", run.log[-5000:]
    landed = [task[2:] for task in run.tasks if task[0].startswith("report.")]
    assert landed == [("success", 1)] * 14
    # For one of two merchants only: nobody is told that the days are complete.
    assert [task[2] for task in run.tasks if task[0] == "all_landed"] == ["skipped"]
    assert not [event for event in run.events if event[0].rstrip("/").endswith("/daily")]
    truth = emulator.truth(dataset, merchant, start, end)
    there = [row for row in truth if row["report_date"] != empty]
    assert published(tmp_path / dataset) == multiset(there)
    assert {row["report_date"] for row in there} == {f"{start + n * DAY:%Y-%m-%d}" for n in (0, 1, 2, 3, 5, 6)}
    # The sensor's and the extraction's: the day, a later one, the day again.
    queries = Counter(request.query.split("&limit=")[0] for request in emulator.requests if path in request.path)
    assert queries[f"from={empty}&to={empty}"] == 4
    assert sum(queries.values()) == 6 * 2 + 4 + 2
    manifests = [json.loads(file.read_text()) for file in (tmp_path / "_manifests" / dataset).rglob("*.json")]
    because = {day: why for manifest in manifests for day, why in manifest["empty_because"].items()}
    assert because.keys() == {empty}
    assert because[empty].startswith(f"a report of {TODAY - 3 * DAY:%Y-%m-%d} to ")
    assert f"empty, because {because[empty]}" in run.log


_runs = count(1)


@pytest.fixture
def moment() -> datetime:
    """A logical date for a run by hand; another for each test, since Airflow keeps one run per date."""
    return TODAY + timedelta(seconds=next(_runs))


@pytest.fixture
def month(emulator, tmp_path) -> str:
    """A month, landed for the first merchant; it has been over for a week, so its empty reports are certain, too."""
    end = (TODAY - 7 * DAY).replace(day=1)
    first = (end - DAY).replace(day=1)
    # This client's clock does not wait; the emulator's limits are by real time.
    emulator.set_options(rate_limits=False)
    Extraction(emulator, tmp_path).run(ICM, Window(first, end))
    return f"{first:%Y-%m}"


@pytest.mark.newest_airflow
def test_the_intrastat_report_of_a_month_by_hand(run_dag, emulator, tmp_path, month, moment):
    merchant = emulator.merchant_ids[0]
    run = run_dag("zdirect_intrastat_monthly", moment, month=month, merchant_ids=[merchant], countries=["PL"])
    assert run.state == "success", run.log[-5000:]
    folder = tmp_path / "intrastat" / f"merchant_id={merchant}" / f"month={month}" / "country=PL"
    assert {path.suffix for path in folder.iterdir()} == {".parquet"}
    for_people = tmp_path / "_reports" / folder.relative_to(tmp_path)
    assert {path.suffix for path in for_people.iterdir()} == {".csv", ".html"}
    movements = f"'{tmp_path}/{ICM}/**/*.parquet'"
    for flow, own in (("arrival", "destination"), ("dispatch", "source")):
        reported = duckdb.sql(f"SELECT sum(net_quantity) FROM '{folder}/*.parquet' WHERE flow = '{flow}'").fetchall()[0]
        landed = duckdb.sql(
            f"SELECT sum(quantity) FROM {movements} WHERE {own}_stock_location.country_code = 'PL' "
            "AND source_stock_location.country_code != destination_stock_location.country_code"
        ).fetchall()[0]
        assert reported == landed
        assert landed[0]


@pytest.mark.exhaustive
def test_an_unknown_country_is_refused_by_the_first_task(run_dag, emulator, tmp_path, moment):
    run = run_dag("zdirect_intrastat_monthly", moment, month="2026-10", countries=["DE", "ZZ"])
    assert [task[0::2] for task in run.tasks if task[0] == "merchants"] == [("merchants", "failed")]
    assert "'ZZ' is not a country code" in run.log
    assert not emulator.requests


@pytest.mark.exhaustive
def test_a_month_with_a_missing_report_is_refused_at_once_and_names_the_day(run_dag, emulator, tmp_path, month, moment):
    missing = date.fromisoformat(f"{month}-17")
    (manifest,) = (tmp_path / "_manifests" / ICM).rglob("*.json")
    content = json.loads(manifest.read_text())
    del content["days"][missing.isoformat()]
    manifest.write_text(json.dumps(content))
    run = run_dag("zdirect_intrastat_monthly", moment, month=month, merchant_ids=[emulator.merchant_ids[0]])
    assert run.state == "failed"
    assert missing.isoformat() in run.log
    assert [task[3] for task in run.tasks if task[0] == "report"] == [1]
    assert not (tmp_path / "intrastat").exists()
