"""Rate limits as values."""

from __future__ import annotations

from dataclasses import dataclass, replace


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
        """The part ``share``, in (0, 1], of this rate."""
        return replace(self, limit=self.limit * share)

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


def per_second(requests: float) -> RateLimits:
    """A limit for which the docs make no difference between production and sandbox."""
    return RateLimits(Rate(requests), Rate(requests))
