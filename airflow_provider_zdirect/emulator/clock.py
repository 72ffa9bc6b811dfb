"""The emulator's time: a clock that is shifted or frozen, and the forms of moments."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta

Moment = datetime | date | str


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
