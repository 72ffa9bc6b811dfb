"""Stock of Zalando's warehouses: against the emulator, over HTTP."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from emulated_time import EmulatedTime
from state_extraction import StateExtraction, instant, state_of

from airflow_provider_zdirect.client import MemoryRateLimiter, ZDirectClient
from airflow_provider_zdirect.emulator.catalog import articles
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import (
    BadRequestError,
    EmptyAnswerError,
    FilterIgnoredError,
    RateLimitedError,
    RejectedRecordsError,
    RetentionError,
    ServerError,
    WindowError,
    ZDirectConfigurationError,
    ZDirectDataError,
)
from airflow_provider_zdirect.pipeline import fetch
from airflow_provider_zdirect.pipeline.extract import extract
from airflow_provider_zdirect.publish import snapshot as publishing
from airflow_provider_zdirect.publish.files import PublishedFile
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.windows import Window

NOW = datetime(2026, 11, 20, 12, 34, 56, 789, tzinfo=UTC)
EMULATOR = {"seed": 7, "now": NOW}
CREATED = datetime(2026, 11, 19, 22, tzinfo=UTC)
SNAPSHOTS, QUANTITIES = "item_quantity_snapshots", "item_quantities"
HOUR = timedelta(hours=1)


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[StateExtraction]:
    with EmulatorServer(seed=7, now=NOW, rate_limits=False, environment="sandbox") as emulator:
        yield StateExtraction(emulator, tmp_path, environment="sandbox")


def by_place(rows: list[dict[str, Any]]) -> dict[tuple[str, str], tuple[int, int]]:
    found = {
        (row["ean"], row["stock_location_id"]): (
            row["quantities_by_state"]["offerable"],
            row["quantities_by_state"]["non_offerable"],
        )
        for row in rows
        if row["stock_location_id"] is not None
    }
    assert len(found) == sum(row["stock_location_id"] is not None for row in rows)
    return found


@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_a_snapshot_is_published_under_the_time_it_is_of_and_is_the_stock_of_then(
    runs: StateExtraction, format: str
) -> None:
    for merchant in runs.emulator.merchant_ids:
        result = runs.observe(SNAPSHOTS, merchant_id=merchant, format=format)
        rows = [row for row in runs.published(SNAPSHOTS) if row["_merchant_id"] == merchant]
        assert by_place(rows) == runs.emulator.quantities(merchant, CREATED)
        assert {instant(row["created"]) for row in rows} == {CREATED}
        manifest = runs.manifest(result)
        assert manifest["window"] == {"from": "2026-11-19T22:00:00+00:00", "to": "2026-11-19T22:00:00.000001+00:00"}
        assert (manifest["records"], manifest["requests"], manifest["rejected"]) == (len(rows), 1, 0)
        assert (manifest["state"]["stock"], manifest["state"]["stored"]) == ("some", True)
        assert state_of(result).snapshot_time == CREATED
        (file,) = result.as_dict()["files"]
        folder = f"{SNAPSHOTS}/merchant_id={merchant}/date=2026-11-19/20261119T220000Z_20261119T220000.000001Z-"
        assert file.startswith(f"file://{runs.root}/{folder}")
        assert file.endswith(manifest["files"][0]["path"])
        totals: dict[str, int] = {}
        for row in rows:
            totals[row["ean"]] = totals.get(row["ean"], 0) + sum(row["quantities_by_state"].values())
        assert all(totals[row["ean"]] == row["total_quantity"] for row in rows)


@pytest.mark.parametrize("again", ["parquet", "jsonl"])
def test_the_same_snapshot_fetched_twice_is_stored_once(runs: StateExtraction, again: str) -> None:
    first = runs.observe(SNAPSHOTS)
    before = {path: path.stat().st_mtime_ns for path in [*runs.paths(SNAPSHOTS), *runs.paths("_manifests")]}
    runs.emulator.clock.advance(3600)
    second = runs.observe(SNAPSHOTS, format=again)
    assert (state_of(second).stored, second.manifest.files) == (False, first.manifest.files)
    assert {path: path.stat().st_mtime_ns for path in [*runs.paths(SNAPSHOTS), *runs.paths("_manifests")]} == before


def test_days_of_snapshots_fetched_every_ten_hours(runs: StateExtraction) -> None:
    for _ in range(6):
        runs.observe(SNAPSHOTS)
        runs.emulator.clock.advance(10 * 3600)
    for at in (CREATED + timedelta(days=n) for n in range(3)):
        rows = [row for row in runs.published(SNAPSHOTS) if instant(row["created"]) == at]
        assert by_place(rows) == runs.emulator.quantities(runs.merchant_id, at)
    assert len(runs.paths(SNAPSHOTS)) == 3


def test_the_same_snapshot_fetched_at_once_is_stored_once(runs: StateExtraction) -> None:
    formats = ["parquet", "jsonl", "parquet", "jsonl", "parquet"]
    with ThreadPoolExecutor(max_workers=5) as pool:
        list(pool.map(lambda format: runs.observe(SNAPSHOTS, format=format), formats))
    assert by_place(runs.published(SNAPSHOTS)) == runs.emulator.quantities(runs.merchant_id, CREATED)
    assert len(runs.paths(SNAPSHOTS)) == 1
    assert len(runs.paths("_manifests")) == 1


def test_a_published_snapshot_that_zdirect_contradicts_stays_and_is_reported(
    runs: StateExtraction, caplog: pytest.LogCaptureFixture
) -> None:
    runs.observe(SNAPSHOTS)
    before = by_place(runs.published(SNAPSHOTS))
    runs.observe(SNAPSHOTS)
    assert "now answers otherwise" not in caplog.text
    runs.emulator.set_options(inventory="zero")
    with caplog.at_level(logging.WARNING):
        result = runs.observe(SNAPSHOTS)
    assert by_place(runs.published(SNAPSHOTS)) == before
    assert (state_of(result).stored, result.changes["removed"]) == (False, len(before))
    assert "now answers otherwise" in caplog.text


def test_no_stock_at_all_is_a_snapshot_of_no_rows(runs: StateExtraction) -> None:
    runs.emulator.set_options(inventory="zero")
    result = runs.observe(SNAPSHOTS)
    assert (state_of(result).stored, result.manifest.records, state_of(result).empty_answer) == (True, 0, False)
    assert [path.suffix for path in runs.paths(SNAPSHOTS)] == [".parquet"]
    assert runs.published(SNAPSHOTS) == []
    assert json.loads(runs.paths("_manifests")[0].read_text())["state"]["stock"] == "none"
    assert not state_of(runs.observe(SNAPSHOTS)).stored


@pytest.mark.parametrize("kind", ["empty", "missing"])
def test_in_production_an_answer_without_records_and_time_is_refused_and_not_taken_for_no_stock(
    runs: StateExtraction, kind: str
) -> None:
    runs.emulator.set_options(inventory=kind)
    with pytest.raises(EmptyAnswerError, match="not even one of no stock") as caught:
        runs.observe(SNAPSHOTS)
    assert "sandbox" in str(caught.value.remedy)
    assert not runs.paths(SNAPSHOTS)
    assert not runs.paths("_manifests")


@pytest.mark.parametrize("dataset", [SNAPSHOTS, QUANTITIES])
def test_the_empty_answer_of_the_sandbox_says_nothing_and_publishes_nothing(
    sandbox: StateExtraction, dataset: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        result = sandbox.observe(dataset, **({"since": NOW - HOUR} if dataset == QUANTITIES else {}))
    assert not sandbox.paths(dataset)
    manifest = sandbox.manifest(result)
    assert (manifest["records"], manifest["new_records"], manifest["files"]) == (0, 0, [])
    assert (manifest["state"]["stored"], manifest["state"]["empty_answer"]) == (False, True)
    assert manifest["state"]["stock"] == ("unknown" if dataset == SNAPSHOTS else None)
    assert "In the sandbox this does not mean that there are none" in caplog.text


def answer(runs: StateExtraction, body: str, times: int | None = 1) -> None:
    runs.emulator.faults.set(
        [{"match": {"path": "item-quantit"}, "action": {"status": 200, "body": body}, "times": times}]
    )


def snapshot_of(*items: dict[str, Any]) -> str:
    return json.dumps({"item_quantity_snapshot": {"item_quantities": items}, "created": CREATED.isoformat()})


def at_location(offerable: int) -> dict[str, Any]:
    place = {"stock_location_id": "w1", "quantities_by_state": {"offerable": offerable}}
    return {"ean": "0001234567890", "quantities_by_location": [place]}


def test_what_one_answer_contradicts_is_rejected_not_guessed(runs: StateExtraction) -> None:
    same = [{"ean": "0001234567891"}, {"ean": "0001234567891", "name": None}]
    answer(runs, snapshot_of(at_location(5), *same, at_location(6)), times=2)
    with pytest.raises(RejectedRecordsError, match=r"nothing was published.*same identity with other content"):
        runs.observe(SNAPSHOTS)
    assert (runs.paths(SNAPSHOTS), len(runs.paths("_rejected"))) == ([], 1)
    result = runs.observe(SNAPSHOTS, max_rejected=2)
    assert (result.manifest.records, result.manifest.rejected) == (1, 2)
    assert [row["ean"] for row in runs.published(SNAPSHOTS)] == ["0001234567891"]


def test_what_is_unknown_of_an_ean_or_of_a_place_is_kept(runs: StateExtraction) -> None:
    item = {**at_location(5), "merchant_sku": "ABC", "quantities_by_state": {"offerable": 5, "damaged": 1}}
    item["quantities_by_location"][0]["zone"] = "Z"
    answer(runs, snapshot_of(item, {"ean": "0001234567891", "merchant_sku": "DEF"}))
    runs.observe(SNAPSHOTS)
    unknown = {row["ean"]: json.loads(row["_unknown_fields"]) for row in runs.published(SNAPSHOTS)}
    assert unknown == {
        "0001234567890": {"merchant_sku": "ABC", "zone": "Z", "total_quantities_by_state": {"damaged": 1}},
        "0001234567891": {"merchant_sku": "DEF"},
    }


def test_the_query_of_the_docs_finds_eans_without_locations(
    runs: StateExtraction, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = {"ean": "0001234567891", "quantities_by_state": {"offerable": 797}}
    answer(runs, snapshot_of(at_location(5), alone))
    runs.observe(SNAPSHOTS)
    docs = Path(__file__).parents[2] / "docs" / "inventory.md"
    query = re.findall(r'duckdb -c "(.*)"', docs.read_text())[0]
    monkeypatch.chdir(runs.root)
    found = duckdb.sql(query.replace("'zdirect/", "'")).fetchall()
    assert sorted(found) == [("0001234567890", 5), ("0001234567891", 797)]


def test_an_empty_snapshot_is_replaced_by_a_later_answer_of_the_same_time(runs: StateExtraction) -> None:
    answer(runs, snapshot_of())
    empty = runs.observe(SNAPSHOTS)
    assert (state_of(empty).stored, empty.manifest.records) == (True, 0)
    runs.emulator.clock.advance(60)
    result = runs.observe(SNAPSHOTS)
    assert state_of(result).stored
    assert by_place(runs.published(SNAPSHOTS)) == runs.emulator.quantities(runs.merchant_id, CREATED)
    assert [path.name for path in runs.paths("_revisions")] == [Path(empty.manifest.files[0].path).name]
    assert len(runs.paths(SNAPSHOTS)) == 1
    manifest = runs.manifest(result)
    assert (manifest["state"]["stock"], manifest["records"]) == ("some", result.manifest.records)
    runs.emulator.clock.advance(60)
    answer(runs, snapshot_of())
    assert not state_of(runs.observe(SNAPSHOTS)).stored, "not the other way round"
    assert len(runs.published(SNAPSHOTS)) == result.manifest.records


WITHOUT_TIME = json.dumps({"item_quantity_snapshot": {"item_quantities": [{"ean": "0001234567890"}]}})


@pytest.mark.parametrize(
    ("body", "error", "said"),
    [
        (WITHOUT_TIME, ZDirectDataError, "1 record and no time"),
        (snapshot_of(), EmptyAnswerError, "empty_snapshot=refuse"),
    ],
)
def test_a_snapshot_without_a_time_is_refused_and_an_empty_one_may_be(
    runs: StateExtraction, body: str, error: type[Exception], said: str
) -> None:
    runs.assumptions = {"empty_snapshot": "refuse"}
    answer(runs, body)
    with pytest.raises(error, match=said):
        runs.observe(SNAPSHOTS)
    assert not runs.paths(SNAPSHOTS)


def test_a_snapshot_of_which_records_were_left_out_is_completed_by_a_later_answer(runs: StateExtraction) -> None:
    good, bad = at_location(5), {"ean": "0001234567891", "total_quantity": "many"}
    answer(runs, snapshot_of(good, bad))
    partial = runs.observe(SNAPSHOTS, max_rejected=1)
    runs.emulator.clock.advance(60)
    answer(runs, snapshot_of(good, bad))
    again = runs.observe(SNAPSHOTS, max_rejected=1)
    assert (state_of(again).stored, runs.manifest(again)["rejected"]) == (False, 1)
    assert (runs.root / runs.manifest(again)["rejected_file"]).exists()
    runs.emulator.clock.advance(60)
    answer(runs, snapshot_of(good, {**bad, "total_quantity": 7}))
    result = runs.observe(SNAPSHOTS)
    assert (state_of(result).stored, [row["ean"] for row in runs.published(SNAPSHOTS)]) == (
        True,
        [good["ean"], bad["ean"]],
    )
    assert (runs.manifest(result)["rejected"], runs.manifest(result)["rejected_file"]) == (0, None)
    assert [path.name for path in runs.paths("_revisions")] == [Path(partial.manifest.files[0].path).name]


def test_an_answer_that_is_not_stored_leaves_the_account_of_the_stored_one(runs: StateExtraction) -> None:
    good, bad = at_location(5), {"ean": "0001234567891", "total_quantity": "many"}
    answer(runs, snapshot_of(good, bad))
    runs.observe(SNAPSHOTS, max_rejected=1)
    before = {path: path.read_bytes() for path in [*runs.paths("_manifests"), *runs.paths("_rejected")]}
    for items in ((good,), ({**bad, "ean": "0001234567892"}, good)):
        runs.emulator.clock.advance(60)
        answer(runs, snapshot_of(*items))
        assert not state_of(runs.observe(SNAPSHOTS, max_rejected=1)).stored
    assert {path: path.read_bytes() for path in before} == before


def test_a_run_that_is_killed_while_it_replaces_a_snapshot_is_mended_by_the_next(
    runs: StateExtraction, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(runs, snapshot_of())
    runs.observe(SNAPSHOTS)

    def killed(self: ObjectStore, *args: object) -> None:
        raise KeyboardInterrupt

    for method in ("move", "write_json"):
        with monkeypatch.context() as patched:
            patched.setattr(ObjectStore, method, killed)
            with pytest.raises(KeyboardInterrupt):
                runs.observe(SNAPSHOTS)
        assert by_place(runs.published(SNAPSHOTS)) == runs.emulator.quantities(runs.merchant_id, CREATED)
    result = runs.observe(SNAPSHOTS)
    assert [path.name for path in runs.paths(SNAPSHOTS)] == [Path(result.manifest.files[0].path).name]
    assert [file["path"] for file in runs.manifest(result)["files"]] == [
        str(runs.paths(SNAPSHOTS)[0].relative_to(runs.root))
    ]


def test_a_file_that_another_run_deletes_before_it_is_measured_is_looked_for_again(
    runs: StateExtraction, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = StateExtraction(runs.emulator, runs.root / "others")
    others.observe(SNAPSHOTS)
    to_come, measuring = others.paths(SNAPSHOTS), publishing.measure

    def measure(store: ObjectStore, path: str, count: int) -> PublishedFile:
        while to_come:
            to_come.pop().rename((runs.root / path).with_name(Path(path).name.replace("jsonl.gz", "parquet")))
            store.delete(path)
        return measuring(store, path, count)

    monkeypatch.setattr(publishing, "measure", measure)
    result = runs.observe(SNAPSHOTS, format="jsonl")
    assert [path.suffix for path in runs.paths(SNAPSHOTS)] == [".parquet"]
    assert result.manifest.files[0].path.endswith(".parquet")


def test_a_failed_fetch_publishes_nothing_and_the_retry_all_also_of_drifted_answers(runs: StateExtraction) -> None:
    runs.emulator.set_options(drift=1.0)
    runs.fault("snapshots", {"status": 503})
    with pytest.raises(ServerError):
        runs.observe(SNAPSHOTS)
    assert runs.paths(SNAPSHOTS) == runs.paths("_staging") == []
    runs.observe(SNAPSHOTS)
    assert by_place(runs.published(SNAPSHOTS)) == runs.emulator.quantities(runs.merchant_id, CREATED)


def test_a_fetch_that_is_cancelled_leaves_nothing(runs: StateExtraction, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = fetch.stage_page

    def cancelled(*args: Any) -> None:
        stage(*args)
        raise asyncio.CancelledError

    monkeypatch.setattr(fetch, "stage_page", cancelled)
    with pytest.raises(asyncio.CancelledError):
        runs.observe(SNAPSHOTS)
    assert runs.paths("_staging") == []


def test_sixty_snapshots_an_hour_are_never_exceeded(tmp_path: Path) -> None:
    with EmulatorServer(seed=7, now=NOW) as emulator:
        emulator.set_options(inventory="zero")
        runs = StateExtraction(emulator, tmp_path)
        clock = EmulatedTime(emulator)
        limiter = MemoryRateLimiter(clock)

        async def many() -> None:
            async with ZDirectClient(runs.client().config, tokens=runs.tokens, clock=clock, limiter=limiter) as client:
                fetched = 0
                while fetched < 63:
                    try:
                        await extract(runs.job(SNAPSHOTS), client, clock)
                        fetched += 1
                    except RateLimitedError as error:
                        # As the retry of the task does.
                        await clock.sleep(error.retry_after)

        asyncio.run(many())
        asked = [request for request in emulator.requests if "snapshots" in request.path]
        assert {request.status for request in asked} == {200}
        times = [request.time for request in asked]
        assert max(sum(start <= time < start + HOUR for time in times) for start in times) <= 60
        assert len(times) == 63


# ---------------------------------------------------------------------------------------------- item_quantities


def eans_of(runs: StateExtraction) -> list[str]:
    return [article.ean for article in articles(7, runs.merchant_id)]


def test_named_eans_are_asked_for_in_batches_and_those_without_an_answer_are_named(
    runs: StateExtraction, caplog: pytest.LogCaptureFixture
) -> None:
    known = eans_of(runs)
    unknown = [f"{n:013d}" for n in range(1, 251 - len(known[:229]))]
    asked = [*known[:229], *unknown]
    assert len(asked) == 250
    with caplog.at_level(logging.WARNING):
        result = runs.observe(QUANTITIES, filters={"ean": ", ".join([*asked, asked[0], ""])})
    sent = [query["eans"].split(",") for query in runs.requests("item-quantities")]
    assert sorted(len(batch) for batch in sent) == [50, 100, 100]
    assert sorted(ean for batch in sent for ean in batch) == sorted(asked)
    rows = runs.published(QUANTITIES)
    truth = runs.emulator.quantities(runs.merchant_id, NOW)
    assert by_place(rows) == {place: stock for place, stock in truth.items() if place[0] in asked}
    assert {row["ean"] for row in rows} == set(known[:229]), "an EAN without stock is a row without a location"
    assert {instant(row["observed_at"]) for row in rows} == {state_of(result).observed_at} == {NOW}
    assert state_of(result).not_answered == sorted(unknown)
    assert (result.as_dict()["not_answered_count"], len(result.as_dict()["not_answered"])) == (21, 20)
    assert "nothing was published for them" in caplog.text


def test_how_many_eans_a_request_takes_can_be_set(runs: StateExtraction) -> None:
    runs.emulator.set_options(most_eans=40)
    eans = ",".join(eans_of(runs)[:100])
    with pytest.raises(BadRequestError):
        runs.observe(QUANTITIES, filters={"ean": eans})
    assert not runs.paths(QUANTITIES)
    runs.assumptions = {"eans_per_request": 40}
    result = runs.observe(QUANTITIES, filters={"ean": eans})
    assert (result.manifest.pages, state_of(result).not_answered) == (3, [])


def test_a_batch_that_fails_leaves_nothing_behind(runs: StateExtraction) -> None:
    runs.fault("item-quantities", {"status": 503}, nth=2)
    with pytest.raises(ServerError):
        runs.observe(QUANTITIES, filters={"ean": ",".join(eans_of(runs)[:150])})
    assert runs.paths(QUANTITIES) == runs.paths("_staging") == []


@pytest.mark.parametrize("parameter", ["from", "changed_since"])
def test_what_changed_since_a_time(runs: StateExtraction, parameter: str) -> None:
    runs.emulator.set_options(changed_since_parameter=parameter)
    runs.assumptions = {"changed_since_parameter": parameter}
    result = runs.observe(QUANTITIES, since=NOW - 3 * HOUR)
    assert runs.requests("item-quantities") == [{parameter: "2026-11-20T09:34:56.000789Z"}]
    rows = runs.published(QUANTITIES)
    before, now = (runs.emulator.quantities(runs.merchant_id, at) for at in (NOW - 3 * HOUR, NOW))
    answered = {row["ean"] for row in rows}
    assert {place[0] for place, _ in before.items() ^ now.items()} <= answered
    assert by_place(rows) == {place: stock for place, stock in now.items() if place[0] in answered}
    assert (state_of(result).since, state_of(result).snapshot_time, state_of(result).stored) == (
        NOW - 3 * HOUR,
        None,
        True,
    )


def test_two_fetches_are_two_states_and_one_without_a_change_is_none(runs: StateExtraction) -> None:
    answer(runs, '{"item_quantities": []}')
    result = runs.observe(QUANTITIES, since=NOW - HOUR)
    assert (state_of(result).stored, result.manifest.records, state_of(result).empty_answer) == (False, 0, False)
    assert not runs.paths(QUANTITIES)
    for _ in range(2):
        runs.observe(QUANTITIES, since=runs.emulator.clock.now() - HOUR)
        runs.emulator.clock.advance(60)
    assert len({instant(row["observed_at"]) for row in runs.published(QUANTITIES)}) == len(runs.paths(QUANTITIES)) == 2


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"since": NOW - timedelta(hours=25)}, RetentionError, "earliest data that zDirect keeps"),
        ({"since": NOW + HOUR}, WindowError, "in the future"),
        ({}, ZDirectConfigurationError, "neither asked for a time nor for ean"),
        ({"filters": {"ean": "123"}}, ZDirectConfigurationError, "does not have 13 digits"),
        ({"filters": {"ean": ", "}}, ZDirectConfigurationError, "holds no value"),
        ({"filters": {"ean": "0001234567890"}, "since": NOW}, ZDirectConfigurationError, "at once"),
        ({"filters": {"sku": "x"}}, ZDirectConfigurationError, "cannot be filtered by sku"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_any_request(
    runs: StateExtraction, options: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        runs.observe(QUANTITIES, **options)
    assert not runs.emulator.requests


def test_an_answer_with_eans_that_were_not_asked_for_is_refused(runs: StateExtraction) -> None:
    answer(runs, json.dumps({"item_quantities": [{"ean": "0001234567899"}]}))
    with pytest.raises(FilterIgnoredError, match="did not apply"):
        runs.observe(QUANTITIES, filters={"ean": "0001234567890"})
    assert not runs.paths(QUANTITIES)


def test_a_negative_number_of_tolerated_records_is_refused(runs: StateExtraction) -> None:
    with pytest.raises(ZDirectConfigurationError, match="max_rejected=-1 is negative"):
        runs.job(SNAPSHOTS, max_rejected=-1)


def test_a_dataset_of_windows_is_asked_for_by_a_window_and_a_state_that_has_none_is_not(runs: StateExtraction) -> None:
    with pytest.raises(ZDirectConfigurationError, match="received_items is a dataset of windows"):
        runs.job("received_items")
    with pytest.raises(ZDirectConfigurationError, match="cannot be asked for what changed since"):
        runs.job(SNAPSHOTS, Window(NOW - HOUR, NOW))
