"""What the page in Airflow shows: the coverage of the deployment's base path, or what to do where it cannot be read."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from extraction import Extraction
from own_emulator import connection_to, own_emulator

from airflow_provider_zdirect.coverage.page import page_data
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.plugins.measured import KEPT, MeasuredCoverage, deployment_params
from airflow_provider_zdirect.windows import MAX_CLOCK_SKEW, Window

DATASET = "received_items"


@dataclass
class SetClock:
    """A clock that only moves when it is set."""

    at: datetime

    def now(self) -> datetime:
        return self.at

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nobody waits here")


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorServer]:
    with own_emulator(seed=7, rate_limits=False) as server:
        yield server


@pytest.fixture
def clock(emulator: EmulatorServer) -> SetClock:
    return SetClock(emulator.clock.now())


@pytest.fixture
def gap(clock: SetClock) -> Window:
    hour = clock.now().replace(minute=0, second=0, microsecond=0)
    return Window(hour - timedelta(hours=40), hour - timedelta(hours=38))


@pytest.fixture
def landed(emulator: EmulatorServer, tmp_path: Path, gap: Window) -> Extraction:
    """A base path where one merchant has a gap."""
    extraction = Extraction(emulator, tmp_path / "data")
    for window in (Window(gap.start - timedelta(hours=5), gap.start), Window(gap.end, gap.end + timedelta(hours=30))):
        extraction.run(DATASET, window)
    return extraction


@pytest.fixture
def params(
    emulator: EmulatorServer, landed: Extraction, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> dict[str, Any]:
    """What the deployment has set; the connection leads to the emulator."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("AIRFLOW_CONN_ZDIRECT_DEFAULT", json.dumps(connection_to(emulator)))
    monkeypatch.setenv("ZDIRECT_BASE_PATH", f"file://{landed.root}")
    monkeypatch.setenv("ZDIRECT_MERCHANT_IDS", landed.merchant_id)
    return deployment_params()


def latest(params: dict[str, Any], clock: SetClock) -> tuple[Any, str]:
    return asyncio.run(MeasuredCoverage(lambda: params, clock).latest())


def gaps(report: Any) -> list[tuple[str, str, str]]:
    return [(row["merchant_id"], gap["from"], gap["to"]) for row in report["rows"] for gap in row["gaps"]]


def test_the_deployments_place_is_measured(
    params: dict[str, Any], clock: SetClock, landed: Extraction, gap: Window
) -> None:
    report, notice = latest(params, clock)
    assert notice == ""
    assert report["base_path"] == f"file://{landed.root}"
    assert gaps(report) == [(landed.merchant_id, gap.start.isoformat(), gap.end.isoformat())]


def test_without_merchants_those_of_the_connection_are_shown(
    params: dict[str, Any], clock: SetClock, emulator: EmulatorServer
) -> None:
    report, notice = latest({**params, "merchant_ids": None}, clock)
    assert notice == ""
    assert [row["merchant_id"] for row in report["rows"]] == list(emulator.merchant_ids)


def test_other_merchants_with_data_are_named(
    params: dict[str, Any], clock: SetClock, landed: Extraction, emulator: EmulatorServer
) -> None:
    report, _ = latest({**params, "merchant_ids": emulator.merchant_ids[1]}, clock)
    assert report["others"] == [{"merchant_id": landed.merchant_id, "merchant": None}]
    assert f"not covered: {landed.merchant_id}." in page_data(report)["summary"]["details"][-1]


