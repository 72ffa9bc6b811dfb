# SPDX-License-Identifier: Apache-2.0
"""What a row of an order update asks for, part by part, and the outcome of each part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from airflow_provider_zdirect.exceptions import ZDirectError

DONE, ALREADY, REFUSED, CONFLICT, FAILED = "done", "already", "refused", "conflict", "failed"
OUTCOMES = (ALREADY, DONE, REFUSED, CONFLICT, FAILED)
"""From best to worst: ``already`` there; ``done`` by this run; ``refused`` before anything was sent, or by zDirect;
``conflict`` with the current state; ``failed`` without an answer that says more."""

NOT_APPLIED = (REFUSED, CONFLICT, FAILED)

ROW, EXPORT, TRACKING, RETURN_TRACKING = "row", "export", "tracking_number", "return_tracking_number"
SHIPMENT = "shipment"

Key = tuple[str | None, str | None, str]
"""Order, line or shipment, and what is sent."""

_REASON_LENGTH = 500


@dataclass
class Part:
    """One part of a row, and its outcome: a record of the results.

    :param row: the row's number.
    :param what: ``row`` (all of it), ``export``, ``tracking_number``, ``return_tracking_number``, ``shipment``, or a
        status of a line.
    :param outcome: one of :data:`OUTCOMES`; None: open.
    :param status_code: of zDirect's answer, if that decided the outcome.
    :param reason: why it was not applied.
    :param sent_at: when it was sent.
    """

    row: int
    what: str
    order_id: str | None = None
    order_number: str | None = None
    order_line_id: str | None = None
    shipment: str | None = None
    outcome: str | None = None
    status_code: int | None = None
    reason: str | None = None
    sent_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self.outcome is None

    @property
    def key(self) -> Key:
        return (self.order_id, self.order_line_id or self.shipment, self.what)

    def settle(self, outcome: str, reason: str | ZDirectError | None = None) -> None:
        """Decide it, unless it is decided.

        :param reason: why it was not applied.
        """
        if self.is_open:
            self.outcome = outcome
            if isinstance(reason, ZDirectError):
                self.status_code = reason.status
                # An error holds neither secrets nor personal data.
                reason = f"{reason.message.rstrip('.')}{f' ({reason.title})' if reason.title else ''}"
            self.reason = reason and " ".join(reason.split())[:_REASON_LENGTH]


def settle(parts: Iterable[Part], outcome: str, reason: str | ZDirectError | None = None) -> None:
    for part in parts:
        part.settle(outcome, reason)


def untried(end: ZDirectError | None) -> str:
    """Why a row was not tried, given why no further ones were begun."""
    return f"not tried, because: {end.message if end else 'unknown'}"


def count_rows(parts: Iterable[Part]) -> dict[str, int]:
    """The number of rows by outcome; of all parts of a row, the worst outcome counts."""
    worst: dict[int, int] = {}
    for part in parts:
        worst[part.row] = max(worst.get(part.row, 0), OUTCOMES.index(str(part.outcome)))
    counts = Counter(worst.values())
    return {outcome: counts[place] for place, outcome in enumerate(OUTCOMES)}
