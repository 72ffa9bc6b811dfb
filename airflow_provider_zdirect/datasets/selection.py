# SPDX-License-Identifier: Apache-2.0
"""What of a dataset an endpoint can be asked for: times, dates, what changed since a time, or everything."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.windows import Window

RETENTION_MARGIN = timedelta(minutes=5)
"""Kept off the far end of what zDirect keeps, since that moves on while requests are under way."""

DAY = timedelta(days=1)

DIGITS = {"ean": 13, "zalando_advice_id": 8}
"""Digits of the values that records can be asked for by (zDirect: ``^[0-9]{13}$``, ``^[0-9]{8}$``)."""


@dataclass(frozen=True)
class KeptDays:
    """zDirect keeps the last ``days`` days."""

    days: int

    def earliest(self, now: datetime) -> datetime:
        return now - timedelta(days=self.days)

    def until(self, at: datetime) -> datetime:
        return at + timedelta(days=self.days)

    def __str__(self) -> str:
        return f"{self.days} days" if self.days > 1 else "24 hours"


@dataclass(frozen=True)
class KeptCalendarYears:
    """zDirect keeps the current calendar year and ``previous`` before it."""

    previous: int

    def earliest(self, now: datetime) -> datetime:
        return datetime(now.year - self.previous, 1, 1, tzinfo=UTC)

    def until(self, at: datetime) -> datetime:
        return datetime(at.year + self.previous + 1, 1, 1, tzinfo=UTC)

    def __str__(self) -> str:
        return "current and previous calendar year" if self.previous == 1 else f"{self.previous + 1} calendar years"


Retention = KeptDays | KeptCalendarYears


@dataclass(frozen=True)
class Expected:
    """Where the rows of an answer lie; zDirect might have ignored what was asked for.

    :param fields: with times or dates; of those that a row has, at least one is from ``first`` to ``last``.
    :param certain: whether rows outside are an error.
    :param one_date: no rows of a date beside the one that was asked for come with rows of that one.
    """

    fields: tuple[str, ...]
    first: date
    last: date
    certain: bool = True
    one_date: bool = False


@dataclass(frozen=True)
class StateRequest:
    """One request of a present state.

    :param values: by field: the values that are asked for; empty: it asks for all records.
    """

    parameters: Mapping[str, str]
    values: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The base of all.

    :param filters: by field: the parameter that selects the records with one value of it.
    """

    filters: Mapping[str, str] = field(default_factory=dict)

    @property
    def takes_window(self) -> bool:
        """Whether a window can be given."""
        return True

    def filter_parameters(self, name: str, filters: Mapping[str, str]) -> dict[str, str]:
        """The query that selects the records with these values.

        :param name: of the dataset, for the error.
        :param filters: value by field.
        :raises ZDirectConfigurationError: if the dataset cannot be filtered by such a field.
        """
        if unknown := sorted(filters.keys() - self.filters.keys()):
            raise ZDirectConfigurationError(
                f"filters: {name} cannot be filtered by {', '.join(unknown)}.",
                remedy=f"Use: {', '.join(self.filters) or '(it has no filters)'}.",
            )
        return {self.filters[each]: value for each, value in filters.items()}


@dataclass(frozen=True, kw_only=True)
class WindowSelection(Selection):
    """The endpoint is asked for a window.

    :param retention: how far back windows may go.
    :param overlap: how far before its window a run looks for records that became visible late.
    :param filter_confirmed: whether it is certain by which time or date ``from`` and ``to`` select.
    """

    retention: Retention
    overlap: timedelta = timedelta(0)
    filter_confirmed: bool = True

    def parameters(self, start: datetime | date, end: datetime | date) -> dict[str, str]:
        """The query that selects ``start`` to ``end``."""
        raise NotImplementedError

    def spans(self, window: Window, timezone: str) -> list[tuple[Window, date | None]]:
        """What each request asks for: the time, and the date where the endpoint is asked by date.

        :param timezone: where days begin.
        :raises WindowError: if the endpoint is asked by date and the window does not consist of whole days.
        """
        raise NotImplementedError

    def earliest(self, now: datetime, timezone: str) -> datetime:
        """The first instant that may be asked for."""
        return self.retention.earliest(now + RETENTION_MARGIN)

    def kept_until(self, start: datetime, timezone: str) -> datetime:
        """Until when ``start`` may be asked for: :meth:`earliest` lies after it from then on."""
        return self.retention.until(start) - RETENTION_MARGIN

    def expected(self, time_field: str, span: Window, day: date | None) -> Expected:
        """Where the rows of an answer lie.

        :param time_field: of the dataset.
        """
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Timestamps(WindowSelection):
    """By time; a window becomes ``from=start - overlap, to=end``.

    :param request_window: longest time span of one request.
    :param names: the parameters of start and end.
    :param exclusive: the start is exclusive too, and both have whole seconds.
    """

    request_window: timedelta | None = None
    names: tuple[str, str] = ("from", "to")
    exclusive: bool = False

    def parameters(self, start: datetime | date, end: datetime | date) -> dict[str, str]:
        assert isinstance(start, datetime)
        assert isinstance(end, datetime)
        first, last = self.names
        if not self.exclusive:
            return {first: as_parameter(start), last: as_parameter(end)}
        after = start.replace(microsecond=0) - timedelta(seconds=1)
        before = end.replace(microsecond=0) + timedelta(seconds=bool(end.microsecond))
        return {first: in_whole_seconds(after), last: in_whole_seconds(before)}

    def spans(self, window: Window, timezone: str) -> list[tuple[Window, date | None]]:
        parts = [window] if self.request_window is None else window.split(self.request_window)
        return [(part, None) for part in parts]

    def expected(self, time_field: str, span: Window, day: date | None) -> Expected:
        # An exclusive start is a second early. Whether "to" is inclusive is unconfirmed.
        start = span.start - timedelta(seconds=self.exclusive)
        return Expected((time_field,), start, span.end, certain=self.filter_confirmed)


