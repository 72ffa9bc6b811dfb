"""What takes too long ends with an error."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def time_limit(seconds: int, error: BaseException) -> Iterator[None]:
    """Raise ``error`` inside, after so many seconds; in the main thread only."""

    def end(*_: object) -> None:
        raise error

    former = signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, former)
