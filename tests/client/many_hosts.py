"""Many hosts against one limit, on an event loop whose time jumps to whatever happens next."""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any


class JumpingLoop(asyncio.SelectorEventLoop):
    """Never waits; its time is the time of day for all that run on it."""

    def __init__(self) -> None:
        super().__init__()
        self._seconds = 1_000_000.0
        # Larger than the rounding of such times, or a timer would never be due.
        self._clock_resolution = 1e-5
        select = self._selector.select  # type: ignore[attr-defined]

        def jump(timeout: float | None) -> Any:
            events = select(0)
            if not events and timeout:
                self._seconds += timeout
            return events

        self._selector.select = jump  # type: ignore[attr-defined]

    def time(self) -> float:
        return self._seconds


class LoopClock:
    """The time of the running loop; or one that is so many seconds ahead."""

    def __init__(self, ahead: float = 0) -> None:
        self._ahead = ahead

    def now(self) -> datetime:
        return datetime.fromtimestamp(asyncio.get_running_loop().time() + self._ahead, UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def run(main: Coroutine[Any, Any, None]) -> None:
    loop = JumpingLoop()
    try:
        loop.run_until_complete(main)
    finally:
        loop.close()


class SlowTexts:
    """Texts that every host reads and writes some milliseconds late, without any lock.

    :param latency: shortest and longest time that half a request takes, in seconds.
    :param is_down: whether the store cannot be reached at the moment.
    """

    def __init__(self, rng: random.Random, latency: tuple[float, float], is_down: Callable[[], bool]) -> None:
        self.requests = 0
        self._texts: dict[str, str] = {}
        self._rng, self._latency, self._is_down = rng, latency, is_down

    async def read(self, name: str) -> str | None:
        await self._half()
        text = self._texts.get(name)
        await self._half()
        return text

    async def write(self, name: str, text: str) -> None:
        await self._half()
        self._texts[name] = text
        await self._half()

    async def _half(self) -> None:
        if self._is_down():
            raise OSError("the store is down")
        self.requests += 0.5
        await asyncio.sleep(self._rng.uniform(*self._latency))


class Limit:
    """So many requests in any ``period`` seconds; what is more gets a 429 and is not counted."""

    def __init__(self, requests: int, period: float) -> None:
        self.requests, self._period = requests, period
        self._window: deque[float] = deque()
        self.accepted: list[float] = []
        self.refused = 0

    def ask(self, now: float) -> float | None:
        """None, or the seconds of ``Retry-After``."""
        while self._window and self._window[0] <= now - self._period:
            self._window.popleft()
        if len(self._window) < self.requests:
            self._window.append(now)
            self.accepted.append(now)
            return None
        self.refused += 1
        return max(1, math.ceil(self._window[0] + self._period - now))