@dataclass(frozen=True, kw_only=True)
class Dates(WindowSelection):
    """By date, inclusive at both ends; each day is a request, ``from = to = that day``.

    :param dated_by: fields of which at least one lies on the date; empty: unknown. Without ``filter_confirmed``, a day
        before or after does not contradict it.
    :param not_after: field that is never later than the date (with a day of grace).
    :param to_inclusive: whether the date in ``to`` is part of the answer.
    """

    dated_by: tuple[str, ...] = ()
    not_after: str | None = None
    to_inclusive: bool = True

    def parameters(self, start: datetime | date, end: datetime | date) -> dict[str, str]:
        if not self.to_inclusive:
            end += DAY
        return {"from": as_parameter(start), "to": as_parameter(end)}

    def spans(self, window: Window, timezone: str) -> list[tuple[Window, date | None]]:
        return [(Window.of_day(day, timezone), day) for day in window.whole_days(timezone)]

    def earliest(self, now: datetime, timezone: str) -> datetime:
        # Dates are counted as dates, so that the one of 100 days ago can be asked for all day long. Unconfirmed; should
        # zDirect answer without records, what was published stays (publish/day.py).
        edge = self.retention.earliest(now + RETENTION_MARGIN)
        local = edge.astimezone(ZoneInfo(timezone)).date()
        return Window.of_day(max(edge.date(), local), timezone).start

    def kept_until(self, start: datetime, timezone: str) -> datetime:
        after = start.astimezone(ZoneInfo(timezone)).date() + DAY
        # The last moment of the day; the date is gone when the edge has passed it by one of the two calendars.
        last = min(Window.of_day(after, zone).start for zone in ("UTC", timezone)) - timedelta(microseconds=1)
        return super().kept_until(last, timezone)

    def expected(self, time_field: str, span: Window, day: date | None) -> Expected:
        assert day is not None
        if self.not_after is not None:
            return Expected((self.not_after,), date.min, day + DAY)
        slack = timedelta(0) if self.filter_confirmed else DAY
        return Expected(self.dated_by, day - slack, day + slack, one_date=not self.filter_confirmed)


@dataclass(frozen=True, kw_only=True)
class State(Selection):
    """The endpoint answers with a present state: all that there is, or what has changed since a time.

    :param since_parameter: of the time; None where it cannot be asked for, and everything is answered.
    :param retention: how far back changes are known.
    :param values_per_request: how many values of its filter, comma separated, one request takes.
    """

    since_parameter: str | None = None
    retention: Retention | None = None
    values_per_request: int = 1

    @property
    def takes_window(self) -> bool:
        return self.since_parameter is not None

    def requests(self, name: str, since: datetime | None, filters: Mapping[str, str]) -> list[StateRequest]:
        """The requests that together answer for the state.

        :param name: of the dataset, for errors.
        :param since: only what changed from then on.
        :param filters: values by field, separated by commas, semicolons or blanks; repeated ones are asked for once.
        :raises ZDirectConfigurationError: if the endpoint cannot be asked so.
        """
        self.filter_parameters(name, filters)
        given = {each: _values(name, each, text) for each, text in filters.items() if text.strip()}
        if since is not None and (given or not self.since_parameter):
            raise ZDirectConfigurationError(
                f"{name} cannot be asked for what changed since a time{' and by filters at once' if given else ''}.",
                remedy="Leave the time out.",
            )
        if given:
            ((by, values),) = given.items()
            starts = range(0, len(values), self.values_per_request)
            batches = [values[start : start + self.values_per_request] for start in starts]
            parameter = self.filters[by]
            return [StateRequest({parameter: ",".join(batch)}, {by: frozenset(batch)}) for batch in batches]
        if self.since_parameter is None:
            return [StateRequest({})]
        if since is None:
            raise ZDirectConfigurationError(
                f"{name} is neither asked for a time nor for {', '.join(self.filters)}.",
                remedy=f"Give a window, whose start is the time, or filters with {', '.join(self.filters)}.",
            )
        return [StateRequest({self.since_parameter: as_parameter(since)})]


def _values(name: str, field: str, text: str) -> list[str]:
    values = list(dict.fromkeys(value for value in re.split(r"[\s,;]+", text) if value))
    if not values:
        raise ZDirectConfigurationError(
            f"filters: {field}={text!r} of {name} holds no value.",
            remedy=f"Give values, or leave {field} out for all records.",
        )
    digits = DIGITS.get(field)
    wrong = [value for value in values if digits and not re.fullmatch(rf"[0-9]{{{digits}}}", value)]
    if wrong:
        raise ZDirectConfigurationError(
            f"filters: {field} {', '.join(map(repr, wrong[:5]))} of {name} "
            f"{'does' if len(wrong) == 1 else 'do'} not have {digits} digits.",
            remedy="Give them as text, with leading zeros; numbers lose these.",
        )
    return values


def in_whole_seconds(at: datetime) -> str:
    """A time as the Orders API honours it (a public client's experience): with fractions or a Z it drops the filter."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")


def as_parameter(value: datetime | date) -> str:
    """A time or date as zDirect's docs show it in a query."""
    if not isinstance(value, datetime):
        return value.isoformat()
    # zDirect docs show RFC 3339 with Z; fractions are sent only where the window has them.
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
