# SPDX-License-Identifier: Apache-2.0
"""When to ask again: the rules as pure functions and one small policy. No I/O, no waiting.

==========================  ====================================  =============================================
failure                     in the request, if short enough       then raised with ``retry_after``
==========================  ====================================  =============================================
429                         ``Retry-After``, else about 60 s      the same
5xx, unexpected 2xx         larger of ``Retry-After`` and 120 s   the same
reset, cut body, timeout    1, 2, 4 s and jitter                  120 s
no connection, ever         never, unless it is zDirect's own     never: fatal
malformed JSON in a 200     1, 2 s and jitter, twice              120 s
401                         one new token                         never: AuthenticationError
3xx, other 4xx              never                                 never: fatal
==========================  ====================================  =============================================

"Short enough" is ``max_inline_wait``; longer waits are the task's business, so that no worker slot is held.
The 120 s: "discard the result and fetch again after at least two minutes" (zDirect docs, Stock Movements,
Intra-Community and Cross-Border Movements). ``Retry-After``: zDirect docs, Rate limiting.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from airflow_provider_zdirect.exceptions import MalformedResponseError, TransportError, ZDirectRetriableError

LONGEST_RETRY_AFTER = 86_400.0
"""Seconds. No documented limit is longer than an hour; more than a day is a server's mistake."""

DEFAULT_RATE_LIMIT_WAIT = 60.0
"""Seconds to wait after a 429 without ``Retry-After``: most documented limits count by the minute."""

SHORTEST_RATE_LIMIT_WAIT = 1.0
"""Seconds. ``Retry-After: 0`` must not turn into hammering; calling early may extend the limit."""

MALFORMED_REPEATS = 2

_NUMBER = re.compile(r"\+?(\d+(\.\d*)?|\.\d+)")


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that a ``Retry-After`` header asks to wait, or None if it is not usable.

    :param value: the header: seconds or an HTTP date.
    :param now: the present, aware.
    :returns: 0 for a date in the past, at most :data:`LONGEST_RETRY_AFTER`; None for an absent, negative or
        unreadable value.
    """
    text = (value or "").strip()
    if not text:
        return None
    if _NUMBER.fullmatch(text):
        return min(float(text), LONGEST_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - now).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    # A date counts whole seconds: rounded up, so that the wait never ends before it.
    return min(max(0.0, math.ceil(seconds)), LONGEST_RETRY_AFTER)


@dataclass(frozen=True)
class RetryPolicy:
    """How patient one request is.

    :param max_inline_wait: longest single wait inside a request, in seconds.
    :param max_attempts: how often a request is sent at most, before its failure is raised.
    :param backoff: seconds before the second attempt after a broken connection; doubles each time.
    :param jitter: gives numbers in [0, 1).
    """

    max_inline_wait: float = 30.0
    max_attempts: int = 4
    backoff: float = 1.0
    jitter: Callable[[], float] = random.random

    def inline_wait(self, failure: ZDirectRetriableError, *, attempts: int, alike: int) -> float | None:
        """Seconds to wait before the request is sent again, or None if ``failure`` is to be raised.

        :param attempts: how often the request was sent so far.
        :param alike: how many of these attempts failed in the same way.
        """
        if attempts >= self.max_attempts:
            return None
        wait = failure.retry_after
        if isinstance(failure, MalformedResponseError) and alike > MALFORMED_REPEATS:
            return None
        if isinstance(failure, (TransportError, MalformedResponseError)):
            wait = self.backoff * 2 ** (alike - 1) * (1 + 0.25 * self.jitter())
        return wait if wait <= self.max_inline_wait else None

    def wait_after_429(self, header: str | None, now: datetime) -> float:
        """Seconds to wait after a 429 with that ``Retry-After``."""
        asked = parse_retry_after(header, now)
        if asked is None:
            return DEFAULT_RATE_LIMIT_WAIT * (1 + 0.25 * self.jitter())
        return max(asked, SHORTEST_RATE_LIMIT_WAIT)
