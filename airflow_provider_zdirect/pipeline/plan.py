"""Which requests a window needs, and how far back. Pure values, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from airflow_provider_zdirect.datasets.table import Dataset, KeptDays, WindowKind
from airflow_provider_zdirect.pipeline.job import ExtractJob
from airflow_provider_zdirect.windows import Window, within_retention

SHORTEST_SPAN = timedelta(minutes=1)
RESOLUTION = timedelta(microseconds=1)
RETENTION_MARGIN = timedelta(minutes=5)
"""Kept off the far end of what zDirect keeps, since that moves on while requests are under way."""


@dataclass(frozen=True)
class Reach:
    """What depends on the present time, so that a retry must keep to it.

    :param start: where the fetched part of the window begins.
    :param overlap: how far to look back before it, for late records; never for endpoints that ask for dates.
    """

    start: datetime
    overlap: timedelta

    @classmethod
    def of(cls, job: ExtractJob, now: datetime) -> Reach:
        """
        :raises RetentionError: if the window starts before what zDirect keeps, and must not be clipped.
        """
        earliest = _earliest(job, now)
        window, _ = within_retention(job.window, earliest, clip=job.clip_to_retention)
        overlap = job.dataset.overlap if job.overlap is None else job.overlap
        if job.dataset.window is WindowKind.DATE:
            overlap = timedelta(0)
        # Looking back is a precaution, so it stops at the edge of retention without further ado.
        return cls(window.start, min(overlap, max(window.start - earliest, timedelta(0))))

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Reach:
        return cls(datetime.fromisoformat(value["from"]), timedelta(seconds=value["overlap"]))

    def as_json(self) -> dict[str, Any]:
        return {"from": self.start.isoformat(), "overlap": self.overlap.total_seconds()}


def _earliest(job: ExtractJob, now: datetime) -> datetime:
    """The first instant that zDirect still keeps."""
    retention = job.dataset.retention
    assert retention is not None
    if not isinstance(retention, KeptDays):
        return retention.earliest(now)
    earliest = retention.earliest(now + RETENTION_MARGIN)
    if job.dataset.window is not WindowKind.DATE:
        return earliest
    # Dates are counted as dates, so that the one of 100 days ago can be asked for all day long. Unconfirmed; should
    # zDirect answer without records, what was published stays (publish/day.py).
    local = earliest.astimezone(ZoneInfo(job.timezone)).date()
    return Window.of_day(max(earliest.date(), local), job.timezone).start


@dataclass(frozen=True)
class PlannedRequest:
    """One request, with all its pages.

    :param key: names the request in the checkpoint.
    :param span: the time that is asked for.
    :param day: the date that is asked for, where the endpoint asks for dates.
    """

    key: str
    parameters: Mapping[str, str]
    span: Window
    day: date | None = None

    def halves(self, dataset: Dataset) -> tuple[PlannedRequest, PlannedRequest] | None:
        """The same time in two requests; None for a day, and for a span that is too short already."""
        if self.day is not None or self.span.duration < 2 * SHORTEST_SPAN:
            return None
        first, second = self.span.split((self.span.duration + RESOLUTION) // 2)
        others = {name: value for name, value in self.parameters.items() if name not in dataset.span_parameters}
        return _of_span(dataset, first, others), _of_span(dataset, second, others)


def plan_requests(
    dataset: Dataset, asked: Window, timezone: str, filters: Mapping[str, str] = MappingProxyType({})
) -> list[PlannedRequest]:
    """The requests for a window, in order of time: by days, by request windows, or one that is paged.

    :param asked: the window, and the time before it that is looked back to.
    :param timezone: where the days begin, for endpoints that ask for dates.
    :param filters: value by field; they are sent besides.
    :raises WindowError: if the endpoint asks for dates and the window does not consist of whole days.
    """
    others = dataset.filter_parameters(filters)
    if dataset.window is WindowKind.DATE:
        return [
            PlannedRequest(
                day.isoformat(), {**dataset.parameters(day, day), **others}, Window.of_day(day, timezone), day
            )
            for day in asked.whole_days(timezone)
        ]
    spans = [asked] if dataset.request_window is None else asked.split(dataset.request_window)
    return [_of_span(dataset, span, others) for span in spans]


def _of_span(dataset: Dataset, span: Window, others: Mapping[str, str]) -> PlannedRequest:
    return PlannedRequest(span.label, {**dataset.parameters(span.start, span.end), **others}, span)
