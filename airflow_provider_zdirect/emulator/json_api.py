"""The form of the Orders API: its media type, its errors, and the reading of what is written to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute

from airflow_provider_zdirect.emulator.problem import ProblemError

JSON_API = "application/vnd.api+json"


class FieldError(ProblemError):
    """A 400 that names what is wrong.

    :param pointer: place in the body; :param parameter: of the query.
    """

    def __init__(self, detail: str, pointer: str = "", parameter: str = "") -> None:
        super().__init__(400, detail)
        self.source = {"pointer": pointer} if pointer else {"parameter": parameter}


class JsonApiRoute(APIRoute):
    """A route whose errors have the form of JSON:API."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except ProblemError as error:
                return error_answer(error)

        return answer


def error_answer(error: ProblemError) -> Response:
    """The errors of zDirect docs, *Orders*; that of the rate limit has a form of its own."""
    if error.status == 429:
        return json_api_answer({"message": error.detail}, 429, error.headers)
    title = error.title or HTTPStatus(error.status).phrase
    fault: dict[str, Any] = {"status": str(error.status), "code": str(error.status), "title": title}
    fault["detail"] = error.detail
    if isinstance(error, FieldError):
        fault["source"] = error.source
    return json_api_answer({"errors": [fault]}, error.status, error.headers)


def json_api_answer(content: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    body = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
    return Response(body, status_code=status, headers=headers, media_type=JSON_API)


def parse_body(request: Request, body: bytes) -> dict[str, Any]:
    """An object as JSON; 415 for another media type, 400 for anything else."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON_API:
        raise ProblemError(415, f"Content-Type must be {JSON_API}")
    try:
        content = json.loads(body)
    except ValueError as error:
        raise ProblemError(400, f"the body is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ProblemError(400, "the body is not an object")
    return content


def parse_resource(request: Request, body: bytes, type: str, id: str) -> dict[str, Any]:
    """The attributes of ``{"data": {"type", "id", "attributes"}}``, which must be about this resource."""
    data = parse_body(request, body).get("data")
    if not isinstance(data, dict):
        raise FieldError("data is missing", "/data")
    if data.get("type") != type:
        raise FieldError(f"type must be {type}", "/data/type")
    if str(data.get("id", "")).lower() != id:
        raise FieldError("id is not that of the path", "/data/id")
    attributes = data.get("attributes")
    if not isinstance(attributes, dict):
        raise FieldError("attributes are missing", "/data/attributes")
    return attributes
