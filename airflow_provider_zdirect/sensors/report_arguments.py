"""The report sensor's own arguments, and the wait that follows from all of them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from airflow_provider_zdirect.datasets.table import Dataset, get_dataset
from airflow_provider_zdirect.exceptions import WindowError, ZDirectConfigurationError
from airflow_provider_zdirect.operators.argument_table import if_known
from airflow_provider_zdirect.operators.arguments import duration, entries, literal
from airflow_provider_zdirect.operators.run_context import NO_INTERVAL_REMEDY
from airflow_provider_zdirect.reports.calendar import DAY, REPORTS, DueCalendar, public_holidays
from airflow_provider_zdirect.reports.wait import SHORTEST_POLL_INTERVAL, ReportWait, report_in_words


@dataclass(frozen=True)
class ReportPlan:
    """What one run of the sensor waits for, and how."""

    dataset: Dataset
    variant: str | None
    path: str | None
    merchant_id: str | None
    report_date: date
    wait: ReportWait
    on_empty: str


def report_plan(values: Mapping[str, Any], interval: tuple[Any, Any], poke_interval: float) -> ReportPlan:
    """What to wait for.

    :param values: the sensor's arguments.
    :param interval: start and end of the run's data interval.
    :param poke_interval: Airflow's own pause between two requests, in seconds; the longer one holds.
    :raises WindowError: if there is no report date, and the interval is not a day.
    """
    dataset = report_dataset(values)
    calendar = DueCalendar(
        not_before=values["not_before"],
        timezone=values["timezone"],
        business_days_only=values["business_days_only"],
        holidays=values["holiday_calendars"],
    )
    day = values["report_date"] or _interval_date(interval)
    due = calendar.due(day)
    wait = ReportWait(
        report_in_words(dataset.name, values["merchant_id"], day),
        due,
        due + values["empty_after"],
        max(poke_interval, values["poll_interval"]),
    )
    return ReportPlan(dataset, values["variant"], values["path"], values["merchant_id"], day, wait, values["on_empty"])


def _interval_date(interval: tuple[Any, Any]) -> date:
    start, end = interval
    # Zero-width on Airflow 3 with a bare cron schedule: it starts on the day of the run, not on the one before.
    if not isinstance(start, datetime) or start == end:
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


def report_dataset(values: Mapping[str, Any]) -> Dataset:
    """The dataset, as far as it is known.

    :raises ZDirectConfigurationError: if it is not one of daily reports, or has no such variant or path.
    """
    if values["dataset"] not in REPORTS:
        raise ZDirectConfigurationError(
            f"dataset={values['dataset']!r} is not a daily report, so there is nothing to wait for.",
            remedy=f"Use one of: {', '.join(REPORTS)}.",
        )
    return get_dataset(values["dataset"], if_known(values["variant"]), if_known(values["path"]))


def report_date(value: Any, name: str) -> date:
    """A date, or ISO text of one."""
    # A time is refused: which day it is depends on a time zone that is not given.
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value.strip())
    except (AttributeError, ValueError):
        raise ZDirectConfigurationError(
            f"{name}={value!r} is not a date.",
            remedy="Give it as 2026-11-22, for example with the template {{ data_interval_start | ds }}.",
        ) from None


def time_of_day(value: Any, name: str) -> time:
    """A time without offset, or ISO text of one."""
    try:
        moment = value if isinstance(value, time) else time.fromisoformat(value.strip())
    except (AttributeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is not None:
        raise ZDirectConfigurationError(
            f"{name}={value!r} is not a time of day.", remedy="Give it as 12:00, and its time zone as timezone."
        )
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
        raise ZDirectConfigurationError(
            f"{name}={value} is too short.",
            remedy=f"Give at least PT{SHORTEST_POLL_INTERVAL:.0f}S: zDirect asks to wait two minutes before a "
            "report is fetched again.",
        )
    return seconds


def poke_interval(value: Any) -> float:
    """Airflow's own pause for a ``poll_interval``: the shortest, if that is wrong or not known yet."""
    with suppress(ZDirectConfigurationError):
        if (known := literal(value)) is not None:
            return poll_interval(known, "poll_interval")
    return SHORTEST_POLL_INTERVAL
