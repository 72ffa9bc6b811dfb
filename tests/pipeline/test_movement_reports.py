"""Daily reports of movements between countries, from the emulator to files."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from extraction import Extraction
from hypothesis import given, settings
from hypothesis import strategies as st
from own_emulator import config_of

from airflow_provider_zdirect.client import FileRateLimiter, ZDirectClient
from airflow_provider_zdirect.datasets.table import DATASETS, get_dataset
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import (
    EmptyAnswerError,
    FilterIgnoredError,
    NotFoundError,
    RejectedRecordsError,
    ServerError,
    TooManyRecordsError,
    WindowError,
    ZDirectConfigurationError,
)
from airflow_provider_zdirect.pipeline.extract import extract
from airflow_provider_zdirect.pipeline.manifest import Manifest
from airflow_provider_zdirect.pipeline.plan import plan_requests
from airflow_provider_zdirect.pipeline.run import Run
from airflow_provider_zdirect.windows import Window

NOW = datetime(2026, 11, 22, 13, tzinfo=UTC)
WEEK = Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 8, tzinfo=UTC))
DAYS = [date(2026, 11, day) for day in range(1, 8)]
DAY = Window.of_day(DAYS[3])
ICM, CROSS_BORDER = "intra_community_movements", "cross_border_movements"
PAGINATED = "^/zfs/intra-community"
EMULATOR = {"seed": 11, "now": NOW, "icm_page_size": 5, "empty_reports": 0}
TOO_MANY = "There are too many movements in the database for the requested period of time. Try a shorter period."


def rows_of(runs: Extraction, dataset: str) -> Counter[str]:
    """Published rows as a multiset, with the fields of the API."""
    return multiset({name: row[name] for name in row if not name.startswith("_")} for row in runs.published(dataset))


def truth_of(runs: Extraction, dataset: str, window: Window) -> Counter[str]:
    return multiset(runs.emulator.truth(dataset, runs.merchant_id, window.start, window.end))


def multiset(rows: Iterable[dict[str, Any]]) -> Counter[str]:
    return Counter(json.dumps(_filled(row), sort_keys=True, default=str) for row in rows)


def _filled(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _filled(item) for name, item in value.items() if item is not None}
    return value


BOTH = pytest.mark.parametrize("dataset", [ICM, CROSS_BORDER])


@BOTH
def test_a_week_of_reports_arrives_row_for_row_a_file_per_date(runs: Extraction, dataset: str) -> None:
    result = runs.run(dataset, WEEK)
    truth = truth_of(runs, dataset, WEEK)
    assert rows_of(runs, dataset) == truth
    assert result.manifest.records == result.manifest.new_records == truth.total() > 50
    manifest = runs.manifest(result)
    assert manifest["days"] == {day.isoformat(): NOW.isoformat() for day in DAYS}
    none = ("late_records", "rejected", "repaired", "outside")
    assert {name: manifest[name] for name in none} == dict.fromkeys(none, 0)
    assert {row["report_date"] for row in runs.published(dataset)} == set(DAYS)
    assert [path.parent.name for path in runs.paths(dataset)] == [f"date={day}" for day in DAYS]


def test_rows_that_are_the_same_are_all_kept_and_have_the_date_of_their_group(runs: Extraction) -> None:
    runs.run(ICM, WEEK)
    rows = rows_of(runs, ICM)
    assert max(rows.values()) > 1
    assert min(json.loads(row)["quantity"] for row in rows) < 0, "corrections stay negative"
    assert {row["transaction_date"] - row["report_date"] for row in runs.published(ICM)} > {timedelta(0)}


@settings(max_examples=30)
@given(
    first=st.dates(date(2020, 1, 1), date(2030, 1, 1)),
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/Havana"]),
)
@BOTH
def test_adjacent_windows_ask_for_each_report_date_once(
    dataset: str, first: date, lengths: list[int], zone: str
) -> None:
    starts = [first + timedelta(days=sum(lengths[:n])) for n in range(len(lengths) + 1)]
    windows = [Window(Window.of_day(a, zone).start, Window.of_day(b, zone).start) for a, b in pairwise(starts)]
    asked = [request.parameters for window in windows for request in plan_requests(DATASETS[dataset], window, zone)]
    dates = [(first + timedelta(days=n)).isoformat() for n in range(sum(lengths))]
    assert asked == [{"from": day, "to": day} for day in dates]


@BOTH
def test_a_report_that_changed_replaces_its_day_as_a_whole_and_no_other(runs: Extraction, dataset: str) -> None:
    first = runs.run(dataset, WEEK)
    before = {path: path.read_bytes() for path in runs.paths(dataset)}
    runs.emulator.clock.advance(60)
    again = runs.run(dataset, DAY)
    assert {path: path.read_bytes() for path in runs.paths(dataset)} == before, "nothing changed"
    assert (first.changes["added"], again.changes["added"]) == (first.manifest.records, 0)
    assert (again.manifest.records > 0, again.manifest.new_records) == (True, 0)
    assert not runs.paths("_revisions")
    runs.emulator.set_options(volume=2)
    runs.emulator.clock.advance(60)
    changes = runs.manifest(runs.run(dataset, DAY))["changes"]
    assert [(change["date"], change["file"] is None) for change in changes] == [
        (str(DAYS[3]), True),
        (str(DAYS[3]), False),
    ]
    after = {path: path.read_bytes() for path in runs.paths(dataset)}
    (gone,), (new,) = before.keys() - after.keys(), after.keys() - before.keys()
    assert gone.parent == new.parent == runs.root / dataset / f"merchant_id={runs.merchant_id}" / f"date={DAYS[3]}"
    assert {path: before[path] for path in before if path != gone} == {p: after[p] for p in after if p != new}
    assert [path.read_bytes() for path in runs.paths("_revisions")] == [before[gone]]
    rows = [row for row in runs.published(dataset) if row["report_date"] == DAYS[3]]
    assert len(rows) == truth_of(runs, dataset, DAY).total()


def test_rows_of_another_shape_than_documented_keep_every_number(runs: Extraction) -> None:
    runs.emulator.set_options(drift=1)
    runs.run(ICM, WEEK)
    totals = Counter({(row["report_date"].isoformat(), row["ean"]): 0 for row in runs.published(ICM)})
    for row in runs.published(ICM):
        totals[row["report_date"].isoformat(), row["ean"]] += row["quantity"]
    expected: Counter[tuple[str, str]] = Counter()
    for row in runs.emulator.truth(ICM, runs.merchant_id, WEEK.start, WEEK.end):
        expected[row["report_date"], row["ean"]] += row["quantity"]
    assert dict(totals) == dict(expected)


@BOTH
def test_a_movement_that_cannot_be_counted_is_rejected_and_kept(runs: Extraction, dataset: str) -> None:
    runs.emulator.set_options(bad_records=0.2)
    bad = sum("_bad" in row for row in runs.emulator.truth(dataset, runs.merchant_id, WEEK.start, WEEK.end))
    with pytest.raises(RejectedRecordsError, match=f": {bad} invalid"):
        runs.run(dataset, WEEK)
    assert not runs.paths(dataset)
    assert runs.run(dataset, WEEK, max_rejected=bad).manifest.rejected == bad > 0
    assert len(runs.paths("_rejected")) == 1


# The deprecated single request


@pytest.mark.parametrize("list_key", ["reports", "items"])
@pytest.mark.parametrize("group_key", ["transaction_date", "report_date"])
def test_the_single_request_in_every_documented_shape(runs: Extraction, list_key: str, group_key: str) -> None:
    runs.emulator.set_options(icm_list_key=list_key, icm_group_key=group_key)
    result = runs.run(ICM, WEEK, variant="single_request")
    expected = runs.emulator.truth(ICM, runs.merchant_id, WEEK.start, WEEK.end)
    if group_key == "report_date":
        # The older copy of the docs: one date, and no merchant_sku.
        expected = [row | {"transaction_date": row["report_date"], "merchant_sku": None} for row in expected]
    assert rows_of(runs, ICM) == multiset(expected)
    assert result.manifest.requests == result.manifest.pages == len(DAYS)
    assert {request.path.split("/")[2] for request in runs.emulator.requests if "/zfs/" in request.path} == {
        "stock-movements"
    }


def test_a_day_with_too_many_movements_is_asked_once_and_comes_in_pages(runs: Extraction) -> None:
    counts = [truth_of(runs, ICM, Window.of_day(day)).total() for day in DAYS]
    most = sorted(counts)[3]
    runs.emulator.set_options(icm_max_movements=most)
    result = runs.run(ICM, WEEK, variant="single_request")
    assert rows_of(runs, ICM) == truth_of(runs, ICM, WEEK)
    single = [request for request in runs.emulator.requests if "stock-movements" in request.path]
    assert sorted(request.query for request in single) == [f"from={day}&to={day}" for day in DAYS]
    assert sum(request.status == 500 for request in single) == sum(count > most for count in counts) > 0
    assert result.manifest.pages == sum(1 if count <= most else -(-count // 5) for count in counts)


@pytest.mark.parametrize("page", [1, 2])
def test_a_retry_does_not_ask_for_what_was_too_much_before(runs: Extraction, page: int) -> None:
    runs.emulator.set_options(icm_max_movements=1)
    runs.fault(PAGINATED, {"status": 503}, nth=page)
    with pytest.raises(ServerError):
        runs.run(ICM, DAY, variant="single_request")
    runs.run(ICM, DAY, variant="single_request")
    assert rows_of(runs, ICM) == truth_of(runs, ICM, DAY)
    assert sum("stock-movements" in request.path for request in runs.emulator.requests) == 1


@BOTH
def test_a_retry_does_not_join_pages_of_two_versions_of_a_report(runs: Extraction, dataset: str) -> None:
    path = PAGINATED if dataset == ICM else "cross-border"
    if dataset == CROSS_BORDER:
        runs.emulator.set_options(volume=150)
    runs.fault(path, {"status": 503}, nth=2)
    with pytest.raises(ServerError):
        runs.run(dataset, DAY)
    runs.emulator.set_options(volume=160 if dataset == CROSS_BORDER else 2)
    runs.emulator.clock.advance(6 * 3600)
    runs.run(dataset, DAY)
    assert rows_of(runs, dataset) == truth_of(runs, dataset, DAY)


def test_a_day_that_was_complete_when_the_task_died_is_not_fetched_again(runs: Extraction) -> None:
    days = Window(DAY.start, DAY.end + timedelta(days=1))
    runs.fault(PAGINATED, {"status": 503, "delay": 1.0}, query={"from": "2026-11-05"})
    with pytest.raises(ServerError):
        runs.run(ICM, days)
    before = len(runs.requests(PAGINATED.removeprefix("^")))
    runs.run(ICM, days)
    assert {query["from"] for query in runs.requests(PAGINATED.removeprefix("^"))[before:]} == {"2026-11-05"}
    assert rows_of(runs, ICM) == truth_of(runs, ICM, days)


def test_where_nothing_smaller_can_be_asked_the_error_says_so_after_one_request(runs: Extraction) -> None:
    runs.fault("intra-community", {"status": 500, "body": {"title": TOO_MANY}}, times=None)
    with pytest.raises(TooManyRecordsError, match="Ask for a shorter period"):
        runs.run(ICM, DAY)
    assert sum("intra-community" in request.path for request in runs.emulator.requests) == 1


def test_a_period_with_too_many_records_is_halved_until_it_fits(
    runs: Extraction, caplog: pytest.LogCaptureFixture
) -> None:
    hour = Window(datetime(2026, 11, 20, 12, tzinfo=UTC), datetime(2026, 11, 20, 13, tzinfo=UTC))
    for start, end in (("12:00", "13:00"), ("12:00", "12:30")):
        match = {"path": "returned-items", "query": {"from": f"T{start}:00Z", "to": f"T{end}:00Z"}}
        runs.emulator.faults.add(
            {"match": match, "action": {"status": 500, "body": {"title": TOO_MANY}}, "times": None}
        )
    caplog.set_level("INFO")
    result = runs.run("returned_items", hour, overlap=timedelta(0))
    assert "returned_items 2026-11-20 12:00-12:30 UTC" in caplog.text
    assert runs.keys("returned_items") == runs.truth("returned_items", hour) != []
    sent = [request for request in runs.emulator.requests if "returned-items" in request.path]
    assert [request.status for request in sent] == [500, 500, 200, 200, 200]
    assert len({request.query for request in sent}) == len(sent)
    assert result.manifest.pages == 3


def test_two_minutes_are_halved_and_less_is_not() -> None:
    start = datetime(2026, 11, 20, 12, tzinfo=UTC)
    returned = get_dataset("returned_items")
    for seconds, halves in ((119, 0), (120, 2)):
        (request,) = plan_requests(returned, Window(start, start + timedelta(seconds=seconds)), "UTC")
        assert len(request.halves(returned)) == halves


def test_a_window_of_half_a_day_is_refused_before_anything_is_written(runs: Extraction) -> None:
    with pytest.raises(WindowError, match="not midnight"):
        runs.run(ICM, Window(DAY.start, DAY.start + timedelta(hours=12)))
    assert not list(runs.root.rglob("*"))


def test_a_half_whose_rows_are_gone_is_fetched_again(runs: Extraction) -> None:
    hour = Window(datetime(2026, 11, 20, 12, tzinfo=UTC), datetime(2026, 11, 20, 13, tzinfo=UTC))
    two_hours = Window(hour.start, hour.end + timedelta(hours=1))
    match = {"path": "returned-items", "query": {"from": "T12:00:00Z", "to": "T13:00:00Z"}}
    runs.emulator.faults.add({"match": match, "action": {"status": 500, "body": {"title": TOO_MANY}}, "times": None})
    match = {"path": "returned-items", "query": {"from": "T13:00:00Z"}}
    runs.emulator.faults.add({"match": match, "action": {"status": 503, "delay": 1.0}, "times": 1})
    with pytest.raises(ServerError):
        runs.run("returned_items", two_hours, overlap=timedelta(0))
    staged = [path for path in runs.paths("_staging") if path.suffix == ".parquet"]
    assert len(staged) == 2
    staged[0].unlink()
    runs.run("returned_items", two_hours, overlap=timedelta(0))
    assert runs.keys("returned_items") == runs.truth("returned_items", two_hours) != []


# Paths, filters and what an answer holds twice


def test_the_path_can_be_another_one(runs: Extraction) -> None:
    runs.emulator.set_options(icm_prefix="")
    with pytest.raises(NotFoundError):
        runs.run(ICM, DAY)
    runs.run(ICM, DAY, path="/intra-community-movements/{merchant_id}")
    assert rows_of(runs, ICM) == truth_of(runs, ICM, DAY)


@pytest.mark.parametrize(
    "path",
    [
        "intra-community-movements/{merchant_id}",
        "/intra-community-movements",
        "/x/{merchant_id}/{merchant_id}",
        "/x/{merchant_id}?from=2026-01-01",
        "https://example.com/{merchant_id}",
        "/../{merchant_id}",
        "/{dataset}/{merchant_id}",
    ],
)
def test_a_path_that_cannot_be_one_is_refused(path: str) -> None:
    with pytest.raises(ZDirectConfigurationError, match="is not a path"):
        get_dataset(ICM, path=path)


def test_with_the_single_request_the_other_path_is_the_one_that_pages(runs: Extraction) -> None:
    runs.emulator.set_options(icm_prefix="", icm_max_movements=1)
    runs.run(ICM, DAY, variant="single_request", path="/intra-community-movements/{merchant_id}")
    assert rows_of(runs, ICM) == truth_of(runs, ICM, DAY)


def test_an_answer_without_records_does_not_replace_published_ones_unless_allowed(runs: Extraction) -> None:
    runs.emulator.set_options(empty_reports=1)
    result = runs.run(ICM, DAY)
    assert (result.manifest.records, result.manifest.files) == (0, []), "a complete window without a file"
    assert list(runs.manifest(result)["days"]) == [DAYS[3].isoformat()]
    runs.emulator.set_options(empty_reports=0)
    runs.emulator.clock.advance(60)
    runs.run(ICM, WEEK)
    before = {path: path.read_bytes() for path in runs.paths(ICM)}
    runs.emulator.set_options(empty_reports=1)
    runs.emulator.clock.advance(60)
    with pytest.raises(EmptyAnswerError, match=r"2026-11-04, merchant .*: zDirect answered without any record, and 1"):
        runs.run(ICM, DAY)
    assert {path: path.read_bytes() for path in runs.paths(ICM)} == before
    runs.run(ICM, DAY, replace_with_empty=True)
    assert DAYS[3] not in {row["report_date"] for row in runs.published(ICM)}
    assert len(runs.paths("_revisions")) == 1


@BOTH
def test_an_answer_that_says_it_is_one_to_other_dates_is_refused(runs: Extraction, dataset: str) -> None:
    body = {"items": [], "next": "", "query": {"from": "2026-11-01", "to": "2026-11-30"}}
    path = PAGINATED if dataset == ICM else "cross-border"
    runs.fault(path, {"status": 200, "body": body}, times=None)
    with pytest.raises(FilterIgnoredError, match="asked for 2026-11-04, zDirect answered for 2026-11-01 to 2026-11-30"):
        runs.run(dataset, DAY)
    sandbox = Extraction(runs.emulator, runs.root / "sandbox", environment="sandbox")
    assert sandbox.run(dataset, DAY).manifest.records == 0


def test_an_answer_that_says_its_dates_as_times_is_taken(runs: Extraction) -> None:
    query = {"from": "2026-11-04T00:00:00Z", "to": "2026-11-04T23:59:59Z"}
    runs.fault(PAGINATED, {"status": 200, "body": {"items": [], "next": "", "query": query}})
    assert runs.run(ICM, DAY).manifest.records == 0


def test_a_manifest_names_the_changes_of_a_run_that_published_meanwhile(
    runs: Extraction, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.run(ICM, DAY)
    runs.emulator.set_options(volume=2)
    runs.emulator.clock.advance(60)
    write, between = Run.write, ["another run"]

    def after_another_run(self: Run, manifest: Manifest) -> None:
        if between:
            between.clear()
            runs.emulator.set_options(volume=3)
            runs.emulator.clock.advance(60)
            with ThreadPoolExecutor(1) as pool:
                pool.submit(runs.run, ICM, DAY, resume_key="another").result()
        write(self, manifest)

    monkeypatch.setattr(Run, "write", after_another_run)
    manifest = runs.manifest(runs.run(ICM, DAY))
    assert len(manifest["changes"]) == len(list(runs.paths("_changes"))) == 3


def test_a_summary_names_ten_files_and_counts_all(runs: Extraction) -> None:
    eleven = Window(WEEK.start, WEEK.end + timedelta(days=4))
    summary = runs.run(ICM, eleven).as_dict()
    assert (len(summary["files"]), summary["file_count"]) == (10, 11)


def test_movements_from_after_their_report_are_refused(runs: Extraction) -> None:
    (row, *_) = runs.emulator.truth(ICM, runs.merchant_id, DAY.start, DAY.end)
    del row["transaction_date"]
    for days, refused in ((1, False), (2, True)):
        group = {"transaction_date": (DAYS[3] + timedelta(days=days)).isoformat(), "movements": [row]}
        runs.fault(PAGINATED, {"status": 200, "body": {"items": [group]}})
        if refused:
            with pytest.raises(FilterIgnoredError, match="1 of 1 record lie outside the requested 2026-11-04"):
                runs.run(ICM, DAY)
        else:
            assert runs.run(ICM, DAY).manifest.records == 1


def test_a_movement_that_an_answer_holds_twice_is_published_once(runs: Extraction) -> None:
    runs.fault("cross-border", {"duplicate": 3}, times=None)
    result = runs.run(CROSS_BORDER, WEEK)
    assert rows_of(runs, CROSS_BORDER) == truth_of(runs, CROSS_BORDER, WEEK)
    assert result.manifest.records == result.manifest.new_records == truth_of(runs, CROSS_BORDER, WEEK).total()
    runs.emulator.clock.advance(60)
    assert runs.run(CROSS_BORDER, WEEK).manifest.new_records == 0


def test_a_report_with_rows_of_another_date_is_refused(runs: Extraction) -> None:
    (row, *_) = runs.emulator.truth(CROSS_BORDER, runs.merchant_id, DAY.start - timedelta(days=1), DAY.start)
    body = {"merchant_id": runs.merchant_id, "items": [row]}
    runs.fault("cross-border", {"status": 200, "body": body})
    with pytest.raises(FilterIgnoredError, match="1 of 1 record lie outside the requested 2026-11-04"):
        runs.run(CROSS_BORDER, DAY)
    assert not runs.paths(CROSS_BORDER)


def test_reports_are_fetched_at_most_ten_times_a_second(tmp_path: Path) -> None:
    with EmulatorServer(seed=11, now=NOW) as emulator:
        runs = Extraction(emulator, tmp_path)
        window = Window(NOW.replace(hour=0) - timedelta(days=14), NOW.replace(hour=0))

        async def both() -> None:
            # Six a second, so that a process that is held up for half a second does not send eleven in one.
            config = config_of(emulator, rate_share=0.6)
            async with ZDirectClient(config, limiter=FileRateLimiter(tmp_path / "rates")) as client:
                await asyncio.gather(
                    *(extract(runs.job(dataset, window), client, clock=runs.clock()) for dataset in (ICM, CROSS_BORDER))
                )

        asyncio.run(both())
        for path in ("intra-community", "cross-border"):
            times = [request.elapsed for request in emulator.requests if path in request.path]
            assert len(times) == 14
            assert all(late - early > 1 for early, late in zip(times, times[10:], strict=False))
            assert not [request for request in emulator.requests if request.status == 429]
