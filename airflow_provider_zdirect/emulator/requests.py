# SPDX-License-Identifier: Apache-2.0
"""Requests: routes, admission (token, rate limit, scope, merchant), and strict reading of what a request carries."""

from __future__ import annotations

import contextlib
import json
import re
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from airflow_provider_zdirect.emulator.answers import JSON, ProblemError, json_answer, problem, wrong_parameter
from airflow_provider_zdirect.emulator.limits import limit_of
from airflow_provider_zdirect.emulator.state import EmulatorState

RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
DATE = re.compile(r"\d{4}-\d\d-\d\d")
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
ADVICE_ID = re.compile(r"[0-9]{8}")
RETENTION = timedelta(days=100)


class Call:
    """One request, and the emulator that answers it.

    :param merchant_id: the merchant of the path in its normal form; empty without one.
    """

    def __init__(self, state: EmulatorState, request: Request, body: bytes) -> None:
        self.state, self.request, self.body = state, request, body
        self.options, self.now = state.options, state.clock.now()
        self.query, self.ids = request.query_params, request.path_params
        self.base_url = str(request.base_url).rstrip("/")
        self.url = f"{self.base_url}{request.url.path}"
        self.merchant_id = ""

    def admit(self, operation: str, scope: str = "", updates: int | None = None) -> None:
        """Check token, rate limit, scope and the merchant of the path.

        :param updates: so many stock updates, which have a limit of their own.
        :raises ProblemError: 401, 429, 400, 403 or 404.
        """
        state, refusal = self.state, None
        check_bearer(state, self.request)
        if self.options.rate_limits and updates is not None:
            refusal = state.stock_limiter.refusal(updates)
        elif self.options.rate_limits:
            refusal = state.limiter.refusal(operation, limit_of(operation, state.settings.environment))
        if refusal:
            raise ProblemError(429, f"too many requests to {operation}", refusal)
        if scope in self.options.missing_scopes:
            raise ProblemError(403, f"client {state.settings.client_id} lacks the scope {scope}")
        state.listeners.notify(self.request.url.path)
        # A listener may have changed them.
        self.options, self.now = state.options, state.clock.now()
        if "merchant_id" in self.ids:
            self.merchant_id = self.own_merchant(self.ids["merchant_id"])

    def own_merchant(self, text: str) -> str:
        """The id in its normal form; 400, 403 or 404 if it is not one of the client's merchants."""
        merchant_id = parse_uuid(text, "merchant id")
        if merchant_id == self.state.foreign_merchant_id:
            raise self.no_access(f"merchant {merchant_id}")
        if merchant_id not in self.state.merchant_ids:
            raise ProblemError(404, f"merchant {merchant_id} is unknown")
        return merchant_id

    def no_access(self, what: str) -> ProblemError:
        return ProblemError(403, f"client {self.state.settings.client_id} has no access to {what}")

    def given(self, name: str) -> str | None:
        return self.query.get(name) or None

    def given_uuid(self, name: str) -> str | None:
        text = self.given(name)
        return parse_uuid(text, name) if text else None

    def given_time(self, name: str) -> datetime | None:
        text = self.given(name)
        return parse_time(text, name) if text else None

    def required(self, name: str) -> str:
        text = self.given(name)
        if not text:
            raise ProblemError(400, f"query parameter {name} is required")
        return text

    def time_range(self) -> tuple[datetime, datetime]:
        """``from`` and ``to`` as times; both are required."""
        start, end = (parse_time(self.required(name), name) for name in ("from", "to"))
        check_order(start, end)
        return start, end

    def date_range(self) -> tuple[date, date]:
        """``from`` and ``to`` as dates; both are required, and so is data that is still kept."""
        first, last = (parse_date(self.required(name), name) for name in ("from", "to"))
        check_order(first, last)
        if first < (self.now - RETENTION).date():
            raise ProblemError(400, "from is more than 100 days ago")
        return first, last

    def number(self, name: str, default: int, least: int = 1, most: int = 10**9) -> int:
        text = self.given(name) or str(default)
        if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise wrong_parameter(f"{name} must be a number from {least} to {most}: {text[:60]}", name)
        return int(text)

    def check_content_type(self, expected: str = JSON) -> None:
        if self.request.headers.get("content-type", "").partition(";")[0].strip().lower() != expected:
            raise ProblemError(415, f"Content-Type must be {expected}")

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise ProblemError(400, f"the body is not JSON: {error}") from error

    def object(self, media_type: str = "") -> dict[str, Any]:
        """The body as an object.

        :param media_type: what its ``Content-Type`` must be; empty for no check.
        """
        if media_type:
            self.check_content_type(media_type)
        content = self.json()
        if not isinstance(content, dict):
            raise ProblemError(400, "the body is not an object")
        return content


