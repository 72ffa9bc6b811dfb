"""What is sent to ``/_emulator``; what is wrong in it is a 400 that says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fastapi import Request

from airflow_provider_zdirect.emulator.problem import ProblemError


async def json_body(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except ValueError as error:
        raise ProblemError(400, f"the body is not JSON: {error}") from error


def or_400(call: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return call(*arguments)
    except (ValueError, TypeError, OverflowError) as error:
        raise ProblemError(400, str(error)) from error
