"""The emulator's time as the clock of what is tested: who sleeps on it moves it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise

import pytest

from airflow_provider_zdirect.clock import SystemClock
from airflow_provider_zdirect.emulator.server import EmulatorServer


class EmulatedTime:
    """A clock that is never ahead of or behind the emulator's.

    :param emulator: with a frozen clock.
    :param after_sleep: called after every sleep, for what happens meanwhile.
    """

    def __init__(self, emulator: EmulatorServer, after_sleep: Callable[[], None] = lambda: None) -> None:
        self._emulator = emulator
        self._after_sleep = after_sleep
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self._emulator.clock.now()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._emulator.clock.advance(seconds)
        self._after_sleep()
        await asyncio.sleep(0)


def replace_system_clock(monkeypatch: pytest.MonkeyPatch, emulator: EmulatorServer) -> None:
    """Code that is not given a clock has the emulator's time, too."""
    clock = EmulatedTime(emulator)
    for name in ("now", "sleep"):
        monkeypatch.setattr(SystemClock, name, staticmethod(getattr(clock, name)))


def looks(emulator: EmulatorServer) -> list[datetime]:
    """When reports were asked for."""
    return [request.time for request in emulator.requests if "-movements/" in request.path]


def gaps(emulator: EmulatorServer) -> list[float]:
    """Seconds between them."""
    return [(later - earlier).total_seconds() for earlier, later in pairwise(looks(emulator))]
