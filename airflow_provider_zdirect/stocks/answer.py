# SPDX-License-Identifier: Apache-2.0
"""zDirect's answer to a batch of stock updates, item by item. Pure functions.

zDirect docs, *Updating Stock Levels* and its OpenAPI file: 207 with ``{"results": [{"item", "result"}]}``; an older
copy of the docs calls the list ``items`` and writes codes as texts. Both are read. 207 never means that all went well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from airflow_provider_zdirect.datasets.endpoint import REFETCH_DELAY
from airflow_provider_zdirect.exceptions import MalformedResponseError
from airflow_provider_zdirect.stocks.level import ACCEPTED, FAILED, MISSING, PENDING, REJECTED, Pair, Sent

OK, INVALID, NOT_ONBOARDED = 0, 101, 104
LIST_KEYS = ("results", "items")
LONGEST = 500
"""Characters of a description that are kept."""

_BAD_FIRST = (REJECTED, FAILED, PENDING, ACCEPTED)


def outcomes(batch: Iterable[Sent], content: Any, *, what: str) -> list[Sent]:
    """The batch with the outcome of each item.

    An item that the answer leaves out is :data:`~.level.MISSING`; of one that is there twice, the worse result counts.

    :param content: the decoded answer.
    :param what: the batch in words, for the error.
    :raises MalformedResponseError: if it is not an answer to a batch.
    """
    body = content if isinstance(content, dict) else {}
    rows = next((body[key] for key in LIST_KEYS if isinstance(body.get(key), list)), None)
    if rows is None:
        raise MalformedResponseError(
            f"{what}: the answer has neither {' nor '.join(LIST_KEYS)}, so the outcome of the updates is unknown.",
            remedy="No action needed: the task retries, and sends them again, which changes nothing if they were "
            "taken.",
            retry_after=REFETCH_DELAY,
        )
    results: dict[Pair, list[Mapping[str, Any]]] = {}
    for row in rows:
        item, result = _part(row, "item"), _part(row, "result")
        pair = _text(item.get("sales_channel_id")).lower(), _text(item.get("ean")).zfill(13)
        results.setdefault(pair, []).append(result)
    return [_answered(item, results.get(item.pair, ())) for item in batch]


def _answered(item: Sent, results: Iterable[Mapping[str, Any]]) -> Sent:
    found = [
        replace(
            item,
            outcome=_outcome(status := _text(result.get("status")), code := _code(result.get("code"))),
            status=status or None,
            code=code,
            description=_text(result.get("description"))[:LONGEST] or None,
        )
        for result in results
    ]
    missing = replace(item, outcome=MISSING, description="The answer does not name this item.")
    return min(found, key=lambda each: _BAD_FIRST.index(str(each.outcome)), default=missing)


def _outcome(status: str, code: int | None) -> str:
    # Which status goes with a pending update is not confirmed, so the code decides.
    if code == NOT_ONBOARDED:
        return PENDING
    if status.upper() == "ACCEPTED" or (not status and code == OK):
        return ACCEPTED
    if status.upper() == "REJECTED" or (not status and code == INVALID):
        return REJECTED
    # FAILED, or a status that is not known: not accepted, and nothing forbids to try again.
    return FAILED


def _part(row: Any, name: str) -> Mapping[str, Any]:
    part = row.get(name) if isinstance(row, dict) else None
    return part if isinstance(part, dict) else {}


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _code(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None
