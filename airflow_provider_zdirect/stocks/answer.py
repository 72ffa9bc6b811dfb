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

OK, INVALID, INTERNAL, NOT_ONBOARDED = 0, 101, 102, 104
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
    answered: dict[Pair, Sent] = {}
    sent = {item.pair: item for item in batch}
    for row in _rows(content, what):
        item, result = _part(row, "item"), _part(row, "result")
        pair = (str(item.get("sales_channel_id") or "").strip().lower(), _ean(item.get("ean")))
        if pair not in sent:
            continue
        found = _outcome(sent[pair], result)
        known = answered.get(pair)
        if known is None or _BAD_FIRST.index(str(found.outcome)) < _BAD_FIRST.index(str(known.outcome)):
            answered[pair] = found
    gone = "The answer does not name this item."
    return [answered.get(pair) or replace(item, outcome=MISSING, description=gone) for pair, item in sent.items()]


def _outcome(item: Sent, result: Mapping[str, Any]) -> Sent:
    status = str(result.get("status") or "").strip()
    code = _code(result.get("code"))
    description = str(result.get("description") or "").strip()[:LONGEST] or None
    return replace(
        item, outcome=_judged(status.upper(), code), status=status or None, code=code, description=description
    )


def _judged(status: str, code: int | None) -> str:
    # Which status goes with a pending update is not confirmed, so the code decides.
    if code == NOT_ONBOARDED:
        return PENDING
    if status == "ACCEPTED" or (not status and code == OK):
        return ACCEPTED
    if status == "REJECTED" or (not status and code == INVALID):
        return REJECTED
    # FAILED, or a status that is not known: not accepted, and nothing forbids to try again.
    return FAILED


def _rows(content: Any, what: str) -> list[Any]:
    for key in LIST_KEYS:
        if isinstance(content, dict) and isinstance(content.get(key), list):
            rows: list[Any] = content[key]
            return rows
    raise MalformedResponseError(
        f"{what}: the answer has neither {' nor '.join(LIST_KEYS)}, so the outcome of the updates is unknown.",
        remedy="No action needed: the task retries, and sends them again, which changes nothing if they were taken.",
        retry_after=REFETCH_DELAY,
    )


def _part(row: Any, name: str) -> Mapping[str, Any]:
    part = row.get(name) if isinstance(row, dict) else None
    return part if isinstance(part, dict) else {}


def _ean(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:013d}"
    return str(value or "").strip().zfill(13)


def _code(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None
