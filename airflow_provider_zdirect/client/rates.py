"""Staying inside a rate limit: evenly spaced requests, shared by every process of this host.

The rule is GCRA: per endpoint one number is kept, the theoretical arrival time (TAT) of the next request.
A 429 pushes it forward for everybody, so that parallel tasks do not run into the same 429 one by one.
zDirect docs, Rate limiting: spread big loads evenly; calling before ``Retry-After`` has passed may extend the limit.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar
from weakref import WeakKeyDictionary

from airflow_provider_zdirect.client.file_lock import host_lock, private_directory
from airflow_provider_zdirect.client.retry import LONGEST_RETRY_AFTER
from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.datasets.endpoint import Rate
from airflow_provider_zdirect.exceptions import RateLimitedError

log = logging.getLogger(__name__)

T = TypeVar("T")

EXACTNESS = 1e-6
"""Seconds. Times since 1970 are no more exact than that."""


@dataclass(frozen=True)
class Pace:
    """What is kept per endpoint, in seconds since the epoch.

    :param arrival: theoretical arrival time of the next request.
    :param paused_until: no request before that, because of a 429.
    """

    arrival: float = 0.0
    paused_until: float = 0.0

    def reserve(self, now: float, rate: Rate) -> tuple[Pace, float]:
        """The pace with one more request in it, and the time at which that request may be sent."""
        arrival = self.arrival
        # Much further ahead than any pause: the clock was set back, or the file is not ours.
        if arrival > now + 2 * LONGEST_RETRY_AFTER:
            arrival = now
        if self.is_paused(now):
            arrival = max(arrival, self.paused_until + rate.tolerance)
        slot = max(now, arrival - rate.tolerance)
        return replace(self, arrival=max(arrival, slot) + rate.interval), slot

    def pause(self, now: float, seconds: float) -> Pace:
        """The pace with no request in the next ``seconds``."""
        until = now + min(seconds, LONGEST_RETRY_AFTER)
        return replace(self, paused_until=max(self.paused_until if self.is_paused(now) else 0.0, until))

    def is_paused(self, now: float) -> bool:
        return now < self.paused_until <= now + LONGEST_RETRY_AFTER


class RateLimiter(ABC):
    """Paces requests by endpoint."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()

    @abstractmethod
    async def _change(self, endpoint: str, step: Callable[[Pace], tuple[Pace, T]]) -> T:
        """Replace the pace of ``endpoint`` by that which ``step`` makes of it, alone; what else ``step`` returns."""

    async def acquire(self, endpoint: str, rate: Rate, *, max_wait: float) -> float:
        """Wait until a request to ``endpoint`` may be sent; the seconds waited.

        :raises RateLimitedError: if that would take more than ``max_wait`` seconds; nothing is reserved then.
        """
        waited = 0.0
        while True:
            left = max_wait - waited
            wait = await self._change(endpoint, partial(self._reserve, rate, left))
            if wait > left:
                raise RateLimitedError(
                    f"The rate limit of {endpoint} leaves no room for {wait:.0f} s.",
                    remedy="No action needed: the task retries or defers. Run fewer tasks at once if it happens often.",
                    retry_after=wait,
                )
            if wait <= EXACTNESS:
                return waited
            if wait >= 1:
                log.info("Rate limit of %s: waiting %.1f s for the next free slot.", endpoint, wait)
            await self._clock.sleep(wait)
            waited += wait
            # Somebody may have met a 429 while this one slept.
            if not await self._change(endpoint, lambda pace: (pace, pace.is_paused(self._now()))):
                return waited

    def _reserve(self, rate: Rate, left: float, pace: Pace) -> tuple[Pace, float]:
        # The time of the reservation: else a process that queued for the lock would come later than its slot.
        now = self._now()
        reserved, slot = pace.reserve(now, rate)
        return reserved if slot - now <= left else pace, slot - now

    async def pause(self, endpoint: str, seconds: float) -> None:
        """Let no process send to ``endpoint`` for that many seconds."""
        now = self._now()
        await self._change(endpoint, lambda pace: (pace.pause(now, seconds), None))

    def _now(self) -> float:
        return self._clock.now().timestamp()


class MemoryRateLimiter(RateLimiter):
    """Paces the requests of this process only."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self._paces: dict[str, Pace] = {}

    async def _change(self, endpoint: str, step: Callable[[Pace], tuple[Pace, T]]) -> T:
        self._paces[endpoint], result = step(self._paces.get(endpoint, Pace()))
        return result


class FileRateLimiter(MemoryRateLimiter):
    """Paces the requests of all processes of this host and user, through one small file per endpoint.

    :param directory: where the files are; None is a private directory below the host's temporary one. If it cannot
        be used (a read-only file system), a warning is logged and this process paces itself alone.
    """

    def __init__(self, directory: Path | None = None, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self._directory = directory
        self._is_alone = False
        # An asyncio lock belongs to one loop; the limiter may outlive it.
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()

    async def _change(self, endpoint: str, step: Callable[[Pace], tuple[Pace, T]]) -> T:
        if not self._is_alone:
            try:
                return await self._change_file(endpoint, step)
            except OSError as error:
                log.warning(
                    "Rate limits are not shared with the other processes of this host: %s. "
                    "Give a writable directory or lower rate_share.",
                    error,
                )
                self._is_alone = True
        return await super()._change(endpoint, step)

    async def _change_file(self, endpoint: str, step: Callable[[Pace], tuple[Pace, T]]) -> T:
        if self._directory is None:
            self._directory = private_directory("zdirect-rates")
        else:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._directory / f"{hashlib.sha256(endpoint.encode()).hexdigest()[:32]}.pace"
        # One coroutine of this process at a time looks at the host's lock; a thousand would do nothing else.
        turn = self._turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        async with turn, host_lock(path, patience=10, poll=0.002) as file:
            try:
                before = Pace(*map(float, os.pread(file, 100, 0).split()))
            except (ValueError, TypeError):
                before = Pace()
            after, result = step(before)
            if after != before:
                # Same length every time, in one write: a reader never meets half of it.
                os.pwrite(file, f"{after.arrival:020.6f} {after.paused_until:020.6f}\n".encode(), 0)
            return result
