# SPDX-License-Identifier: Apache-2.0
"""One answer of zDirect, by its shape."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from airflow_provider_zdirect.client import Page
from airflow_provider_zdirect.client.transport import Answer
from airflow_provider_zdirect.datasets.assumptions import Assumptions
from airflow_provider_zdirect.datasets.damaged_json import mended
from airflow_provider_zdirect.datasets.page import NOT_READABLE
from airflow_provider_zdirect.datasets.selection import Expected
from airflow_provider_zdirect.datasets.table import DATASETS, Dataset
from airflow_provider_zdirect.recording.findings import Seen, findings
from airflow_provider_zdirect.recording.records import Records
from airflow_provider_zdirect.recording.shape import form_of, shape_of
from airflow_provider_zdirect.recording.transport import Exchange

MEDIA_TYPES = {"application/json", "application/problem+json", "application/vnd.api+json", "text/html", "text/plain"}
_HEADER = re.compile(r"content-type|etag|retry-after|x-flow-id|(x-)?rate-?limit(-[a-z]+)?")
"""Those that say something about the API; the others are not looked at."""

_SMALL_NUMBER = re.compile("[0-9]{1,5}")


def recorded(exchange: Exchange, path: str) -> dict[str, Any]:
    """A request and its answer.

    :param path: the path without ids.
    """
    answer = exchange.answer
    headers = {name: _header(name, value) for name, value in sorted(answer.headers.items()) if _HEADER.fullmatch(name)}
    return {
        "request": f"{exchange.method} {path}",
        "parameters": list(exchange.parameters),
        "status": answer.status,
        "bytes": len(answer.body),
        "seconds": round(answer.elapsed, 2),
        "headers": headers,
        "shape": _shape(answer),
    }


def recorded_read(
    dataset: Dataset, exchange: Exchange, page: Page | None, expected: Expected | None, assumptions: Assumptions
) -> dict[str, Any]:
    """The first page of a dataset.

    :param page: what was understood of it; None: nothing.
    :param expected: where its records lie, if the dataset has windows.
    """
    answer, parts = exchange.answer, dict[str, Any]()
    own = None
    if page is not None:
        own = Records.read(dataset.model, page.records, len(page.rejected))
        parts = {name: Records.read(DATASETS[name].model, some).as_dict() for name, some in page.parts.items()}
    body = bytes(answer.body).decode("utf-8", "replace")
    return {
        "dataset": dataset.name,
        **recorded(exchange, dataset.endpoint.path),
        "records": own.as_dict() if own else None,
        **({"parts": parts} if parts else {}),
        "outside_of_request": own.outside(expected) if own and expected else None,
        "has_next_page": bool(page.next_cursor) if page else None,
        "assumptions": findings(dataset.name, Seen(answer.status, body, own, expected), assumptions),
    }


def _header(name: str, value: str) -> str:
    if name == "content-type":
        media_type = value.partition(";")[0].strip().lower()
        return media_type if media_type in MEDIA_TYPES else "another"
    # Limits and waits are numbers; they are what one wants to know.
    is_known = name not in ("etag", "x-flow-id") and _SMALL_NUMBER.fullmatch(value)
    return value if is_known else form_of(value)


def _shape(answer: Answer) -> dict[str, dict[str, int]] | str:
    if not answer.body.strip():
        return "no body"
    try:
        return shape_of(msgspec.json.decode(mended(msgspec.Raw(answer.body))))
    except (ValueError, *NOT_READABLE):
        return "not JSON"
