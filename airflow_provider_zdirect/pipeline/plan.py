"""Which requests a window needs, and how far back. Pure values, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any

from airflow_provider_zdirect.datasets.table import Dataset
from airflow_provider_zdirect.pipeline.job import ExtractJob
from airflow_provider_zdirect.windows import Window, within_retention

SHORTEST_SPAN = timedelta(minutes=1)
RESOLUTION = timedelta(microseconds=1)


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
        selection = job.dataset.windows
        earliest = selection.earliest(now, job.timezone)
        window = within_retention(job.window, earliest, clip=job.clip_to_retention)
        overlap = selection.overlap if job.overlap is None else job.overlap
        if job.dataset.publish.by_day:
            overlap = timedelta(0)
        # Looking back is a precaution, so it stops at the edge of retention without further ado.
        return cls(window.start, min(overlap, max(window.start - earliest, timedelta(0))))

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Reach:
        return cls(datetime.fromisoformat(value["from"]), timedelta(seconds=value["overlap"]))

    def as_json(self) -> dict[str, Any]:
        return {"from": self.start.isoformat(), "overlap": self.overlap.total_seconds()}


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
        return self._of(dataset, first), self._of(dataset, second)

    def _of(self, dataset: Dataset, span: Window) -> PlannedRequest:
        own = dataset.windows.parameters(span.start, span.end)
        return replace(self, key=span.label, parameters={**self.parameters, **own}, span=span)


def plan_requests(
    dataset: Dataset, asked: Window, timezone: str, filters: Mapping[str, str] = MappingProxyType({})
) -> list[PlannedRequest]:
    """The requests for a window, in order of time: by days, by request windows, or one that is paged.

    :param asked: the window, and the time before it that is looked back to.
    :param timezone: where the days begin, for endpoints that ask for dates.
    :param filters: value by field; they are sent besides.
    :raises WindowError: if the endpoint asks for dates and the window does not consist of whole days.
    """
    selection, others = dataset.windows, dataset.selection.filter_parameters(dataset.name, filters)
    return [
        PlannedRequest(
            str(day or span.label),
            {**selection.parameters(day or span.start, day or span.end), **others},
            span,
            day,
        )
        for span, day in selection.spans(asked, timezone)
    ]
