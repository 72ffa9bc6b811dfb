# SPDX-License-Identifier: Apache-2.0
"""Staying inside a rate limit: evenly spaced requests, shared by every process of a host, and by all hosts.

A host keeps the :class:`~airflow_provider_zdirect.client.pace.Pace` of each endpoint in a small file. Where hosts share
a store, that of all hosts is there, and each host takes its requests from it: one, then twice as many as long as it
uses them up, and a second's worth at most. So the store is asked about once a second, whatever the limit.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar
from weakref import WeakKeyDictionary

import msgspec

from airflow_provider_zdirect.client.file_lock import host_lock, private_directory
from airflow_provider_zdirect.client.pace import Pace
from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.datasets.endpoint import Rate
from airflow_provider_zdirect.datasets.page import NOT_READABLE
from airflow_provider_zdirect.exceptions import RateLimitedError

log = logging.getLogger(__name__)

T = TypeVar("T")

Step = Callable[[Pace], Awaitable[tuple[Pace, T]]]
"""Makes of a pace the one to keep in its place, and something else."""

EXACTNESS = 1e-6
"""Seconds. Times since 1970 are no more exact than that."""

ALONE = 0.25
"""Part of a limit that is used where the requests of others cannot be seen."""

LOOK_AGAIN = 20.0
"""Seconds until a store that could not be reached is tried again."""

PATIENCE = 15.0
"""Seconds for one change at that store; the other processes of the host wait behind their lock for 30."""


class PaceStore(Protocol):
    """A place where the pace of each endpoint is kept."""

    async def change(self, endpoint: str, step: Step[T], *, surely: bool = True) -> T:
        """Keep what ``step`` makes of the pace of ``endpoint``; what else it makes.

        :param surely: whether it is worth a fraction of a second to notice that another process has changed the
            pace meanwhile; ``step`` may be called again then.
        :raises OSError: if the place cannot be reached.
        """


class MemoryPaces:
    """The paces of this process only."""

    def __init__(self) -> None:
        self._paces: dict[str, Pace] = {}

    async def change(self, endpoint: str, step: Step[T], *, surely: bool = True) -> T:
        self._paces[endpoint], result = await step(self._paces.get(endpoint, Pace()))
        return result


class FilePaces:
    """The paces of all processes of this host and user, in one small file per endpoint.

    :param directory: where the files are; None is a private directory below the host's temporary one.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory

    async def change(self, endpoint: str, step: Step[T], *, surely: bool = True) -> T:
        if self._directory is None:
            self._directory = private_directory("zdirect-rates")
        else:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._directory / f"{pace_name(endpoint)}.pace"
        async with host_lock(path, patience=30, poll=0.002) as file:
            # What comes after the first line is the rest of a longer one.
            before = os.pread(file, 65_536, 0).partition(b"\n")[0]
            pace, result = await step(decoded(before, Pace))
            if (after := msgspec.json.encode(pace)) != before:
                os.pwrite(file, after + b"\n", 0)
            return result


def pace_name(endpoint: str) -> str:
    """Name under which the pace of an endpoint is kept."""
    return hashlib.sha256(endpoint.encode()).hexdigest()[:32]


def decoded(text: str | bytes | None, kind: type[T]) -> T:
    """What ``text`` holds; a new one of its kind, if that is nothing or garbage."""
    try:
        return msgspec.json.decode(text or b"", type=kind)
    except NOT_READABLE:
        return kind()


