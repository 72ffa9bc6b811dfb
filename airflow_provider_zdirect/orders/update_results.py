"""What became of each row of an order update: published as the dataset ``order_updates``, one file per run.

A retry of a run replaces its file: what an earlier try did, and this one only finds done, stays told as done.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any

import pyarrow as pa

from airflow_provider_zdirect.datasets.arrow import INSTANT
from airflow_provider_zdirect.publish.files import FileBuilder
from airflow_provider_zdirect.storage.layout import Layout, PublishedName, moment
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import BATCH_ROWS, read_batches

DATASET = "order_updates"

DONE, ALREADY, REFUSED, CONFLICT, FAILED = "done", "already", "refused", "conflict", "failed"
OUTCOMES = (ALREADY, DONE, REFUSED, CONFLICT, FAILED)
"""From best to worst: ``already`` it was so; ``done`` by this run; ``refused`` before anything was sent, or by zDirect;
``conflict`` with what is there; ``failed`` without an answer that says more."""

ROW, EXPORT, TRACKING, RETURN_TRACKING = "row", "export", "tracking_number", "return_tracking_number"
SHIPMENT = "shipment"

SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("order_id", pa.string()),
        ("order_number", pa.string()),
        ("order_line_id", pa.string()),
        ("shipment", pa.string()),
        ("what", pa.string()),
        ("outcome", pa.string()),
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
    """What became of one thing that a row wants.

    :param row: its number; None if the update came without.
    :param what: ``row`` (nothing could be made of it), ``export``, ``tracking_number``, ``return_tracking_number``,
        ``shipment``, or a status of a line.
    :param outcome: one of :data:`OUTCOMES`.
    :param status_code: of zDirect's answer, if that decided.
    :param reason: why it was not done.
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

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.row, self.order_id, self.place, self.what)

    @property
    def place(self) -> str | None:
        """The line or the shipment."""
        return self.order_line_id or self.shipment

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "sent_at": self.sent_at.isoformat() if self.sent_at else None}

    @classmethod
    def of_json(cls, told: Mapping[str, Any]) -> RowResult:
        sent_at = told["sent_at"]
        return cls(**{**told, "sent_at": datetime.fromisoformat(sent_at) if sent_at else None})


_FIELDS = tuple(field.name for field in fields(RowResult))


def row_key(result: RowResult, number: int) -> Any:
    """What results of the same row have in common.

    :param number: of the result.
    """
    return result.row if result.row is not None else ("without number", result.order_id or number)


def outcomes_by_row(results: Iterable[RowResult]) -> Counter[str]:
    """How many rows came to which outcome; of what a row wants, the worst counts."""
    worst: dict[Any, str] = {}
    for number, result in enumerate(results):
        row = row_key(result, number)
        worst[row] = max(worst.get(row, ALREADY), result.outcome, key=OUTCOMES.index)
    return Counter(dict.fromkeys(OUTCOMES, 0)) + Counter(worst.values())


def keep_done(results: Iterable[RowResult], before: Iterable[RowResult]) -> list[RowResult]:
    """The results, in which what an earlier try of the run did is told as its."""
    done = {result.key: result for result in before if result.outcome == DONE}
    return [
        replace(result, outcome=DONE, sent_at=done[result.key].sent_at)
        if result.outcome == ALREADY and result.key in done
        else result
        for result in results
    ]


@dataclass(frozen=True)
class ResultFile:
    """The published results of one run for one merchant.

    :param run: the same with every try of it, and of no other run.
    """

    store: ObjectStore
    merchant_id: str
    run: str
    environment: str
    suffix: str

    def read(self) -> list[RowResult]:
        """What an earlier try of the run published; nothing if there was none."""
        for path in self._files():
            with contextlib.suppress(FileNotFoundError):
                rows = [row for table in read_batches(self.store, path, SCHEMA) for row in table.to_pylist()]
                return [RowResult(**{name: row[name] for name in _FIELDS}) for row in rows]
        return []

    def publish(self, results: Sequence[RowResult], at: datetime) -> str:
        """Replace the file; its path, relative to the base path."""
        there = self._files()
        names = [name for path in there if (name := PublishedName.parse(path))]
        span = min((name.span for name in names), key=lambda span: span.start) if names else moment(at)
        folder = self._layout.published(span.start.date())
        with tempfile.TemporaryDirectory(prefix="zdirect-") as scratch:
            builder = FileBuilder(SCHEMA, folder, self.suffix, scratch, span=span, part=self._part)
            for start in range(0, len(results), BATCH_ROWS):
                builder.write(self._table(results[start : start + BATCH_ROWS], at))
            published = builder.publish(self.store)
        # Another try may have published at the same moment, on another date: then the earliest stays.
        stays = published.path if there else self._files()[0]
        for path in self._files():
            if path != stays:
                self.store.delete(path)
        return stays

    @property
    def _layout(self) -> Layout:
        return Layout(DATASET, self.merchant_id)

    @property
    def _part(self) -> str:
        return hashlib.sha256(self.run.encode()).hexdigest()[:16]

    def _files(self) -> list[str]:
        found = self.store.files_below(self._layout.merchant)
        return [path for path in found if (name := PublishedName.parse(path)) and name.part == self._part]

    def _table(self, results: Sequence[RowResult], at: datetime) -> pa.Table:
        lineage = {
            "run": self.run,
            "_merchant_id": self.merchant_id,
            "_environment": self.environment,
            "_recorded_at": at,
        }
        rows = [{**{name: getattr(result, name) for name in _FIELDS}, **lineage} for result in results]
        return pa.Table.from_pylist(rows, schema=SCHEMA)


def short_reason(text: str) -> str:
    """A reason as it is told: one line, not too long."""
    return " ".join(text.split())[:_REASON_LENGTH]
