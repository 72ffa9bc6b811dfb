"""Opaque page cursors: the query they belong to, and the last record that was sent."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

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
        payload = json.dumps([query.merchant_id, *times, label, list(query.advice_ids)]).encode()
        return base64.urlsafe_b64encode(_check(payload) + payload).decode().rstrip("=")


def decode(text: str) -> Cursor:
    """The cursor that was encoded; a 400 problem for any other text."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise ProblemError(400, "cursor is invalid") from error
    check, payload = raw[:CHECK_LENGTH], raw[CHECK_LENGTH:]
    if check != _check(payload):
        raise ProblemError(400, "cursor is invalid")
    merchant_id, start, end, time, label, advice_ids = json.loads(payload)
    start, end, time = (datetime.fromisoformat(moment) for moment in (start, end, time))
    return Cursor(ReceivedQuery(merchant_id, start, end, tuple(advice_ids)), (time, label))


def _check(payload: bytes) -> bytes:
    return hashlib.sha256(payload).digest()[:CHECK_LENGTH]
