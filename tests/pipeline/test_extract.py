"""What one extraction does with what it gets: contents, drift, invalid records, retention, bad input."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from clocks import FakeClock
from extraction import Extraction, hourly, whole
from fsspec.implementations.local import LocalFileSystem

from airflow_provider_zdirect.exceptions import (
    FilterIgnoredError,
    MalformedResponseError,
    RejectedRecordsError,
    RetentionError,
    WindowError,
    ZDirectConfigurationError,
)
from airflow_provider_zdirect.pipeline.extract import extract
from airflow_provider_zdirect.windows import Window

PIPELINE = ("airflow_provider_zdirect.pipeline.extract", "airflow_provider_zdirect.pipeline.progress")
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
HOUR = hourly(NOON, 1)[0]
DAY = Window.of_day(date(2026, 11, 20))
EMULATOR = {"seed": 11, "now": NOW}


def without_lineage(row: dict[str, Any]) -> dict[str, Any]:
    """The row as the API would write it: fields that are null are left out."""
    return {name: _plain(value) for name, value in row.items() if not name.startswith("_") and value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items() if item not in (None, "")}
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, date):
        return value.isoformat()
    return value


def as_row(record: dict[str, Any], times: tuple[str, ...]) -> dict[str, Any]:
    row = {name: _plain(value) for name, value in record.items() if value not in (None, "")}
    return row | {name: datetime.fromisoformat(row[name]).astimezone(UTC) for name in times if name in row}


@pytest.mark.parametrize(
    ("dataset", "times"),
    [("received_items", ("received_timestamp",)), ("returned_items", ("consumed_timestamp", "shipped_timestamp"))],
)
def test_every_field_of_every_record_arrives(runs: Extraction, dataset: str, times: tuple[str, ...]) -> None:
    runs.run(dataset, DAY)
    truth = runs.emulator.truth(dataset, runs.merchant_id, DAY.start, DAY.end)
    expected = {record["quality_label"]: as_row(record, times) for record in truth}
    found = {row["quality_label"]: without_lineage(row) for row in runs.published(dataset)}
    assert len(expected) > 200
    assert found == expected


@pytest.mark.parametrize("shape", ["spec", "seed"])
def test_both_answer_keys_of_liquidation_are_read_and_money_is_decimal_and_dates_are_dates(
    runs: Extraction, shape: str
) -> None:
    runs.emulator.set_options(liquidated_shape=shape)
    runs.run("liquidated_items", DAY)
    truth = runs.emulator.truth("liquidated_items", runs.merchant_id, DAY.start, DAY.end)
    rows = runs.published("liquidated_items")
    assert sorted(row["total_price"] for row in rows) == sorted(Decimal(str(record["total_price"])) for record in truth)
    assert {row["liquidation_date"] for row in rows} == {date(2026, 11, 20)}
    assert sorted(row["quantity"] for row in rows) == sorted(int(record["quantity"]) for record in truth)


def test_rows_say_where_they_come_from(runs: Extraction) -> None:
    runs.run("received_items", HOUR)
    row = runs.published("received_items")[0]
    assert (row["_merchant_id"], row["_environment"]) == (runs.merchant_id, "production")
    assert (row["_window_from"], row["_window_to"]) == (HOUR.start, HOUR.end)
    assert row["_extracted_at"] == NOW
    assert row["_unknown_fields"] is None


def test_drift_changes_nothing_but_unknown_fields(runs: Extraction) -> None:
    runs.emulator.set_options(drift=0.5)
    result = runs.run("returned_items", DAY)
    assert result.manifest.rejected == 0
    assert runs.keys("returned_items") == runs.truth("returned_items", DAY)
    truth = runs.emulator.truth("returned_items", runs.merchant_id, DAY.start, DAY.end)
    eans = {record["quality_label"]: record["ean"] for record in truth}
    rows = runs.published("returned_items")
    assert all(row["ean"] in (eans[row["quality_label"]], None) for row in rows), "leading zeros are back"
    assert any(json.loads(row["_unknown_fields"]) for row in rows if row["_unknown_fields"])


def test_a_lost_leading_zero_is_back(runs: Extraction) -> None:
    runs.emulator.set_options(drift=1.0)
    runs.run("received_items", DAY)
    sent = runs.emulator.truth("received_items", runs.merchant_id, DAY.start, DAY.end, as_sent=True)
    numbers = {
        record["quality_label"]: record["ean"]
        for record in sent
        if isinstance(record.get("ean"), int) and record["ean"] < 10**12
    }
    assert numbers, "the emulator sent no EAN that had lost its zero"
    found = {row["quality_label"]: row["ean"] for row in runs.published("received_items")}
    assert {label: found[label] for label in numbers} == {label: f"{ean:013d}" for label, ean in numbers.items()}


@pytest.mark.parametrize("end", ["absent", "empty", "null"])
def test_every_form_of_a_last_page_ends_the_paging(runs: Extraction, end: str) -> None:
    runs.emulator.set_options(last_page_next=end)
    assert runs.run("received_items", HOUR).manifest.pages == 1
    assert runs.keys("received_items") == runs.truth("received_items", HOUR)


def test_a_server_that_includes_the_end_does_no_harm(runs: Extraction) -> None:
    runs.emulator.set_options(to_inclusive=True)
    hours = hourly(NOON, 3)
    for window in hours:
        runs.run("returned_items", window)
    assert runs.keys("returned_items") == runs.truth("returned_items", whole(hours))


# Invalid records


def test_invalid_records_fail_the_run_and_are_kept_with_the_reason(runs: Extraction) -> None:
    runs.emulator.set_options(bad_records=0.2)
    with pytest.raises(RejectedRecordsError) as failed:
        runs.run("received_items", DAY)
    truth = runs.emulator.truth("received_items", runs.merchant_id, DAY.start, DAY.end)
    bad = [record for record in truth if "_bad" in record]
    (path,) = runs.paths("_rejected")
    assert path.as_posix() in str(failed.value).replace("file://", "")
    assert "max_rejected" in str(failed.value)
    lines = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    assert len(lines) >= len(bad) > 10
    assert all(line["reason"] and isinstance(line["record"], dict) for line in lines)
    assert not any(runs.paths(kind) for kind in ("received_items", "_manifests", "_staging"))
    runs.emulator.set_options(bad_records=0.0)
    runs.run("received_items", DAY)
    assert not runs.paths("_rejected"), "a run without invalid records takes the old ones away"
    assert runs.keys("received_items") == runs.truth("received_items", DAY)


def test_invalid_records_below_the_threshold_are_counted_everywhere(runs: Extraction) -> None:
    runs.emulator.set_options(bad_records=0.2)
    result = runs.run("returned_items", DAY, max_rejected=1000, overlap=timedelta(0))
    truth = runs.emulator.truth("returned_items", runs.merchant_id, DAY.start, DAY.end)
    good = sorted(record["quality_label"] for record in truth if "_bad" not in record)
    assert sorted(row["quality_label"] for row in runs.published("returned_items")) == good
    assert result.manifest.rejected == len(truth) - len(good) == runs.manifest(result)["rejected"]
    assert result.as_dict()["rejected_uri"] == f"file://{runs.paths('_rejected')[0]}"


def answer(runs: Extraction, path: str, body: Any) -> None:
    runs.fault(path, {"status": 200, "body": body}, times=None)


@pytest.fixture
def far(runs: Extraction) -> list[dict[str, Any]]:
    """Records from days before, with which every request is answered."""
    rows = runs.emulator.truth("returned_items", runs.merchant_id, NOON - timedelta(days=3), NOON - timedelta(days=2))
    answer(runs, "returned-items", {"returned_items": rows})
    return rows


def test_a_server_that_drops_the_time_filter_is_noticed(runs: Extraction, far: list[dict[str, Any]]) -> None:
    with pytest.raises(FilterIgnoredError, match="did not apply the time filter"):
        runs.run("returned_items", HOUR)
    assert not runs.paths("returned_items")


def test_the_sandbox_may_answer_with_samples_from_another_time(runs: Extraction, far: list[dict[str, Any]]) -> None:
    runs.environment = "sandbox"
    result = runs.run("returned_items", HOUR)
    assert runs.manifest(result)["outside"] == 2 * len(far), "two requests, the overlap's and the window's"
    assert {row["_environment"] for row in runs.published("returned_items")} == {"sandbox"}


@pytest.mark.parametrize("body", [{"something": []}, {"returned_items": {}}, [], "text"])
def test_an_answer_of_another_shape_is_an_error_and_not_an_empty_window(runs: Extraction, body: Any) -> None:
    answer(runs, "returned-items", body)
    with pytest.raises(MalformedResponseError):
        runs.run("returned_items", HOUR)
    assert not runs.paths("_manifests")


@pytest.mark.parametrize("body", [{}, {"received_items": None}, {"received_items": []}, {"next": ""}])
def test_an_empty_answer_is_an_empty_window(runs: Extraction, body: Any) -> None:
    answer(runs, "received-items", body)
    result = runs.run("received_items", HOUR)
    assert (result.manifest.records, result.manifest.files) == (0, [])
    assert runs.manifest(result)["records"] == 0


# The manifest


def test_the_manifest_is_true(runs: Extraction) -> None:
    result = runs.run("received_items", HOUR)
    manifest = runs.manifest(result)
    truth = runs.truth("received_items", HOUR)
    assert manifest["records"] == len(truth) == sum(file["rows"] for file in manifest["files"])
    assert manifest["window"] == {"from": "2026-11-20T12:00:00+00:00", "to": "2026-11-20T13:00:00+00:00"}
    assert (manifest["first"], manifest["last"]) == tuple(
        moment.isoformat() for moment in (min(time for _, time in truth), max(time for _, time in truth))
    )
    assert (manifest["pages"], manifest["requests"]) == (1, 1)
    assert manifest["bytes"] > 0
    assert {path.suffix for path in runs.paths("received_items")} == {".parquet"}
    assert {path.name for path in runs.root.iterdir() if not path.name.startswith("_")} == {"received_items"}
    for file in manifest["files"]:
        data = (runs.root / file["path"]).read_bytes()
        assert (file["bytes"], file["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())


# Dates: a day is replaced as a whole


def test_days_of_liquidation_tile_and_ask_for_one_date_each(runs: Extraction) -> None:
    days = Window(DAY.start - timedelta(days=4), DAY.end)
    runs.run("liquidated_items", days)
    asked = runs.requests("liquidated-items")
    assert sorted(query["from"] for query in asked) == [f"2026-11-{day}" for day in range(16, 21)]
    assert all(query["from"] == query["to"] for query in asked)
    truth = runs.emulator.truth("liquidated_items", runs.merchant_id, days.start, days.end)
    assert len(runs.published("liquidated_items")) == len(truth)


def test_samples_of_the_sandbox_that_are_of_other_purchase_orders_replace_each_other(runs: Extraction) -> None:
    runs.emulator.set_options(late_share=1.0, purchase_order_parameter="purchase_order_number")
    sandbox = Extraction(runs.emulator, runs.root, environment="sandbox")
    counts = []
    for hours in (1, 50):
        runs.emulator.clock.set(DAY.end + timedelta(hours=hours))
        sandbox.run("liquidated_items", DAY, filters={"purchase_order_number": "PO1"})
        counts.append(len(runs.published("liquidated_items")))
    assert counts[0] < counts[1]


@pytest.mark.parametrize(("day", "length"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)])
def test_local_days_of_23_and_25_hours_are_one_date_each(runs: Extraction, day: date, length: int) -> None:
    runs.emulator.clock.set(datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=3))
    window = Window.of_day(day, "Europe/Berlin")
    assert window.duration == timedelta(hours=length)
    runs.run("liquidated_items", window, timezone="Europe/Berlin")
    (asked,) = runs.requests("liquidated-items")
    assert asked["from"] == asked["to"] == day.isoformat()


# Retention and bad input


def test_a_window_past_retention_is_refused_before_any_request(runs: Extraction) -> None:
    with pytest.raises(RetentionError, match="earliest data that zDirect keeps"):
        runs.run("returned_items", Window(NOW - timedelta(days=102), NOW - timedelta(days=101)))
    assert not runs.emulator.requests
    assert not list(runs.root.iterdir())


def test_a_window_partly_past_retention_needs_leave_to_be_clipped(runs: Extraction) -> None:
    window = Window(NOW - timedelta(days=100, hours=2), NOW - timedelta(days=99, hours=20))
    with pytest.raises(RetentionError, match="clip_to_retention"):
        runs.run("returned_items", window)
    result = runs.run("returned_items", window, clip_to_retention=True)
    manifest = runs.manifest(result)
    edge = manifest["clipped"]["to"]
    assert manifest["clipped"]["from"] == window.start.isoformat()
    left = Window(datetime.fromisoformat(edge), window.end)
    assert runs.keys("returned_items") == runs.truth("returned_items", left) != []


def test_the_date_of_a_hundred_days_ago_is_the_last_one_that_can_be_asked_for(runs: Extraction) -> None:
    edge = Window.of_day((NOW - timedelta(days=100)).date())
    before = Window.of_day((NOW - timedelta(days=101)).date())
    assert edge.start < NOW - timedelta(days=100) < edge.end
    runs.run("liquidated_items", edge)
    with pytest.raises(RetentionError):
        runs.run("liquidated_items", before)
    manifest = runs.manifest(runs.run("liquidated_items", Window(before.start, edge.end), clip_to_retention=True))
    assert manifest["clipped"] == {"from": before.start.isoformat(), "to": before.end.isoformat()}
    assert list(manifest["days"]) == [edge.start.date().isoformat()]
    asked = {query["from"] for query in runs.requests("liquidated-items")}
    assert asked == {edge.start.date().isoformat()}


def test_received_items_reach_back_to_the_first_of_january_of_last_year(runs: Extraction) -> None:
    start = datetime(2025, 1, 1, tzinfo=UTC)
    first_hour = Window(start, start + timedelta(hours=5))
    runs.run("received_items", first_hour)
    assert runs.keys("received_items") == runs.truth("received_items", first_hour) != []
    with pytest.raises(RetentionError):
        runs.run("received_items", Window(start - timedelta(hours=1), start + timedelta(hours=1)))


def test_a_window_in_the_future_is_refused_before_any_request(runs: Extraction) -> None:
    with pytest.raises(WindowError, match="ends in the future"):
        runs.run("received_items", Window(NOW - timedelta(hours=1), NOW + timedelta(hours=1)))
    assert not runs.emulator.requests


def test_hours_are_refused_for_a_dataset_of_dates(runs: Extraction) -> None:
    with pytest.raises(WindowError, match="whole days"):
        runs.run("liquidated_items", HOUR)
    assert not runs.emulator.requests


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("format", "csv"),
        ("overlap", timedelta(minutes=-1)),
        ("max_rejected", -1),
        ("timezone", "Mars/Olympus"),
        ("merchant_id", "not-a-uuid"),
        ("merchant_id", "../../auth/me"),
    ],
)
def test_bad_options_name_themselves(runs: Extraction, option: str, value: object) -> None:
    with pytest.raises(ZDirectConfigurationError, match=option):
        runs.run("received_items", HOUR, **{option: value})
    assert not runs.emulator.requests


def test_a_base_path_that_cannot_be_written_is_an_error_before_any_request(runs: Extraction) -> None:
    blocked = runs.root / "a-file"
    blocked.write_text("in the way")
    runs.root = blocked
    with pytest.raises(ZDirectConfigurationError, match="base_path"):
        runs.run("received_items", HOUR)
    assert not runs.emulator.requests


def test_a_storage_that_refuses_to_delete_is_named_before_the_first_request(
    runs: Extraction, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(fs: LocalFileSystem, path: str) -> None:
        raise PermissionError(f"AccessDenied: {path}")

    monkeypatch.setattr(LocalFileSystem, "rm_file", refuse)
    with pytest.raises(ZDirectConfigurationError, match=r"base_path=.*AccessDenied.*delete from it"):
        runs.run("received_items", HOUR)
    assert not runs.emulator.requests
    assert not runs.paths("received_items")


def test_progress_is_logged(runs: Extraction, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="airflow_provider_zdirect")
    runs.run("returned_items", Window(NOON, NOON + timedelta(hours=5)))
    said = caplog.text
    assert "6 requests planned" in said
    window = Window(NOON, NOON + timedelta(hours=5))
    what = "returned_items 2026-11-20 12:00-17:00 UTC, merchant"
    first, last = (record.getMessage() for record in caplog.records if record.name in PIPELINE)
    assert first == f"{what} {runs.merchant_id}: 6 requests planned."
    count, uri = len(runs.truth("returned_items", window)), f"file://{runs.root}/returned_items"
    assert last.startswith(f"{what} {runs.merchant_id[:8]}: {count} new of {count}, 0 rejected; ")
    assert last.endswith(f" requests -> {uri}/merchant_id={runs.merchant_id}")
    caplog.clear()
    runs.run("returned_items", Window(NOON, NOON + timedelta(hours=6)), resume_key="another")
    last = [record.getMessage() for record in caplog.records if record.name in PIPELINE][-1]
    more = len(runs.truth("returned_items", Window(NOON, NOON + timedelta(hours=6))))
    assert f": {more - count} new of {more} ({count} were there already), 0 rejected; " in last
    assert "demo-secret" not in said


def test_a_page_that_comes_slowly_is_logged(runs: Extraction, caplog: pytest.LogCaptureFixture) -> None:
    class Slow(FakeClock):
        def now(self) -> datetime:
            self.advance(20)
            return super().now()

    async def fetch() -> None:
        async with runs.client() as client:
            await extract(runs.job("returned_items", HOUR), client, clock=Slow(runs.emulator.clock.now()))

    caplog.set_level("INFO", logger="airflow_provider_zdirect.pipeline.progress")
    asyncio.run(fetch())
    what = f"returned_items 2026-11-20 12:00-13:00 UTC, merchant {runs.merchant_id[:8]}"
    assert re.search(
        rf"{what}: 0 of 2 requests done, 0 pages, 0 records in 0:.*; 0\.\d MB since the last page", caplog.text
    )
