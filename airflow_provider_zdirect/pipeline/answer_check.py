"""Whether an answer is one to what was asked for: zDirect might have ignored a filter."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.client import Page
from airflow_provider_zdirect.exceptions import FilterIgnoredError
from airflow_provider_zdirect.pipeline.plan import PlannedRequest
from airflow_provider_zdirect.pipeline.run import Run

TRY_AGAIN = "Clear the task to try again; if it stays, report it to Zalando's merchant support."
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
        self._rows = dataset.windows.row_check(dataset.publish.time_field, span, request.day) if span else None

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
                    f"asked for {asked}, and {others.num_rows} of {table.num_rows} records have another, for example "
                    f"{others.column(name)[0]}. zDirect did not apply the filter",
                    f"The parameter may have another name: see docs/assumptions.md. {TRY_AGAIN}",
                )

    def _check_window(self, table: pa.Table) -> None:
        if self._rows is None:
            return
        outside = table.filter(self._rows.outside(table))
        self.outside += outside.num_rows
        asked, accepts = self._request.day or self._request.span, self._run.job.accept_outside
        if outside.num_rows and self._rows.certain and not accepts:
            example = next((value for name in self._rows.fields if (value := outside.column(name)[0]).is_valid), None)
            self._refuse(
                f"{outside.num_rows} of {table.num_rows} records lie outside of the requested {asked}, for example one "
                f"of {example}. zDirect did not apply the time filter",
                REMEDY,
            )
        if not self._rows.is_one_answer(table) and not accepts:
            self._refuse(
                f"asked for {asked}, and the answer has records of that date and of one beside it. These would be "
                "published under two dates",
                f"See whether liquidation_last_date (docs/assumptions.md) is as zDirect has it. {REMEDY}",
            )
