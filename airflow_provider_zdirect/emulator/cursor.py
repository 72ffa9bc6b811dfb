# SPDX-License-Identifier: Apache-2.0
"""Opaque page cursors: the request they belong to, and how far its pages have come."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import Any

from airflow_provider_zdirect.emulator.answers import ProblemError

CHECK_LENGTH = 8


def sealed(operation: str, *content: Any) -> str:
    """A cursor with any JSON in it; a cursor of one operation is invalid for any other."""
    payload = json.dumps(content).encode()
    return base64.urlsafe_b64encode(_check(operation, payload) + payload).decode().rstrip("=")


def opened(operation: str, text: str) -> list[Any]:
    """What was sealed.

    :raises ProblemError: 400 for any other text.
    """
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raw = b""
    check, payload = raw[:CHECK_LENGTH], raw[CHECK_LENGTH:]
    if check != _check(operation, payload):
        raise ProblemError(400, "cursor is invalid")
    content: list[Any] = json.loads(payload)
    return content


def position(operation: str, text: str, filters: list[Any]) -> list[Any]:
    """What was sealed behind the filters, which must be those of the request."""
    content = opened(operation, text)
    if content[: len(filters)] != filters:
        raise ProblemError(400, "cursor belongs to a request with other filters")
    return content[len(filters) :]


def _check(operation: str, payload: bytes) -> bytes:
    return hashlib.sha256(operation.encode() + payload).digest()[:CHECK_LENGTH]
