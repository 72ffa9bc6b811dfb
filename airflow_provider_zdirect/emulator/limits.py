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
    "returned-items": Limit(100, 1),
    "received-items": Limit(20, 1),
    "liquidated-items": Limit(5, 1),
    "intra-community-movements": Limit(10, 1),
    "cross-border-movements": Limit(10, 1),
    "item-quantities": Limit(200, 60),
    "item-quantity-snapshots": Limit(60, 3600),
    "stock-locations": Limit(100, 60),
    "sales-channels": Limit(40, 60),
    "logistic-centers": Limit(40, 60),
    "shipping-notices": Limit(60, 60),
    "shipping-notice": Limit(10, 60),
    "announced-item-sets": Limit(30, 3600),
    "dispatch-item-sets": Limit(30, 3600),
    "announcement-confirmations": Limit(30, 3600),
    "dispatch-confirmations": Limit(30, 3600),
    "tours": Limit(60, 60),
    "orders": Limit(40, 60),
    "orders-by-number": Limit(400, 60),
    "order-items": Limit(2000, 60),
    "order-lines": Limit(2000, 60),
    "order-updates": Limit(2000, 60),
    "orders-deletion-requests": Limit(40, 60),
    "orders-other": Limit(2000, 60),
    "shipping-documents": Limit(400, 60),
}
# The docs have limits of the sandbox for these only.
SANDBOX_LIMITS = {
    **{operation: Limit(10, 60) for operation, limit in LIMITS.items() if limit.seconds > 1},
    "orders-by-number": Limit(100, 60),
    **dict.fromkeys(
        ("order-items", "order-lines", "order-updates", "orders-other", "shipping-documents"), Limit(40, 60)
    ),
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
        return {"Retry-After": str(max(1, math.ceil(wait))), "X-Rate-Limit": str(limit.requests)}

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
            is_late = self._requests + 1 > STOCK_REQUESTS
            if not is_late and self._updates + updates <= STOCK_UPDATES:
                self._requests += 1
                self._updates += updates
                return None
        limit = STOCK_REQUESTS if is_late else STOCK_UPDATES
        return {"Retry-After": str(max(1, math.ceil(60 - now % 60))), "X-Rate-Limit": str(limit)}
