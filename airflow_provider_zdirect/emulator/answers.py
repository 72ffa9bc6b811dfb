# SPDX-License-Identifier: Apache-2.0
"""The forms of answers: JSON, problems (RFC 7807), and the JSON:API of the Orders API."""

from __future__ import annotations

import json
from http.client import responses
from typing import Any

from starlette.responses import Response

from airflow_provider_zdirect.emulator.options import Options

JSON, PROBLEM_JSON, JSON_API = "application/json", "application/problem+json", "application/vnd.api+json"


class ProblemError(Exception):
    """An answer other than 200.

    :param status: HTTP status; :param detail: what is wrong; :param headers: additional headers;
    :param title: replaces the phrase of the status; :param source: JSON:API's pointer or parameter that is wrong.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        headers: dict[str, str] | None = None,
        title: str | None = None,
        source: dict[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {detail}")
        self.status = status
        self.detail = detail
        self.headers = headers or {}
        self.title = title or responses.get(status, "Unknown")
        self.source = source


def wrong_field(detail: str, pointer: str) -> ProblemError:
    """A 400 that names the place in the body."""
    return ProblemError(400, detail, source={"pointer": pointer})


def wrong_parameter(detail: str, name: str) -> ProblemError:
    """A 400 that names the query parameter."""
    return ProblemError(400, detail, source={"parameter": name})


def compact(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()


def json_answer(
    content: Any, status: int = 200, headers: dict[str, str] | None = None, media_type: str = JSON
) -> Response:
    return Response(compact(content), status_code=status, headers=headers, media_type=media_type)


def problem(error: ProblemError) -> Response:
    content = {"type": "about:blank", "title": error.title, "status": error.status, "detail": error.detail}
    return json_answer(content, error.status, error.headers, PROBLEM_JSON)


def next_page(cursor: str | None, options: Options) -> dict[str, str | None]:
    """The part of an answer that names the next page; an option says how the last page looks."""
    if cursor is None and options.last_page_next == "absent":
        return {}
    return {"next": "" if cursor is None and options.last_page_next == "empty" else cursor}


def json_api_error(error: ProblemError) -> Response:
    """The errors of zDirect docs, *Orders*; the one of the rate limit has a form of its own."""
    if error.status == 429:
        return json_answer({"message": error.detail}, 429, error.headers, JSON_API)
    status = str(error.status)
    fault: dict[str, Any] = {"status": status, "code": status, "title": error.title, "detail": error.detail}
    if error.source:
        fault["source"] = error.source
    return json_answer({"errors": [fault]}, error.status, error.headers, JSON_API)
