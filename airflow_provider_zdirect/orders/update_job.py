"""What is to be done about a merchant's orders, and what became of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fsspec import AbstractFileSystem

from airflow_provider_zdirect.exceptions import RejectedUpdatesError
from airflow_provider_zdirect.orders.order_flow import UpdateRules
from airflow_provider_zdirect.orders.update_results import CONFLICT, FAILED, OUTCOMES, REFUSED, RowResult, row_key
from airflow_provider_zdirect.orders.update_rows import OrderUpdate, WrongRow, fingerprint_text

SHOWN = 10


@dataclass(frozen=True)
class OrderUpdateJob:
    """Updates of one merchant's orders.

    :param fs: the filesystem; :param root: the base path as ``fs`` names it; :param base_uri: as people name it.
    :param run: the same with every try of the same task run, and of no other.
    :param wrong: rows of which nothing could be made; they are told in the results.
    :param max_failed: rows that may be refused, in conflict or failed before that is an error; None: any number.
    :param skip_applied: do nothing if the same rows were what this task applied last, all of them, by the same rules.
    :param task: the same with every run of the same task, and of no other.
    :param others: the other merchants whose orders the rows may be of.
    """

    merchant_id: str
    updates: Sequence[OrderUpdate]
    fs: AbstractFileSystem
    root: str
    base_uri: str
    run: str
    wrong: Sequence[WrongRow] = ()
    rules: UpdateRules = field(default_factory=UpdateRules)
    max_failed: int | None = 0
    skip_applied: bool = False
    task: str = "task"
    others: Sequence[str] = ()
    format: str = "parquet"
    environment: str = "production"

    @property
    def digest(self) -> str:
        """What is asked for, in short."""
        parts = (
            self.merchant_id,
            self.environment,
            repr(self.rules),
            fingerprint_text([*self.updates, *self.wrong]),
        )
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class OrderUpdateResult:
    """What became of a job.

    :param rows: how many came to each outcome; of what a row wants, the worst counts.
    :param orders: how many orders the rows name.
    :param uri: where the results are.
    :param of_others: rows whose order is another merchant's, which are left out.
    :param applied_before: the same had been applied, so nothing was done; the rest is what was told then.
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
        """Rows that are neither done nor were so already."""
        return sum(self.rows[outcome] for outcome in (REFUSED, CONFLICT, FAILED))

    def as_dict(self) -> dict[str, Any]:
        """Small, for XCom."""
        return {
            "merchant_id": self.merchant_id,
            "rows": sum(self.rows.values()),
            **{outcome: self.rows[outcome] for outcome in OUTCOMES},
            "orders": self.orders,
            "uri": self.uri,
            "requests": self.requests,
            "applied_before": self.applied_before,
        }


def rejected(job: OrderUpdateJob, result: OrderUpdateResult) -> RejectedUpdatesError:
    """The error that names the first rows that were not applied, each with the first cause."""
    first: dict[Any, RowResult] = {}
    for number, one in enumerate(result.results):
        if one.outcome in (REFUSED, CONFLICT, FAILED):
            first.setdefault(row_key(one, number), one)
    bad = list(first.values())
    shown = "; ".join(
        f"row {one.row}, order {one.order_id or one.order_number or '?'}: {one.reason or one.outcome}"
        for one in bad[:SHOWN]
    )
    more = f"; and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
    allowed = f", and max_failed allows {job.max_failed}" if job.max_failed else ""
    return RejectedUpdatesError(
        f"Orders of merchant {job.merchant_id}: {result.failed} of {sum(result.rows.values())} rows were not applied"
        f"{allowed}. {shown}{more}.",
        remedy="Correct these rows and run the task again; the other rows were tried, and those that were applied are "
        f"not sent again. All results: {result.uri}.",
    )
