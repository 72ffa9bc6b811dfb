"""When a report counts as ready: the core against the emulator, in the emulator's time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from emulated_time import EmulatedTime, gaps, looks

from airflow_provider_zdirect.client import ClientConfig, MemoryRateLimiter, ZDirectClient
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import (
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    PermissionDeniedError,
    ZDirectFatalError,
)
from airflow_provider_zdirect.reports.calendar import DueCalendar
from airflow_provider_zdirect.reports.wait import JITTER, ReportPoll, ReportStatus, ReportWait, ask_for_report

ICM, CBM = "intra_community_movements", "cross_border_movements"
FRIDAY = date(2026, 11, 20)
MORNING_AFTER = datetime(2026, 11, 21, 6, tzinfo=UTC)
NOON_AFTER = MORNING_AFTER.replace(hour=12)
LONGEST_PAUSE = 120 * (1 + JITTER)


@pytest.fixture
def emulator() -> Iterator[EmulatorServer]:
    with EmulatorServer(seed=7, now=MORNING_AFTER, empty_reports=0.0) as server:
        yield server


def look_for(
    emulator: EmulatorServer,
    *,
    dataset: str = ICM,
    day: date = FRIDAY,
    calendar: DueCalendar | None = None,
    variant: str | None = None,
    merchant_id: str | None = None,
    time: EmulatedTime | None = None,
    secret: str = "demo-secret",
    empty_after: timedelta = timedelta(hours=6),
) -> ReportPoll:
    """What the wait came to; the emulator's clock then stands at its end."""
    clock = time or EmulatedTime(emulator)
    due = (calendar or DueCalendar()).due(day)

    async def wait() -> ReportPoll:
        config = ClientConfig("demo", secret, base_url=emulator.url)
        async with ZDirectClient(config, clock=clock, limiter=MemoryRateLimiter(clock)) as client:
            return await ReportWait("the report", due, due + empty_after, 120.0).until_decided(
                lambda last: ask_for_report(
                    client, get_dataset(dataset, variant), merchant_id or emulator.merchant_ids[0], day, last
                ),
                clock,
            )

    return asyncio.run(wait())


def wait_for(emulator: EmulatorServer, **options: Any) -> ReportStatus | None:
    return look_for(emulator, **options).status


@pytest.mark.parametrize("dataset", [ICM, CBM])
def test_nothing_is_asked_before_it_is_due_and_what_is_there_by_then_is_found_at_once(
    emulator: EmulatorServer, dataset: str
) -> None:
    assert wait_for(emulator, dataset=dataset) is ReportStatus.MOVEMENTS
    assert looks(emulator) == [NOON_AFTER]
    assert [request.time for request in emulator.requests if request.path == "/auth/token"] == [NOON_AFTER]


def test_a_late_report_is_found_by_the_first_look_after_it_appears(emulator: EmulatorServer) -> None:
    emulator.set_options(report_time="14:10")
    assert wait_for(emulator) is ReportStatus.MOVEMENTS
    *before, found = looks(emulator)
    appeared = NOON_AFTER.replace(hour=14, minute=10)
    assert before[0] == NOON_AFTER
    assert before[-1] < appeared <= found
    assert (found - before[-1]).total_seconds() <= LONGEST_PAUSE
    assert all(120 <= gap <= LONGEST_PAUSE for gap in gaps(emulator))
    assert len(set(gaps(emulator))) > 10, "pauses spread"


def test_one_record_is_asked_for_where_a_limit_is_documented_and_none_elsewhere(emulator: EmulatorServer) -> None:
    wait_for(emulator, dataset=CBM)
    assert "limit=1" in emulator.requests[-1].query.split("&")
    wait_for(emulator, dataset=ICM)
    assert "limit" not in emulator.requests[-1].query
    assert "from=2026-11-20&to=2026-11-20" in emulator.requests[-1].query


def test_over_a_weekend_with_a_holiday_a_report_is_waited_for_until_the_next_business_day(
    emulator: EmulatorServer,
) -> None:
    emulator.clock.set(datetime(2026, 12, 25, tzinfo=UTC))
    emulator.set_options(report_days="business", report_holidays=["2026-12-25"], report_time="12:30")
    day = date(2026, 12, 24)
    calendar = DueCalendar(business_days_only=True, holidays=("DE",))
    assert wait_for(emulator, day=day, calendar=calendar) is ReportStatus.MOVEMENTS
    first, *_, found = looks(emulator)
    assert first == datetime(2026, 12, 28, 12, tzinfo=UTC)
    assert timedelta(minutes=30) <= found - first <= timedelta(minutes=30, seconds=LONGEST_PAUSE)


@pytest.mark.parametrize(
    ("day", "due"),
    [
        (date(2026, 3, 28), datetime(2026, 3, 29, 10, tzinfo=UTC)),
        (date(2026, 10, 24), datetime(2026, 10, 25, 11, tzinfo=UTC)),
    ],
)
def test_noon_in_berlin_is_right_on_the_days_on_which_clocks_change(
    emulator: EmulatorServer, day: date, due: datetime
) -> None:
    emulator.clock.set(datetime(day.year, day.month, day.day, 20, tzinfo=UTC))
    emulator.set_options(report_time="08:00")
    assert wait_for(emulator, day=day, calendar=DueCalendar(timezone="Europe/Berlin")) is ReportStatus.MOVEMENTS
    assert looks(emulator) == [due]


