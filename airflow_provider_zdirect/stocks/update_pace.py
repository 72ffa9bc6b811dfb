"""2,000 stock updates a minute, counted by all processes of this host and user together.

zDirect docs, *Updating Stock Levels*: 60 requests and 2,000 updates a minute, whichever is reached first, counted anew
at the start of the next minute. Requests are paced by the client, as all are. Updates are counted here: no span of a
minute, wherever it begins, has more than 2,000 of them, so it does not matter whose clock says when a minute starts.
That are two full batches a minute; small ones go as they come.

What is sent later is entered at once, so tasks that wait are served in the order in which they came.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from airflow_provider_zdirect.client.file_lock import host_lock, private_directory
from airflow_provider_zdirect.exceptions import RateLimitedError

log = logging.getLogger(__name__)

UPDATES, SECONDS = 2_000, 60.0
LATENCY = 1.0
"""Seconds by which two requests may come closer to each other on their way."""

Entry = tuple[float, int]
"""When, in seconds since the epoch, and how many updates."""


def reserve(entries: list[Entry], now: float, updates: int, span: float) -> tuple[list[Entry], float]:
    """The entries with one more, and its time: the first at which no ``span`` seconds hold more than the limit.

    :param entries: in order of time; the last ones may lie ahead.
    :param updates: at most the limit.
    """
    # Further ahead than any queue is long: the clock was set back, or the file is not ours.
    held = [(time, count) for time, count in entries if now < time + span and time < now + 86_400]
    at = max([now, *(time for time, _ in held)])
    while sum(count for time, count in held if time + span > at) + updates > UPDATES:
        at = min(time + span for time, _ in held if time + span > at)
    return [*held, (at, updates)], at


@dataclass
class UpdatePace:
    """Lets updates through as the limit allows.

    :param key: who has the limit: address and app.
    :param share: the part of the limit that this host takes.
    :param directory: where the counts are; None: a private directory below the host's temporary one.
    """

    key: str
    share: float
    directory: Path | None = None
    _alone: list[Entry] = field(default_factory=list, repr=False)

    async def acquire(self, updates: int, now: float, *, max_wait: float) -> float:
        """Seconds to wait before so many updates may be sent; they are entered.

        :raises RateLimitedError: if that would be more than ``max_wait``; nothing is entered then.
        """
        span = SECONDS / self.share + LATENCY
        try:
            directory = self.directory or private_directory("zdirect-rates")
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = directory / f"{sha256(self.key.encode()).hexdigest()[:32]}.updates"
            async with host_lock(path, patience=10, poll=0.01) as file:
                entries, at = reserve(_entries(os.pread(file, 1_000_000, 0)), now, updates, span)
                if at - now <= max_wait:
                    content = json.dumps(entries).encode()
                    os.pwrite(file, content, 0)
                    os.ftruncate(file, len(content))
        except OSError as error:
            log.warning(
                "The count of stock updates is not shared with the other processes of this host: %s. Give a writable "
                "directory or lower rate_share.",
                error,
            )
            entries, at = reserve(self._alone, now, updates, span)
            if at - now <= max_wait:
                self._alone = entries
        if at - now > max_wait:
            raise RateLimitedError(
                f"The limit of {UPDATES} stock updates a minute leaves no room for {at - now:.0f} s.",
                remedy="No action needed: the task waits and retries. If it is often, run fewer stock tasks at once.",
                retry_after=at - now,
            )
        return at - now


def _entries(content: bytes) -> list[Entry]:
    try:
        return sorted((float(time), int(count)) for time, count in json.loads(content or b"[]"))
    except (ValueError, TypeError):
        return []
