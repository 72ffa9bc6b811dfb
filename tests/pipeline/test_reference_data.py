"""Locations, channels and centers, notices and tours, with their history: against the emulator, over HTTP."""

from __future__ import annotations

import itertools
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from clocks import FakeClock
from exhaustive import exhaustive
from killing import Killed, kill_at
from state_extraction import StateExtraction, instant, state_of

from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import (
    BadRequestError,
    ConcurrentRunError,
    EmptyAnswerError,
    RejectedRecordsError,
    ServerError,
)

NOW = datetime(2026, 11, 20, 4, tzinfo=UTC)
EMULATOR = {"seed": 7, "now": NOW}
DAY = timedelta(days=1)
KEYS = {"stock_locations": "id", "sales_channels": "sales_channel_id", "logistic_centers": "logistic_center_id"}
ALL = pytest.mark.parametrize("dataset", KEYS)


def plain(rows: list[dict[str, Any]], key: str) -> dict[str, str]:
    """Records without what is not of the API, by key; nulls are what is not there."""
    found = {row[key]: json.dumps(_api(row), sort_keys=True) for row in rows}
    assert len(found) == len(rows)
    return found


def _api(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _api(item) for name, item in value.items() if item is not None and not name.startswith("_")}
    if isinstance(value, str) and value.endswith("Z") and value[4:5] == "-":
        return instant(value).isoformat()
    # DuckDB gives times in the time zone of the machine.
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def truth(runs: StateExtraction, dataset: str, merchant_id: str | None = None) -> dict[str, str]:
    return plain(runs.emulator.reference(dataset, merchant_id or runs.merchant_id), KEYS[dataset])


@ALL
@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_the_current_state_is_what_zdirect_has(runs: StateExtraction, dataset: str, format: str) -> None:
    for merchant in runs.emulator.merchant_ids:
        runs.observe(dataset, merchant_id=merchant, format=format)
        rows = [row for row in runs.published(f"{dataset}_current") if row["_merchant_id"] == merchant]
        assert plain(rows, KEYS[dataset]) == truth(runs, dataset, merchant)
    before = runs.paths(dataset)
    runs.emulator.clock.advance(60)
    assert not state_of(runs.observe(dataset, format=format)).stored, "what is read back is what was written"
    assert runs.paths(dataset) == before


@pytest.mark.parametrize("shape", ["array", "object"])
def test_stock_locations_come_as_array_or_object(runs: StateExtraction, shape: str) -> None:
    runs.observe("stock_locations")
    runs.emulator.clock.advance(60)
    runs.emulator.set_options(stock_locations_shape=shape)
    assert runs.observe("stock_locations").changes == {"added": 0, "changed": 0, "removed": 0}


@ALL
def test_days_of_changes_can_be_replayed(runs: StateExtraction, dataset: str) -> None:
    key, name = KEYS[dataset], "country_name" if dataset == "sales_channels" else "name"
    first, second, *_ = (record[key] for record in runs.emulator.reference(dataset, runs.merchant_id))
    new = "11111111-2222-4333-8444-555555555555"
    changes: list[tuple[str, dict[str, Any] | None]] = [
        (first, {name: "Other"}),
        (second, None),
        (new, {name: "New"}),
        (first, {name: "Third"}),
        (new, None),
    ]
    days: list[tuple[datetime, dict[str, str]]] = []
    counts = []
    for change in [None, *changes, None]:
        if change is not None:
            runs.emulator.change_reference(dataset, *change, merchant_id=runs.merchant_id)
        counts.append(tuple(runs.observe(dataset).changes.values()))
        days.append((runs.emulator.clock.now(), truth(runs, dataset)))
        assert plain(runs.published(f"{dataset}_current"), key) == days[-1][1]
        runs.emulator.clock.advance(86_400)
    count = len(days[0][1])
    assert counts == [(count, 0, 0), (0, 1, 0), (0, 0, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 0)]
    for at, there in days:
        for moment in (at, at + DAY - timedelta(microseconds=1)):
            assert plain(runs.valid_at(dataset, moment), key) == there
    assert runs.valid_at(dataset, NOW - timedelta(microseconds=1)) == []
    assert len(runs.paths(dataset)) == len(runs.paths(f"{dataset}_current")) == 1


