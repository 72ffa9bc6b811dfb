"""The emulator's idea of now: the machine's clock, shifted, or frozen at a given moment."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


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
