"""Where a walk through records in the order of their time stands, and where it goes next. No I/O.

Pages by number shift when a record leaves them, as an order does that is changed meanwhile: the first record of the
next page is then the last of the one that was just read, and nobody sees it. So each request asks for what is not older
than the last record of the one before; the second that both have in common is read twice. Only where one second fills
a page, pages are counted, and that second is walked again until two walks have seen the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from airflow_provider_zdirect.datasets.dataset import TimeWalk, in_whole_seconds
from airflow_provider_zdirect.exceptions import CursorLoopError

SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Position:
    """A request of a walk.

    :param after: only records after this time, which has whole seconds.
    :param number: of the page, from 0.
    :param largest: records on the largest page so far.
    :param seen: sum of the digests of the records that this walk through the first second has met.
    :param before: the same of the walk before; None if this is the first.
    :param page: the digest of the page before, where pages are counted.
    """

    after: datetime
    number: int = 0
    largest: int = 0
    seen: int = 0
    before: int | None = None
    page: int = 0

    @classmethod
    def of(cls, cursor: str | None, after: str) -> Position:
        """The position that ``cursor`` tells, or the first one.

        :param after: the parameter of the first request.
        """
        if cursor is None:
            return cls(datetime.fromisoformat(after))
        told = json.loads(cursor)
        return cls(**{**told, "after": datetime.fromisoformat(told["after"])})

    def as_cursor(self) -> str:
        return json.dumps({**asdict(self), "after": in_whole_seconds(self.after)})

    def parameters(self, walk: TimeWalk) -> dict[str, str]:
        return {
            walk.after_parameter: in_whole_seconds(self.after),
            walk.number_parameter: str(self.number),
            walk.size_parameter: str(walk.size),
        }

    def next(self, walk: TimeWalk, records: Sequence[tuple[str, datetime | None]], more: bool) -> Position | None:
        """The position behind a page; None if that was the last one.

        :param records: identity and time of the page's records, in order of time as far as they have one.
        :param more: whether the server says that there is a next page.
        :raises CursorLoopError: if the page is the one before once more.
        """
        page = sum(_digest(*record) for record in records) % 2**63
        if self.number and records and page == self.page:
            raise CursorLoopError(
                f"page {self.number} is page {self.number - 1} once more; the pages would never end.",
                remedy=f"{walk.number_parameter} may have another name: set orders_page_parameters in the connection's "
                "assumptions.",
            )
        # Without a word of the server, a page is the last one only if it is smaller than the server makes them.
        size = max(self.largest, min(walk.smallest, walk.size))
        last = not more and len(records) < size
        first_second = self.after + SECOND
        met = sum(
            _digest(*record) for record in records if record[1] and record[1].replace(microsecond=0) == first_second
        )
        here = replace(self, largest=max(self.largest, len(records)), seen=(self.seen + met) % 2**63, page=page)
        latest = max((at for _, at in records if at), default=None)
        onward = latest.replace(microsecond=0) - SECOND if latest else self.after
        if onward <= self.after and not last:
            return replace(here, number=self.number + 1)
        if self.number and here.seen != self.before:
            return replace(here, number=0, seen=0, before=here.seen)
        return None if last else Position(onward, largest=here.largest)


def _digest(identity: str, at: datetime | None) -> int:
    text = f"{identity}|{at.isoformat() if at else ''}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big")
