from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.reports.calendar import EMPTY_IS_CERTAIN_AFTER, DueCalendar, public_holidays

DAYS = st.dates(date(2024, 1, 1), date(2028, 12, 31))
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo", "Pacific/Auckland"])
TIMES = st.times(min_value=time(0), max_value=time(23, 59))
CODES = st.lists(st.sampled_from(["DE", "PL", "DE-BE", "FR", "SE", "US"]), max_size=3, unique=True).map(tuple)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_report_is_due_at_noon_utc_of_the_next_day() -> None:
    assert DueCalendar().due(date(2026, 11, 20)) == at("2026-11-21T12:00")


def test_business_days_leave_out_the_weekend() -> None:
    assert DueCalendar(business_days_only=True).due(date(2026, 11, 20)) == at("2026-11-23T12:00")


def test_holidays_of_all_calendars_are_left_out() -> None:
    # Friday is Christmas Day in both; Monday the 28th is a working day, except where Boxing Day moves.
    assert DueCalendar(business_days_only=True, holidays=("DE", "PL")).due(date(2026, 12, 24)) == at("2026-12-28T12:00")
    # 11 November is a holiday in Poland, 8 March in Berlin but not in Germany.
    assert DueCalendar(business_days_only=True, holidays=("DE",)).due(date(2026, 11, 10)) == at("2026-11-11T12:00")
    assert DueCalendar(business_days_only=True, holidays=("DE", "PL")).due(date(2026, 11, 10)) == at("2026-11-12T12:00")
    assert DueCalendar(business_days_only=True, holidays=("DE",)).due(date(2028, 3, 7)) == at("2028-03-08T12:00")
    assert DueCalendar(business_days_only=True, holidays=("DE-BE",)).due(date(2028, 3, 7)) == at("2028-03-09T12:00")


def test_holidays_count_only_for_business_days() -> None:
    assert DueCalendar(holidays=("DE",)).due(date(2026, 12, 24)) == at("2026-12-25T12:00")


@pytest.mark.parametrize(
    ("reported", "not_before", "due"),
    [
        ("2026-03-27", "12:00", "2026-03-28T11:00"),
        ("2026-03-28", "12:00", "2026-03-29T10:00"),
        ("2026-10-23", "12:00", "2026-10-24T10:00"),
        ("2026-10-24", "12:00", "2026-10-25T11:00"),
        # 02:30 does not exist: it is read as 03:30.
        ("2026-03-28", "02:30", "2026-03-29T01:30"),
        # 02:30 comes twice: it is the first one.
        ("2026-10-24", "02:30", "2026-10-25T00:30"),
    ],
)
def test_local_time_follows_the_change_of_clocks_in_berlin(reported: str, not_before: str, due: str) -> None:
    calendar = DueCalendar(time.fromisoformat(not_before), "Europe/Berlin")
    assert calendar.due(date.fromisoformat(reported)) == at(due)


@given(day=DAYS, zone=ZONES, not_before=TIMES, holidays=CODES)
def test_a_due_moment_is_after_the_report_date_and_never_on_a_weekend_or_holiday(
    day: date, zone: str, not_before: time, holidays: tuple[str, ...]
) -> None:
    due = DueCalendar(not_before, zone, True, holidays).due(day).astimezone(ZoneInfo(zone))
    assert due.date() > day
    assert due.weekday() < 5
    assert not any(due.date() in public_holidays(code) for code in holidays)
    # Later than asked only where that time does not exist.
    assert due.time() == not_before or (due - timedelta(hours=1)).time() == not_before


@given(day=DAYS, later=st.integers(1, 30), zone=ZONES, not_before=TIMES, business=st.booleans(), holidays=CODES)
def test_a_later_report_is_never_due_earlier(
    day: date, later: int, zone: str, not_before: time, business: bool, holidays: tuple[str, ...]
) -> None:
    calendar = DueCalendar(not_before, zone, business, holidays)
    assert calendar.due(day) <= calendar.due(day + timedelta(days=later))


@given(day=DAYS, zone=ZONES, not_before=TIMES)
def test_every_day_counts_unless_business_days_are_asked_for(day: date, zone: str, not_before: time) -> None:
    due = DueCalendar(not_before, zone).due(day).astimezone(ZoneInfo(zone))
    assert due.date() == day + timedelta(days=1)


@pytest.mark.parametrize("code", ["XX", "DE-ZZ", "de", "", "Germany", "DE-"])
def test_an_unknown_calendar_is_refused_with_what_to_do(code: str) -> None:
    with pytest.raises(ZDirectConfigurationError, match="holiday_calendars") as caught:
        public_holidays(code)
    assert "DE-BE" in str(caught.value)


@pytest.mark.parametrize("codes", [("DE",), ("PL",), ("IT",), ("NL",), ("SE",), ("FR",), ("ES",), ("DE-BY", "PL")])
def test_an_empty_report_is_called_certain_only_when_it_must_have_been_made_also_at_christmas(codes) -> None:
    business_days = DueCalendar(business_days_only=True, holidays=codes)
    for number in range((date(2033, 1, 1) - date(2024, 1, 1)).days):
        day = date(2024, 1, 1) + timedelta(days=number)
        assert business_days.due(day) < DueCalendar().due(day) + EMPTY_IS_CERTAIN_AFTER, day
