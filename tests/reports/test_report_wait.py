"""When a report counts as ready, and when an empty one is certain: the core against the emulator, in its time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from emulated_time import EmulatedTime, gaps, looks
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from own_emulator import config_of

from airflow_provider_zdirect.client import MemoryRateLimiter, MemoryTokenStore, ZDirectClient
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import (
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    PermissionDeniedError,
    ZDirectFatalError,
)
from airflow_provider_zdirect.reports.calendar import EMPTY_IS_CERTAIN_AFTER, DueCalendar, is_long_due, why_empty
from airflow_provider_zdirect.reports.wait import JITTER, ReportPoll, ReportStatus, ReportWait, ask_for_report

ICM, CBM = "intra_community_movements", "cross_border_movements"
KINDS = {"icm": {"dataset": ICM}, "single": {"dataset": ICM, "variant": "single_request"}, "cbm": {"dataset": CBM}}
EVERY_KIND = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
DAY = timedelta(days=1)
SUNDAY = date(2026, 11, 22)
MORNING_AFTER = datetime(2026, 11, 23, 6, tzinfo=UTC)
NOON_AFTER = MORNING_AFTER.replace(hour=12)
FRIDAY_NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
LONGEST_PAUSE = 120 * (1 + JITTER)
SUNDAY_ALONE, MONDAY_ALONE = "2026-11-22..2026-11-22", "2026-11-23..2026-11-23"
UNTIL_THURSDAY = "a report of 2026-11-23 to 2026-11-26"
IS_THERE = ReportPoll(ReportStatus.MOVEMENTS)


@pytest.fixture(scope="module")
def shared_emulator() -> Iterator[EmulatorServer]:
    with EmulatorServer(seed=7, now=MORNING_AFTER, empty_reports=0.0, rate_limits=False) as server:
        yield server


@pytest.fixture
def emulator(shared_emulator: EmulatorServer) -> EmulatorServer:
    """Every report has movements, and appears at 10:30 UTC of the day after."""
    shared_emulator.reset()
    return shared_emulator


def wait(
    emulator: EmulatorServer,
    day: date = SUNDAY,
    *,
    dataset: str = ICM,
    variant: str | None = None,
    calendar: DueCalendar | None = None,
    empty_after: timedelta = EMPTY_IS_CERTAIN_AFTER,
    time: EmulatedTime | None = None,
    polls: int | None = None,
    **settings: Any,
) -> ReportPoll:
    """What the wait came to; the emulator's clock then stands at its end.

    :param polls: give up after so many.
    :param settings: of the client.
    """
    clock, due = time or EmulatedTime(emulator), (calendar or DueCalendar()).due(day)
    plan = ReportWait("the report", due, due + empty_after, 120.0)

    async def waited() -> ReportPoll:
        config = config_of(emulator, **settings)
        limiter = MemoryRateLimiter(clock)
        async with ZDirectClient(config, tokens=MemoryTokenStore(), clock=clock, limiter=limiter) as client:

            async def ask(last: date | None) -> ReportPoll:
                return await ask_for_report(client, get_dataset(dataset, variant), emulator.merchant_ids[0], day, last)

            if polls is None:
                return await plan.until_decided(ask, clock)
            for _ in range(polls):
                polled = await plan.poll(ask, clock)
                await clock.sleep(polled.pause)
            return polled

    return asyncio.run(waited())


def answer(emulator: EmulatorServer, action: dict[str, Any], times: int | None = None, **query: str) -> None:
    emulator.faults.add({"match": {"path": "-movements/", "query": query}, "action": action, "times": times})


def empty(emulator: EmulatorServer, day: date, *, times: int | None = None) -> None:
    """Let the emulator have no movements of a date for who asks for just that."""
    asked = {"from": day.isoformat(), "to": day.isoformat()}
    body = {"merchant_id": emulator.merchant_ids[0], "items": [], "query": asked}
    answer(emulator, {"status": 200, "body": body}, times, **asked)


def queries(emulator: EmulatorServer) -> list[dict[str, str]]:
    return [dict(parse_qsl(request.query)) for request in emulator.requests if "-movements/" in request.path]


def asked_for(emulator: EmulatorServer) -> list[str]:
    """The dates of every request for reports, as from..to."""
    return [f"{query['from']}..{query['to']}" for query in queries(emulator)]


# When it is asked for


@EVERY_KIND
def test_nothing_is_asked_before_it_is_due_and_what_is_there_by_then_is_found_at_once(
    emulator: EmulatorServer, kind: dict[str, Any]
) -> None:
    assert wait(emulator, **kind) == IS_THERE
    assert looks(emulator) == [NOON_AFTER]
    assert [request.time for request in emulator.requests if request.path == "/auth/token"] == [NOON_AFTER]
    limits = [query["limit"] for query in queries(emulator) if "limit" in query]
    assert limits == (["1"] if kind["dataset"] == CBM else []), "one record, where a limit is documented"


def test_a_late_report_is_found_by_the_first_look_after_it_appears(emulator: EmulatorServer) -> None:
    emulator.set_options(report_time="14:10")
    assert wait(emulator) == IS_THERE
    *before, found = looks(emulator)
    appeared = NOON_AFTER.replace(hour=14, minute=10)
    assert before[0] == NOON_AFTER
    assert before[-1] < appeared <= found
    assert all(120 <= gap <= LONGEST_PAUSE for gap in gaps(emulator))
    assert len(set(gaps(emulator))) > 10, "pauses spread"


def test_over_a_weekend_with_a_holiday_a_report_is_waited_for_until_the_next_business_day(
    emulator: EmulatorServer,
) -> None:
    emulator.clock.set(datetime(2026, 12, 25, tzinfo=UTC))
    emulator.set_options(report_days="business", report_holidays=["2026-12-25"], report_time="12:30")
    calendar = DueCalendar(business_days_only=True, holidays=("DE",))
    assert wait(emulator, date(2026, 12, 24), calendar=calendar) == IS_THERE
    first, *_, found = looks(emulator)
    assert first == datetime(2026, 12, 28, 12, tzinfo=UTC)
    assert timedelta(minutes=30) <= found - first <= timedelta(minutes=30, seconds=LONGEST_PAUSE)


@pytest.mark.parametrize(
    ("day", "due"), [(date(2026, 3, 28), "2026-03-29T10:00Z"), (date(2026, 10, 24), "2026-10-25T11:00Z")]
)
def test_noon_in_berlin_is_right_on_the_days_on_which_clocks_change(
    emulator: EmulatorServer, day: date, due: str
) -> None:
    emulator.clock.set(datetime(day.year, day.month, day.day, 20, tzinfo=UTC))
    emulator.set_options(report_time="08:00")
    assert wait(emulator, day, calendar=DueCalendar(timezone="Europe/Berlin")) == IS_THERE
    assert looks(emulator) == [datetime.fromisoformat(due)]


@pytest.mark.parametrize(
    ("wakes", "asked", "sleeps"),
    [(MORNING_AFTER, NOON_AFTER, 2), (NOON_AFTER + timedelta(hours=2), NOON_AFTER + timedelta(hours=2), 1)],
    ids=["a clock that is set back", "a machine that was suspended"],
)
def test_it_asks_once_it_is_due_by_the_clock_that_it_wakes_to(
    emulator: EmulatorServer, wakes: datetime, asked: datetime, sleeps: int
) -> None:
    first = iter([wakes])
    time = EmulatedTime(emulator, after_sleep=lambda: [emulator.clock.set(moment) for moment in first] and None)
    assert wait(emulator, time=time) == IS_THERE
    assert (looks(emulator), len(time.slept)) == ([asked], sleeps)


# What is no answer to judge by


@pytest.mark.parametrize(
    "action",
    [{"malformed_json": True}, {"cut_body": True}, {"reset": True}, {"status": 408}, {"status": 202, "body": {}}],
    ids=lambda action: next(iter(action)),
)
def test_what_is_no_answer_to_judge_by_is_waited_out(emulator: EmulatorServer, action: dict[str, Any]) -> None:
    answer(emulator, action, 6)
    assert wait(emulator) == IS_THERE


def test_a_report_that_appears_after_hours_of_503_is_found_and_no_two_looks_are_closer_than_two_minutes(
    emulator: EmulatorServer,
) -> None:
    answer(emulator, {"status": 503}, 100)
    assert wait(emulator) == IS_THERE
    assert len(looks(emulator)) == 101
    assert min(gaps(emulator)) >= 120
    assert emulator.clock.now() > NOON_AFTER + timedelta(hours=3)


def test_after_the_deadline_an_error_decides_nothing(emulator: EmulatorServer) -> None:
    emulator.set_options(empty_reports=1.0)
    answer(emulator, {"status": 503}, 60)
    assert wait(emulator, empty_after=timedelta(hours=1)) == ReportPoll(ReportStatus.EMPTY)
    assert [request.status for request in emulator.requests][-2:] == [503, 200]


@pytest.mark.parametrize(("retry_after", "times"), [(1800, 1), (31, 3)])
def test_after_429_the_next_look_is_when_zdirect_allows_it_and_not_before_the_pause(
    emulator: EmulatorServer, retry_after: int, times: int
) -> None:
    answer(emulator, {"status": 429, "headers": {"Retry-After": str(retry_after)}}, times)
    assert wait(emulator) == IS_THERE
    assert len(gaps(emulator)) == times
    least = max(120, retry_after)
    assert all(least <= gap <= least + LONGEST_PAUSE for gap in gaps(emulator))


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, BadRequestError), (401, AuthenticationError), (403, PermissionDeniedError), (404, NotFoundError)],
)
def test_what_waiting_does_not_help_is_raised_at_once(
    emulator: EmulatorServer, status: int, kind: type[ZDirectFatalError]
) -> None:
    answer(emulator, {"status": status})
    with pytest.raises(kind) as caught:
        wait(emulator)
    assert caught.value.remedy
    # After a 401 there is one new token.
    assert len(looks(emulator)) == (2 if status == 401 else 1)


def test_a_refused_token_is_renewed_once_and_the_report_found(emulator: EmulatorServer) -> None:
    answer(emulator, {"revoke_tokens": True}, 1)
    assert wait(emulator) == IS_THERE
    assert [request.status for request in emulator.requests if "community" in request.path] == [401, 200]


# What counts as movements


def test_too_many_movements_for_one_answer_means_that_they_are_there(emulator: EmulatorServer) -> None:
    emulator.set_options(icm_max_movements=0)
    assert wait(emulator, variant="single_request").status is ReportStatus.TOO_MANY
    assert looks(emulator) == [NOON_AFTER]


def test_a_page_without_movements_that_names_a_next_one_means_that_they_are_there(emulator: EmulatorServer) -> None:
    answer(emulator, {"status": 200, "body": {"items": [], "next": "abc"}})
    assert wait(emulator, dataset=CBM) == IS_THERE


# When an empty report is certain


@EVERY_KIND
def test_an_empty_answer_means_not_ready_until_the_deadline_whatever_later_reports_are_empty(
    emulator: EmulatorServer, kind: dict[str, Any]
) -> None:
    emulator.set_options(empty_reports=1.0)
    emulator.clock.set(NOON_AFTER + timedelta(hours=35))
    assert wait(emulator, **kind, empty_after=timedelta(hours=36)) == ReportPoll(ReportStatus.EMPTY)
    *before, last = looks(emulator)
    deadline = NOON_AFTER + timedelta(hours=36)
    assert before[-1] < deadline <= last <= deadline + timedelta(seconds=LONGEST_PAUSE)


@EVERY_KIND
def test_an_empty_sunday_is_decided_as_soon_as_mondays_report_is_there(
    emulator: EmulatorServer, kind: dict[str, Any]
) -> None:
    empty(emulator, SUNDAY)
    emulator.clock.set(datetime(2026, 11, 24, 9, tzinfo=UTC))
    # Monday's report comes at 10:30, and a pause is two to two and a half minutes.
    assert wait(emulator, **kind) == ReportPoll(ReportStatus.EMPTY, "the report of 2026-11-23")
    appeared = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)
    assert appeared <= looks(emulator)[-1] <= appeared + timedelta(minutes=3)
    assert asked_for(emulator)[-3:] == [SUNDAY_ALONE, MONDAY_ALONE, SUNDAY_ALONE]


@EVERY_KIND
@pytest.mark.parametrize("made_in_between", [False, True])
def test_days_later_one_look_with_three_requests_decides(
    emulator: EmulatorServer, kind: dict[str, Any], made_in_between: bool
) -> None:
    emulator.clock.set(FRIDAY_NOON)
    empty(emulator, SUNDAY, times=1 if made_in_between else None)
    decided = IS_THERE if made_in_between else ReportPoll(ReportStatus.EMPTY, UNTIL_THURSDAY)
    assert wait(emulator, **kind) == decided
    assert asked_for(emulator) == [SUNDAY_ALONE, "2026-11-23..2026-11-26", SUNDAY_ALONE]


def test_before_a_later_report_can_be_there_nobody_asks_for_it(emulator: EmulatorServer) -> None:
    emulator.clock.set(NOON_AFTER)
    empty(emulator, SUNDAY)
    assert wait(emulator, polls=3).status is None
    assert asked_for(emulator) == [SUNDAY_ALONE] * 3


def test_what_was_due_six_days_ago_is_empty_without_any_other_report(emulator: EmulatorServer) -> None:
    emulator.clock.set(NOON_AFTER + EMPTY_IS_CERTAIN_AFTER)
    empty(emulator, SUNDAY)
    assert wait(emulator) == ReportPoll(ReportStatus.EMPTY)
    assert asked_for(emulator) == [SUNDAY_ALONE]


def test_a_weekend_without_movements_is_decided_by_mondays_report(
    emulator: EmulatorServer, caplog: pytest.LogCaptureFixture
) -> None:
    emulator.clock.set(FRIDAY_NOON)
    for day in (SUNDAY - DAY, SUNDAY):
        empty(emulator, day)
    with caplog.at_level(logging.INFO):
        assert wait(emulator, SUNDAY - DAY).later == "a report of 2026-11-22 to 2026-11-26"
    assert "the report: decided (empty, because of a report of 2026-11-22 to 2026-11-26)." in caplog.text
    assert wait(emulator, SUNDAY).later == UNTIL_THURSDAY


def test_too_many_movements_of_later_dates_are_movements(emulator: EmulatorServer) -> None:
    emulator.clock.set(FRIDAY_NOON)
    emulator.set_options(icm_max_movements=0)
    empty(emulator, SUNDAY)
    assert wait(emulator, variant="single_request").later == UNTIL_THURSDAY
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
    answer(emulator, {"status": 200, "body": body}, 1, **{"from": "2026-11-23"})
    assert wait(emulator, dataset=CBM, polls=1).status is None
    assert wait(emulator, dataset=CBM).status is ReportStatus.EMPTY, "the next look has another answer"


@pytest.mark.parametrize("status", [400, 404])
def test_a_refused_look_at_later_dates_does_not_end_the_wait(emulator: EmulatorServer, status: int) -> None:
    emulator.clock.set(FRIDAY_NOON)
    empty(emulator, SUNDAY)
    answer(emulator, {"status": status}, **{"from": "2026-11-23"})
    empty_after = timedelta(days=4, hours=1)
    assert wait(emulator, empty_after=empty_after) == ReportPoll(ReportStatus.EMPTY)
    assert looks(emulator)[-1] >= NOON_AFTER + empty_after


def test_a_look_at_later_dates_that_fails_is_repeated_after_the_pause(emulator: EmulatorServer) -> None:
    emulator.clock.set(FRIDAY_NOON)
    empty(emulator, SUNDAY)
    answer(emulator, {"status": 429, "headers": {"Retry-After": "900"}}, 1, **{"from": "2026-11-23"})
    assert wait(emulator).later == UNTIL_THURSDAY
    assert looks(emulator)[2] >= FRIDAY_NOON + timedelta(seconds=900)


@pytest.mark.exhaustive
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    dataset=st.sampled_from([ICM, CBM]),
    day=st.dates(date(2026, 10, 1), date(2026, 11, 20)),
    hours=st.integers(0, 8 * 24),
    options=st.fixed_dictionaries(
        {
            "report_time": st.sampled_from(["00:00", "10:30", "23:59"]),
            "report_days": st.sampled_from(["all", "business"]),
            "empty_reports": st.sampled_from([0.3, 0.7]),
        }
    ),
    made_in_between=st.booleans(),
)
def test_a_report_that_a_later_one_makes_empty_never_has_movements(
    shared_emulator: EmulatorServer,
    dataset: str,
    day: date,
    hours: int,
    options: dict[str, Any],
    made_in_between: bool,
) -> None:
    emulator = shared_emulator
    emulator.reset()
    emulator.set_options(**options)
    emulator.clock.set(DueCalendar().due(day) + timedelta(hours=hours))
    if made_in_between:
        empty(emulator, day, times=1)
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    movements = emulator.truth(dataset, emulator.merchant_ids[0], start, start + DAY)
    found = wait(emulator, day, dataset=dataset, polls=1)
    assert not (movements and found.later is not None)
    assert movements or found.status is not ReportStatus.MOVEMENTS
    assert len(asked_for(emulator)) <= 3


@pytest.mark.parametrize(
    ("later", "after", "words"),
    [
        ("the report of 2026-11-23", timedelta(days=6), "the report of 2026-11-23 is there"),
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
