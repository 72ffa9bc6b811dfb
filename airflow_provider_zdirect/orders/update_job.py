"""A job that updates a merchant's orders, and its result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_zdirect.exceptions import RejectedUpdatesError
from airflow_provider_zdirect.orders.order_flow import UpdateRules
from airflow_provider_zdirect.orders.update_results import NOT_APPLIED, RowResult, by_row
from airflow_provider_zdirect.orders.update_rows import OrderUpdate, WrongRow
from airflow_provider_zdirect.publish.place import Place

SHOWN = 10


@dataclass(frozen=True)
class OrderUpdateJob:
    """Updates of one merchant's orders.

    :param run: the same for every try of the same task run, and for no other run.
    :param wrong: invalid rows; they are in the results.
    :param max_failed: rows that may be refused, in conflict or failed before that is an error; None: any number.
    :param skip_applied: do nothing if this task applied exactly these rows last, by the same rules, and all of them.
    :param task: the same for every run of the same task, and for no other task.
    :param others: the other merchants whose orders the rows may be of.
    """

    place: Place
    updates: Sequence[OrderUpdate]
    run: str
    wrong: Sequence[WrongRow] = ()
    rules: UpdateRules = field(default_factory=UpdateRules)
    max_failed: int | None = 0
    skip_applied: bool = False
    task: str = "task"
    others: Sequence[str] = ()

    @property
    def digest(self) -> str:
        """A hash of what the job asks for."""
        parts = (
            self.place.merchant_id,
            self.place.environment,
            repr(self.rules),
            *(json.dumps(vars(row), sort_keys=True) for row in (*self.updates, *self.wrong)),
        )
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class OrderUpdateResult:
    """The outcome of a job.

    :param rows: number of rows by outcome; of all that a row wants, the worst outcome counts.
    :param orders: how many orders the rows name.
    :param uri: where the results are.
    :param of_others: rows that are left out, because their order is another merchant's.
    :param applied_before: the same rows were applied before, so nothing was done; the rest is the earlier result.
    :param results: in the order of the rows; empty if ``applied_before``.
    """

    merchant_id: str
    rows: Mapping[str, int]
    orders: int
    uri: str
    requests: int
    of_others: int = 0
    applied_before: bool = False
    results: tuple[RowResult, ...] = field(default=(), repr=False)

    @property
    def failed(self) -> int:
        """The number of rows that were not applied."""
        return sum(self.rows[outcome] for outcome in NOT_APPLIED)

    def as_dict(self) -> dict[str, Any]:
        """Small, for XCom: all but the results."""
        content = {**vars(self), **self.rows, "rows": sum(self.rows.values())}
        del content["results"]
        return content


def rejected(job: OrderUpdateJob, result: OrderUpdateResult) -> RejectedUpdatesError:
    """The error that names the first rows that were not applied, each with its first cause."""
    causes = [next((one for one in row if one.outcome in NOT_APPLIED), None) for row in by_row(result.results)]
    bad = [cause for cause in causes if cause is not None]
    shown = "; ".join(
        f"row {one.row}, order {one.order_id or one.order_number or '?'}: {one.reason or one.outcome}"
        for one in bad[:SHOWN]
    )
    more = f"; and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
    allowed = f", and max_failed allows {job.max_failed}" if job.max_failed else ""
    return RejectedUpdatesError(
        f"Orders of merchant {job.place.merchant_id}: {result.failed} of {sum(result.rows.values())} rows were not "
        f"applied{allowed}. {shown}{more}.",
        remedy="Correct these rows and run the task again; the other rows were tried, and those that were applied are "
        f"not sent again. All results: {result.uri}.",
    )
