# SPDX-License-Identifier: Apache-2.0
"""A row of the report: what has landed of one dataset of one merchant, and what is missing. No I/O."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from airflow_provider_zdirect.coverage.calendar import (
    HOUR,
    Fetched,
    Span,
    Status,
    letters_of_days,
    letters_of_hours,
    spans,
)
from airflow_provider_zdirect.coverage.facts import Facts
from airflow_provider_zdirect.coverage.index import FetchFacts
from airflow_provider_zdirect.datasets.selection import Dates
from airflow_provider_zdirect.datasets.table import Dataset
from airflow_provider_zdirect.reports.calendar import REPORTS, DueCalendar
from airflow_provider_zdirect.windows import Window

DAY = timedelta(days=1)
GAPS = (Status.LOST, Status.MISSING, Status.UNCERTAIN)
BACKFILL = "zdirect_backfill"
TIME_TO_FILL = timedelta(hours=1)
"""The command that fills a gap leaves out what zDirect deletes within this time: the task would be refused."""


@dataclass(frozen=True)
class Scope:
    """What a report covers; the same for all of its rows.

    :param now: when it is made, in UTC.
    :param days: how many days it covers, today (UTC) included.
    :param since: windows are expected from then on; None: from the first known window on.
    :param warn: a gap that zDirect deletes within this time is urgent.
    :param grace: how long after its end a window may still be missing.
    :param timezone: in which days begin, for datasets that are fetched by date.
    """

    now: datetime
    days: int = 100
    since: datetime | None = None
    warn: timedelta = timedelta(days=14)
    grace: timedelta = timedelta(hours=24)
    timezone: str = "UTC"

    @property
    def shown(self) -> list[date]:
        """The days, in order."""
        return [self.now.date() - number * DAY for number in reversed(range(self.days))]

    def window(self, timezone: str) -> Window:
        """All of these days."""
        first, last = self.shown[0], self.shown[-1]
        return Window(Window.of_day(first, timezone).start, Window.of_day(last, timezone).end)


@dataclass(frozen=True)
class Gap:
    """A stretch of time that is missing, lost, or not certain to be complete.

    :param started: a run has announced a window in it, and has not published it.
    :param kept_until: until when zDirect keeps its start; None: zDirect has deleted it.
    :param fill: the parameters of the backfill that fills it; None: it cannot be filled.
    """

    window: Window
    status: Status
    started: bool
    kept_until: datetime | None
    fill: Mapping[str, Any] | None

    def days_left(self, now: datetime) -> float | None:
        return None if self.kept_until is None else (self.kept_until - now) / DAY

    def is_urgent(self, scope: Scope) -> bool:
        return self.kept_until is not None and self.kept_until - scope.now <= scope.warn

    @property
    def command(self) -> str | None:
        """The shell command that fills it; None: it cannot be filled."""
        if self.fill is None:
            return None
        return f"airflow dags trigger {BACKFILL} --conf {shlex.quote(json.dumps(self.fill, ensure_ascii=False))}"

    def as_json(self, scope: Scope) -> dict[str, Any]:
        left = self.days_left(scope.now)
        return {
            "from": self.window.start.isoformat(),
            "to": self.window.end.isoformat(),
            "status": self.status.value,
            "started": self.started,
            "days_left": None if left is None else round(left, 1),
            "urgent": self.is_urgent(scope),
            "fill": self.fill and {"dag_id": BACKFILL, "conf": dict(self.fill), "command": self.command},
        }


def is_by_day(dataset: Dataset) -> bool:
    """Whether the dataset is fetched by date, so that its windows are whole days."""
    return isinstance(dataset.selection, Dates)


def first_known(facts: Facts, dataset: Dataset, scope: Scope) -> datetime | None:
    """When the windows of a merchant begin; None if there are none."""
    days = [day for window in facts.windows for fetch in window.fetches for day in fetch.days]
    if not is_by_day(dataset) or not days or facts.first is None:
        return facts.first
    # A date that was fetched in another time zone began at another moment there.
    first = Window.of_day(min(days), scope.timezone).start
    return first if abs(first - facts.first) < DAY else facts.first


def without_personal_data(of_merchant: Facts | None, of_all: Iterable[Facts]) -> dict[str, str]:
    """The ``personal_data`` of a backfill, so that it stores none where none was stored before; empty: unknown.

    :param of_merchant: its last window decides, even one with filters; None: it has no windows.
    :param of_all: decide if it has none: what was promised to one merchant's customers most likely holds for all.
    """
    known = [of_merchant] if of_merchant and of_merchant.windows else of_all
    modes = {facts.windows[-1].personal_data.partition(":")[0] for facts in known if facts.windows}
    return next(({"personal_data": mode} for mode in ("drop", "hash") if mode in modes), {})


@dataclass(frozen=True)
class Row:
    """One dataset of one merchant.

    :param merchant: name of the merchant, or None.
    :param environment: only manifests of this environment count; None: all do.
    :param backfill: parameters that are the same for each backfill, such as ``base_path`` and ``conn_id``.
    :param begin: windows are expected from then on; None: from the first covered day on.
    """

    dataset: Dataset
    merchant_id: str
    merchant: str | None
    facts: Facts
    scope: Scope
    environment: str | None
    backfill: Mapping[str, str]
    begin: datetime | None

    @cached_property
    def spans(self) -> list[Span]:
        """The status of the time in which windows are expected; empty if none are."""
        expected = self._expected()
        if expected is None:
            return []
        return spans(self._fetched(), expected, self._kept_from, self._due_until())

    @property
    def by_day(self) -> bool:
        return is_by_day(self.dataset)

    @property
    def timezone(self) -> str:
        return self.scope.timezone if self.by_day else "UTC"

    @cached_property
    def gaps(self) -> list[Gap]:
        """What is missing, lost or uncertain, in order of time."""
        return [self._gap(span) for span in self.spans if span.status in GAPS]

    def as_json(self, base_uri: str) -> dict[str, Any]:
        shown = self.scope.shown
        return {
            "merchant_id": self.merchant_id,
            "merchant": self.merchant,
            "dataset": self.dataset.name,
            "title": self.dataset.title,
            "step": "day" if self.by_day else "hour",
            "timezone": self.timezone,
            "retention": str(self.dataset.windows.retention),
            "days": letters_of_days(self.spans, shown, self.timezone)
            if self.by_day
            else letters_of_hours(self.spans, shown),
            "gaps": [gap.as_json(self.scope) for gap in self.gaps],
            "rejected": [
                {
                    "from": fetch.covered.start.isoformat(),
                    "to": fetch.covered.end.isoformat(),
                    "records": fetch.rejected,
                    "uri": f"{base_uri}/{fetch.rejected_file}" if fetch.rejected_file else None,
                }
                for fetch in self.with_rejected()
            ],
        }

    def with_rejected(self) -> list[FetchFacts]:
        """The fetches with rejected records that no later one has replaced."""
        rejected = [span.window for span in self.spans if span.status is Status.REJECTED]
        return [
            fetch
            for fetch in self._covering()
            if fetch.rejected and any(fetch.covered.intersects(each) for each in rejected)
        ]

    @property
    def _kept_from(self) -> datetime:
        return self.dataset.windows.earliest(self.scope.now, self.timezone)

    def _expected(self) -> Window | None:
        shown, begin, end = self.scope.window(self.timezone), self.begin, self.scope.now
        if self.by_day:
            # A day is expected once it is over, and only if all of it is later than the begin.
            end = self._day_of(end).start
            if begin is not None:
                begin = self._first_day(begin)
        start, end = max(shown.start, begin or shown.start), min(shown.end, end)
        return Window(start, end) if start < end else None

    def _first_day(self, begin: datetime) -> datetime:
        """The start of the first whole day from there on; midnight UTC stands for the date."""
        if begin == Window.of_day(begin.date()).start:
            return Window.of_day(begin.date(), self.timezone).start
        day = self._day_of(begin)
        return day.start if day.start == begin else day.end

    def _day_of(self, at: datetime) -> Window:
        return Window.of_day(at.astimezone(ZoneInfo(self.timezone)).date(), self.timezone)

    def _due_until(self) -> datetime:
        """Windows that end later need not have landed yet."""
        asked = self.scope.now - self.scope.grace
        if not self.by_day:
            return asked.replace(minute=0, second=0, microsecond=0)
        day = self._day_of(asked)
        while self._due(day) > asked:
            day = self._day_of(day.start - HOUR)
        return day.end

    def _due(self, day: Window) -> datetime:
        """From when on all of a day can be fetched."""
        if self.dataset.name in REPORTS:
            return DueCalendar().due(day.start.astimezone(ZoneInfo(self.timezone)).date())
        return day.end

    def _covering(self) -> list[FetchFacts]:
        """The fetches that count in this environment; each is complete for its span."""
        return [
            fetch
            for window in self.facts.windows
            if self.environment in (None, window.environment)
            for fetch in window.fetches
        ]

    def _fetched(self) -> Iterable[Fetched]:
        if not self.by_day:
            for fetch in self._covering():
                status = Status.REJECTED if fetch.rejected else Status.LANDED
                yield Fetched(fetch.covered, status, fetch.fetched_at)
            return
        again = self.dataset.days.fetch_again
        for fetch in self._covering():
            for date_, facts in fetch.days.items():
                day = Window.of_day(date_, self.timezone)
                if facts.is_uncertain:
                    status = Status.UNCERTAIN
                elif fetch.rejected:
                    status = Status.REJECTED
                elif facts.publications > 1 or (again and facts.fetched_at >= day.end + again):
                    status = Status.REFETCHED
                else:
                    status = Status.LANDED
                yield Fetched(day, status, facts.fetched_at)

    def _gap(self, span: Span) -> Gap:
        start = span.window.start
        kept_until = self.dataset.windows.kept_until(start, self.timezone) if start >= self._kept_from else None
        started = any(window.intersects(span.window) for window in self.facts.started)
        return Gap(span.window, span.status, started, kept_until, self._fill(span.window))

    def _fill(self, gap: Window) -> dict[str, Any] | None:
        """The parameters of the backfill, for all that zDirect will still have in an hour."""
        earliest = self.dataset.windows.earliest(self.scope.now + TIME_TO_FILL, self.timezone)
        start, end = max(gap.start, earliest), gap.end
        if self.by_day:
            # The backfill takes UTC days; the dates are the same.
            zone = ZoneInfo(self.timezone)
            start, end = (Window.of_day(at.astimezone(zone).date()).start for at in (start, end))
        elif start > gap.start:
            start = _next_hour(start)
        if start >= end:
            return None
        return {
            "dataset": self.dataset.name,
            "from": start.isoformat(),
            "to": end.isoformat(),
            "merchant_ids": [self.merchant_id],
            **self.backfill,
        }


def _next_hour(at: datetime) -> datetime:
    first = at.replace(minute=0, second=0, microsecond=0)
    return first + math.ceil((at - first) / HOUR) * HOUR
