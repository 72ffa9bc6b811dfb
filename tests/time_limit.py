"""What takes too long ends with an error."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def time_limit(seconds: float, error: BaseException) -> Iterator[None]:
    """Raise ``error`` inside, after so many seconds; in the main thread only.

    And again after as many, if it is still inside then: asyncio logs what a callback raises, and goes on.
    """

    ended = False

    def end(*_: object) -> None:
        nonlocal ended
        ended = True
        raise error

    former = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        yield
    except BaseException as other:
        # It can strike where a library is cleaning up, which then fails in its own words.
        if ended and other is not error:
            raise error from other
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
