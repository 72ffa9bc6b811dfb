# SPDX-License-Identifier: Apache-2.0
"""A job that updates a merchant's orders, and its result: the dataset ``order_updates``, one file per run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from airflow_provider_zdirect.datasets.arrow import INSTANT
from airflow_provider_zdirect.exceptions import RejectedUpdatesError
from airflow_provider_zdirect.orders.row_parts import NOT_APPLIED, Part
from airflow_provider_zdirect.orders.update_rows import OrderUpdate
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.words import counted

DATASET = "order_updates"

SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        *((name, pa.string()) for name in ("order_id", "order_number", "order_line_id", "shipment", "what", "outcome")),
        ("status_code", pa.int32()),
        ("reason", pa.string()),
        ("sent_at", INSTANT),
        ("run", pa.string()),
        ("_merchant_id", pa.string()),
        ("_environment", pa.string()),
        ("_recorded_at", INSTANT),
    ]
)

SHOWN = 10


@dataclass(frozen=True)
class UpdateRules:
    """How updates are applied.

    :param require_tracking: ship nothing without both tracking numbers (zDirect docs, *Orders*, preparing shipping).
    :param overwrite_tracking: replace a different tracking number at zDirect; otherwise it is a conflict.
    :param split_shipments: ship orders in several parcels where rows ask for it (a pilot feature of zDirect).
    :param look_for_effect: ship nothing before zDirect shows its tracking numbers.
    """

    require_tracking: bool = True
    overwrite_tracking: bool = False
    split_shipments: bool = False
    look_for_effect: bool = True


@dataclass(frozen=True)
class OrderUpdateJob:
    """Updates of one merchant's orders.

    :param run: the same for every try of the same task run, and for no other run.
    :param wrong: the results of invalid rows.
    :param max_failed: rows that may be refused, in conflict or failed before that is an error; None: any number.
    :param skip_applied: do nothing if this task applied exactly these rows last, by the same rules, and all of them.
    :param task: the same for every run of the same task, and for no other task.
    :param others: the other merchants whose orders the rows may be of.
    """

    place: Place
    updates: Sequence[OrderUpdate]
    run: str
    wrong: Sequence[Part] = ()
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

    :param rows: number of rows by outcome; of all parts of a row, the worst outcome counts.
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
    results: tuple[Part, ...] = field(default=(), repr=False)

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
    causes: dict[int, Part] = {}
    for part in result.results:
        if part.outcome in NOT_APPLIED:
            causes.setdefault(part.row, part)
    shown = "; ".join(
        f"row {one.row}, order {one.order_id or one.order_number or '?'}: {one.reason or one.outcome}"
        for one in list(causes.values())[:SHOWN]
    )
    more = f"; and {len(causes) - SHOWN} more" if len(causes) > SHOWN else ""
    allowed = f", and max_failed allows {job.max_failed}" if job.max_failed else ""
    return RejectedUpdatesError(
        f"Orders of merchant {job.place.merchant}: {result.failed} of {counted(sum(result.rows.values()), 'row')} "
        f"could not be applied{allowed}. {shown}{more}.",
        remedy="Correct these rows and run the task again; the other rows were tried, and those that were applied are "
        f"not sent again. All results: {result.uri}.",
    )
