"""The report sensor's own arguments as values; those that it shares with operators are in ``operators.arguments``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from airflow_provider_zdirect.datasets.table import Dataset, get_dataset
from airflow_provider_zdirect.exceptions import WindowError, ZDirectConfigurationError
from airflow_provider_zdirect.operators import arguments
from airflow_provider_zdirect.reports.calendar import DAY, REPORTS, DueCalendar, public_holidays
from airflow_provider_zdirect.reports.wait import SHORTEST_POLL_INTERVAL, ReportWait, report_in_words

ON_EMPTY = ("success", "skip", "fail")


@dataclass(frozen=True)
class ReportPlan:
    """What one run of the sensor is to wait for, and how."""

    dataset: Dataset
    merchant_id: str | None
    report_date: date
    wait: ReportWait
    on_empty: str


def report_plan(values: Mapping[str, Any], interval: tuple[Any, Any], poke_interval: float) -> ReportPlan:
    """The arguments after rendering, as values.

    :param values: by name; ``merchant_id`` as :func:`~.arguments.own_merchant_id` has it.
    :param interval: start and end of the run's data interval.
    :param poke_interval: Airflow's own pause between two looks, in seconds; the longer one holds.
    :raises ZDirectConfigurationError: for whatever is wrong.
    """
    dataset = report_dataset(
        values["dataset"], arguments.given_text(values["variant"]), arguments.given_text(values["path"])
    )
    merchant_id = values["merchant_id"]
    calendar = DueCalendar(
        not_before=time_of_day(values["not_before"]),
        timezone=arguments.time_zone(values["timezone"]),
        business_days_only=arguments.flag(values["business_days_only"], name="business_days_only"),
        holidays=holiday_calendars(arguments.given(values["holiday_calendars"]) or ()),
    )
    given_date = arguments.given(values["report_date"])
    day = _interval_date(interval) if given_date is None else report_date(given_date)
    due = calendar.due(day)
    wait = ReportWait(
        report_in_words(dataset.name, merchant_id, day),
        due,
        due + arguments.duration(values["empty_after"], name="empty_after"),
        max(poke_interval, poll_interval(values["poll_interval"])),
    )
    return ReportPlan(dataset, merchant_id, day, wait, on_empty(values["on_empty"]))


def _interval_date(interval: tuple[Any, Any]) -> date:
    start, end = interval
    # Zero-width on Airflow 3 with a bare cron schedule: it starts on the day of the run, not on the one before.
    if not isinstance(start, datetime) or start == end:
        raise WindowError(
            "This run has no data interval, and report_date is not given.",
            remedy=f"Give report_date. {arguments.NO_INTERVAL_REMEDY}",
        )
    if abs((end - start) - DAY) > timedelta(hours=1):
        raise WindowError(
            f"The run's data interval {start.isoformat()}..{end.isoformat()} is no day, and report_date is not given.",
            remedy="Give report_date; for several reports, map the task over their dates.",
        )
    # The middle of the day is the same date in UTC and in every zone of Europe and America, wherever it begins.
    return (start + (end - start) / 2).astimezone(UTC).date()


def report_dataset(name: Any, variant: str | None, path: str | None) -> Dataset:
    if name not in REPORTS:
        raise ZDirectConfigurationError(
            f"dataset={name!r} is no daily report; nothing tells when it is complete.",
            remedy=f"Use one of: {', '.join(REPORTS)}.",
        )
    return get_dataset(name, variant, path)


def report_date(value: Any) -> date:
    """A date, or ISO text of one."""
    # A time is refused: which day it is depends on a time zone that nobody named.
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value.strip())
    except (AttributeError, ValueError):
        raise ZDirectConfigurationError(
            f"report_date={value!r} is no date.",
            remedy="Give it as 2026-11-22, for example with the template {{ data_interval_start | ds }}.",
        ) from None


def time_of_day(value: Any) -> time:
    """A time without offset, or ISO text of one."""
    try:
        moment = value if isinstance(value, time) else time.fromisoformat(value.strip())
    except (AttributeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is not None:
        raise ZDirectConfigurationError(
            f"not_before={value!r} is no time of day.",
            remedy="Give it as 12:00, and its time zone as timezone.",
        )
    return moment


def holiday_calendars(value: Any) -> tuple[str, ...]:
    """Codes as a list, or as text with commas between them; every one is looked up."""
    found = tuple(arguments.entries(value, name="holiday_calendars", parse=str.upper))
    for code in found:
        public_holidays(code)
    return found


def poll_interval(value: Any) -> float:
    """Seconds, from a duration."""
    seconds = arguments.duration(value, name="poll_interval").total_seconds()
    if seconds < SHORTEST_POLL_INTERVAL:
        raise ZDirectConfigurationError(
            f"poll_interval={value} is too short.",
            remedy=f"Give at least PT{SHORTEST_POLL_INTERVAL:.0f}S: zDirect asks to wait two minutes before a "
            "report is fetched again.",
        )
    return seconds


def on_empty(value: Any) -> str:
    if value not in ON_EMPTY:
        raise ZDirectConfigurationError(f"on_empty={value!r} is unknown.", remedy=f"Use one of: {', '.join(ON_EMPTY)}.")
    return str(value)


def poke_interval(value: Any) -> float:
    """What Airflow is told at parse for ``poll_interval``, where a template is not known yet."""
    known = arguments.literal(value)
    return SHORTEST_POLL_INTERVAL if known is None else poll_interval(known)


def check_literals(task_id: Any, values: Mapping[str, Any]) -> None:
    """Raise ZDirectConfigurationError for what is known at parse and wrong."""
    with arguments.naming(task_id):
        for name in ("dataset", "conn_id"):
            arguments.check_not_empty(values[name], name=name)
        arguments.check(
            values["dataset"],
            lambda dataset: report_dataset(
                dataset, arguments.literal(values["variant"]), arguments.literal(values["path"])
            ),
        )
        arguments.check(values["merchant_id"], arguments.check_merchant_id)
        arguments.check(values["report_date"], report_date)
        arguments.check(values["not_before"], time_of_day)
        arguments.check(values["timezone"], arguments.time_zone)
        arguments.check(values["business_days_only"], lambda only: arguments.flag(only, name="business_days_only"))
        arguments.check(values["holiday_calendars"], holiday_calendars)
        arguments.check(values["poll_interval"], poll_interval)
        arguments.check(values["empty_after"], lambda after: arguments.duration(after, name="empty_after"))
        arguments.check(values["on_empty"], on_empty)
