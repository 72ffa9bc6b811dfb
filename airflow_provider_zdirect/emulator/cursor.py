"""Opaque page cursors: the query they belong to, and how far its pages have come."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from airflow_provider_zdirect.emulator.problem import ProblemError

CHECK_LENGTH = 8


@dataclass(frozen=True)
class ReceivedQuery:
    """Filters of one pass over the received items, resolved when its first page was asked for."""

    merchant_id: str
    start: datetime
    end: datetime
    advice_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cursor:
    """Position right after the record with this time and label."""

    query: ReceivedQuery
    after: tuple[datetime, str]

    def encode(self) -> str:
        query, (time, label) = self.query, self.after
        times = [moment.isoformat() for moment in (query.start, query.end, time)]
        return _sealed("received-items", [query.merchant_id, *times, label, list(query.advice_ids)])


def decode(text: str) -> Cursor:
    """The cursor that was encoded; a 400 problem for any other text."""
    merchant_id, start, end, time, label, advice_ids = _opened("received-items", text)
    start, end, time = (datetime.fromisoformat(moment) for moment in (start, end, time))
    return Cursor(ReceivedQuery(merchant_id, start, end, tuple(advice_ids)), (time, label))


@dataclass(frozen=True)
class ReportQuery:
    """Filters of one pass over reports of movements.

    :param first: first report date; :param last: the last one, which belongs to it.
    """

    operation: str
    merchant_id: str
    first: date
    last: date
    location_id: str | None = None


@dataclass(frozen=True)
class ReportCursor:
    """Position at a movement: the date of its report and its number there."""

    reported: date
    number: int

    def encode(self, query: ReportQuery) -> str:
        filters = [query.merchant_id, query.first.isoformat(), query.last.isoformat(), query.location_id]
        return _sealed(query.operation, [*filters, self.reported.isoformat(), self.number])

    @classmethod
    def decode(cls, text: str, query: ReportQuery) -> ReportCursor:
        """:raises ProblemError: 400 if this is no cursor, or one of another query."""
        merchant_id, first, last, location_id, reported, number = _opened(query.operation, text)
        dates = date.fromisoformat(first), date.fromisoformat(last)
        if query != ReportQuery(query.operation, merchant_id, *dates, location_id):
            raise ProblemError(400, "cursor belongs to a request with other filters")
        return cls(date.fromisoformat(reported), number)


@dataclass(frozen=True)
class NoticeCursor:
    """Position right after a shipping notice."""

    created_at: datetime
    id: str

    def encode(self) -> str:
        return _sealed("shipping-notices", [self.created_at.isoformat(), self.id])

    @classmethod
    def decode(cls, text: str) -> NoticeCursor:
        """:raises ProblemError: 400 for any other text."""
        created_at, id = _opened("shipping-notices", text)
        return cls(datetime.fromisoformat(created_at), id)


@dataclass(frozen=True)
class PlaceCursor:
    """Position right after a record with this time and id, in a list with certain filters."""

    at: datetime
    id: str

    def encode(self, operation: str, filters: list[str | None]) -> str:
        return _sealed(operation, [*filters, self.at.isoformat(), self.id])

    @classmethod
    def decode(cls, text: str, operation: str, filters: list[str | None]) -> PlaceCursor:
        """:raises ProblemError: 400 if this is no cursor, or one of another query."""
        *found, at, id = _opened(operation, text)
        _same_filters(found, filters)
        return cls(datetime.fromisoformat(at), id)


@dataclass(frozen=True)
class OffsetCursor:
    """Position after so many records, in a list with certain filters."""

    offset: int

    def encode(self, operation: str, filters: list[str]) -> str:
        return _sealed(operation, [*filters, self.offset])

    @classmethod
    def decode(cls, text: str, operation: str, filters: list[str]) -> OffsetCursor:
        """:raises ProblemError: 400 if this is no cursor, or one of another query."""
        *found, offset = _opened(operation, text)
        _same_filters(found, filters)
        return cls(offset)


def _same_filters(found: list[Any], filters: Sequence[str | None]) -> None:
    if found != list(filters):
        raise ProblemError(400, "cursor belongs to a request with other filters")


def _sealed(operation: str, content: list[Any]) -> str:
    payload = json.dumps(content).encode()
    return base64.urlsafe_b64encode(_check(operation, payload) + payload).decode().rstrip("=")


def _opened(operation: str, text: str) -> list[Any]:
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise ProblemError(400, "cursor is invalid") from error
    check, payload = raw[:CHECK_LENGTH], raw[CHECK_LENGTH:]
    if check != _check(operation, payload):
        raise ProblemError(400, "cursor is invalid")
    content: list[Any] = json.loads(payload)
    return content


def _check(operation: str, payload: bytes) -> bytes:
    # With the operation, so that a cursor of another endpoint is none here.
    return hashlib.sha256(operation.encode() + payload).digest()[:CHECK_LENGTH]
