"""Error answers as ``application/problem+json`` (zDirect docs: Stock Movements; RFC 7807)."""

from __future__ import annotations

import json
from http import HTTPStatus

PROBLEM_JSON = "application/problem+json"


class ProblemError(Exception):
    """An answer other than 200.

    :param status: HTTP status; :param detail: what is wrong; :param headers: additional headers;
    :param title: instead of the phrase that belongs to the status.
    """

    def __init__(
        self, status: int, detail: str, headers: dict[str, str] | None = None, title: str | None = None
    ) -> None:
        super().__init__(f"{status} {detail}")
        self.status = status
        self.detail = detail
        self.headers = headers or {}
        self.title = title

    def body(self) -> bytes:
        return problem_body(self.status, self.detail, self.title)


def problem_body(status: int, detail: str, title: str | None = None) -> bytes:
    if title is None:
        try:
            title = HTTPStatus(status).phrase
        except ValueError:
            title = "Unknown"
    problem = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return json.dumps(problem, separators=(",", ":")).encode()
