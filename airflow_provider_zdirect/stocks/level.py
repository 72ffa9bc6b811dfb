"""A stock level, whose it is, and how new it is. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

Pair = tuple[str, str]
"""Sales channel id and EAN: what zDirect keeps a level of (zDirect docs, *Updating Stock Levels*)."""

LARGEST = 2**31 - 1
"""zDirect's specification has quantities as int32."""

ACCEPTED, PENDING, REJECTED, FAILED, MISSING = "accepted", "pending", "rejected", "failed", "missing"
"""Outcomes of an update: in force; held by zDirect until the article is onboarded; refused; not processed; not in the
answer."""

CONFIRMED = "confirmed"
"""Not sent: a newer feed has the level that zDirect has taken, so its version counts from now on."""

TAKEN = frozenset({ACCEPTED, PENDING})
AGAIN = frozenset({FAILED, MISSING})
"""Outcomes that may be better the next time."""

Version = tuple[datetime, datetime]
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Level:
    """How many pieces of an article are for sale in a sales channel.

    :param feed_time: of the merchant's own figure.
    :param orders_time: until when the subtracted orders are known; None if none are subtracted, which is older than any
        time: so orders count as soon as they are to be subtracted.
    """

    quantity: int
    feed_time: datetime
    orders_time: datetime | None = None

    @property
    def version(self) -> Version:
        """A level of an older version must never replace this one."""
        return self.feed_time, self.orders_time or _NEVER


@dataclass(frozen=True, slots=True)
class Sent:
    """A level that was sent, or is about to be, or that was confirmed.

    :param sent_at: grows with each time that one run sends; of a confirmation: when that level was sent.
    :param outcome: one of the above; None if it is not known.
    :param status: zDirect's own word, as are the code and the description.
    :param attempts: how often the run has sent the pair.
    """

    pair: Pair
    level: Level
    sent_at: datetime
    run: str
    outcome: str | None = None
    status: str | None = None
    code: int | None = None
    description: str | None = None
    attempts: int = 1

    @property
    def order(self) -> tuple[Version, datetime, bool, bool]:
        """Of several, the greatest is what zDirect has in the end, if all runs keep to the rules."""
        return self.level.version, self.sent_at, self.outcome is not None, self.outcome != CONFIRMED

    def is_older(self, newest: Sent) -> bool:
        """Whether it is of an older version, and another level."""
        return self.level.version < newest.level.version and self.level.quantity != newest.level.quantity
