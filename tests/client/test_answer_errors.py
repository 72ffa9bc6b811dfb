from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_zdirect.client.answer_errors import LONGEST_TEXT, problem_in
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"title": "Forbidden", "status": 403, "detail": "Scope missing."}, "Forbidden: Scope missing."),
        ({"title": "Forbidden"}, "Forbidden"),
        ({"detail": "Scope missing."}, "Scope missing."),
        ({"type": "about:blank"}, ""),
        ({"errors": [{"status": "404", "title": "Not Found", "detail": "No order."}]}, "Not Found: No order."),
        ({"errors": [{"title": "Bad", "code": "12A"}, {"title": "Worse"}]}, "Bad: 12A (and 1 more)"),
        ({"errors": ["plain"]}, "plain"),
        ({"errors": []}, ""),
        ({"message": "Too many requests"}, "Too many requests"),
        ({"error": "invalid_client", "error_description": "Bad secret"}, "invalid_client: Bad secret"),
        ({"error": "invalid_client"}, "invalid_client"),
        ({"title": {"a": 1}, "detail": None}, ""),
        ([1, 2], ""),
        ("only text", "only text"),
        (None, ""),
    ],
)
def test_json_bodies(body: Any, text: str) -> None:
    assert problem_in(json.dumps(body).encode()) == text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", ""),
        (b"  \n", ""),
        (b"upstream connect error\n or  disconnect", "upstream connect error or disconnect"),
        (b"<html><h1>502 <b>Bad</b> Gateway</h1>\n<p>x</p></html>", "502 Bad Gateway x"),
        (b"\xff\xfe\x00\x1b[31mred", "�� [31mred"),
        (b'{"title": "cut', '{"title": "cut'),
    ],
)
def test_other_bodies(body: bytes, text: str) -> None:
    assert problem_in(body) == text


def test_texts_are_short() -> None:
    problem = problem_in(json.dumps({"title": "t" * 10_000, "detail": "d" * 10_000}).encode())
    assert len(problem) <= 2 * LONGEST_TEXT + 2


def test_an_echoed_secret_is_blotted_out() -> None:
    problem = problem_in(b'{"title":"Bad token abc123","detail":"abc123!"}', secrets=["abc123", ""])
    assert problem == "Bad token ***: ***!"


def test_a_message_may_quote_a_value_of_any_length_and_stays_readable() -> None:
    error = ZDirectConfigurationError(f"host='{'x' * 100_000}' is not an address.", remedy="Correct it.")
    for each in (error, error.with_message(f"{error.message} {'y' * 100_000} End.")):
        assert len(str(each)) < 4_500
        assert each.message.startswith("host='xxx")
        assert str(each).endswith(". What to do: Correct it.")