def test_case_and_blanks_of_ids_and_the_order_of_capabilities_are_no_change(runs: StateExtraction) -> None:
    for dataset, key in KEYS.items():
        runs.observe(dataset)
        runs.emulator.clock.advance(60)
        known = runs.emulator.reference(dataset, runs.merchant_id)
        records = [{**record, key: f" {record[key].upper()[:8]} {record[key].upper()[8:]}"} for record in known]
        if dataset == "stock_locations":
            assert any(len(record["capabilities"] or ()) > 1 for record in records)
            records = [{**record, "capabilities": (record["capabilities"] or [])[::-1] or None} for record in records]
        answer(runs, dataset.replace("_", "-"), {"items": records} if dataset != "stock_locations" else records)
        assert not state_of(runs.observe(dataset)).stored, dataset


def test_an_unknown_field_is_a_change(runs: StateExtraction) -> None:
    runs.observe("sales_channels")
    runs.emulator.clock.advance(60)
    channel = runs.emulator.reference("sales_channels", runs.merchant_id)[0]["sales_channel_id"]
    runs.emulator.change_reference("sales_channels", channel, {"currency": "EUR"})
    assert runs.observe("sales_channels").changes["changed"] == 1


def test_an_answer_that_holds_a_record_twice_is_the_same(runs: StateExtraction) -> None:
    runs.observe("stock_locations")
    runs.emulator.clock.advance(60)
    runs.fault("stock-locations", {"duplicate": 2})
    result = runs.observe("stock_locations")
    assert (result.manifest.records, state_of(result).stored) == (4, False)


def answer(runs: StateExtraction, path: str, body: Any) -> None:
    runs.fault(path, {"status": 200, "body": body})


@ALL
def test_an_answer_without_records_does_not_end_what_is_known_unless_that_is_allowed(
    runs: StateExtraction, dataset: str
) -> None:
    path = dataset.replace("_", "-")
    answer(runs, path, {})
    assert runs.observe(dataset).manifest.files == [], "nothing, where nothing was known"
    runs.observe(dataset)
    before = truth(runs, dataset)
    runs.emulator.clock.advance(60)
    answer(runs, path, {"items": []} if dataset != "stock_locations" else {"stock_locations": []})
    with pytest.raises(EmptyAnswerError, match="left as they are"):
        runs.observe(dataset)
    assert plain(runs.published(f"{dataset}_current"), KEYS[dataset]) == before
    answer(runs, path, {})
    assert runs.observe(dataset, replace_with_empty=True).changes["removed"] == len(before)
    assert runs.published(f"{dataset}_current") == []
    assert plain(runs.valid_at(dataset, NOW), KEYS[dataset]) == before


def test_an_observation_with_rejected_records_ends_nothing(runs: StateExtraction) -> None:
    runs.observe("sales_channels")
    known = runs.emulator.reference("sales_channels", runs.merchant_id)
    contradicting = [{**known[1], "country_name": name} for name in "xy"]
    new = {**known[0], "sales_channel_id": "11111111-2222-4333-8444-555555555555"}
    for number, records in enumerate(
        ([{**known[0], "live": "perhaps"}, *known[1:]], [known[0], *contradicting, *known[3:], new], [])
    ):
        runs.emulator.clock.advance(60)
        answer(runs, "sales-channels", {"items": records or [{"live": True}]})
        result = runs.observe("sales_channels", max_rejected=2)
        assert dict(result.changes) == {"added": int(number == 1), "changed": 0, "removed": 0}
        assert result.manifest.rejected > 0
    runs.emulator.clock.advance(60)
    assert dict(runs.observe("sales_channels").changes) == {"added": 0, "changed": 0, "removed": 1}
    assert plain(runs.published("sales_channels_current"), "sales_channel_id") == truth(runs, "sales_channels")


