"""Moments as tests name them, and times as the Orders API writes them."""

from __future__ import annotations

from datetime import UTC, date, datetime

Moment = datetime | date | str


def moment(value: Moment) -> datetime:
    """An aware time; a date or a time without offset is meant in UTC."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    elif not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def whole_millisecond(time: datetime) -> datetime:
    """The time as precisely as orders show it."""
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def order_time(time: datetime) -> str:
    """Like ``2022-11-24T13:49:04.550+00:00``."""
    return time.isoformat(timespec="milliseconds")
