"""Strict reading of path and query parameters; what does not fit is a 400."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from airflow_provider_zdirect.emulator.problem import ProblemError

RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
DATE = re.compile(r"\d{4}-\d\d-\d\d")
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
ADVICE_ID = re.compile(r"[0-9]{8}")
# zDirect docs: Stock Movements, received items.
DEFAULT_PAGE, LARGEST_PAGE = 100_000, 200_000
# zDirect docs: Cross-Border Movements. The default is documented, the largest is not.
DEFAULT_REPORT_PAGE, LARGEST_REPORT_PAGE = 1_000, 10_000
RETENTION = timedelta(days=100)


def parse_time(text: str, name: str) -> datetime:
    """An RFC 3339 time, in UTC. A blank where ``+`` belongs, from a badly quoted URL, is refused too."""
    if RFC3339.fullmatch(text):
        try:
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise ProblemError(400, f"{name} is not an RFC 3339 date-time: {text[:60]}")


def parse_date(text: str, name: str) -> date:
    if DATE.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise ProblemError(400, f"{name} is not a date (YYYY-MM-DD): {text[:60]}")


def parse_moment(text: str, name: str) -> datetime:
    """A time or a date; the date means its first moment in UTC."""
    if DATE.fullmatch(text):
        day = parse_date(text, name)
        return datetime(day.year, day.month, day.day, tzinfo=UTC)
    return parse_time(text, name)


def given(query: Mapping[str, str], name: str) -> str | None:
    return query.get(name) or None


def required(query: Mapping[str, str], name: str) -> str:
    if not query.get(name):
        raise ProblemError(400, f"query parameter {name} is required")
    return query[name]


def ordered(start: datetime | date, end: datetime | date) -> None:
    if start > end:
        raise ProblemError(400, "from is after to")


def date_range(query: Mapping[str, str], now: datetime) -> tuple[date, date]:
    """``from`` and ``to`` as dates; both are required, and so is data that is still kept."""
    first = parse_date(required(query, "from"), "from")
    last = parse_date(required(query, "to"), "to")
    ordered(first, last)
    if first < (now - RETENTION).date():
        raise ProblemError(400, "from is more than 100 days ago")
    return first, last


def parse_uuid(text: str, name: str) -> str:
    if not UUID.fullmatch(text):
        raise ProblemError(400, f"{name} is not a UUID: {text[:60]}")
    return str(uuid.UUID(text))


def page_limit(text: str | None, default: int = DEFAULT_PAGE, largest: int = LARGEST_PAGE) -> int:
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= largest:
        raise ProblemError(400, f"limit must be a number from 1 to {largest}: {text[:60]}")
    return int(text)


def advice_ids(values: list[str]) -> tuple[str, ...]:
    """Comma separated or repeated: the specification names no style, the docs' example uses commas."""
    ids = [item for value in values for item in value.split(",") if item]
    for item in ids:
        if not ADVICE_ID.fullmatch(item):
            raise ProblemError(400, f"zalando_advice_ids must have 8 digits each: {item[:60]}")
    return tuple(sorted(set(ids)))