class RateLimiter:
    """Paces requests by endpoint. Where it cannot see others whom it should, it uses a quarter of each limit.

    :param host: what the processes of this host share.
    :param everybody: what all hosts share; None if they share nothing.
    """

    def __init__(self, host: PaceStore, everybody: PaceStore | None = None, clock: Clock | None = None) -> None:
        self._host = host
        self._everybody = everybody
        self._clock = clock or SystemClock()
        self._is_alone = False
        self._look_again = 0.0
        # An asyncio lock belongs to one loop; the limiter may outlive it.
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Lock]] = WeakKeyDictionary()

    async def acquire(self, endpoint: str, rate: Rate, *, max_wait: float) -> float:
        """Wait until a request to ``endpoint`` may be sent; the seconds waited.

        :raises RateLimitedError: if that would take more than ``max_wait`` seconds; nothing is reserved then.
        """
        waited = 0.0
        while True:
            left = max_wait - waited
            wait = await self._change(endpoint, partial(self._reserve, endpoint, rate, left))
            if wait > left:
                raise RateLimitedError(
                    f"The rate limit of {endpoint} leaves no room for {wait:.0f} s.",
                    remedy="No action needed: the task waits for its turn. Run fewer tasks at once if it takes long.",
                    retry_after=wait,
                )
            if wait <= EXACTNESS:
                return waited
            if wait >= 1:
                log.info("Rate limit of %s: waiting %.1f s for the next free slot.", endpoint, wait)
            await self._clock.sleep(wait)
            waited += wait
            # Somebody may have met a 429 meanwhile, here or on another host.
            if await self._change(endpoint, self._is_paused):
                continue
            if wait < 1 or not await self._change_everybodys(endpoint, self._is_paused):
                return waited

    async def pause(self, endpoint: str, rate: Rate, seconds: float) -> None:
        """After a 429: let nobody send to ``endpoint`` for that many seconds, and then more slowly."""

        async def step(pace: Pace) -> tuple[Pace, None]:
            return pace.pause(self._now(), rate, seconds), None

        await self._change(endpoint, step)
        await self._change_everybodys(endpoint, step)

    async def _reserve(self, endpoint: str, rate: Rate, left: float, host: Pace) -> tuple[Pace, float]:
        """Seconds until the next request may be sent; reserves it, unless they are more than ``left``."""
        slots = host.usable(now := self._now(), rate)
        if host.alone_until <= now + LOOK_AGAIN:
            self._look_again = max(self._look_again, host.alone_until)
        if not slots:
            # Of many requests a second, some too many are a small part.
            surely = rate.interval > 1
            taken = await self._change_everybodys(endpoint, partial(self._take, rate, left, host), surely=surely)
            # The present: whoever queued for the lock would otherwise come later than its slot.
            now = self._now()
            if taken is None:
                host = msgspec.structs.replace(host, alone_until=self._look_again)
                host, (slot,) = host.take(now, replace(rate, limit=rate.limit * self._part()), now + left)
                return host, slot - now
            slots, reserved = taken
            if reserved is host:
                # Too far away for this one, also if that was a moment ago.
                return host, max(slots[0] - now, left + EXACTNESS)
            host = reserved
        wait = max(0.0, slots[0] - self._now())
        return host if wait > left else msgspec.structs.replace(host, granted=slots[1:]), wait

    async def _take(
        self, rate: Rate, left: float, host: Pace, everybody: Pace
    ) -> tuple[Pace, tuple[tuple[float, ...], Pace]]:
        """Reserve for this host: the times at which it may send, and its pace with them."""
        now = self._now()
        if host.is_paused(now):
            # The others may not have heard of it.
            everybody = everybody.paused_until_at_least(host.paused_until, now)
        after, slots = everybody.take(now, rate, now + left, host.next_grant(now, rate))
        if after is everybody:
            return everybody, (slots, host)
        host = msgspec.structs.replace(
            host, paused_until=after.paused_until, arrival=slots[-1], granted=slots, grant=len(slots)
        )
        return after, (slots, host)

    async def _is_paused(self, pace: Pace) -> tuple[Pace, bool]:
        return pace, pace.is_paused(self._now())

    def _part(self) -> float:
        """The part of a limit that is used while the others cannot be asked."""
        return ALONE if self._everybody is not None or self._is_alone else 1.0

    async def _change(self, endpoint: str, step: Step[T]) -> T:
        # One coroutine of this process at a time looks at the host's lock; a thousand would do nothing else.
        turns = self._turns.setdefault(asyncio.get_running_loop(), defaultdict(asyncio.Lock))
        async with turns[endpoint]:
            try:
                return await self._host.change(endpoint, step)
            except OSError as error:
                log.warning(
                    "Rate limits are not shared with the other processes of this host: %s. Give a writable TMPDIR.",
                    error,
                )
                self._host, self._is_alone = MemoryPaces(), True
                return await self._host.change(endpoint, step)

    async def _change_everybodys(self, endpoint: str, step: Step[T], *, surely: bool = True) -> T | None:
        """As :meth:`PaceStore.change`; None if nothing is shared, or it cannot be reached."""
        if self._everybody is None or self._now() < self._look_again:
            return None
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._everybody.change(endpoint, step, surely=surely)
        except OSError as error:
            log.warning(
                "Rate limits are not shared with the other hosts: %s. This host uses %.0f %% of each limit for %.0f s.",
                str(error) or "their store is too slow",
                100 * ALONE,
                LOOK_AGAIN,
            )
            self._look_again = self._now() + LOOK_AGAIN
            return None

    def _now(self) -> float:
        return self._clock.now().timestamp()


class MemoryRateLimiter(RateLimiter):
    """Paces the requests of this process only."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(MemoryPaces(), clock=clock)


class FileRateLimiter(RateLimiter):
    """Paces the requests of all processes of this host and user; parameters as :class:`FilePaces`."""

    def __init__(
        self, directory: Path | None = None, clock: Clock | None = None, everybody: PaceStore | None = None
    ) -> None:
        super().__init__(FilePaces(directory), everybody, clock)
