"""The forms of answers: JSON, problems (RFC 7807), and the JSON:API of the Orders API."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from http.client import responses
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute

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

    def body(self) -> bytes:
        return compact({"type": "about:blank", "title": self.title, "status": self.status, "detail": self.detail})


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


def json_api_answer(content: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return json_answer(content, status, headers, JSON_API)


def next_page(cursor: str | None, options: Options) -> dict[str, str | None]:
    """The part of an answer that names the next page; an option says how the last page looks."""
    if cursor is None and options.last_page_next == "absent":
        return {}
    return {"next": "" if cursor is None and options.last_page_next == "empty" else cursor}


class JsonApiRoute(APIRoute):
    """A route whose errors have the form of JSON:API."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except ProblemError as error:
                return json_api_error(error)

        return answer


def json_api_error(error: ProblemError) -> Response:
    """The errors of zDirect docs, *Orders*; the one of the rate limit has a form of its own."""
    if error.status == 429:
        return json_api_answer({"message": error.detail}, 429, error.headers)
    status = str(error.status)
    fault: dict[str, Any] = {"status": status, "code": status, "title": error.title, "detail": error.detail}
    if error.source:
        fault["source"] = error.source
    return json_api_answer({"errors": [fault]}, error.status, error.headers)
