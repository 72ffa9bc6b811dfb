# SPDX-License-Identifier: Apache-2.0
"""Which error an answer is: its status, and what its body says, become a typed error with a remedy. Pure functions.

Bodies of errors (zDirect docs): problem+json (ZFS, Stocks, Logistic Centers), JSON:API errors (Orders, Sales Channels),
``{"message"}`` (429 of Orders); OAuth2 ``error``/``error_description`` is likely for the token endpoint. A gateway in
between sends anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_zdirect.client.retry import RetryPolicy, parse_retry_after
from airflow_provider_zdirect.client.transport import Answer
from airflow_provider_zdirect.datasets.page import NOT_READABLE
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

if TYPE_CHECKING:
    from airflow_provider_zdirect.client.sending import Call

TOO_MANY = "too many movements in the database for the requested period"
"""Part of a 500 for which a retry is pointless (zDirect docs, Intra-Community Movements, Possible issues)."""

LONGEST_TEXT = 300


def error_of(
    answer: Answer, call: Call, *, flow_id: str, now: datetime, policy: RetryPolicy, secrets: Iterable[str]
) -> ZDirectError:
    """The error that an unexpected ``answer`` stands for.

    :param secrets: texts that must not get into the error.
    """
    status, header = answer.status, answer.headers.get("retry-after")
    # A date in Retry-After is one by the server's clock.
    now = _date_of(answer) or now
    title = problem_in(answer.body, secrets)
    said = f"{call.what}: zDirect answered {status}"
    facts: dict[str, Any] = {"status": status, "path": call.path, "flow_id": flow_id, "title": title or None}
    kind: type[ZDirectFatalError | ZDirectDataError]
    if status == 429:
        wait = policy.wait_after_429(header, now)
        return RateLimitedError(
            f"{said}, too many requests; it may be sent again in {wait:.0f} s.",
            remedy="No action needed: the task retries or defers. Run fewer tasks at once if it happens often.",
            retry_after=wait,
            **facts,
        )
    if status == 500 and TOO_MANY in title.lower():
        kind, meaning = TooManyRecordsError, "too many records for the requested period"
        remedy = "Ask for a shorter period, or use a path that pages."
    elif status == 401:
        kind, meaning = AuthenticationError, "also with a fresh access token"
        remedy = (
            "Check that environment and host belong to the app of this connection, and that the app is still active in "
            "the zDirect portal."
        )
    elif status == 403:
        kind, meaning = PermissionDeniedError, "permission denied"
        needed = f"the scope {call.scope} is not granted to the app" if call.scope else "a scope is not granted"
        remedy = (
            f"Check in the zDirect portal: {needed}; the merchant is not one of the app's (see /auth/me); the app is "
            "in sandbox mode but production is called; or the access token is from before the app's mode or scopes "
            "were changed (then a new token is needed)."
        )
    elif status == 404:
        kind, meaning = NotFoundError, "not found"
        remedy = (
            "Check merchant_id (the connection's Test button lists those that the app may use) and, if host is set, "
            "the address."
        )
    elif status in (409, 412, 428):
        kind, meaning = ConflictError, "the change conflicts with the current state"
        remedy = "Check the current state; somebody else may have changed it."
    elif 300 <= status < 400:
        kind = ZDirectConfigurationError
        meaning = "a redirect; it is not followed, because the access token must not go to another address"
        remedy = "Check host: it must be the API's own address, with https."
    elif 400 <= status < 500 and status not in (408, 425):
        kind, meaning = BadRequestError, "the request is refused"
        remedy = "Change the request as the title says; the same one will be refused again."
    else:
        # 5xx, and every other answer that is not the 200 which was asked for: 202, 204, 206, 408, 425, ...
        wait = max(parse_retry_after(header, now) or 0.0, call.refetch_delay)
        return ServerError(
            f"{said}; the answer is discarded and may be fetched again in {wait:.0f} s.",
            remedy="No action needed: the task retries. If it persists, shorten the window or give the flow id to "
            "Zalando's support.",
            retry_after=wait,
            **facts,
        )
    return kind(f"{said}, {meaning}.", remedy=remedy, **facts)


def _date_of(answer: Answer) -> datetime | None:
    """The server's time when it answered."""
    try:
        return parsedate_to_datetime(answer.headers.get("date", "")).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def problem_in(body: bytes | bytearray, secrets: Iterable[str] = ()) -> str:
    """Title and detail that the body of an error gives, each of at most :data:`LONGEST_TEXT` characters. Never raises.

    :param secrets: texts that are masked, in case the server echoed them.
    """
    try:
        content = msgspec.json.decode(body)
    except NOT_READABLE:
        # A page of HTML, most often.
        texts: tuple[Any, ...] = (re.sub(r"<[^<>]*>", " ", body[:65536].decode("utf-8", "replace")),)
    else:
        texts = _title_and_detail(content)
    return ": ".join(dict.fromkeys(filter(None, (tidy(text, secrets) for text in texts))))


def _title_and_detail(content: Any) -> tuple[Any, ...]:
    if not isinstance(content, dict):
        return (content,) if isinstance(content, str) else ()
    errors, more = content.get("errors"), ""
    if isinstance(errors, list) and errors:
        content = errors[0] if isinstance(errors[0], dict) else {"detail": errors[0]}
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    title = _first(content, "title", "error", "code")
    detail = _first(content, "detail", "error_description", "message", "code")
    return title, f"{detail}{more}"


def _first(content: dict[str, Any], *names: str) -> Any:
    return next((content[name] for name in names if isinstance(content.get(name), (str, int))), "")


def tidy(text: Any, secrets: Iterable[str]) -> str:
    """Foreign text made fit for a log line: one line, printable, short, without ``secrets``."""
    text = str(text)
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= LONGEST_TEXT else line[: LONGEST_TEXT - 1] + "…"
