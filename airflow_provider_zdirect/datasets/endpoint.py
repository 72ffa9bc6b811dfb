# SPDX-License-Identifier: Apache-2.0
"""Where a dataset is asked for, and how often."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

REFETCH_DELAY = 120.0
"""Seconds to wait before a failed fetch is repeated (zDirect docs, Stock Movements: at least two minutes)."""


LARGEST_SLACK = 1.0
"""Seconds by which requests arrive closer to each other than they were sent, at most: a new connection, or a busy
machine, holds the first of them up."""


@dataclass(frozen=True)
class Rate:
    """At most ``limit`` requests in any ``period`` seconds.

    :param burst: how many of them may follow each other at once.
    """

    limit: float
    period: float = 1.0
    burst: int = 1

    def __post_init__(self) -> None:
        if not (self.limit > 0 and self.period > 0 and self.burst >= 1):
            raise ValueError(f"{self} is not a rate")

    def shared(self, share: float) -> Rate:
        """The part ``share``, in (0, 1], of this rate, with some slack, as requests do not arrive as they are sent."""
        limit = self.limit * share
        if share < 1 <= limit:
            # Whole requests: three hosts that take 13.3 of 40 each would send 14.
            limit = math.floor(round(limit, 9))
        return replace(self, limit=limit, period=self.period + min(self.period / 10, LARGEST_SLACK))

    @property
    def interval(self) -> float:
        """Seconds between two requests once the burst is spent."""
        # b at once and then one per interval stay within N per period if the interval is period / (N - b + 1).
        return self.period / (self.limit - self._usable_burst + 1)

    @property
    def tolerance(self) -> float:
        """Seconds that a request may come before its theoretical arrival time."""
        return (self._usable_burst - 1) * self.interval

    @property
    def _usable_burst(self) -> int:
        return max(1, min(self.burst, int(self.limit)))


@dataclass(frozen=True)
class RateLimits:
    """The documented limits of an endpoint (zDirect docs, Rate limiting; each API's own page)."""

    production: Rate
    sandbox: Rate

    def of(self, environment: str) -> Rate:
        """The limit in ``production`` or ``sandbox``."""
        return self.sandbox if environment == "sandbox" else self.production


def per_second(requests: int) -> RateLimits:
    """A limit for which the docs make no difference between production and sandbox."""
    rate = Rate(requests, burst=max(1, requests // 10))
    return RateLimits(rate, rate)


@dataclass(frozen=True)
class Endpoint:
    """A path of the API.

    :param path: ``{merchant_id}`` is filled in.
    :param scope: permission that the app needs.
    :param rate_limits: the documented ones.
    :param media_type: of the answer.
    :param merchant_parameter: parameter of the merchant id, where it is not part of the path.
    :param fixed_parameters: sent with every request.
    :param refetch_delay: seconds to wait after a failed answer before the same is requested again.
    """

    path: str
    scope: str
    rate_limits: RateLimits
    media_type: str = "application/json"
    merchant_parameter: str | None = None
    fixed_parameters: Mapping[str, str] = field(default_factory=dict)
    refetch_delay: float = REFETCH_DELAY

    def path_of(self, merchant_id: str) -> str:
        return self.path.format(merchant_id=merchant_id)

    def parameters(self, merchant_id: str) -> dict[str, str]:
        """What is sent with every request."""
        merchant = {self.merchant_parameter: merchant_id} if self.merchant_parameter else {}
        return {**self.fixed_parameters, **merchant}
