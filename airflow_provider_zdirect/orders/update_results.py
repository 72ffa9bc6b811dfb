"""The outcome of each row of an order update: published as the dataset ``order_updates``, one file per run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

import pyarrow as pa

from airflow_provider_zdirect.datasets.arrow import INSTANT
from airflow_provider_zdirect.exceptions import ZDirectError

DATASET = "order_updates"

DONE, ALREADY, REFUSED, CONFLICT, FAILED = "done", "already", "refused", "conflict", "failed"
OUTCOMES = (ALREADY, DONE, REFUSED, CONFLICT, FAILED)
"""From best to worst: ``already`` there; ``done`` by this run; ``refused`` before anything was sent, or by zDirect;
``conflict`` with the current state; ``failed`` without an answer that says more."""

NOT_APPLIED = (REFUSED, CONFLICT, FAILED)

ROW, EXPORT, TRACKING, RETURN_TRACKING = "row", "export", "tracking_number", "return_tracking_number"
SHIPMENT = "shipment"

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

_REASON_LENGTH = 500


@dataclass(frozen=True)
class RowResult:
    """The outcome of one thing that a row wants.

    :param row: its number; None if the update came without.
    :param what: ``row`` (all of it), ``export``, ``tracking_number``, ``return_tracking_number``, ``shipment``, or a
        status of a line.
    :param outcome: one of :data:`OUTCOMES`.
    :param status_code: of zDirect's answer, if that decided the outcome.
    :param reason: why it was not applied.
    :param sent_at: when it was sent.
    """

    row: int | None
    order_id: str | None
    what: str
    outcome: str
    order_number: str | None = None
    order_line_id: str | None = None
    shipment: str | None = None
    status_code: int | None = None
    reason: str | None = None
    sent_at: datetime | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> RowResult:
        """From a published row."""
        return cls(**{field.name: row[field.name] for field in fields(cls)})

    @property
    def place(self) -> str | None:
        """The line or the shipment."""
        return self.order_line_id or self.shipment

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.row, self.order_id, self.place, self.what)


def by_row(results: Iterable[RowResult]) -> list[list[RowResult]]:
    """The results of each row together; without a number, an order counts as one row."""
    rows: dict[Any, list[RowResult]] = {}
    for number, result in enumerate(results):
        key = result.row if result.row is not None else ("without number", result.order_id or number)
        rows.setdefault(key, []).append(result)
    return list(rows.values())


def count_rows(results: Iterable[RowResult]) -> dict[str, int]:
    """The number of rows by outcome; of all that a row wants, the worst outcome counts."""
    worst = Counter(max((one.outcome for one in row), key=OUTCOMES.index) for row in by_row(results))
    return {outcome: worst[outcome] for outcome in OUTCOMES}


def keep_done(results: Iterable[RowResult], before: Iterable[RowResult]) -> list[RowResult]:
    """The results; what an earlier try of the run did stays done."""
    done = {result.key: result for result in before if result.outcome == DONE}
    return [
        replace(result, outcome=DONE, sent_at=done[result.key].sent_at)
        if result.outcome == ALREADY and result.key in done
        else result
        for result in results
    ]


def reason_of(error: ZDirectError) -> str:
    """An error as the reason of a result; it holds neither secrets nor personal data."""
    title = f" ({error.title})" if error.title else ""
    return short_reason(f"{error.message.rstrip('.')}{title}")


def short_reason(text: str) -> str:
    """A reason as it is published: one line, not too long."""
    return " ".join(text.split())[:_REASON_LENGTH]