Handler = Callable[[Call], Any]
# The name of a rate limit, a function of the request that returns it, or ``None``: the handler admits by itself.
Limited = str | Callable[[Call], str] | None


class Api:
    """Routes of one API; their handlers return a response or JSON. They run in the thread pool.

    :param scope: what the client needs; empty for no check.
    :param errors: the form of an error.
    """

    def __init__(
        self, scope: str = "", errors: Callable[[ProblemError], Response] = problem, media_type: str = JSON
    ) -> None:
        self._scope, self._errors, self._media_type = scope, errors, media_type
        self._routes: list[tuple[str, str, Limited, str, Handler]] = []

    def route(self, method: str, path: str, limit: Limited = None, scope: str = "") -> Callable[[Handler], Handler]:
        def add(handler: Handler) -> Handler:
            self._routes.append((method, path, limit, scope or self._scope, handler))
            return handler

        return add

    def get(self, path: str, limit: Limited = None) -> Callable[[Handler], Handler]:
        return self.route("GET", path, limit)

    def routes(self, state: EmulatorState) -> list[Route]:
        return [
            Route(path, self.endpoint(state, limit, scope, handler), methods=[method])
            for method, path, limit, scope, handler in self._routes
        ]

    def endpoint(self, state: EmulatorState, limit: Limited, scope: str, handler: Handler) -> Any:
        def answer(call: Call) -> Response:
            try:
                if limit is not None:
                    call.admit(limit if isinstance(limit, str) else limit(call), scope)
                content = handler(call)
            except ProblemError as error:
                return self._errors(error)
            return content if isinstance(content, Response) else json_answer(content, media_type=self._media_type)

        async def endpoint(request: Request) -> Response:
            return await run_in_threadpool(answer, Call(state, request, await request.body()))

        return endpoint


def check_bearer(state: EmulatorState, request: Request) -> None:
    """:raises ProblemError: 401 without a token that is known and not expired."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    challenge = {"WWW-Authenticate": "Bearer"}
    if scheme.lower() != "bearer" or not token:
        raise ProblemError(401, "a bearer token is required", challenge)
    if not state.tokens.is_good(token.strip(), state.clock.now()):
        raise ProblemError(401, "the access token is unknown or has expired", challenge)
    request.state.client_id = state.settings.client_id


def parse_time(text: str, name: str) -> datetime:
    """An RFC 3339 time, in UTC. A blank where ``+`` belongs, from a badly quoted URL, is refused too."""
    if RFC3339.fullmatch(text):
        with contextlib.suppress(ValueError, OverflowError):
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
    raise wrong_parameter(f"{name} is not an RFC 3339 date-time: {text[:60]}", name)


def parse_date(text: str, name: str) -> date:
    if DATE.fullmatch(text):
        with contextlib.suppress(ValueError):
            return date.fromisoformat(text)
    raise wrong_parameter(f"{name} is not a date (YYYY-MM-DD): {text[:60]}", name)


def parse_uuid(text: str, name: str) -> str:
    if not UUID.fullmatch(text):
        raise wrong_parameter(f"{name} is not a UUID: {text[:60]}", name)
    return str(uuid.UUID(text))


def check_order(start: datetime | date, end: datetime | date) -> None:
    if start > end:
        raise ProblemError(400, "from is after to")


def with_id(parts: Any, id: str, what: str) -> Any:
    """The part with that ``id``; 404 if there is none."""
    id = parse_uuid(id, f"{what} id")
    for part in parts:
        if part.id == id:
            return part
    raise ProblemError(404, f"{what} {id} is unknown")
