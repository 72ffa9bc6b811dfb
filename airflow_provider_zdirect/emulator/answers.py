"""The form that good answers have in common."""

from __future__ import annotations

import json
from typing import Any

from fastapi.responses import Response

from airflow_provider_zdirect.emulator.options import Options


def next_page(cursor: str | None, options: Options) -> dict[str, str | None]:
    """The part of an answer that names the next page; without one, how it says so is an option."""
    if cursor is None and options.last_page_next == "absent":
        return {}
    return {"next": "" if cursor is None and options.last_page_next == "empty" else cursor}


def json_answer(answer: dict[str, Any] | list[dict[str, Any]]) -> Response:
    return raw_json(json.dumps(answer, separators=(",", ":"), ensure_ascii=False).encode())


def raw_json(body: bytes) -> Response:
    return Response(body, media_type="application/json")
