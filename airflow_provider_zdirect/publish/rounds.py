# SPDX-License-Identifier: Apache-2.0
"""Runs that publish the same at the same time: none takes a lock; each looks again until no other came between."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from airflow_provider_zdirect.exceptions import ConcurrentRunError

T = TypeVar("T")

MAX_ROUNDS = 30
LONGEST_STEP_BACK = 20.0
"""Seconds that a run steps back, at most, when it has met another."""
_DICE = random.SystemRandom()


class LaterObservation(Exception):
    """Another run has published a later observation, which this one differs from; only a new one can say more.

    :param at: when the later one says that it was made.
    """

    def __init__(self, at: datetime) -> None:
        super().__init__(at)
        self.at = at


def in_rounds(what: str, publish: Callable[[], T | None], pause: Callable[[float], None], retry_after: float) -> T:
    """What a round of ``publish`` comes to; None if another run came between.

    :param what: is published, for the error.
    :param pause: waits for this many seconds.
    :raises ConcurrentRunError: if other runs kept publishing all the time; ``retry_after`` is the error's.
    """
    for number in range(MAX_ROUNDS):
        if (published := publish()) is not None:
            return published
        # Runs that met each other must not meet again: each steps back for a time of its own.
        pause(_DICE.uniform(0, min(LONGEST_STEP_BACK, 0.02 * 2**number)))
    raise ConcurrentRunError(
        f"{what}: other runs published the same at the same time, {MAX_ROUNDS} times in a row.",
        remedy="No action needed: the task retries. If it persists, run fewer of them at once.",
        retry_after=retry_after,
    )
