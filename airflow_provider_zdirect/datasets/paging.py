# SPDX-License-Identifier: Apache-2.0
"""How an endpoint pages: which parameters ask for a page, and where the next one is. No I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar
from urllib.parse import unquote, urlsplit

import msgspec

from airflow_provider_zdirect.datasets.damaged_json import members_within
from airflow_provider_zdirect.datasets.page import decoded, malformed
from airflow_provider_zdirect.datasets.selection import in_whole_seconds
from airflow_provider_zdirect.exceptions import CursorLoopError

SECOND = timedelta(seconds=1)

_Members = Mapping[str, msgspec.Raw]


@dataclass(frozen=True)
class OnePage:
    """One answer holds everything."""

    is_single: ClassVar[bool] = True

    @property
    def keys(self) -> frozenset[str]:
        """Keys of the answer that name the next page."""
        return frozenset({"next"})

    def parameters(self, cursor: str | None, asked: Mapping[str, str]) -> dict[str, str]:
        """The query of a page.

        :param cursor: where it is; None: the first one.
        :param asked: the query of the whole.
        """
        return {}

    def of_size(self, records: int) -> dict[str, str]:
        """The query for pages of so many records, where there is such a parameter."""
        return {}

    def next(self, content: _Members) -> str | None:
        """The cursor of the next page, from the members of an answer; None at the end.

        :raises MalformedResponseError: if the answer cannot be understood.
        """
        if _cursor(content, "next") is not None:
            raise malformed("the answer names a next page, although this endpoint is not known to page")
        return None


@dataclass(frozen=True)
class Cursor(OnePage):
    """Paging by an opaque cursor: the answer names the next one, absent, null or empty at the end.

    :param limit: records per page that are asked for; None leaves it to the server, where no such parameter is known.
    :param next_within: key of the object that names the next page, where it is not at the top.
    :param next_is_link: the next page is named by its address, which has the cursor as a parameter.
    """

    limit: int | None = None
    parameter: str = "cursor"
    next_key: str = "next"
    next_within: str | None = None
    next_is_link: bool = False
    is_single: ClassVar[bool] = False

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(name for name in (self.next_key, self.next_within) if name)

    def parameters(self, cursor: str | None, asked: Mapping[str, str]) -> dict[str, str]:
        own = self.of_size(self.limit) if self.limit and "limit" not in asked else {}
        return own if cursor is None else {**own, self.parameter: cursor}

    def of_size(self, records: int) -> dict[str, str]:
        return {"limit": str(records)} if self.limit else {}

    def next(self, content: _Members) -> str | None:
        if self.next_within is not None:
            content = members_within(content, self.next_within)
        cursor = _cursor(content, self.next_key)
        if cursor is None or not self.next_is_link:
            return cursor
        # Only the cursor is taken from the address; it is sent to the host that we know, not to one that an answer
        # names. Not by parse_qsl, which takes a plus for a blank: cursors may have one, and have no blanks.
        parameters = (part.partition("=") for part in urlsplit(cursor).query.split("&"))
        found = {unquote(name): unquote(value) for name, _, value in parameters}.get(self.parameter)
        if not found:
            raise malformed(f"the address of the next page has no {self.parameter}")
        return found


def _cursor(content: _Members, key: str) -> str | None:
    """Absent, null and empty alike are the end; a number is taken as it is written."""
    value = decoded(content, key)
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return bytes(content[key]).decode()
    raise malformed(f"the cursor is a {type(value).__name__}")


@dataclass(frozen=True)
class TimeWalk(OnePage):
    """Paging by the records' own time, where the server pages by number.

    Pages by number shift when a record leaves them, as an order does that is changed meanwhile: the first record of the
    next page is then the last of the one that was just read, and is never seen. So each request asks for what is not
    older than the last record of the one before; the second that both have in common is read twice. Only where one
    second fills a page, pages are counted, and that second is walked again until two walks have seen the same.

    The records come in ascending order of ``time_key``; the time in ``after_parameter`` is exclusive and has whole
    seconds.

    :param size: records per page that are asked for; the server may give fewer.
    :param smallest: no server gives fewer on a page that is not the last one.
    """

    time_key: str
    after_parameter: str
    size: int
    smallest: int
    size_parameter: str = "page[size]"
    number_parameter: str = "page[number]"
    is_single: ClassVar[bool] = False

    def position(self, cursor: str | None, asked: Mapping[str, str]) -> Position:
        """The position that ``cursor`` names, or the first one."""
        if cursor is None:
            return Position(datetime.fromisoformat(asked[self.after_parameter]))
        return msgspec.json.decode(cursor, type=Position)

    def parameters(self, cursor: str | None, asked: Mapping[str, str]) -> dict[str, str]:
        position = self.position(cursor, asked)
        return {
            self.after_parameter: in_whole_seconds(position.after),
            self.number_parameter: str(position.number),
            self.size_parameter: str(self.size),
        }

    def onward(self, position: Position, records: Sequence[tuple[str, datetime | None]], more: bool) -> Position | None:
        """The position behind a page; None if that was the last one.

        :param records: identity and time of the page's records, in order of time as far as they have one.
        :param more: whether the server says that there is a next page.
        :raises CursorLoopError: if the page is the one before once more.
        """
        page = sum(_digest(*record) for record in records) % 2**63
        if position.number and records and page == position.page:
            raise CursorLoopError(
                f"page {position.number} is page {position.number - 1} once more; the pages would never end.",
                remedy=f"{self.number_parameter} may have another name: set orders_page_parameters in the connection's "
                "assumptions.",
            )
        # Unless the server says so, a page is the last one only if it is smaller than the server makes them.
        size = max(position.largest, min(self.smallest, self.size))
        last = not more and len(records) < size
        first_second = position.after + SECOND
        met = sum(
            _digest(*record) for record in records if record[1] and record[1].replace(microsecond=0) == first_second
        )
        here = msgspec.structs.replace(
            position, largest=max(position.largest, len(records)), seen=(position.seen + met) % 2**63, page=page
        )
        latest = max((at for _, at in records if at), default=None)
        onward = latest.replace(microsecond=0) - SECOND if latest else position.after
        if onward <= position.after and not last:
            return msgspec.structs.replace(here, number=position.number + 1)
        if position.number and here.seen != position.before:
            return msgspec.structs.replace(here, number=0, seen=0, before=here.seen)
        return None if last else Position(onward, largest=here.largest)


class Position(msgspec.Struct, frozen=True):
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

    def as_cursor(self) -> str:
        return msgspec.json.encode(self).decode()


def _digest(identity: str, at: datetime | None) -> int:
    text = f"{identity}|{at.isoformat() if at else ''}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big")
