"""When an empty report is certain to be one without movements: the wait and the extraction, against the emulator."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from emulated_time import EmulatedTime, looks
from extraction import Extraction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from own_emulator import config_of

from airflow_provider_zdirect.client import MemoryRateLimiter, MemoryTokenStore, ZDirectClient
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import NotFoundError, ZDirectRetriableError
from airflow_provider_zdirect.reports.calendar import EMPTY_IS_CERTAIN_AFTER, DueCalendar, is_long_due, why_empty
from airflow_provider_zdirect.reports.wait import ReportPoll, ReportStatus, ReportWait, ask_for_report
from airflow_provider_zdirect.windows import Window

ICM, CBM = "intra_community_movements", "cross_border_movements"
KINDS = {"icm": {"dataset": ICM}, "single": {"dataset": ICM, "variant": "single_request"}, "cbm": {"dataset": CBM}}
EVERY_KIND = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
DAY = timedelta(days=1)
SUNDAY = date(2026, 11, 22)
MONDAY = SUNDAY + DAY
MONDAY_NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
EMULATOR = {"seed": 7, "now": MONDAY_NOON, "empty_reports": 0.0}
FRIDAY_NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
MONDAYS_REPORT = "the report of 2026-11-23"


@pytest.fixture
def emulator(shared_emulator: EmulatorServer) -> EmulatorServer:
    """Every report has movements, and appears at 10:30 UTC of the day after."""
    shared_emulator.reset()
    return shared_emulator


def empty(emulator: EmulatorServer, first: date, last: date | None = None, *, times: int | None = None) -> None:
    """Let the emulator have no movements of these dates for who asks for just them."""
    asked = {"from": first.isoformat(), "to": (last or first).isoformat()}
    answer = {"merchant_id": emulator.merchant_ids[0], "items": [], "query": asked}
    emulator.faults.add(
        {"match": {"path": "-movements/", "query": asked}, "action": {"status": 200, "body": answer}, "times": times}
    )


def asked_for(emulator: EmulatorServer) -> list[str]:
    """The dates of every request for reports, as from..to."""
    queries = [dict(parse_qsl(request.query)) for request in emulator.requests if "-movements/" in request.path]
    return [f"{query['from']}..{query['to']}" for query in queries]


SUNDAY_ALONE = "2026-11-22..2026-11-22"


def wait(
    emulator: EmulatorServer,
    day: date = SUNDAY,
    *,
    dataset: str = ICM,
    variant: str | None = None,
    empty_after: timedelta = EMPTY_IS_CERTAIN_AFTER,
    looks: int | None = None,
) -> ReportPoll:
    """The result of the wait; the emulator's clock then stands at its end.

    :param looks: give up after so many.
    """
    clock, due = EmulatedTime(emulator), DueCalendar().due(day)
    plan = ReportWait("the report", due, due + empty_after, 120.0)

    async def waited() -> ReportPoll:
        async with ZDirectClient(
            config_of(emulator), tokens=MemoryTokenStore(), clock=clock, limiter=MemoryRateLimiter(clock)
        ) as client:

            async def ask(last: date | None) -> Any:
                return await ask_for_report(client, get_dataset(dataset, variant), emulator.merchant_ids[0], day, last)

            if looks is None:
                return await plan.until_decided(ask, clock)
            for _ in range(looks):
                look = await plan.poll(ask, clock)
                await clock.sleep(look.pause)
            return look

    return asyncio.run(waited())


@EVERY_KIND
def test_an_empty_sunday_is_decided_as_soon_as_mondays_report_is_there(
    emulator: EmulatorServer, kind: dict[str, Any]
) -> None:
    empty(emulator, SUNDAY)
    emulator.clock.set(datetime(2026, 11, 24, 9, tzinfo=UTC))
    # Monday's report comes at 10:30, and a pause is two to two and a half minutes.
    assert wait(emulator, **kind) == ReportPoll(ReportStatus.EMPTY, later=MONDAYS_REPORT)
    appeared = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)
    assert appeared <= looks(emulator)[-1] <= appeared + timedelta(minutes=3)
    assert asked_for(emulator)[-3:] == [SUNDAY_ALONE, "2026-11-23..2026-11-23", SUNDAY_ALONE]


@EVERY_KIND
def test_one_look_with_three_requests_decides_days_later(emulator: EmulatorServer, kind: dict[str, Any]) -> None:
    emulator.clock.set(FRIDAY_NOON)
    empty(emulator, SUNDAY)
    found = wait(emulator, **kind)
    assert found == ReportPoll(ReportStatus.EMPTY, later="a report of 2026-11-23 to 2026-11-26")
    assert asked_for(emulator) == [SUNDAY_ALONE, "2026-11-23..2026-11-26", SUNDAY_ALONE]
    reports = [request.query for request in emulator.requests if "-movements/" in request.path]
    assert all(("limit=1" in query.split("&")) == (kind["dataset"] == CBM) for query in reports)


@EVERY_KIND
def test_a_report_with_movements_costs_one_request(emulator: EmulatorServer, kind: dict[str, Any]) -> None:
    emulator.clock.set(FRIDAY_NOON)
    assert wait(emulator, **kind) == ReportPoll(ReportStatus.MOVEMENTS)
    assert asked_for(emulator) == [SUNDAY_ALONE]


def test_before_a_later_report_can_be_there_nobody_asks_for_it(emulator: EmulatorServer) -> None:
    empty(emulator, SUNDAY)
    assert wait(emulator, looks=3).status is None
    assert asked_for(emulator) == [SUNDAY_ALONE] * 3


def test_what_was_due_six_days_ago_is_empty_without_any_other_report(emulator: EmulatorServer) -> None:
    emulator.clock.set(MONDAY_NOON + EMPTY_IS_CERTAIN_AFTER)
    empty(emulator, SUNDAY)
    assert wait(emulator) == ReportPoll(ReportStatus.EMPTY)
    assert asked_for(emulator) == [SUNDAY_ALONE]


@EVERY_KIND
def test_empty_reports_of_later_dates_decide_nothing(emulator: EmulatorServer, kind: dict[str, Any]) -> None:
    emulator.set_options(empty_reports=1.0)
    emulator.clock.set(MONDAY_NOON + timedelta(hours=34))
    found = wait(emulator, **kind, empty_after=timedelta(hours=36))
    assert found == ReportPoll(ReportStatus.EMPTY)
    assert looks(emulator)[-1] >= MONDAY_NOON + timedelta(hours=36)


def test_a_weekend_without_movements_is_decided_by_mondays_report(emulator: EmulatorServer) -> None:
    emulator.clock.set(FRIDAY_NOON)
    saturday = SUNDAY - DAY
    for day in (saturday, SUNDAY):
        empty(emulator, day)
    assert wait(emulator, saturday).later == "a report of 2026-11-22 to 2026-11-26"
    assert wait(emulator, SUNDAY).later == "a report of 2026-11-23 to 2026-11-26"


@EVERY_KIND
def test_a_report_that_is_made_between_two_requests_is_found(emulator: EmulatorServer, kind: dict[str, Any]) -> None:
    emulator.clock.set(FRIDAY_NOON)
    # Not there for the first request, and there for the one after the later report.
    empty(emulator, SUNDAY, times=1)
    assert wait(emulator, **kind) == ReportPoll(ReportStatus.MOVEMENTS)
    assert asked_for(emulator) == [SUNDAY_ALONE, "2026-11-23..2026-11-26", SUNDAY_ALONE]


def test_too_many_movements_of_later_dates_are_movements(emulator: EmulatorServer) -> None:
    emulator.clock.set(FRIDAY_NOON)
    emulator.set_options(icm_max_movements=0)
    empty(emulator, SUNDAY)
    assert wait(emulator, variant="single_request").later == "a report of 2026-11-23 to 2026-11-26"
    assert len(looks(emulator)) == 3


OTHER_DATES = {"items": [{"report_date": "2026-11-22", "movement_id": "x"}]}
NOT_A_LATER_REPORT = {
    "other report date": OTHER_DATES,
    "echo of another start": {**OTHER_DATES, "items": [{}], "query": {"from": "2026-11-22", "to": "2026-11-26"}},
    "echo of another end": {**OTHER_DATES, "items": [{}], "query": {"from": "2026-11-23", "to": "2026-11-30"}},
    "page without movements": {"items": [], "next": "more"},
    "not a movement": {"items": [1]},
}


@pytest.mark.parametrize("body", NOT_A_LATER_REPORT.values(), ids=NOT_A_LATER_REPORT)
def test_an_answer_that_may_not_be_of_later_dates_decides_nothing(emulator: EmulatorServer, body: Any) -> None:
    emulator.clock.set(FRIDAY_NOON)
    empty(emulator, SUNDAY)
    later = {"path": "cross-border", "query": {"from": "2026-11-23"}}
    emulator.faults.add({"match": later, "action": {"status": 200, "body": body}, "times": 1})
    assert wait(emulator, dataset=CBM, looks=1).status is None
    assert wait(emulator, dataset=CBM).status is ReportStatus.EMPTY, "the next look has another answer"


@pytest.mark.parametrize("status", [400, 404])
def test_a_refused_look_at_later_dates_does_not_end_the_wait(emulator: EmulatorServer, status: int) -> None:
    emulator.clock.set(FRIDAY_NOON)
    empty(emulator, SUNDAY)
    later = {"path": "-movements/", "query": {"from": "2026-11-23"}}
    emulator.faults.add({"match": later, "action": {"status": status}, "times": None})
    empty_after = timedelta(days=4, hours=1)
    assert wait(emulator, empty_after=empty_after) == ReportPoll(ReportStatus.EMPTY)
    assert looks(emulator)[-1] >= MONDAY_NOON + empty_after


def test_a_look_at_later_dates_that_fails_is_repeated_after_the_pause(emulator: EmulatorServer) -> None:
    emulator.clock.set(FRIDAY_NOON)
    empty(emulator, SUNDAY)
    later = {"path": "-movements/", "query": {"from": "2026-11-23"}}
    emulator.faults.add({"match": later, "action": {"status": 429, "headers": {"Retry-After": "900"}}, "times": 1})
    assert wait(emulator).later == "a report of 2026-11-23 to 2026-11-26"
    assert looks(emulator)[2] >= FRIDAY_NOON + timedelta(seconds=900)


def test_a_merchant_that_is_unknown_is_an_error_at_once(emulator: EmulatorServer) -> None:
    emulator.faults.add({"match": {"path": "-movements/"}, "action": {"status": 404}, "times": None})
    with pytest.raises(NotFoundError):
        wait(emulator)
    assert asked_for(emulator) == [SUNDAY_ALONE]


@pytest.mark.exhaustive
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    dataset=st.sampled_from([ICM, CBM]),
    day=st.dates(date(2026, 10, 1), date(2026, 11, 20)),
    hours=st.integers(0, 8 * 24),
    report_time=st.sampled_from(["00:00", "10:30", "23:59"]),
    report_days=st.sampled_from(["all", "business"]),
    share=st.sampled_from([0.3, 0.7]),
    made_in_between=st.booleans(),
)
def test_a_report_that_a_later_one_makes_empty_never_has_movements(
    shared_emulator: EmulatorServer,
    dataset: str,
    day: date,
    hours: int,
    report_time: str,
    report_days: str,
    share: float,
    made_in_between: bool,
) -> None:
    emulator = shared_emulator
    emulator.reset()
    emulator.set_options(empty_reports=share, report_time=report_time, report_days=report_days)
    emulator.clock.set(DueCalendar().due(day) + timedelta(hours=hours))
    if made_in_between:
        empty(emulator, day, times=1)
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    movements = emulator.truth(dataset, emulator.merchant_ids[0], start, start + DAY)
    found = wait(emulator, day, dataset=dataset, looks=1)
    if found.later is not None:
        assert not movements
    if found.status is ReportStatus.MOVEMENTS:
        assert movements
    assert len(asked_for(emulator)) <= 3


@pytest.mark.parametrize(
    ("later", "after", "words"),
    [
        (MONDAYS_REPORT, timedelta(days=6), "the report of 2026-11-23 is there"),
        (None, timedelta(days=6), "6 days have passed since it was due"),
        (None, timedelta(hours=36), "36 hours have passed since it was due"),
        (None, timedelta(minutes=90), "1.5 hours have passed since it was due"),
    ],
)
def test_why_a_report_counts_as_empty_is_a_sentence(later: str | None, after: timedelta, words: str) -> None:
    assert why_empty(later, after) == words


def test_six_days_after_twelve_of_the_day_after_a_report_is_long_due() -> None:
    moment = datetime(2026, 11, 29, 12, tzinfo=UTC)
    assert is_long_due(SUNDAY, moment)
    assert not is_long_due(SUNDAY, moment - timedelta(seconds=1))


@EVERY_KIND
def test_the_manifest_says_why_a_day_counts_as_empty(runs: Extraction, kind: dict[str, Any]) -> None:
    runs.emulator.clock.set(datetime(2026, 11, 24, 12, tzinfo=UTC))
    empty(runs.emulator, SUNDAY)
    result = runs.run(window=Window.of_day(SUNDAY), **kind)
    manifest = runs.manifest(result)
    assert manifest["empty_because"] == {"2026-11-22": "the report of 2026-11-23 is there"}
    assert (manifest["records"], manifest["requests"]) == (0, 3)
    assert asked_for(runs.emulator) == [SUNDAY_ALONE, "2026-11-23..2026-11-23", SUNDAY_ALONE]


def test_the_log_says_why_a_day_counts_as_empty(runs: Extraction, caplog: pytest.LogCaptureFixture) -> None:
    runs.emulator.clock.set(datetime(2026, 11, 24, 12, tzinfo=UTC))
    empty(runs.emulator, SUNDAY)
    with caplog.at_level(logging.INFO):
        runs.run(ICM, Window.of_day(SUNDAY))
        wait(runs.emulator)
    assert "empty, because the report of 2026-11-23 is there." in caplog.text
    assert "the report: decided (empty, because of the report of 2026-11-23)." in caplog.text


@EVERY_KIND
def test_an_empty_answer_that_may_be_too_early_is_not_called_certain(
    runs: Extraction, caplog: pytest.LogCaptureFixture, kind: dict[str, Any]
) -> None:
    empty(runs.emulator, SUNDAY)
    with caplog.at_level(logging.WARNING):
        result = runs.run(window=Window.of_day(SUNDAY), **kind)
    assert runs.manifest(result)["empty_because"] == {"2026-11-22": None}
    assert asked_for(runs.emulator) == [SUNDAY_ALONE]
    assert "2026-11-22, merchant" in caplog.text
    assert "empty, and there is no report of a later date" in caplog.text
    assert "fetch it again later" in caplog.text


def test_a_day_of_long_ago_is_asked_for_once_and_counts_by_time(runs: Extraction) -> None:
    runs.emulator.clock.set(MONDAY_NOON + EMPTY_IS_CERTAIN_AFTER)
    empty(runs.emulator, SUNDAY)
    result = runs.run(ICM, Window.of_day(SUNDAY))
    assert runs.manifest(result)["empty_because"] == {"2026-11-22": "6 days have passed since it was due"}
    assert asked_for(runs.emulator) == [SUNDAY_ALONE]


@EVERY_KIND
def test_a_report_that_is_made_while_it_is_found_empty_is_published(runs: Extraction, kind: dict[str, Any]) -> None:
    runs.emulator.clock.set(datetime(2026, 11, 24, 12, tzinfo=UTC))
    empty(runs.emulator, SUNDAY, times=1)
    result = runs.run(window=Window.of_day(SUNDAY), **kind)
    start = datetime(2026, 11, 22, tzinfo=UTC)
    truth = runs.emulator.truth(kind["dataset"], runs.merchant_id, start, start + DAY)
    assert result.manifest.records == len(runs.published(kind["dataset"])) == len(truth) > 0
    assert runs.manifest(result)["empty_because"] == {}


def test_of_a_week_only_the_empty_day_is_asked_for_again(runs: Extraction) -> None:
    runs.emulator.clock.set(FRIDAY_NOON)
    empty(runs.emulator, SUNDAY)
    result = runs.run(ICM, Window(datetime(2026, 11, 19, tzinfo=UTC), datetime(2026, 11, 26, tzinfo=UTC)))
    manifest = runs.manifest(result)
    assert manifest["empty_because"] == {"2026-11-22": "a report of 2026-11-23 to 2026-11-26 is there"}
    assert len(manifest["days"]) == 7
    assert sorted(asked_for(runs.emulator)).count(SUNDAY_ALONE) == 2
    assert len(asked_for(runs.emulator)) == 7 + 2


def test_a_day_whose_movements_are_all_invalid_is_not_empty(runs: Extraction) -> None:
    runs.emulator.clock.set(datetime(2026, 11, 24, 12, tzinfo=UTC))
    body = {"items": [{"transaction_date": "2026-11-22", "movements": [{"quantity": "many"}]}]}
    runs.emulator.faults.add({"match": {"path": "-movements/"}, "action": {"status": 200, "body": body}, "times": None})
    result = runs.run(ICM, Window.of_day(SUNDAY), max_rejected=1)
    assert (result.manifest.rejected, runs.manifest(result)["empty_because"]) == (1, {})
    assert len(looks(runs.emulator)) == 1


def test_a_retry_after_a_failed_look_at_later_dates_finds_out_why(runs: Extraction) -> None:
    runs.emulator.clock.set(datetime(2026, 11, 24, 12, tzinfo=UTC))
    empty(runs.emulator, SUNDAY)
    later = {"path": "-movements/", "query": {"from": "2026-11-23"}}
    runs.emulator.faults.add({"match": later, "action": {"status": 503}, "times": 1})
    with pytest.raises(ZDirectRetriableError):
        runs.run(ICM, Window.of_day(SUNDAY))
    result = runs.run(ICM, Window.of_day(SUNDAY))
    assert runs.manifest(result)["empty_because"] == {"2026-11-22": "the report of 2026-11-23 is there"}


def test_other_datasets_do_not_know_empty_reports(runs: Extraction) -> None:
    answer = {"liquidated_items": []}
    runs.emulator.faults.add({"match": {"path": "liquidated"}, "action": {"status": 200, "body": answer}})
    result = runs.run("liquidated_items", Window.of_day(SUNDAY))
    assert runs.manifest(result)["empty_because"] == {}