def test_where_zdirect_does_not_answer_those_with_data_are_shown(
    params: dict[str, Any],
    clock: SetClock,
    landed: Extraction,
    emulator: EmulatorServer,
    refused: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection = connection_to(emulator, host=refused)
    monkeypatch.setenv("AIRFLOW_CONN_ZDIRECT_DEFAULT", json.dumps(connection))
    monkeypatch.setattr("airflow_provider_zdirect.plugins.measured.PATIENCE", 1.0)
    report, notice = latest({**params, "merchant_ids": None}, clock)
    assert [row["merchant_id"] for row in report["rows"]] == [landed.merchant_id]
    assert notice.startswith("The list of merchants could not be read from zDirect (")
    assert connection["password"] not in notice


def test_an_api_server_without_the_connection_shows_those_with_data(
    params: dict[str, Any], clock: SetClock, landed: Extraction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_ZDIRECT_DEFAULT")
    report, notice = latest({**params, "merchant_ids": None}, clock)
    assert [row["merchant_id"] for row in report["rows"]] == [landed.merchant_id]
    assert "Connection 'zdirect_default' does not exist" in notice


def test_where_nothing_has_landed_the_reader_learns_what_the_api_server_needs(
    params: dict[str, Any], clock: SetClock, tmp_path: Path
) -> None:
    report, notice = latest({**params, "base_path": f"file://{tmp_path}/elsewhere"}, clock)
    assert report["rows"] == []
    assert "the API server needs the same ZDIRECT_BASE_PATH" in notice


@pytest.mark.parametrize(
    ("base_path", "why"),
    [("nothing://bucket/zdirect", "cannot be used"), ("relative/path", "is a relative path")],
)
def test_where_the_storage_cannot_be_reached_the_reader_learns_what_to_do(
    params: dict[str, Any], clock: SetClock, base_path: str, why: str
) -> None:
    report, notice = latest({**params, "base_path": base_path}, clock)
    assert report is None
    assert why in notice
    assert f"run the DAG zdirect_coverage, which writes the same page as a file: {base_path}/_reports/" in notice


def test_an_error_of_the_storage_itself_is_named_and_not_quoted(
    params: dict[str, Any], clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("key=a-secret")

    monkeypatch.setattr("airflow_provider_zdirect.plugins.measured.open_base_path", fail)
    report, notice = latest(params, clock)
    assert report is None
    assert "(RuntimeError; its log says more)" in notice
    assert "a-secret" not in notice


def test_an_environment_variable_that_cannot_be_used_is_named(clock: SetClock) -> None:
    def fail() -> dict[str, Any]:
        raise ZDirectConfigurationError("ZDIRECT_BASE_PATH cannot be used.", remedy="Unset it.")

    report, notice = asyncio.run(MeasuredCoverage(fail, clock).latest())
    assert report is None
    assert notice == "ZDIRECT_BASE_PATH cannot be used. What to do: Unset it."


@pytest.mark.parametrize("error", [PermissionError("read only"), RuntimeError("403, as Google's library says")])
def test_a_base_path_that_may_only_be_read_is_enough(
    params: dict[str, Any], clock: SetClock, monkeypatch: pytest.MonkeyPatch, gap: Window, error: Exception
) -> None:
    def refuse(*_: Any) -> None:
        raise error

    monkeypatch.setattr("airflow_provider_zdirect.storage.object_store.ObjectStore.write", refuse)
    report, notice = latest(params, clock)
    assert notice == ""
    assert [found[1] for found in gaps(report)] == [gap.start.isoformat()]


def test_a_report_is_kept_for_a_minute_unless_a_later_one_is_asked_for(
    params: dict[str, Any], clock: SetClock, landed: Extraction, gap: Window
) -> None:
    async def look() -> list[int]:
        coverage, counts, start = MeasuredCoverage(lambda: params, clock), [], clock.now()

        async def count(after: datetime | None = None) -> None:
            counts.append(len(gaps((await coverage.latest(after))[0])))

        await count()
        await landed.extract(DATASET, gap)
        clock.at = start + KEPT
        await count()
        await count(start - timedelta(seconds=1))
        await count(start)
        clock.at += timedelta(seconds=1)
        await count(clock.now())
        return counts

    assert asyncio.run(look()) == [1, 1, 1, 0, 0]


def test_a_report_after_a_moment_in_the_future_is_measured_only_if_clocks_may_differ_so_far(
    params: dict[str, Any], clock: SetClock
) -> None:
    async def look() -> list[bool]:
        coverage, start = MeasuredCoverage(lambda: params, clock), clock.now()
        first = await coverage.latest()
        clock.at += timedelta(seconds=1)
        later = [start + timedelta(days=1), clock.now() + MAX_CLOCK_SKEW]
        return [await coverage.latest(after) is first for after in later]

    assert asyncio.run(look()) == [True, False]


def test_those_who_look_at_the_same_time_wait_for_one_measurement(params: dict[str, Any], clock: SetClock) -> None:
    begun: list[int] = []

    def counted() -> dict[str, Any]:
        begun.append(1)
        return params

    async def look() -> list[Any]:
        coverage = MeasuredCoverage(counted, clock)
        return await asyncio.gather(*(coverage.latest() for _ in range(5)))

    assert len({id(report) for report, _ in asyncio.run(look())}) == 1
    assert len(begun) == 1
