"""What a task that updates orders knows of its earlier tries: what they were about to send, and what is settled.

What is settled is not read again; what was about to be sent and is found done was done by this task.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from airflow_provider_zdirect.orders.update_results import RowResult
from airflow_provider_zdirect.storage.journal import Journal

Sent = tuple[str, str | None, str]
"""Order, line or shipment, and what is sent."""


@dataclass
class Note:
    """One note, or all of them.

    :param settled: results by order id.
    :param numbers: ids of the orders with a number.
    :param sent: when each was about to be sent first.
    :param failed: orders of which a request failed.
    """

    settled: dict[str, list[RowResult]] = field(default_factory=dict)
    numbers: dict[str, list[str]] = field(default_factory=dict)
    sent: list[tuple[Sent, datetime]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


class UpdateJournal:
    """The journal of one task and one content of its input; see :class:`Note` for its parts.

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

    def about_to_send(self, sent: Iterable[Sent], at: datetime) -> None:
        """Note it before the first of it is sent."""
        self._add(Note(sent=[(one, at) for one in sent if one not in self.sent]))

    def settle(self, results: Mapping[str, list[RowResult]]) -> None:
        """Note orders of which nothing is left to do."""
        self._add(Note(settled=dict(results)))

    def note_failed(self, order_ids: Iterable[str]) -> None:
        """Note orders of which a request failed: the next try takes them last."""
        self._add(Note(failed=sorted(set(order_ids) - self.failed)))

    def found(self, numbers: Mapping[str, list[str]]) -> None:
        """Note which orders have a number."""
        self._add(Note(numbers=dict(numbers)))

    def delete(self) -> None:
        self._notes.delete()

    def _add(self, note: Note) -> None:
        if note != Note():
            self._notes.add(msgspec.to_builtins(note))
            self._learn(note)

    def _learn(self, note: Note) -> None:
        self.settled.update(note.settled)
        self.numbers.update(note.numbers)
        self.failed.update(note.failed)
        for one, at in note.sent:
            self.sent[one] = min(at, self.sent.get(one, at))
