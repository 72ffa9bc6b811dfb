"""Whether an answer is one to what was asked for: zDirect might have ignored a filter."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.client import Page
from airflow_provider_zdirect.exceptions import FilterIgnoredError
from airflow_provider_zdirect.pipeline.job import ExtractJob
from airflow_provider_zdirect.pipeline.plan import PlannedRequest

REMEDY = (
    "Clear the task to try again; if it stays, report it to Zalando's merchant support. If the records are right, "
    "publish them with accept_outside=True."
)
GRACE = timedelta(days=1)
"""For dates of which it is unconfirmed which one is asked for, or in which time zone."""


class AnswerCheck:
    """Checks one page of the answer to a request. The sandbox answers with samples, so it is refused nothing.

    :raises FilterIgnoredError: by its methods, if the page cannot be an answer to the request.
    """

    def __init__(self, job: ExtractJob, request: PlannedRequest) -> None:
        self.outside = 0
        """Rows so far that lie outside of what was asked for."""
        self._job = job
        self._dataset = job.dataset
        self._request = request
        self._production = job.place.environment == "production"
        # Fields and dates that all rows may have; no field: in any one. None of it matters where the date is certain.
        self._possible: set[tuple[str | None, date]] = set()
        if request.day is not None and self._dataset.dated_by and not self._dataset.filter_confirmed:
            beside = {(name, request.day + shift) for name in self._dataset.dated_by for shift in (-GRACE, GRACE)}
            self._possible = {(None, request.day), *beside}

    def check_echo(self, page: Page) -> None:
        """Refuse an answer that says itself that it is one to other dates."""
        if self._request.day is None:
            return
        asked = {name: self._request.parameters[name] for name in ("from", "to")}
        answered = {name: str(page.query.get(name) or value)[:10] for name, value in asked.items()}
        if answered != asked:
            self._refuse(
                f"asked for {asked['from']}, zDirect answered for {answered['from']} to {answered['to']}", REMEDY
            )

    def check_rows(self, table: pa.Table) -> None:
        """Refuse rows with other values or times than were asked for, and count those outside."""
        self._check_filters(table)
        self._check_times(table)
        self._check_dates(table)

    def _refuse(self, reason: str, remedy: str) -> None:
        if self._production:
            raise FilterIgnoredError(f"{self._job.what}: {reason}; nothing was published.", remedy=remedy)

    def _check_filters(self, table: pa.Table) -> None:
        for name, value in self._job.filters.items():
            others = table.filter(_is(pc.not_equal, pc.utf8_lower(table.column(name)), value.lower()))
            if others.num_rows:
                self._refuse(
                    f"asked for {name}={value}, and {others.num_rows} of {table.num_rows} records have another, for "
                    f"example {others.column(name)[0]}. zDirect did not apply the filter",
                    "The parameter may have another name: see docs/assumptions.md.",
                )

    def _check_times(self, table: pa.Table) -> None:
        dataset, request = self._dataset, self._request
        if request.day is not None:
            outside = table.filter(self._contradicts(table, request.day))
        else:
            times = table.column(dataset.time_field)
            start, end = (pa.scalar(at, times.type) for at in (request.span.start - dataset.slack, request.span.end))
            # Whether "to" is inclusive is unconfirmed, so a row at the very end is not outside.
            outside = table.filter(pc.or_(pc.less(times, start), pc.greater(times, end)))
        self.outside += outside.num_rows
        certain = dataset.filter_confirmed or request.day is not None
        if outside.num_rows and certain and not self._job.accept_outside:
            names = (name for name in (dataset.not_after, dataset.time_field, *dataset.dated_by) if name)
            example = next((value for name in names if (value := outside.column(name)[0]).is_valid), None)
            self._refuse(
                f"{outside.num_rows} of {table.num_rows} records lie outside of the requested "
                f"{request.day or request.span}, for example one of {example}. zDirect did not apply the time filter",
                REMEDY,
            )

    def _contradicts(self, table: pa.Table, day: date) -> pa.Array | pa.ChunkedArray:
        """Which rows cannot be an answer to that date."""
        if self._dataset.not_after is not None:
            return _is(pc.greater, table.column(self._dataset.not_after), day + GRACE)
        if not self._dataset.dated_by:
            return pa.repeat(False, table.num_rows)
        slack = timedelta(0) if self._dataset.filter_confirmed else GRACE
        # A row without any date contradicts nothing.
        contradicting = self._has_date(table)
        for name in self._dataset.dated_by:
            dates = table.column(name)
            off = pc.or_(_is(pc.less, dates, day - slack), _is(pc.greater, dates, day + slack))
            contradicting = pc.and_(contradicting, pc.or_(pc.is_null(dates), off))
        return contradicting

    def _check_dates(self, table: pa.Table) -> None:
        """Refuse rows of the date that was asked for and of one beside it: these are not one answer."""
        left = {possible for possible in self._possible if self._explains(table, *possible)}
        if self._possible and not left and not self._job.accept_outside:
            self._refuse(
                f"asked for {self._request.day}, and the answer has records of that date and of one beside it. These "
                "would be published under two dates",
                f"See whether liquidation_last_date (docs/assumptions.md) is as zDirect has it. {REMEDY}",
            )
        self._possible = left

    def _explains(self, table: pa.Table, name: str | None, day: date) -> bool:
        """Whether every row with a date has that one in that field, or, where it has none there, in another."""
        on_day = {other: _is(pc.equal, table.column(other), day) for other in self._dataset.dated_by}
        anywhere = reduce(pc.or_, on_day.values())
        fits = anywhere if name is None else pc.or_(on_day[name], pc.and_(pc.is_null(table.column(name)), anywhere))
        return bool(pc.all(pc.or_(fits, pc.invert(self._has_date(table)))).as_py())

    def _has_date(self, table: pa.Table) -> pa.ChunkedArray:
        return reduce(pc.or_, (pc.is_valid(table.column(name)) for name in self._dataset.dated_by))


def _is(compare: Callable[..., Any], values: pa.ChunkedArray, value: Any) -> pa.ChunkedArray:
    return pc.fill_null(compare(values, pa.scalar(value, values.type)), False)
