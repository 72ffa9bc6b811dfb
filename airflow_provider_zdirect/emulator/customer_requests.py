# SPDX-License-Identifier: Apache-2.0
"""Orders API, what customers ask for (zDirect docs: Deletion requests, Announced returns)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from airflow_provider_zdirect.emulator.answers import (
    JSON_API,
    ProblemError,
    json_api_error,
    next_page,
    problem,
    wrong_parameter,
)
from airflow_provider_zdirect.emulator.cursor import position, sealed
from airflow_provider_zdirect.emulator.order_reads import OTHER_LIMIT, READ
from airflow_provider_zdirect.emulator.requests import Api, Call

DELETIONS, RETURNS = "orders-deletion-requests", "announced-returns"
SHOWN_FOR = timedelta(days=30)
DEFAULT_SORT, ASCENDING = "-return_registered_at", "return_registered_at"
# The defaults are documented, the largest limit is not.
DELETIONS_PAGE, RETURNS_PAGE, LARGEST_PAGE = 1000, 50, 1000


def _limit_error_or_problem(error: ProblemError) -> Response:
    return json_api_error(error) if error.status == 429 else problem(error)


deletions_api = Api(READ, _limit_error_or_problem)
returns_api = Api(READ, json_api_error, JSON_API)


@deletions_api.get(f"/merchants/{{merchant_id}}/{DELETIONS}", DELETIONS)
def deletion_requests(call: Call) -> dict[str, Any]:
    limit, channel = call.number("limit", DELETIONS_PAGE, most=LARGEST_PAGE), call.given_uuid("sales_channel_id")
    wishes = [
        wish
        for wish in call.state.customer_wishes.deletions(call.merchant_id)
        if call.now - SHOWN_FOR < wish.at <= call.now and channel in (None, wish.body["sales_channel_id"])
    ]
    filters = [call.merchant_id, channel]
    if cursor := call.given("cursor"):
        at, id = position(DELETIONS, cursor, filters)
        wishes = [wish for wish in wishes if (wish.at, wish.id) > (datetime.fromisoformat(at), id)]
    last = wishes[limit - 1] if len(wishes) > limit else None
    following = sealed(DELETIONS, *filters, last.at.isoformat(), last.id) if last else None
    return {"cursor": next_page(following, call.options), "items": [wish.body for wish in wishes[:limit]]}


@returns_api.get(f"/merchants/{{merchant_id}}/{RETURNS}", OTHER_LIMIT)
def announced_returns(call: Call) -> dict[str, Any]:
    limit, sort = call.number("limit", RETURNS_PAGE, most=LARGEST_PAGE), call.given("sort") or DEFAULT_SORT
    if sort not in (DEFAULT_SORT, ASCENDING):
        raise wrong_parameter(f"sort must be {ASCENDING} or {DEFAULT_SORT}", "sort")
    found = _selected(call)
    if sort == DEFAULT_SORT:
        found.reverse()
    chosen = [call.query.get(name, "") for name in ("sales_channel_id", "after", "before")]
    filters = [call.merchant_id, sort, *chosen]
    cursor = call.given("cursor")
    offset = position(RETURNS, cursor, filters)[0] if cursor else 0
    rows = found[offset : offset + limit]

    def link(to: int) -> str:
        return f"{call.url}?{urlencode({**call.query, 'cursor': sealed(RETURNS, *filters, to)})}"

    links = {"self": str(call.request.url)}
    if offset:
        links["prev"] = link(max(0, offset - limit))
    # A page that is full has a next one, even if nothing comes after it.
    if len(rows) == limit:
        links["next"] = link(offset + limit)
    return {"data": rows, "links": links}


def _selected(call: Call) -> list[dict[str, Any]]:
    """Those from ``after`` on and earlier than ``before``, oldest first."""
    channel, start, end = call.given_uuid("sales_channel_id"), call.given_time("after"), call.given_time("before")
    return [
        wish.body
        for wish in call.state.customer_wishes.returns(call.merchant_id)
        if wish.at <= call.now
        and (start is None or wish.at >= start)
        and (end is None or wish.at < end)
        and channel in (None, wish.body["sales_channel_id"])
    ]
