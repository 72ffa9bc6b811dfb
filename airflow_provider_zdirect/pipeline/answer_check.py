"""Whether an answer is one to what was asked for: zDirect might have ignored a filter."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import reduce
from operator import or_

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.client import Page
from airflow_provider_zdirect.datasets.selection import DAY
from airflow_provider_zdirect.exceptions import FilterIgnoredError
from airflow_provider_zdirect.pipeline.job import ExtractJob
from airflow_provider_zdirect.pipeline.plan import PlannedRequest

REMEDY = (
    "Clear the task to try again; if it stays, report it to Zalando's merchant support. If the records are right, "
    "publish them with accept_outside=True."
)


class AnswerCheck:
    """Checks one page of the answer to a request. The sandbox answers with samples, so it is refused nothing.

    :raises FilterIgnoredError: by its methods, if the page cannot be an answer to the request.
    """

    def __init__(self, job: ExtractJob, request: PlannedRequest) -> None:
        self.outside = 0
        """Rows so far that lie outside of what was asked for."""
        self._job = job
        self._request = request
        self._production = job.place.environment == "production"
        dataset = job.dataset
        self._expected = dataset.windows.expected(dataset.publish.time_field, request.span, request.day)
        self._dates = self._possible_dates()

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
        self._check_window(table)

    def _refuse(self, reason: str, remedy: str) -> None:
        if self._production:
            raise FilterIgnoredError(f"{self._job.what}: {reason}; nothing was published.", remedy=remedy)

    def _check_filters(self, table: pa.Table) -> None:
        for name, value in self._job.filters.items():
            differs = pc.not_equal(pc.utf8_lower(table.column(name)), value.lower())
            others = table.filter(pc.fill_null(differs, False))
            if others.num_rows:
                self._refuse(
                    f"asked for {name}={value}, and {others.num_rows} of {table.num_rows} records have another, for "
                    f"example {others.column(name)[0]}. zDirect did not apply the filter",
                    "The parameter may have another name: see docs/assumptions.md.",
                )

    def _check_window(self, table: pa.Table) -> None:
        expected, asked = self._expected, self._request.day or self._request.span
        fields = [pc.field(name) for name in expected.fields]
        within = [each.is_valid() & (each >= expected.first) & (each <= expected.last) for each in fields]
        outside = table.filter(self._has_date() & ~_any(within))
        self.outside += outside.num_rows
        if outside.num_rows and expected.certain and not self._job.accept_outside:
            example = next(value for name in expected.fields if (value := outside.column(name)[0]).is_valid)
            self._refuse(
                f"{outside.num_rows} of {table.num_rows} records lie outside of the requested {asked}, for example one "
                f"of {example}. zDirect did not apply the time filter",
                REMEDY,
            )
        self._dates = [each for each in self._dates if not table.filter(self._has_date() & ~each).num_rows]
        if expected.one_date and not self._dates and not self._job.accept_outside:
            self._refuse(
                f"asked for {asked}, and the answer has records of that date and of one beside it. These would be "
                "published under two dates",
                f"See whether liquidation_last_date (docs/assumptions.md) is as zDirect has it. {REMEDY}",
            )

    def _has_date(self) -> pc.Expression:
        # A row without any date contradicts nothing.
        return _any(pc.field(name).is_valid() for name in self._expected.fields)

    def _possible_dates(self) -> list[pc.Expression]:
        """What all rows may have in common: that date in any field, or one beside it always in the same."""
        day = self._request.day
        if day is None or not self._expected.one_date:
            return []
        possible = [self._on(day)]
        for beside in (day - DAY, day + DAY):
            for name in self._expected.fields:
                field = pc.field(name)
                # A row that has no date there has it in another field.
                possible.append((field.is_valid() & (field == beside)) | (field.is_null() & self._on(beside)))
        return possible

    def _on(self, day: date) -> pc.Expression:
        return _any(pc.field(name).is_valid() & (pc.field(name) == day) for name in self._expected.fields)


def _any(conditions: Iterable[pc.Expression]) -> pc.Expression:
    return reduce(or_, conditions, pc.scalar(False))
