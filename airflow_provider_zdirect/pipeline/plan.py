# SPDX-License-Identifier: Apache-2.0
"""Which requests a job needs, and how far back. Pure values, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any

from airflow_provider_zdirect.datasets.publication import Days
from airflow_provider_zdirect.datasets.table import Dataset
from airflow_provider_zdirect.pipeline.job import ExtractJob
from airflow_provider_zdirect.windows import Window, refuse_future, within_retention

SHORTEST_SPAN = timedelta(minutes=1)
RESOLUTION = timedelta(microseconds=1)


@dataclass(frozen=True)
class Reach:
    """What depends on the present time, so that a retry must keep to it.

    :param start: where the fetched part of the window begins; without a window: now.
    :param overlap: how far to look back before it, for late records; never for endpoints that ask for dates.
    """

    start: datetime
    overlap: timedelta = timedelta(0)

    @classmethod
    def of(cls, job: ExtractJob, now: datetime) -> Reach:
        """
        :raises WindowError: if the window ends in the future.
        :raises RetentionError: if it starts before what zDirect keeps, and must not be clipped.
        """
        if job.window is None:
            return cls(now)
        refuse_future(job.window, now)
        dataset = job.dataset
        if not dataset.has_windows:
            assert dataset.states.retention is not None
            earliest = dataset.states.retention.earliest(now)
            return cls(within_retention(job.window, earliest, clip=job.clip_to_retention).start)
        earliest = dataset.windows.earliest(now, job.timezone)
        window = within_retention(job.window, earliest, clip=job.clip_to_retention)
        overlap = dataset.windows.overlap if job.overlap is None else job.overlap
        if isinstance(dataset.publish, Days):
            overlap = timedelta(0)
        # Looking back is a precaution, so it stops at the edge of retention without further ado.
        return cls(window.start, min(overlap, max(window.start - earliest, timedelta(0))))

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Reach:
        return cls(datetime.fromisoformat(value["from"]), timedelta(seconds=value["overlap"]))

    def as_json(self) -> dict[str, Any]:
        return {"from": self.start.isoformat(), "overlap": self.overlap.total_seconds()}

    def requests(self, job: ExtractJob) -> list[PlannedRequest]:
        """The requests that together answer for the job.

        :raises WindowError: if the endpoint asks for dates and the window does not consist of whole days.
        """
        dataset = job.dataset
        if dataset.has_windows:
            assert job.window is not None
            asked = Window(self.start - self.overlap, job.window.end)
            return plan_requests(dataset, asked, job.timezone, job.filters)
        found = dataset.states.requests(dataset.name, self.start if job.window else None, job.filters)
        return [PlannedRequest(str(number), each.parameters, values=each.values) for number, each in enumerate(found)]


@dataclass(frozen=True)
class PlannedRequest:
    """One request, with all its pages.

    :param key: names the request in the checkpoint.
    :param span: the time that is asked for; None for a present state.
    :param day: the date that is asked for, where the endpoint asks for dates.
    :param values: by field: the values that are asked for.
    """

    key: str
    parameters: Mapping[str, str]
    span: Window | None = None
    day: date | None = None
    values: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def halves(self, dataset: Dataset) -> list[PlannedRequest]:
        """The same time in two requests; none for a day, and for a span that is too short already."""
        if self.day is not None or self.span is None or self.span.duration < 2 * SHORTEST_SPAN:
            return []
        return [
            replace(
                self,
                key=half.label,
                parameters={**self.parameters, **dataset.windows.parameters(half.start, half.end)},
                span=half,
            )
            for half in self.span.split((self.span.duration + RESOLUTION) // 2)
        ]


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
    values = {name: frozenset({value}) for name, value in filters.items()}
    return [
        PlannedRequest(
            str(day or span.label),
            {**selection.parameters(day or span.start, day or span.end), **others},
            span,
            day,
            values,
        )
        for span, day in selection.spans(asked, timezone)
    ]
