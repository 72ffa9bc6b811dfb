# SPDX-License-Identifier: Apache-2.0
"""The pace of all hosts, in a store of texts that knows no compare-and-set, such as Airflow's Variables.

Two hosts may read the same text, and the one that writes later undoes what the other wrote. So each writes a mark
beside the pace, and looks again a little later: if its mark is gone, it begins anew.

All times are by the clock that is most ahead: each host notes how far others are ahead of it, and reads and writes
their times. Otherwise a host whose clock is ahead would reserve all slots that are near for the others.
"""

from __future__ import annotations

import uuid
from typing import Protocol, TypeVar

import msgspec

from airflow_provider_zdirect.client.pace import Pace
from airflow_provider_zdirect.client.rates import Step, decoded, pace_name
from airflow_provider_zdirect.client.retry import LONGEST_RETRY_AFTER
from airflow_provider_zdirect.clock import Clock

T = TypeVar("T")

SETTLED = 0.25
"""Seconds in which others have written that read before: at least; twice what it takes here, if that is more."""

ATTEMPTS = 5
KEPT_MARKS = 32


class TextStore(Protocol):
    """Named texts that all hosts can read and write."""

    async def read(self, name: str) -> str | None:
        """The text; None if there is none.

        :raises OSError: if the store cannot be reached.
        """

    async def write(self, name: str, text: str) -> None:
        """Keep ``text`` under that name.

        :raises OSError: if the store cannot be reached.
        """


class _Kept(msgspec.Struct):
    """:param at: when it was written."""

    pace: Pace = Pace()
    marks: tuple[str, ...] = ()
    at: float = 0.0


class SharedPaces:
    """The paces of all hosts.

    :param texts: where they are.
    """

    def __init__(self, texts: TextStore, clock: Clock) -> None:
        self._texts = texts
        self._clock = clock
        self._ahead = 0.0

    async def change(self, endpoint: str, step: Step[T], *, surely: bool = True) -> T:
        name = f"zdirect_pace_{pace_name(endpoint)}"
        mark, results = None, list[T]()
        for attempt in range(ATTEMPTS):
            began = self._clock.now()
            kept = decoded(await self._texts.read(name), _Kept)
            ahead = self._ahead_of_this(kept.at)
            before = kept.pace.later_by(-ahead)
            pace, latest = await step(before)
            if pace == before:
                # What was reserved slowly is better than nothing: else nobody would get the last free slot.
                return results[-1] if mark in kept.marks else latest
            results.append(latest)
            mark = uuid.uuid4().hex[:8]
            written_at = self._clock.now().timestamp() + ahead
            marked = _Kept(pace.later_by(ahead), (*kept.marks[-KEPT_MARKS:], mark), written_at)
            try:
                await self._texts.write(name, msgspec.json.encode(marked).decode())
            except OSError:
                # Some databases refuse one of two writers.
                if attempt == ATTEMPTS - 1:
                    raise
                await self._clock.sleep(SETTLED)
                continue
            if not surely:
                break
            took = (self._clock.now() - began).total_seconds()
            await self._clock.sleep(max(SETTLED, 2 * took))
            # Who took longer may have undone what another host had already found in place.
            was_quick = took < SETTLED or attempt > 0
            if was_quick and mark in decoded(await self._texts.read(name), _Kept).marks:
                break
        return results[-1]

    def _ahead_of_this(self, written_at: float) -> float:
        """Seconds that the clock of another host is known to be ahead of the one here."""
        ahead = written_at - self._clock.now().timestamp()
        # A difference beyond the longest pause is garbage, not a wrong clock.
        if ahead <= LONGEST_RETRY_AFTER:
            self._ahead = max(self._ahead, ahead)
        return self._ahead