def test_a_history_of_a_clock_that_was_ahead_is_named_as_such(
    runs: StateExtraction, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(StateExtraction, "clock", lambda self: FakeClock(self.emulator.clock.now() + 3 * DAY))
        runs.observe("sales_channels")
    runs.emulator.clock.advance(60)
    assert not state_of(runs.observe("sales_channels")).stored, "what agrees is no error"
    channel = runs.emulator.reference("sales_channels", runs.merchant_id)[0]["sales_channel_id"]
    runs.emulator.change_reference("sales_channels", channel, {"country_name": "Other"})
    with pytest.raises(ConcurrentRunError, match=r"state of 2026-11-23T04:00:00.*2026-11-20T04:01:00.*clock") as caught:
        runs.observe("sales_channels")
    assert "Set the clocks" in str(caught.value.remedy)
    assert len(runs.requests("sales-channels")) == 3, "asking again at once is of no use"


@pytest.mark.parametrize("dataset", exhaustive(KEYS))
def test_the_same_by_several_at_once_is_there_once(runs: StateExtraction, dataset: str) -> None:
    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(lambda _: runs.observe(dataset), range(4)))
    assert plain(runs.published(dataset), KEYS[dataset]) == truth(runs, dataset)
    assert len(runs.paths(dataset)) == len(runs.paths(f"{dataset}_current")) == 1


