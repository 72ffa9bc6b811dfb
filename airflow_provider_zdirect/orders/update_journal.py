# SPDX-License-Identifier: Apache-2.0
"""What the tries of a run that updates orders leave to the next: its rows, what was about to be sent, what is settled.

Settled orders are not read again. What was about to be sent, and is there now, was done by this run.

    <base>/_staging/order_updates/merchant_id=<id>/<run>/rows.json
    <base>/_staging/order_updates/merchant_id=<id>/<run>/<digest of the job>/<note>.json
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from airflow_provider_zdirect.orders.row_parts import Key, Part
from airflow_provider_zdirect.orders.update_job import DATASET, OrderUpdateJob
from airflow_provider_zdirect.orders.update_rows import UpdateRows
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.storage.damaged import naming_damaged
from airflow_provider_zdirect.storage.journal import Journal

log = logging.getLogger(__name__)


def run_folder(place: Place, run: str) -> str:
    return f"{place.layout(DATASET).staged}/{run}"


def rows_of_run(place: Place, run: str, read: Callable[[], UpdateRows]) -> UpdateRows:
    """The rows as the first try of a run read them.

    Otherwise, if the file is replaced, some rows might never be applied, and no result would show it.

    :param read: gives them in the first try.
    """
    path = f"{run_folder(place, run)}/rows.json"
    content = place.store.read_json(path)
    if content is not None:
        log.info("Going on with the rows that the first try of this run read.")
        with naming_damaged(place.store.full(path)):
            return msgspec.convert(content, UpdateRows)
    rows = read()
    place.store.write_json(path, msgspec.to_builtins(rows))
    return rows


@dataclass(frozen=True)
class Note:
    """What is noted at one time.

    :param settled: the results of orders of which nothing is left to do, by order id.
    :param numbers: ids of the orders with a number.
    :param sent: what is about to be sent, and when.
    :param failed: orders of which a request failed: the next try takes them last.
    """

    settled: dict[str, list[Part]] = field(default_factory=dict)
    numbers: dict[str, list[str]] = field(default_factory=dict)
    sent: list[tuple[Key, datetime]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


class UpdateJournal:
    """The notes of all tries of a job, together; see :class:`Note`."""

    def __init__(self, job: OrderUpdateJob) -> None:
        self._notes = Journal(job.place.store, f"{run_folder(job.place, job.run)}/{job.digest[:16]}")
        self.settled: dict[str, list[Part]] = {}
        self.numbers: dict[str, list[str]] = {}
        self.sent: dict[Key, datetime] = {}
        self.failed: set[str] = set()
        notes = self._notes.read()
        with naming_damaged(f"{job.place.store.full(self._notes.folder)}/*.json"):
            for content in notes:
                self._learn(msgspec.convert(content, Note))

    def add(self, note: Note) -> None:
        """Note it, unless it is empty. What is about to be sent has to be noted before the first of it is sent."""
        if note != Note():
            self._notes.add(msgspec.to_builtins(note))
            self._learn(note)

    def _learn(self, note: Note) -> None:
        self.settled.update(note.settled)
        self.numbers.update(note.numbers)
        self.failed.update(note.failed)
        for key, at in note.sent:
            self.sent[key] = min(at, self.sent.get(key, at))
