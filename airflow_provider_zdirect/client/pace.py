# SPDX-License-Identifier: Apache-2.0
"""When the next request of an endpoint may be sent: the arithmetic. No I/O, no waiting.

The rule is GCRA: one number is kept, the theoretical arrival time (TAT) of the next request. A 429 pushes it forward
for everybody, so that parallel tasks do not run into the same 429 one by one, and halves the rate, which then comes
back little by little: others may use the same limit, and the limit may be lower than documented.
zDirect docs, Rate limiting: spread big loads evenly; calling before ``Retry-After`` has passed may extend the limit.
"""

from __future__ import annotations

import math

import msgspec

from airflow_provider_zdirect.client.retry import LONGEST_RETRY_AFTER
from airflow_provider_zdirect.datasets.endpoint import LARGEST_SLACK, Rate

LOWEST_SHARE = 1 / 16
RECOVERY = 5
"""Periods of a limit in which the rate comes back from nothing to all of it."""

GRANTED_SECONDS = 1.0
"""Seconds of the whole rate that one host takes at once, at most."""


class Pace(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept per endpoint; times in seconds since the epoch.

    :param arrival: theoretical arrival time of the next request.
    :param paused_until: no request before that, because of a 429.
    :param share: part of the rate that was used at ``share_at``.
    :param granted: times at which this host may send, taken from the pace of all hosts.
    :param grant: how many were taken last.
    :param alone_until: no process of this host asks the others before that, because they could not be reached.
    """

    arrival: float = 0.0
    paused_until: float = 0.0
    share: float = 1.0
    share_at: float = 0.0
    granted: tuple[float, ...] = ()
    grant: int = 0
    alone_until: float = 0.0

    def reserve(self, now: float, rate: Rate) -> tuple[Pace, float]:
        """The pace with one more request in it, and the time at which that request may be sent."""
        interval = rate.interval / self.share_now(now, rate)
        arrival = self.arrival
        # Much further ahead than any pause: a clock was set back, or this is not ours.
        if arrival > now + 2 * LONGEST_RETRY_AFTER:
            arrival = now
        if self.is_paused(now):
            arrival = max(arrival, self.paused_until + rate.tolerance)
        slot = max(now, arrival - rate.tolerance)
        return msgspec.structs.replace(self, arrival=max(arrival, slot) + interval), slot

    def take(self, now: float, rate: Rate, latest: float, count: int = 1) -> tuple[Pace, tuple[float, ...]]:
        """The pace with up to ``count`` more requests in it, and the times at which they may be sent.

        :param latest: no request is reserved for a later time; if that leaves none, the pace is the same, and the
            time is that of the first request that could be.
        """
        pace, first = self.reserve(now, rate)
        if first > latest:
            return self, (first,)
        slots = [first]
        while len(slots) < count:
            further, slot = pace.reserve(now, rate)
            if slot > latest:
                break
            pace = further
            slots.append(slot)
        return pace, tuple(slots)

    def later_by(self, seconds: float) -> Pace:
        """The same by a clock that is so many seconds ahead."""
        return msgspec.structs.replace(
            self,
            arrival=self.arrival + seconds,
            paused_until=self.paused_until + seconds,
            share_at=self.share_at + seconds,
        )

    def paused_until_at_least(self, until: float, now: float) -> Pace:
        return msgspec.structs.replace(
            self, paused_until=max(self.paused_until, until) if self.is_paused(now) else until
        )

    def pause(self, now: float, rate: Rate, seconds: float) -> Pace:
        """The pace after a 429: no request in the next ``seconds``, and then half as many."""
        after = self.paused_until_at_least(now + min(seconds, LONGEST_RETRY_AFTER), now)
        after = msgspec.structs.replace(after, granted=())
        if now < self._share_at(now) + rate.period:
            # The server still counts what was sent before the first 429.
            return after
        share = max(self.share_now(now, rate) / 2, LOWEST_SHARE)
        return msgspec.structs.replace(after, share=share, share_at=after.paused_until)

    def is_paused(self, now: float) -> bool:
        return now < self.paused_until <= now + LONGEST_RETRY_AFTER

    def share_now(self, now: float, rate: Rate) -> float:
        """The part of the rate that is used now."""
        recovered = max(0.0, now - self._share_at(now)) / (RECOVERY * rate.period)
        return min(1.0, max(LOWEST_SHARE, self.share) + recovered)

    def _share_at(self, now: float) -> float:
        # As with the arrival: a share from a future that cannot be would stay for ever.
        return self.share_at if self.share_at <= now + LONGEST_RETRY_AFTER else 0.0

    def next_grant(self, now: float, rate: Rate) -> int:
        """How many requests this host takes at once: one, then twice as many, unless some were left over."""
        if not self.grant or now - self.arrival > GRANTED_SECONDS:
            return 1
        most = max(1, math.floor(GRANTED_SECONDS / rate.interval))
        return min(most, max(1, self.grant // 2) if self.granted else 2 * self.grant)

    def usable(self, now: float, rate: Rate) -> tuple[float, ...]:
        """What is left of the granted times; those long past would make a burst in others' time."""
        grace = min(rate.period / 10, LARGEST_SLACK)
        # Further ahead than any pause: a clock was set back, or this is not ours.
        return tuple(slot for slot in self.granted if now - grace <= slot <= now + LONGEST_RETRY_AFTER)
