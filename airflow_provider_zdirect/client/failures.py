"""Turns an answer that is not a success into a typed error with a remedy. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from airflow_provider_zdirect.client.problems import read_problem
from airflow_provider_zdirect.client.retry import RetryPolicy, parse_retry_after
from airflow_provider_zdirect.client.transport import Answer
from airflow_provider_zdirect.datasets.endpoint import REFETCH_DELAY, Rate
from airflow_provider_zdirect.exceptions import (
    AuthenticationError,
    BadRequestError,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    TooManyRecordsError,
    ZDirectConfigurationError,
    ZDirectDataError,
    ZDirectError,
    ZDirectFatalError,
)

TOO_MANY = "too many movements in the database for the requested period"
"""Part of a 500 for which a retry is pointless (zDirect docs, Intra-Community Movements, Possible issues)."""


@dataclass(frozen=True)
class Call:
    """A request, as far as errors, logs and the rate limit need to know it.

    :param what: what is fetched, in words: dataset, merchant and window.
    :param path: path below the base URL.
    :param endpoint: name of the rate limit that it counts against.
    :param scope: permission that the app needs for it.
    :param refetch_delay: seconds before it may be repeated after a failed answer.
    :param body: JSON to send.
    :param headers: beside those that every request has, for example ``If-Match``.
    :param expected: statuses that are not failures.
    """

    what: str
    path: str
    endpoint: str
    rate: Rate
    parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    scope: str | None = None
    refetch_delay: float = REFETCH_DELAY
    accept: str = "application/json"
    method: str = "GET"
    body: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    expected: frozenset[int] = frozenset({200})

    @property
    def changes_nothing(self) -> bool:
        """Whether it may be repeated without checking the current state."""
        return self.method == "GET"


def failure_of(
    answer: Answer,
    call: Call,
    *,
    flow_id: str,
    now: datetime,
    policy: RetryPolicy,
    secrets: Iterable[str] = (),
) -> ZDirectError | None:
    """The error that ``answer`` stands for, or None for one that is expected.

    :param flow_id: ``X-Flow-Id`` of the answer.
    :param secrets: texts that must not get into the error.
    """
    status = answer.status
    if status in call.expected:
        return None
    title = read_problem(answer.body, secrets=secrets)
    said = f"{call.what}: zDirect answered {status}"
    facts: dict[str, Any] = {"status": status, "path": call.path, "flow_id": flow_id, "title": title or None}
    header = answer.headers.get("retry-after")
    if status == 429:
        wait = policy.wait_after_429(header, now)
        return RateLimitedError(
            f"{said}, too many requests; it may be sent again in {wait:.0f} s.",
            remedy="No action needed: the task retries or defers. Run fewer tasks at once or lower rate_share if it "
            "happens often.",
            retry_after=wait,
            **facts,
        )
    if status == 500 and TOO_MANY in title.lower():
        kind: type[ZDirectFatalError | ZDirectDataError] = TooManyRecordsError
        what = "too many records for the requested period"
        remedy = "Ask for a shorter period, or use a path that pages."
    elif status == 401:
        kind, what = AuthenticationError, "also with a fresh access token"
        remedy = (
            "Check that environment and host belong to the app of this connection, and that the app is still active in "
            "the zDirect portal."
        )
    elif status == 403:
        scope = f"the scope {call.scope} is not granted to the app" if call.scope else "a scope is not granted"
        kind, what = PermissionDeniedError, "permission denied"
        remedy = (
            f"Check in the zDirect portal: {scope}; the merchant is not one of the app's (see /auth/me); the app is in "
            "sandbox mode but production is called; or the access token is from before the app's mode or scopes were "
            "changed (then a new token is needed)."
        )
    elif status == 404:
        kind, what = NotFoundError, "not found"
        remedy = (
            "Check merchant_id (the connection's Test button lists those that the app may use) and, if host is set, "
            "the address."
        )
    elif status in (409, 412, 428):
        kind, what = ConflictError, "the change conflicts with the current state"
        remedy = "Check the current state; somebody else may have changed it."
    elif 300 <= status < 400:
        kind = ZDirectConfigurationError
        what = "a redirect; it is not followed, because the access token must not go to another address"
        remedy = "Check host: it must be the API's own address, with https."
    elif 400 <= status < 500 and status not in (408, 425):
        kind, what = BadRequestError, "the request is refused"
        remedy = "Change the request as the title says; the same one will be refused again."
    else:
        # 5xx, and every other answer that is not the 200 which was asked for: 202, 204, 206, 408, 425, ...
        wait = max(parse_retry_after(header, now) or 0.0, call.refetch_delay)
        return ServerError(
            f"{said}; the answer is discarded and may be fetched again in {wait:.0f} s.",
            remedy="No action needed: the task retries. If it stays, shorten the window or give the flow id to "
            "Zalando's support.",
            retry_after=wait,
            **facts,
        )
    return kind(f"{said}, {what}.", remedy=remedy, **facts)
