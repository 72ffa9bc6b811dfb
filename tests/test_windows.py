from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_zdirect.datasets.selection import KeptCalendarYears, KeptDays
from airflow_provider_zdirect.datasets.table import DATASETS
from airflow_provider_zdirect.exceptions import RetentionError, WindowError
from airflow_provider_zdirect.pipeline.plan import plan_requests
from airflow_provider_zdirect.windows import Window, parse_instant, refuse_future, within_retention

MOMENT = datetime(2026, 3, 29, tzinfo=UTC)

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "America/Santiago", "Pacific/Auckland", "Atlantic/Azores",
         "Africa/Cairo")  # fmt: skip

moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
lengths = st.timedeltas(timedelta(microseconds=1), timedelta(days=40))
windows = st.builds(lambda start, length: Window(start, start + length), moments, lengths)


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        (MOMENT.replace(tzinfo=None), MOMENT, "start=.* no time zone"),
        (MOMENT, MOMENT.replace(tzinfo=None), "end=.* no time zone"),
        (MOMENT, MOMENT, "zero-width"),
        (MOMENT + timedelta(hours=1), MOMENT, "inverted"),
    ],
)
def test_a_window_that_makes_no_sense_says_why_and_what_to_do(start: datetime, end: datetime, said: str) -> None:
    with pytest.raises(WindowError, match=said) as refused:
        Window(start, end)
    assert refused.value.remedy


def test_times_in_any_zone_are_the_same_window() -> None:
    berlin = timezone(timedelta(hours=2))
    assert Window(datetime(2026, 5, 1, 2, tzinfo=berlin), datetime(2026, 5, 1, 3, tzinfo=berlin)) == Window(
        datetime(2026, 5, 1, 0, tzinfo=UTC), datetime(2026, 5, 1, 1, tzinfo=UTC)
    )


@given(windows)
def test_a_label_names_its_window(window: Window) -> None:
    assert Window.from_label(window.label) == window
    assert "/" not in window.label
    assert "-" not in window.label


@given(windows, st.timedeltas(timedelta(minutes=7), timedelta(days=3)))
def test_the_parts_of_a_window_tile_it(window: Window, longest: timedelta) -> None:
    parts = list(window.split(longest))
    assert parts[0].start == window.start
    assert parts[-1].end == window.end
    assert all(left.end == right.start for left, right in itertools.pairwise(parts))
    assert all(part.duration <= longest for part in parts)


@given(windows)
def test_the_dates_of_a_window_are_those_it_touches(window: Window) -> None:
    days = list(window.utc_dates())
    assert days == sorted(set(days))
    assert all(Window.of_day(day).intersects(window) for day in days)
    assert not Window.of_day(days[0] - timedelta(days=1)).intersects(window)
    assert not Window.of_day(days[-1] + timedelta(days=1)).intersects(window)


@given(st.dates(date(2024, 1, 1), date(2028, 1, 1)), st.integers(1, 60), st.sampled_from(ZONES))
def test_local_days_tile_whatever_the_clock_does(first: date, count: int, zone: str) -> None:
    days = [first + timedelta(days=n) for n in range(count)]
    parts = [Window.of_day(day, zone) for day in days]
    assert all(left.end == right.start for left, right in itertools.pairwise(parts))
    assert Window(parts[0].start, parts[-1].end).whole_days(zone) == days


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)])
def test_a_day_in_berlin_has_its_own_length(day: date, hours: int) -> None:
    assert Window.of_day(day, "Europe/Berlin").duration == timedelta(hours=hours)


def test_a_window_that_is_no_whole_day_says_where_midnight_would_be() -> None:
    with pytest.raises(WindowError, match="not midnight in Europe/Berlin"):
        Window.of_day(date(2026, 6, 1)).whole_days("Europe/Berlin")


@pytest.mark.parametrize("text", ["2026-11-22T10:00:00Z", "2026-11-22T11:00:00+01:00", " 2026-11-22T10:00:00+00:00 "])
def test_iso_times_are_read(text: str) -> None:
    assert parse_instant(text, name="from") == datetime(2026, 11, 22, 10, tzinfo=UTC)


@pytest.mark.parametrize("text", ["yesterday", "", "2026-11-22T10:00:00", "2026-11-22"])
def test_other_times_are_refused_by_name(text: str) -> None:
    with pytest.raises(WindowError, match="from="):
        parse_instant(text, name="from")


def test_the_future_is_refused_but_for_the_skew_of_clocks() -> None:
    window = Window(MOMENT, MOMENT + timedelta(hours=1))
    refuse_future(window, window.end - timedelta(seconds=30))
    with pytest.raises(WindowError, match="future"):
        refuse_future(window, window.end - timedelta(minutes=2))


