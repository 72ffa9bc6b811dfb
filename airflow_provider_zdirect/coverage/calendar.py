# SPDX-License-Identifier: Apache-2.0
"""The status of each moment of a stretch of time, by half-open windows. Pure values, no I/O."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from zoneinfo import ZoneInfo

from airflow_provider_zdirect.windows import Window

HOUR = timedelta(hours=1)
HOURS_OF_DAY = 24
INSTANT = timedelta(microseconds=1)


class Status(StrEnum):
    """What is known about a stretch of time, the worst first."""

    LOST = "lost"
    MISSING = "missing"
    UNCERTAIN = "uncertain"
    REJECTED = "rejected"
    REFETCHED = "refetched"
    LANDED = "landed"
    PENDING = "pending"


ORDER = {status: number for number, status in enumerate(Status)}
LETTERS = "XMERFLP."
"""One for each status, in order; the last one stands for time in which nothing is expected."""


@dataclass(frozen=True)
class Fetched:
    """A window that has landed, and the status of its time.

    :param at: when it was fetched; where windows overlap, the last fetch decides.
    """

    window: Window
    status: Status
    at: datetime


@dataclass(frozen=True)
class Span:
    """A stretch of time with one status; its neighbours have another.

    An uncertain stretch is cut where zDirect's records begin: only the later part can be fetched again.
    """

    window: Window
    status: Status


def spans(fetched: Iterable[Fetched], expected: Window, kept_from: datetime, due_until: datetime) -> list[Span]:
    """The status of every moment of ``expected``, in order.

    :param fetched: in any order; they may overlap.
    :param kept_from: zDirect has deleted everything before.
    :param due_until: later windows need not have landed yet.
    """
    # The fetch that decides comes first: the last one, and of two at the same moment the worse.
    deciding = sorted(fetched, key=lambda each: (each.at, -ORDER[each.status]), reverse=True)
    landed = deque(
        sorted(
            (max(each.window.start, expected.start), min(each.window.end, expected.end), number)
            for number, each in enumerate(deciding)
            if each.window.intersects(expected)
        )
    )
    ends = {expected.start, expected.end, *(at for at in (kept_from, due_until) if expected.start < at < expected.end)}
    ends |= {at for start, end, _ in landed for at in (start, end)}
    runs: list[tuple[datetime, Status]] = []
    running: list[tuple[int, datetime]] = []
    for at in sorted(ends)[:-1]:
        while landed and landed[0][0] <= at:
            _, end, number = landed.popleft()
            heapq.heappush(running, (number, end))
        while running and running[0][1] <= at:
            heapq.heappop(running)
        if running:
            status = deciding[running[0][0]].status
        elif at < kept_from:
            status = Status.LOST
        else:
            status = Status.MISSING if at < due_until else Status.PENDING
        if not runs or runs[-1][1] != status or (status is Status.UNCERTAIN and at == kept_from):
            runs.append((at, status))
    return [
        Span(Window(start, end), status)
        for (start, status), (end, _) in pairwise([*runs, (expected.end, Status.PENDING)])
    ]


def letters_of_hours(spans: Iterable[Span], days: Sequence[date]) -> dict[str, str]:
    """For each UTC day in which something is expected: a letter per hour, for the worst status in it.

    :param days: consecutive days.
    """
    first = Window.of_day(days[0]).start
    worst = [len(Status)] * len(days) * HOURS_OF_DAY
    for span in spans:
        begin, end = (span.window.start - first) // HOUR, -((first - span.window.end) // HOUR)
        for hour in range(max(begin, 0), min(end, len(worst))):
            worst[hour] = min(worst[hour], ORDER[span.status])
    text = "".join(LETTERS[number] for number in worst)
    by_day = {day: text[number * HOURS_OF_DAY :][:HOURS_OF_DAY] for number, day in enumerate(days)}
    return {day.isoformat(): letters for day, letters in by_day.items() if letters.strip(LETTERS[-1])}


def letters_of_days(spans: Iterable[Span], days: Sequence[date], timezone: str) -> dict[str, str]:
    """For each local day in which something is expected: a letter, for the worst status in it."""
    zone, shown = ZoneInfo(timezone), set(days)
    worst: dict[date, int] = {}
    for span in spans:
        day, last = span.window.start.astimezone(zone).date(), (span.window.end - INSTANT).astimezone(zone).date()
        while day <= last:
            worst[day] = min(worst.get(day, len(Status)), ORDER[span.status])
            day += timedelta(days=1)
    return {day.isoformat(): LETTERS[number] for day, number in sorted(worst.items()) if day in shown}
