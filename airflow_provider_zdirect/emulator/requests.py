"""Requests: whether they are admitted (token, rate limit, merchant), and strict reading of what they carry."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

from fastapi import Depends, Request

from airflow_provider_zdirect.emulator.answers import JSON, ProblemError
from airflow_provider_zdirect.emulator.limits import limit_of
from airflow_provider_zdirect.emulator.state import EmulatorState

RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
DATE = re.compile(r"\d{4}-\d\d-\d\d")
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
ADVICE_ID = re.compile(r"[0-9]{8}")
RETENTION = timedelta(days=100)


async def _body(request: Request) -> bytes:
    return await request.body()


# Read in a dependency, so that the routes are plain functions, which run in the thread pool.
Body = Annotated[bytes, Depends(_body)]


def admit(state: EmulatorState, request: Request, merchant_id: str, operation: str, scope: str = "") -> str:
    """The merchant's id in its normal form.

    :param operation: name of the rate limit; :param scope: what the client needs, empty for no check.
    :raises ProblemError: 401, 429, 400, 403 or 404.
    """
    admit_client(state, request, operation, scope)
    return own_merchant(state, merchant_id)


def admit_client(state: EmulatorState, request: Request, operation: str, scope: str = "") -> None:
    """For requests that name no merchant.

    :raises ProblemError: 401, 429, or 403 without the scope.
    """
    check_bearer(state, request)
    limit = limit_of(operation, state.settings.environment)
    refusal = state.limiter.refusal(operation, limit) if state.options.rate_limits else None
    _admit(state, request, refusal, operation, scope)


def admit_updates(state: EmulatorState, request: Request, updates: int, scope: str) -> None:
    """For a request with so many stock updates, which have a limit of their own."""
    check_bearer(state, request)
    refusal = state.stock_limiter.refusal(updates) if state.options.rate_limits else None
    _admit(state, request, refusal, "stock updates", scope)


def _admit(state: EmulatorState, request: Request, refusal: dict[str, str] | None, operation: str, scope: str) -> None:
    if refusal:
        raise ProblemError(429, f"too many requests to {operation}", refusal)
    if scope in state.options.missing_scopes:
        raise ProblemError(403, f"client {state.settings.client_id} lacks the scope {scope}")
    state.listeners.notify(request.url.path)


def check_bearer(state: EmulatorState, request: Request) -> None:
    """:raises ProblemError: 401 without a token that is known and not expired."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    challenge = {"WWW-Authenticate": "Bearer"}
    if scheme.lower() != "bearer" or not token:
        raise ProblemError(401, "a bearer token is required", challenge)
    if not state.tokens.is_good(token.strip(), state.clock.now()):
        raise ProblemError(401, "the access token is unknown or has expired", challenge)
    request.state.client_id = state.settings.client_id


def own_merchant(state: EmulatorState, merchant_id: str) -> str:
    """The id in its normal form; 400, 403 or 404 if it is not one of the client's merchants."""
    merchant_id = parse_uuid(merchant_id, "merchant id")
    if merchant_id == state.foreign_merchant_id:
        raise ProblemError(403, f"client {state.settings.client_id} has no access to merchant {merchant_id}")
    if merchant_id not in state.merchant_ids:
        raise ProblemError(404, f"merchant {merchant_id} is unknown")
    return merchant_id


def base_url(request: Request) -> str:
    return str(request.base_url).rstrip("/")


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


def parse_uuid(text: str, name: str) -> str:
    if not UUID.fullmatch(text):
        raise ProblemError(400, f"{name} is not a UUID: {text[:60]}")
    return str(uuid.UUID(text))


def parse_object(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except ValueError as error:
        raise ProblemError(400, f"the body is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ProblemError(400, "the body is not an object")
    return content


def check_content_type(request: Request, expected: str = JSON) -> None:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != expected:
        raise ProblemError(415, f"Content-Type must be {expected}")


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def given(query: Mapping[str, str], name: str) -> str | None:
    return query.get(name) or None


def given_uuid(query: Mapping[str, str], name: str) -> str | None:
    return parse_uuid(query[name], name) if query.get(name) else None


def required(query: Mapping[str, str], name: str) -> str:
    if not query.get(name):
        raise ProblemError(400, f"query parameter {name} is required")
    return query[name]


def time_range(query: Mapping[str, str]) -> tuple[datetime, datetime]:
    """``from`` and ``to`` as times; both are required."""
    start, end = (parse_time(required(query, name), name) for name in ("from", "to"))
    check_order(start, end)
    return start, end


def date_range(query: Mapping[str, str], now: datetime) -> tuple[date, date]:
    """``from`` and ``to`` as dates; both are required, and so is data that is still kept."""
    first, last = (parse_date(required(query, name), name) for name in ("from", "to"))
    check_order(first, last)
    if first < (now - RETENTION).date():
        raise ProblemError(400, "from is more than 100 days ago")
    return first, last


def check_order(start: datetime | date, end: datetime | date) -> None:
    if start > end:
        raise ProblemError(400, "from is after to")


def page_limit(query: Mapping[str, str], default: int, largest: int) -> int:
    text = query.get("limit") or str(default)
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= largest:
        raise ProblemError(400, f"limit must be a number from 1 to {largest}: {text[:60]}")
    return int(text)