def test_retention_clips_only_when_allowed_and_says_what() -> None:
    window = Window(MOMENT, MOMENT + timedelta(hours=4))
    edge = MOMENT + timedelta(hours=1)
    assert within_retention(window, MOMENT, clip=False) == window
    assert within_retention(window, edge, clip=True) == Window(edge, window.end)
    with pytest.raises(RetentionError, match="clip_to_retention"):
        within_retention(window, edge, clip=False)
    with pytest.raises(RetentionError, match="Nothing can be fetched"):
        within_retention(window, window.end, clip=True)


def test_what_zdirect_keeps() -> None:
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert KeptDays(100).earliest(now) == datetime(2026, 8, 14, 12, tzinfo=UTC)
    assert KeptCalendarYears(previous=1).earliest(now) == datetime(2025, 1, 1, tzinfo=UTC)


@given(windows, st.timedeltas(timedelta(0), timedelta(hours=5)))
def test_requests_of_returned_items_cover_window_and_overlap_without_gap(window: Window, overlap: timedelta) -> None:
    requests = plan_requests(DATASETS["returned_items"], Window(window.start - overlap, window.end), "UTC")
    spans = [request.span for request in requests]
    assert (spans[0].start, spans[-1].end) == (window.start - overlap, window.end)
    assert all(left.end == right.start for left, right in itertools.pairwise(spans))
    assert all(span.duration <= timedelta(minutes=60) for span in spans)


def test_received_items_are_one_request_that_is_paged() -> None:
    window = Window(MOMENT, MOMENT + timedelta(days=30))
    (request,) = plan_requests(DATASETS["received_items"], Window(window.start - timedelta(hours=1), window.end), "UTC")
    assert request.parameters == {"from": "2026-03-28T23:00:00Z", "to": "2026-04-28T00:00:00Z"}


def test_dates_are_asked_one_by_one_and_inclusive() -> None:
    window = Window(MOMENT, MOMENT + timedelta(days=2))
    requests = plan_requests(DATASETS["liquidated_items"], window, "UTC")
    assert [dict(request.parameters) for request in requests] == [
        {"from": "2026-03-29", "to": "2026-03-29"},
        {"from": "2026-03-30", "to": "2026-03-30"},
    ]


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        ("2026-11-28T07:00Z", "2026-11-28T08:00Z", "2026-11-28 07:00-08:00 UTC"),
        ("2026-11-28T23:00Z", "2026-11-29T00:00Z", "2026-11-28 23:00-24:00 UTC"),
        ("2026-11-28T00:00+01:00", "2026-11-29T00:00+01:00", "2026-11-27 23:00 to 2026-11-28 23:00 UTC"),
        ("2026-11-01T00:00Z", "2026-12-01T00:00Z", "2026-11-01 00:00 to 2026-11-30 24:00 UTC"),
        ("2026-11-28T07:00:05Z", "2026-11-28T07:30Z", "2026-11-28 07:00:05-07:30 UTC"),
    ],
)
def test_a_window_in_words_for_log_lines(start, end, said):
    window = Window(datetime.fromisoformat(start), datetime.fromisoformat(end))
    assert window.in_words() == said


def test_windows_that_only_touch_do_not_intersect() -> None:
    before, after = Window.of_day(date(2026, 11, 21)), Window.of_day(date(2026, 11, 22))
    assert not before.intersects(after)
    assert not after.intersects(before)
    assert before.intersection(after) is after.intersection(before) is None


def test_a_window_up_to_midnight_does_not_touch_the_next_date() -> None:
    assert list(Window.of_day(date(2026, 11, 21)).utc_dates()) == [date(2026, 11, 21)]
    a_little_more = Window(MOMENT, MOMENT + timedelta(days=1, microseconds=1))
    assert list(a_little_more.utc_dates()) == [date(2026, 3, 29), date(2026, 3, 30)]


def test_a_window_may_end_as_far_ahead_as_clocks_may_differ() -> None:
    refuse_future(Window(MOMENT, MOMENT + timedelta(minutes=1)), MOMENT)
    with pytest.raises(WindowError, match="ends in the future"):
        refuse_future(Window(MOMENT, MOMENT + timedelta(minutes=1, microseconds=1)), MOMENT)


class WithoutOffset(tzinfo):
    def utcoffset(self, at: datetime | None) -> None:
        return None


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        (MOMENT.replace(tzinfo=WithoutOffset()), "no time zone"),
        (1_764_000_000, "not a time"),
        ("0001-01-01T00:00:00+14:00", "too near to the first or last year"),
        ("9999-12-31T23:59:59-12:00", "too near to the first or last year"),
    ],
)
def test_what_is_not_a_moment_is_refused_by_its_name(value: Any, wrong: str) -> None:
    with pytest.raises(WindowError, match=rf"^window_from=.* {wrong}"):
        parse_instant(value, name="window_from")
