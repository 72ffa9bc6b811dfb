# SPDX-License-Identifier: Apache-2.0
"""Sliding-window rate limits (zDirect docs: Rate limiting)."""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass

from airflow_provider_zdirect.emulator.clock import EmulatorClock


@dataclass(frozen=True)
class Limit:
    """So many requests in so many seconds."""

    requests: int
    seconds: float


# zDirect docs, rate limits of the respective API. Those of sales-channels and shipping-documents are not documented.
LIMITS = {
    name: Limit(requests, seconds)
    for requests, seconds, names in (
        (100, 1, ("returned-items",)),
        (20, 1, ("received-items",)),
        (5, 1, ("liquidated-items",)),
        (10, 1, ("intra-community-movements", "cross-border-movements")),
        (200, 60, ("item-quantities",)),
        (60, 3600, ("item-quantity-snapshots",)),
        (100, 60, ("stock-locations",)),
        (40, 60, ("sales-channels", "logistic-centers", "orders", "orders-deletion-requests")),
        (60, 60, ("shipping-notices", "tours")),
        (10, 60, ("shipping-notice",)),
        (30, 3600, ("announced-item-sets", "dispatch-item-sets")),
        (30, 3600, ("announcement-confirmations", "dispatch-confirmations")),
        (400, 60, ("orders-by-number", "shipping-documents")),
        (2000, 60, ("order-items", "order-updates", "orders-other")),
    )
    for name in names
}
# The docs have limits of the sandbox for these only.
SANDBOX_LIMITS = {
    **{operation: Limit(10, 60) for operation, limit in LIMITS.items() if limit.seconds > 1},
    "orders-by-number": Limit(100, 60),
    **dict.fromkeys(("order-items", "order-updates", "orders-other", "shipping-documents"), Limit(40, 60)),
}
TOKEN_LIMIT = {"production": Limit(8, 60), "sandbox": Limit(1, 60)}


def limit_of(operation: str, environment: str) -> Limit:
    """The limit of an operation in ``production`` or ``sandbox``."""
    limit = LIMITS[operation]
    return SANDBOX_LIMITS.get(operation, limit) if environment == "sandbox" else limit


class Limiter:
    """Counts accepted requests per operation. Refused ones are not counted."""

    def __init__(self, clock: EmulatorClock) -> None:
        self._clock = clock
        self._accepted: dict[str, deque[float]] = {}
        # Routes run in a thread pool.
        self._lock = threading.Lock()

    def refusal(self, operation: str, limit: Limit) -> dict[str, str] | None:
        """Headers of the 429 answer, or ``None`` if the request is within the limit and counted."""
        with self._lock:
            now = self._clock.elapsed()
            accepted = self._accepted.setdefault(operation, deque())
            while accepted and accepted[0] <= now - limit.seconds:
                accepted.popleft()
            if len(accepted) < limit.requests:
                accepted.append(now)
                return None
            wait = accepted[0] + limit.seconds - now if accepted else limit.seconds
        return _headers(wait, limit.requests)

    def clear(self) -> None:
        with self._lock:
            self._accepted.clear()


# zDirect docs: Offers, Stocks; the same in both environments.
STOCK_REQUESTS, STOCK_UPDATES = 60, 2000


class MinuteLimiter:
    """Stock updates: so many requests and so many updates in each minute of the clock, counted anew in the next.

    While the clock is frozen, its minutes pass with real time here.
    """

    def __init__(self, clock: EmulatorClock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        # The clock's time on the scale that never stands still.
        self._start = clock.now().timestamp() - clock.elapsed()
        self._minute, self._requests, self._updates = -1.0, 0, 0

    def refusal(self, updates: int) -> dict[str, str] | None:
        """Headers of the 429 answer, or ``None`` if request and updates are within both limits and counted."""
        with self._lock:
            now = self._start + self._clock.elapsed()
            if now // 60 != self._minute:
                self._minute, self._requests, self._updates = now // 60, 0, 0
            requests, updates = self._requests + 1, self._updates + updates
            if requests <= STOCK_REQUESTS and updates <= STOCK_UPDATES:
                self._requests, self._updates = requests, updates
                return None
        return _headers(60 - now % 60, STOCK_REQUESTS if requests > STOCK_REQUESTS else STOCK_UPDATES)


def _headers(wait: float, limit: int) -> dict[str, str]:
    return {"Retry-After": str(max(1, math.ceil(wait))), "X-Rate-Limit": str(limit)}
