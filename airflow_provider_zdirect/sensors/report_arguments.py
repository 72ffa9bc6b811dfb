# SPDX-License-Identifier: Apache-2.0
"""The report sensor's own arguments, and when a report is due by them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.exceptions import WindowError
from airflow_provider_zdirect.operators.argument_table import if_known
from airflow_provider_zdirect.operators.arguments import duration, entries, refusal
from airflow_provider_zdirect.operators.run_context import NO_INTERVAL_REMEDY
from airflow_provider_zdirect.reports.calendar import DAY, REPORTS, DueCalendar, public_holidays
from airflow_provider_zdirect.reports.wait import SHORTEST_POLL_INTERVAL


def date_and_due(values: Mapping[str, Any], context: Mapping[str, Any]) -> tuple[date, datetime]:
    """The date of the report, and when it is due.

    :param values: the sensor's arguments.
    :raises WindowError: if there is no report date, and the run's data interval is not a day.
    """
    report_date = values["report_date"] or _interval_date(context)
    calendar = DueCalendar(
        values["not_before"], values["timezone"], values["business_days_only"], values["holiday_calendars"]
    )
    return report_date, calendar.due(report_date)


def _interval_date(context: Mapping[str, Any]) -> date:
    start, end = context.get("data_interval_start"), context.get("data_interval_end")
    # Zero-width on Airflow 3 with a bare cron schedule: it starts on the day of the run, not on the one before.
    if not start or not end or start == end:
        raise WindowError(
            "This run has no data interval, and report_date is not given.",
            remedy=f"Give report_date. {NO_INTERVAL_REMEDY}",
        )
    if abs((end - start) - DAY) > timedelta(hours=1):
        raise WindowError(
            f"The run's data interval {start.isoformat()}..{end.isoformat()} is not a day, and report_date is not "
            "given.",
            remedy="Give report_date; for several reports, map the task over their dates.",
        )
    # The middle of the day is the same date in UTC and in every zone of Europe and America, wherever it begins.
    middle: datetime = start + (end - start) / 2
    return middle.astimezone(UTC).date()


def check_report_dataset(values: Mapping[str, Any]) -> None:
    """Raise ZDirectConfigurationError for a dataset that is not a daily report, or has no such variant or path."""
    if values["dataset"] not in REPORTS:
        what = f"dataset={values['dataset']!r} is not a daily report, so there is nothing to wait for"
        raise refusal(what, f"Use one of: {', '.join(REPORTS)}.")
    get_dataset(values["dataset"], if_known(values["variant"]), if_known(values["path"]))


def report_date(value: Any, name: str) -> date:
    """A date, or ISO text of one."""
    # A time is refused: which day it is depends on a time zone that is not given.
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value.strip())
    except (AttributeError, ValueError):
        raise refusal(
            f"{name}={value!r} is not a date",
            "Give it as 2026-11-22, for example with the template {{ data_interval_start | ds }}.",
        ) from None


def time_of_day(value: Any, name: str) -> time:
    """A time without offset, or ISO text of one."""
    try:
        moment = value if isinstance(value, time) else time.fromisoformat(value.strip())
    except (AttributeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is not None:
        raise refusal(f"{name}={value!r} is not a time of day", "Give it as 12:00, and its time zone as timezone.")
    return moment


def holiday_calendars(value: Any, name: str) -> tuple[str, ...]:
    """Codes as a list, or as text with commas between them; every one is looked up."""
    found = tuple(entries(value, name=name, parse=str.upper))
    for code in found:
        public_holidays(code)
    return found


def poll_interval(value: Any, name: str) -> float:
    """Seconds, from a duration."""
    seconds = duration(value, name).total_seconds()
    if seconds < SHORTEST_POLL_INTERVAL:
        raise refusal(
            f"{name}={value} is too short",
            f"Give at least PT{SHORTEST_POLL_INTERVAL:.0f}S: zDirect asks to wait two minutes before a report is "
            "fetched again.",
        )
    return seconds
