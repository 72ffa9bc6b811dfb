"""The status of each moment, against a model that looks at one quarter of an hour after the other."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import groupby

import pytest
from histories import HOUR, NOW, at, window
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_zdirect.coverage.calendar import (
    LETTERS,
    Fetched,
    Span,
    Status,
    letters_of_days,
    letters_of_hours,
    spans,
)
from airflow_provider_zdirect.datasets.selection import Dates, KeptCalendarYears, KeptDays, Timestamps
from airflow_provider_zdirect.windows import Window

START = at("11-20 00:00")
QUARTER = timedelta(minutes=15)
QUARTERS = 3 * 96
LANDED = [Status.UNCERTAIN, Status.REJECTED, Status.REFETCHED, Status.LANDED]


def quarter(number: int) -> datetime:
    return START + number * QUARTER


moments = st.integers(0, QUARTERS)
stretches = st.tuples(moments, moments).filter(lambda pair: pair[0] < pair[1]).map(lambda pair: tuple(pair))
fetches = st.lists(st.tuples(stretches, st.sampled_from(LANDED), st.integers(0, 5)), max_size=12)


def status_of(number: int, fetched: list, kept: int, due: int) -> Status:
    """Of one quarter: what the window says that was fetched last; of two at once the worse."""
    here = [(at, -list(Status).index(status), status) for (a, b), status, at in fetched if a <= number < b]
    if here:
        return max(here)[2]
    if number < kept:
        return Status.LOST
    return Status.MISSING if number < due else Status.PENDING


@given(fetched=fetches, expected=stretches, kept=moments, due=moments)
def test_the_status_is_that_of_every_quarter_and_neighbours_differ(fetched, expected, kept, due):
    windows = [Fetched(Window(quarter(a), quarter(b)), status, NOW + at * HOUR) for (a, b), status, at in fetched]
    found = spans(windows, Window(*map(quarter, expected)), quarter(kept), quarter(due))
    wanted = [(status_of(number, fetched, kept, due), number) for number in range(*expected)]
    # What is uncertain is cut where zDirect's records begin.
    of_run = groupby(wanted, key=lambda pair: (pair[0], pair[0] is Status.UNCERTAIN and pair[1] >= kept))
    runs = [(status, [number for _, number in run]) for (status, _), run in of_run]
    assert found == [Span(Window(quarter(run[0]), quarter(run[-1] + 1)), status) for status, run in runs]


@given(fetched=fetches, expected=stretches)
def test_an_hour_has_the_letter_of_the_worst_in_it(fetched, expected):
    windows = [Fetched(Window(quarter(a), quarter(b)), status, NOW + at * HOUR) for (a, b), status, at in fetched]
    found = spans(windows, Window(*map(quarter, expected)), quarter(0), quarter(QUARTERS))
    letters = letters_of_hours(found, [date(2026, 11, day) for day in (20, 21, 22)])
    for day in range(3):
        text = letters.get(f"2026-11-{20 + day}", "." * 24)
        for hour in range(24):
            quarters = [number for number in range(*expected) if number // 4 == day * 24 + hour]
            worst = min(
                (LETTERS.index(LETTERS[list(Status).index(status_of(n, fetched, 0, QUARTERS))]) for n in quarters),
                default=7,
            )
            assert text[hour] == LETTERS[worst]
    assert all(set(text) != {"."} for text in letters.values())


def test_local_days_of_23_and_25_hours_have_a_letter_each():
    zone = "Europe/Berlin"
    days = [date(2026, 10, day) for day in (24, 25, 26)]
    windows = [Span(Window.of_day(day, zone), status) for day, status in zip(days, list(Status), strict=False)]
    assert windows[1].window.duration == 25 * HOUR
    assert letters_of_days(windows, days, zone) == {"2026-10-24": "X", "2026-10-25": "M", "2026-10-26": "E"}


@pytest.mark.parametrize("retention", [KeptDays(1), KeptDays(100), KeptCalendarYears(1)], ids=str)
@pytest.mark.parametrize("kind", [Timestamps, Dates])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Pacific/Auckland"])
@given(hours=st.integers(0, 3 * 366 * 24))
def test_a_window_is_kept_until_the_edge_of_retention_has_passed_its_start(retention, kind, zone, hours):
    selection, start = kind(retention=retention), datetime(2025, 1, 1, tzinfo=UTC) + hours * HOUR
    if kind is Dates:
        start = Window.of_day(start.date(), zone).start
    until = selection.kept_until(start, zone)
    moment = timedelta(microseconds=2)
    assert selection.earliest(until - moment, zone) <= start < selection.earliest(until + moment, zone)


def test_a_window_of_the_last_quarter_is_only_a_quarter():
    (first, second, third) = spans(
        [Fetched(window("11-20 01:00", "11-20 01:15"), Status.LANDED, NOW)],
        window("11-20 00:00", "11-20 02:00"),
        START,
        NOW,
    )
    assert [each.status for each in (first, second, third)] == [Status.MISSING, Status.LANDED, Status.MISSING]
    assert second.window == window("11-20 01:00", "11-20 01:15")