@pytest.mark.parametrize("dataset", [ICM, CBM])
def test_an_empty_answer_means_not_ready_until_the_deadline_and_empty_from_then_on(
    emulator: EmulatorServer, dataset: str
) -> None:
    emulator.set_options(empty_reports=1.0)
    assert wait_for(emulator, dataset=dataset, empty_after=timedelta(hours=1)) is ReportStatus.EMPTY
    *before, last = looks(emulator)
    deadline = NOON_AFTER + timedelta(hours=1)
    assert before[-1] < deadline <= last <= deadline + timedelta(seconds=LONGEST_PAUSE)


def test_a_report_that_appears_after_a_day_of_503_is_found_and_no_two_looks_are_closer_than_two_minutes(
    emulator: EmulatorServer,
) -> None:
    emulator.faults.add({"match": {"path": "intra-community"}, "action": {"status": 503}, "times": 600})
    assert wait_for(emulator) is ReportStatus.MOVEMENTS
    assert len(looks(emulator)) == 601
    assert min(gaps(emulator)) >= 120
    assert emulator.clock.now() > NOON_AFTER + timedelta(hours=20)


def test_after_the_deadline_an_error_decides_nothing(emulator: EmulatorServer) -> None:
    emulator.set_options(empty_reports=1.0)
    emulator.faults.add({"match": {"path": "intra-community"}, "action": {"status": 503}, "times": 60})
    assert wait_for(emulator, empty_after=timedelta(hours=1)) is ReportStatus.EMPTY
    assert [request.status for request in emulator.requests][-2:] == [503, 200]


@pytest.mark.parametrize(
    "action",
    [{"malformed_json": True}, {"cut_body": True}, {"reset": True}, {"status": 408}, {"status": 202, "body": {}}],
    ids=lambda action: next(iter(action)),
)
def test_what_is_no_answer_to_judge_by_is_waited_out(emulator: EmulatorServer, action: dict[str, Any]) -> None:
    emulator.faults.add({"match": {"path": "intra-community"}, "action": action, "times": 6})
    assert wait_for(emulator) is ReportStatus.MOVEMENTS


def test_after_429_the_next_look_is_when_zdirect_allows_it(emulator: EmulatorServer) -> None:
    emulator.faults.add(
        {"match": {"path": "intra-community"}, "action": {"status": 429, "headers": {"Retry-After": "1800"}}}
    )
    assert wait_for(emulator) is ReportStatus.MOVEMENTS
    (gap,) = gaps(emulator)
    assert 1800 <= gap <= 1800 + LONGEST_PAUSE


def test_a_short_retry_after_does_not_shorten_the_pause_after_it(emulator: EmulatorServer) -> None:
    emulator.faults.add(
        {"match": {"path": "intra-community"}, "action": {"status": 429, "headers": {"Retry-After": "31"}}, "times": 3}
    )
    assert wait_for(emulator) is ReportStatus.MOVEMENTS
    assert min(gaps(emulator)) >= 120


def test_too_many_movements_for_one_answer_means_that_they_are_there(emulator: EmulatorServer) -> None:
    emulator.set_options(icm_max_movements=0)
    assert wait_for(emulator, variant="single_request") is ReportStatus.TOO_MANY
    assert looks(emulator) == [NOON_AFTER]


def test_a_page_without_movements_that_names_a_next_one_means_that_they_are_there(emulator: EmulatorServer) -> None:
    emulator.faults.add(
        {"match": {"path": "cross-border"}, "action": {"status": 200, "body": {"items": [], "next": "abc"}}}
    )
    assert wait_for(emulator, dataset=CBM) is ReportStatus.MOVEMENTS


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, BadRequestError), (401, AuthenticationError), (403, PermissionDeniedError), (404, NotFoundError)],
)
def test_what_waiting_does_not_help_is_raised_at_once(
    emulator: EmulatorServer, status: int, kind: type[ZDirectFatalError]
) -> None:
    emulator.faults.add({"match": {"path": "intra-community"}, "action": {"status": status}, "times": None})
    with pytest.raises(kind) as caught:
        wait_for(emulator)
    assert caught.value.remedy
    # After a 401 there is one new token.
    assert len(looks(emulator)) == (2 if status == 401 else 1)


def test_a_wrong_secret_is_raised_at_once(emulator: EmulatorServer) -> None:
    with pytest.raises(AuthenticationError):
        wait_for(emulator, secret="wrong")


def test_a_refused_token_is_renewed_once_and_the_report_found(emulator: EmulatorServer) -> None:
    emulator.faults.add({"match": {"path": "intra-community"}, "action": {"revoke_tokens": True}})
    assert wait_for(emulator) is ReportStatus.MOVEMENTS
    assert [request.status for request in emulator.requests if "community" in request.path] == [401, 200]


def test_a_clock_that_is_set_back_during_the_wait_does_not_make_it_ask_too_early(emulator: EmulatorServer) -> None:
    once = iter([None])

    def set_back() -> None:
        for _ in once:
            emulator.clock.set(MORNING_AFTER)

    time = EmulatedTime(emulator, after_sleep=set_back)
    assert wait_for(emulator, time=time) is ReportStatus.MOVEMENTS
    assert looks(emulator) == [NOON_AFTER]
    assert len(time.slept) == 2


def test_a_machine_that_was_suspended_over_the_due_moment_asks_once_it_is_awake(emulator: EmulatorServer) -> None:
    time = EmulatedTime(emulator, after_sleep=lambda: emulator.clock.advance(7200))
    assert wait_for(emulator, time=time) is ReportStatus.MOVEMENTS
    assert looks(emulator) == [NOON_AFTER + timedelta(hours=2)]