@pytest.mark.exhaustive
def test_a_run_that_is_killed_at_any_change_of_the_base_path_and_run_again(
    shared_emulator: EmulatorServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for last in itertools.count(1):
        shared_emulator.reset()
        runs = StateExtraction(shared_emulator, tmp_path / str(last))
        runs.observe("sales_channels")
        before = truth(runs, "sales_channels")
        runs.emulator.clock.advance(86_400)
        runs.emulator.change_reference("sales_channels", next(iter(before)), {"country_name": "Other"})
        killed = False
        with monkeypatch.context() as patched:
            kill_at(last, patched)
            try:
                runs.observe("sales_channels")
            except Killed:
                killed = True
        runs.emulator.clock.advance(120)
        runs.observe("sales_channels")
        now = runs.emulator.clock.now()
        assert plain(runs.valid_at("sales_channels", NOW), "sales_channel_id") == before
        assert plain(runs.valid_at("sales_channels", now), "sales_channel_id") == truth(runs, "sales_channels")
        assert plain(runs.published("sales_channels_current"), "sales_channel_id") == truth(runs, "sales_channels")
        assert len(runs.paths("sales_channels")) == len(runs.paths("sales_channels_current")) == 1
        if not killed:
            break
    assert last > 7, "there are more changes than that"


# ------------------------------------------------------------------------------------- shipping notices and tours


def notice_ids(runs: StateExtraction, merchant_id: str) -> set[str]:
    return {notice["id"] for notice in runs.emulator.notices(merchant_id)}


def test_notices_of_all_pages_are_those_of_the_merchant(runs: StateExtraction) -> None:
    runs.emulator.set_options(notices_page_size=7)
    mine, others = (notice_ids(runs, merchant) for merchant in runs.emulator.merchant_ids)
    result = runs.observe("shipping_notices", merchant_id=runs.merchant_id.upper())
    assert {row["shipping_notice_id"] for row in runs.published("shipping_notices_current")} == mine
    assert (result.manifest.records, state_of(result).of_others) == (len(mine), len(others))
    assert result.manifest.pages == -(-(len(mine) + len(others)) // 7)


def test_the_state_of_a_notice_has_a_history(runs: StateExtraction) -> None:
    for _ in range(4):
        runs.observe("shipping_notices")
        truth = {notice["id"]: notice["state"] for notice in runs.emulator.notices(runs.merchant_id)}
        rows = runs.published("shipping_notices_current")
        assert {row["shipping_notice_id"]: row["state"] for row in rows} == truth
        runs.emulator.clock.advance(86_400)
    states: dict[str, list[str]] = {}
    for row in sorted(runs.published("shipping_notices"), key=lambda row: row["_valid_from"]):
        states.setdefault(row["shipping_notice_id"], []).append(row["state"])
    assert any(len(set(history)) > 1 for history in states.values())


def test_notices_that_name_no_merchant_are_rejected_if_there_are_several(runs: StateExtraction, tmp_path: Path) -> None:
    runs.emulator.set_options(notices_without_merchant=True)
    with pytest.raises(RejectedRecordsError, match="names no merchant"):
        runs.observe("shipping_notices")
    assert not runs.paths("shipping_notices")
    with EmulatorServer(seed=7, now=NOW, merchants=1, notices_without_merchant=True) as emulator:
        alone = StateExtraction(emulator, tmp_path / "alone")
        result = alone.observe("shipping_notices")
        assert result.manifest.records == len(emulator.notices(alone.merchant_id)) > 0


def test_an_answer_that_zdirect_calls_unchanged_changes_nothing(runs: StateExtraction) -> None:
    runs.emulator.set_options(notices_page_size=500)
    first = runs.observe("shipping_notices")
    before = runs.paths("shipping_notices")
    runs.emulator.clock.advance(1)
    result = runs.observe("shipping_notices")
    assert (state_of(result).unchanged, state_of(result).stored, result.manifest.records) == (True, False, 48)
    assert [request.status for request in runs.emulator.requests if "notices" in request.path] == [200, 304]
    assert runs.paths("shipping_notices") == before
    assert runs.manifest(result)["state"]["unchanged"] is True
    assert (runs.manifest(first)["changes"][0]["added"], runs.manifest(result)["changes"]) == (48, [])


def test_an_etag_is_not_sent_if_what_it_was_for_is_not_what_is_published(runs: StateExtraction) -> None:
    runs.emulator.set_options(notices_page_size=500)
    runs.observe("shipping_notices")
    for path in runs.paths("shipping_notices"):
        path.unlink()
    runs.emulator.clock.advance(1)
    result = runs.observe("shipping_notices")
    assert (state_of(result).unchanged, state_of(result).stored) == (False, True)
    assert len(runs.published("shipping_notices")) == 48


def test_an_etag_is_not_sent_where_an_answer_had_several_pages(runs: StateExtraction) -> None:
    for _ in range(2):
        runs.observe("shipping_notices")
        runs.emulator.clock.advance(1)
    assert {request.status for request in runs.emulator.requests if "notices" in request.path} == {200}


def test_a_page_that_fails_publishes_nothing(runs: StateExtraction) -> None:
    runs.fault("shipping-notices", {"status": 503}, nth=2)
    with pytest.raises(ServerError):
        runs.observe("shipping_notices")
    assert not runs.paths("shipping_notices")
    assert runs.observe("shipping_notices").manifest.records == 48


def test_tours_are_asked_for_one_by_one_and_those_not_asked_for_stay(
    runs: StateExtraction, caplog: pytest.LogCaptureFixture
) -> None:
    tours = runs.emulator.tours(runs.merchant_id)
    advice = [tour["zalando_advice_id"] for tour in tours]
    runs.observe("tours", filters={"zalando_advice_id": ",".join(advice)})
    sent = [query["zalando_advice_id"] for query in runs.requests("tours")]
    assert sorted(sent) == sorted(advice)
    known = {(row["zalando_advice_id"], row["tour_number"]) for row in runs.published("tours_current")}
    assert known == {(tour["zalando_advice_id"], tour["tour_number"]) for tour in tours}
    runs.emulator.clock.advance(60)
    answer(runs, "tours", {"tours": []})
    with caplog.at_level(logging.WARNING):
        result = runs.observe("tours", filters={"zalando_advice_id": advice[0]})
    assert (result.changes["removed"], state_of(result).not_answered) == (1, [advice[0]])
    left = {row["zalando_advice_id"] for row in runs.published("tours_current")}
    assert left == set(advice[1:])


def test_tours_without_an_advice_may_be_refused(runs: StateExtraction) -> None:
    assert runs.observe("tours").manifest.records > 0
    runs.emulator.set_options(tours_without_parameter=False)
    with pytest.raises(BadRequestError, match="zalando_advice_id"):
        runs.observe("tours")
