# SPDX-License-Identifier: Apache-2.0
"""Whether an answer is one to what was asked for: zDirect might have ignored a filter."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import reduce
from operator import or_

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.client import Page
from airflow_provider_zdirect.datasets.selection import DAY, Expected
from airflow_provider_zdirect.exceptions import FilterIgnoredError
from airflow_provider_zdirect.pipeline.plan import PlannedRequest
from airflow_provider_zdirect.pipeline.run import Run
from airflow_provider_zdirect.pipeline.staging import TRY_AGAIN
from airflow_provider_zdirect.words import counted

REMEDY = f"{TRY_AGAIN} If the records are right, publish them with accept_outside=True."


class AnswerCheck:
    """Checks one page of the answer to a request. The sandbox answers with samples, so it is refused nothing.

    :raises FilterIgnoredError: by its methods, if the page cannot be an answer to the request.
    """

    def __init__(self, run: Run, request: PlannedRequest) -> None:
        self.outside = 0
        """Rows so far that lie outside of what was asked for."""
        self._run = run
        self._request = request
        dataset, span = run.dataset, request.span
        self._expected = dataset.windows.expected(dataset.publish.time_field, span, request.day) if span else None
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
        self._check_values(table)
        self._check_window(table)

    def _refuse(self, reason: str, remedy: str) -> None:
        if self._run.is_production:
            raise FilterIgnoredError(f"{self._run.job.what}: {reason}; nothing was published.", remedy=remedy)

    def _check_values(self, table: pa.Table) -> None:
        for name, values in self._request.values.items():
            column, wanted = table.column(name), pa.array(sorted(value.lower() for value in values), pa.string())
            others = table.filter(pc.and_(pc.is_valid(column), pc.invert(pc.is_in(pc.utf8_lower(column), wanted))))
            if others.num_rows:
                asked = f"{name}={min(values)}" if len(values) == 1 else f"{len(values)} values of {name}"
                self._refuse(
                    f"asked for {asked}, and {others.num_rows} of {counted(table.num_rows, 'record')} have "
                    f"another value, for example {others.column(name)[0]}. zDirect did not apply the filter",
                    f"The parameter may have another name: see docs/assumptions.md. {TRY_AGAIN}",
                )

    def _check_window(self, table: pa.Table) -> None:
        expected, asked = self._expected, self._request.day or self._request.span
        if expected is None or (not self._dates and _is_all_within(table, expected)):
            return
        has_date = _any(pc.field(name).is_valid() for name in expected.fields)
        fields = [pc.field(name) for name in expected.fields]
        within = [each.is_valid() & (each >= expected.first) & (each <= expected.last) for each in fields]
        # A row without any date contradicts nothing.
        outside = table.filter(has_date & ~_any(within))
        self.outside += outside.num_rows
        accepts = self._run.job.accept_outside
        if outside.num_rows and expected.certain and not accepts:
            example = next(value for name in expected.fields if (value := outside.column(name)[0]).is_valid)
            self._refuse(
                f"{outside.num_rows} of {counted(table.num_rows, 'record')} lie outside the requested "
                f"{asked}, for example one of {example}. zDirect did not apply the time filter",
                REMEDY,
            )
        self._dates = [each for each in self._dates if not table.filter(has_date & ~each).num_rows]
        if expected.one_date and not self._dates and not accepts:
            self._refuse(
                f"asked for {asked}, and the answer also has records of the day before or after, as if zDirect did not "
                "interpret the last date of a request as assumed",
                f"Set the other value of liquidation_last_date in the connection's assumptions. {REMEDY}",
            )

    def _possible_dates(self) -> list[pc.Expression]:
        """What all rows may have in common: that date in any field, or one beside it always in the same."""
        day, expected = self._request.day, self._expected
        if day is None or expected is None or not expected.one_date:
            return []

        def on(day: date) -> pc.Expression:
            return _any(pc.field(name).is_valid() & (pc.field(name) == day) for name in expected.fields)

        possible = [on(day)]
        for beside in (day - DAY, day + DAY):
            for name in expected.fields:
                field = pc.field(name)
                # A row that has no date there has it in another field.
                possible.append((field.is_valid() & (field == beside)) | (field.is_null() & on(beside)))
        return possible


def _is_all_within(table: pa.Table, expected: Expected) -> bool:
    """Whether that is plain to see, as it nearly always is: one of the fields is so in all rows."""
    for name in expected.fields:
        column = table.column(name)
        first, last = pc.min_max(column).as_py().values()
        if not column.null_count and first is not None and expected.first <= first and last <= expected.last:
            return True
    return False


def _any(conditions: Iterable[pc.Expression]) -> pc.Expression:
    return reduce(or_, conditions, pc.scalar(False))
