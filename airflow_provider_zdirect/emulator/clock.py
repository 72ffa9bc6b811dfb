# SPDX-License-Identifier: Apache-2.0
"""The emulator's time: a clock that is shifted or frozen, the forms of moments, and when daily reports appear."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day

Moment = datetime | date | str
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SATURDAY = 5


class EmulatorClock:
    """Real time until it is set; frozen once set, and then moved only by :meth:`advance`.

    :param now: moment to freeze at, aware; ``None`` follows the machine's clock.
    """

    def __init__(self, now: datetime | None = None) -> None:
        self._frozen = now.astimezone(UTC) if now else None
        self._offset = timedelta(0)
        self._skipped = 0.0

    @property
    def frozen(self) -> bool:
        return self._frozen is not None

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        return self._frozen or datetime.now(UTC) + self._offset  # noqa: TID251 - here it is read for all

    def set(self, now: datetime | None) -> None:
        """Freeze at a moment, or with ``None`` return to real time."""
        before = self.now()
        self._frozen = now.astimezone(UTC) if now else None
        self._offset = timedelta(0)
        self._skipped += max(0.0, (self.now() - before).total_seconds())

    def advance(self, seconds: float) -> None:
        """Move forward by that many seconds, frozen or not."""
        step = timedelta(seconds=seconds)
        if self._frozen:
            self._frozen += step
        else:
            self._offset += step
        self._skipped += max(0.0, seconds)

    def elapsed(self) -> float:
        """Seconds for rate limits: they pass with real time even when frozen, and with every move forward."""
        # A client that honours Retry-After waits in real time; a frozen clock must not lock it out for ever.
        return time.monotonic() + self._skipped


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
    """Like ``2022-11-24T13:49:04.550+00:00``; finer parts are cut off."""
    return time.isoformat(timespec="milliseconds")


@dataclass(frozen=True)
class ReportCalendar:
    """A day's report of movements appears at one time of a later day.

    The docs only say from when on it is safe to fetch it: 12:00 CET on business days (Intra-Community Movements),
    12:00 UTC (Cross-Border Movements). What happens at weekends is not confirmed.

    :param time: UTC, ``HH:MM``.
    :param days: ``all``: the day after; ``business``: the first Monday to Friday after that is not a holiday.
    :param holidays: ISO dates on which no report appears; only for ``business``.
    """

    time: str = "10:30"
    days: str = "all"
    holidays: tuple[str, ...] = ()

    def visible_at(self, reported: date) -> datetime:
        """The moment from which on the report of that day is there."""
        day = reported + DAY
        while self.days == "business" and (day.weekday() >= SATURDAY or day.isoformat() in self.holidays):
            day += DAY
        return datetime.combine(day, time_of_day.fromisoformat(self.time), UTC)
