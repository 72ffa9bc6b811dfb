"""What a task that updates orders knows of its earlier tries: what they were about to send, and what is settled.

Both are small objects in the staging area, added and never changed, so that a task may be killed between any two of
them and another run of the same task may write at the same time. What is settled is not looked at again; what was
about to be sent and is found done was done by this task.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from airflow_provider_zdirect.orders.update_results import RowResult
from airflow_provider_zdirect.storage.object_store import ObjectStore

Sent = tuple[str, str | None, str]
"""Order, line or shipment, and what is sent."""


@dataclass
class UpdateJournal:
    """The journal of one task and one content of its input.

    :param folder: relative to the base path.
    :param settled: results by order id.
    :param numbers: ids of the orders with a number.
    :param sent: by what was about to be sent: when first.
    :param failed: orders of which a request failed.
    """

    store: ObjectStore
    folder: str
    settled: dict[str, list[RowResult]] = field(default_factory=dict)
    numbers: dict[str, list[str]] = field(default_factory=dict)
    sent: dict[Sent, datetime] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)

    def open(self) -> UpdateJournal:
        """Read what is there."""
        for data in self.store.read_many(self.store.files(self.folder)):
            entry = json.loads(data)
            self.numbers.update(entry.get("numbers", {}))
            for order_id, results in entry.get("settled", {}).items():
                self.settled[order_id] = [RowResult.of_json(result) for result in results]
            self.failed.update(entry.get("failed", []))
            for order_id, line_id, what in entry.get("sent", []):
                self._note((order_id, line_id, what), datetime.fromisoformat(entry["at"]))
        return self

    def about_to_send(self, sent: Iterable[Sent], at: datetime) -> None:
        """Note it before the first of it is sent."""
        new = [one for one in sent if one not in self.sent]
        if new:
            self._write({"at": at.isoformat(), "sent": new})
        for one in new:
            self._note(one, at)

    def settle(self, results: Mapping[str, list[RowResult]]) -> None:
        """Note orders of which nothing is left to do."""
        if results:
            settled = {order_id: [one.as_json() for one in rows] for order_id, rows in results.items()}
            self._write({"settled": settled})
            self.settled.update(results)

    def note_failed(self, order_ids: Iterable[str]) -> None:
        """Note orders of which a request failed: the next try takes them last."""
        if new := sorted(set(order_ids) - self.failed):
            self._write({"failed": new})
            self.failed.update(new)

    def found(self, numbers: Mapping[str, list[str]]) -> None:
        """Note which orders have a number."""
        if numbers:
            self._write({"numbers": dict(numbers)})
            self.numbers.update(numbers)

    def delete(self) -> None:
        self.store.delete_folder(self.folder)

    def _note(self, one: Sent, at: datetime) -> None:
        self.sent[one] = min(at, self.sent.get(one, at))

    def _write(self, entry: dict[str, Any]) -> None:
        self.store.write_json(f"{self.folder}/{uuid.uuid4().hex}.json", entry)
