from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from clocks import FakeClock
from extraction import Extraction
from own_emulator import connection_to, own_emulator

from airflow_provider_zdirect.airflow_sdk import AirflowFailException
from airflow_provider_zdirect.assets import zdirect_asset
from airflow_provider_zdirect.exceptions import MissingReportsError, ZDirectConfigurationError
from airflow_provider_zdirect.operators.intrastat import ZDirectIntrastatReportOperator
from airflow_provider_zdirect.windows import Window

OCTOBER, NOVEMBER, DECEMBER = (datetime(2026, month, 1, tzinfo=UTC) for month in (10, 11, 12))


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Extraction]:
    """November of one merchant, landed once for all tests."""
    with own_emulator(
        seed=7, now="2026-12-05T21:00:00+00:00", rate_limits=False, empty_reports=0, merchants=1
    ) as server:
        runs = Extraction(server, tmp_path_factory.mktemp("landed"))
        asyncio.run(runs.extract("intra_community_movements", Window(NOVEMBER, DECEMBER)))
        yield runs


@pytest.fixture(autouse=True)
def connection(landed: Extraction, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = connection_to(landed.emulator)
    monkeypatch.setenv("AIRFLOW_CONN_ZDIRECT_DEFAULT", json.dumps(fields))
    landed.emulator.state.log.clear()


def report(**arguments: Any) -> ZDirectIntrastatReportOperator:
    task = ZDirectIntrastatReportOperator(**{"task_id": "report", "base_path": "/nowhere", **arguments})
    task.clock = FakeClock(DECEMBER.replace(day=6))
    return task


def execute(task: ZDirectIntrastatReportOperator, context: dict[str, Any], **rendered: Any) -> dict[str, Any]:
    """Airflow sets rendered templates as attributes; it has its own ideas of who may call execute."""
    for name, value in rendered.items():
        setattr(task, name, value)
    return ZDirectIntrastatReportOperator.execute.__wrapped__(task, context)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("run", "month"),
    [
        ({"partition_key": "2026-10", "data_interval_start": OCTOBER}, " 2026-11 "),
        ({"partition_key": "2026-11", "data_interval_start": DECEMBER, "data_interval_end": DECEMBER}, ""),
        ({"partition_key": None, "data_interval_start": NOVEMBER, "data_interval_end": DECEMBER}, "None"),
    ],
)
def test_the_month_is_the_parameter_or_the_partition_or_the_data_interval(run, month, landed, context):
    result = execute(report(), context | run, base_path=str(landed.root), month=month, countries="PL")
    assert (result["month"], result["days"], result["merchant_id"]) == ("2026-11", 30, landed.merchant_id)
    assert result["movements"] == len(landed.published("intra_community_movements"))


def test_the_result_is_small_and_the_asset_learns_of_it(landed, context):
    result = execute(report(), context, base_path=f"file://{landed.root}", month="2026-11")
    assert len(json.dumps(result)) < 5_000
    assert [entry["country"] for entry in result["reports"]] == ["DE", "IT", "NL", "PL"]
    for entry in result["reports"]:
        for kind in ("html", "csv", "parquet"):
            path = Path(entry[kind].removeprefix("file://"))
            assert path.stat().st_size
            table = Path(entry["uri"].removeprefix("file://"))
            for_people = landed.root / "_reports" / table.relative_to(landed.root)
            assert path.parent == (table if kind == "parquet" else for_people)
    extra = context["outlet_events"][zdirect_asset("intrastat")].extra
    assert extra["countries"] == ["DE", "IT", "NL", "PL"]
    assert {name: extra[name] for name in ("month", "merchant_id", "days", "without_country")} == {
        name: result[name] for name in ("month", "merchant_id", "days", "without_country")
    }
    assert extra["files"] == [entry["parquet"] for entry in result["reports"]]
    assert (extra["file_count"], extra["manifest"]) == (4, result["manifest"])
    assert extra["base_path"] == f"file://{landed.root}"


@pytest.mark.parametrize(
    ("rendered", "kind", "named"),
    [
        ({"month": "2026-10"}, MissingReportsError, "2026-10-01 to 2026-10-31"),
        ({"month": ""}, ZDirectConfigurationError, "Give month as 2026-11"),
        ({"base_path": "nope://bucket/zdirect"}, ZDirectConfigurationError, "base_path='nope://bucket/zdirect'"),
        ({"conn_id": "missing"}, ZDirectConfigurationError, "Connection 'missing'"),
        ({"master_data": "/nowhere/m.csv"}, ZDirectConfigurationError, "master_data='/nowhere/m.csv'"),
        ({"master_data": "nope://m.csv"}, ZDirectConfigurationError, "master_data='nope://m.csv'"),
    ],
)
def test_what_a_retry_cannot_help_fails_the_task_at_once(rendered, kind, named, landed, context):
    good = {"base_path": str(landed.root), "month": "2026-11"}
    with pytest.raises(AirflowFailException) as caught:
        execute(report(), context, **{**good, **rendered})
    assert isinstance(caught.value.__cause__, kind)
    assert named in str(caught.value)
    assert "What to do:" in str(caught.value)


def test_missing_days_are_allowed_as_text_too(landed, context, tmp_path):
    asyncio.run(
        Extraction(landed.emulator, tmp_path).extract(
            "intra_community_movements", Window(NOVEMBER, NOVEMBER.replace(day=3))
        )
    )
    with pytest.raises(AirflowFailException, match="2026-11-03 to 2026-11-30"):
        execute(report(), context, base_path=str(tmp_path), month="2026-11", allow_missing_days="False")
    result = execute(report(), context, base_path=str(tmp_path), month="2026-11", allow_missing_days="True")
    assert result["missing_days"] == [f"2026-11-{day:02}" for day in range(3, 31)]


def test_a_month_that_is_not_over_is_refused_as_such(landed, context, tmp_path):
    task = report()
    task.clock = FakeClock(NOVEMBER.replace(day=28, hour=13))
    with pytest.raises(AirflowFailException, match="the month is not over") as caught:
        execute(task, context, base_path=str(tmp_path), month="2026-11")
    assert isinstance(caught.value.__cause__, MissingReportsError)
    assert "that of 2026-11-30, is due at 2026-12-01 12:00 UTC" in str(caught.value)
    assert "30 of 30" not in str(caught.value)


def test_master_data_comes_from_the_storage(landed, context, tmp_path):
    (tmp_path / "master.csv").write_text("ean;cn8_code\n0000000000017;61091000\n")
    rendered = {"base_path": str(landed.root), "month": "2026-11", "master_data": f"file://{tmp_path}/master.csv"}
    # Who gives the merchant needs no connection, and asks zDirect for nothing.
    result = execute(report(), context, **rendered, merchant_id=landed.merchant_id, conn_id="missing")
    assert not landed.emulator.requests
    assert all(entry["without_master_data"] == entry["lines"] > 0 for entry in result["reports"])
