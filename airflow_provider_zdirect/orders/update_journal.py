"""The journal of a task that updates orders: what its earlier tries were about to send, and what is settled.

Settled orders are not read again. What was about to be sent, and is there now, was done by this task.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from airflow_provider_zdirect.orders.update_results import RowResult
from airflow_provider_zdirect.storage.journal import Journal

Sent = tuple[str, str | None, str]
"""Order, line or shipment, and what is sent."""


@dataclass(frozen=True)
class Note:
    """What is noted at one time.

    :param settled: the results of orders of which nothing is left to do, by order id.
    :param numbers: ids of the orders with a number.
    :param sent: what is about to be sent, and when.
    :param failed: orders of which a request failed: the next try takes them last.
    """

    settled: dict[str, list[RowResult]] = field(default_factory=dict)
    numbers: dict[str, list[str]] = field(default_factory=dict)
    sent: list[tuple[Sent, datetime]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


class UpdateJournal:
    """The notes of one task about one content of its input, all together; see :class:`Note`.

    :param notes: those of earlier tries are read at once.
    """

    def __init__(self, notes: Journal) -> None:
        self._notes = notes
        self.settled: dict[str, list[RowResult]] = {}
        self.numbers: dict[str, list[str]] = {}
        self.sent: dict[Sent, datetime] = {}
        self.failed: set[str] = set()
        for content in notes.read():
            self._learn(msgspec.convert(content, Note))

    def add(self, note: Note) -> None:
        """Note it, unless it is empty. What is about to be sent has to be noted before the first of it is sent."""
        if note != Note():
            self._notes.add(msgspec.to_builtins(note))
            self._learn(note)

    def delete(self) -> None:
        self._notes.delete()

    def _learn(self, note: Note) -> None:
        self.settled.update(note.settled)
        self.numbers.update(note.numbers)
        self.failed.update(note.failed)
        for one, at in note.sent:
            self.sent[one] = min(at, self.sent.get(one, at))
