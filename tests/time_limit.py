"""What takes too long ends with an error."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def time_limit(seconds: int, error: BaseException) -> Iterator[None]:
    """Raise ``error`` inside, after so many seconds; in the main thread only."""

    ended = False

    def end(*_: object) -> None:
        nonlocal ended
        ended = True
        raise error

    former = signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        yield
    except BaseException as other:
        # It can strike where a library is cleaning up, which then fails in its own words.
        if ended and other is not error:
            raise error from other
        raise
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, former)
