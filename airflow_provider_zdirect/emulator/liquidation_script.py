"""Liquidated rows as a test wants them: exactly these, each visible from one moment until another."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from random import Random
from typing import Any

from airflow_provider_zdirect.emulator.records import Place, liquidated_body
from airflow_provider_zdirect.emulator.truth import Record

ScriptedRow = tuple[dict[str, Any], datetime, datetime | None]


class LiquidationScript:
    """What was scripted, by merchant and day."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._days: dict[tuple[str, datetime], tuple[Record, ...]] = {}

    def set(self, merchant_id: str, day: date, rows: Iterable[ScriptedRow]) -> None:
        """Replace all rows of that day.

        :param rows: each as fields that differ from the day's usual body, and the moments from which and until which
            the API shows it; ``None`` if it stays.
        """
        event_time = datetime(day.year, day.month, day.day, tzinfo=UTC)
        rng = Random(f"{self._seed}/{merchant_id}/script/{day}")  # noqa: S311 - reproducible, not secret
        usual = liquidated_body(rng, Place(self._seed, merchant_id, event_time, "script"), 0)
        self._days[merchant_id, event_time] = tuple(
            _record(event_time, f"{number:06d}", {**usual, **changes}, visible_at, visible_until)
            for number, (changes, visible_at, visible_until) in enumerate(rows)
        )

    def over(self, records: Iterable[Record], merchant_id: str, start: datetime, end: datetime) -> list[Record]:
        """The records with those of scripted days replaced, in order."""
        days = dict(self._days)
        kept = [record for record in records if (merchant_id, record.event_time) not in days]
        scripted = [
            record
            for (merchant, day), rows in days.items()
            if merchant == merchant_id and start <= day < end
            for record in rows
        ]
        return sorted(kept + scripted, key=lambda record: record.key)

    def clear(self) -> None:
        self._days.clear()


def _record(
    event_time: datetime, label: str, body: dict[str, Any], visible_at: datetime, visible_until: datetime | None
) -> Record:
    for moment in (visible_at, visible_until):
        if moment is not None and moment.tzinfo is None:
            raise ValueError(f"a scripted row needs aware times: {moment.isoformat()}")
    return Record(event_time, label, visible_at, body, body, visible_until=visible_until)
