"""Orders API, returns that customers announced (zDirect docs: Announced returns)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response

from airflow_provider_zdirect.emulator.admission import admit
from airflow_provider_zdirect.emulator.cursor import OffsetCursor
from airflow_provider_zdirect.emulator.customer_wishes import Wish
from airflow_provider_zdirect.emulator.json_api import FieldError, JsonApiRoute, json_api_answer
from airflow_provider_zdirect.emulator.orders import OTHER_LIMIT, READ
from airflow_provider_zdirect.emulator.parameters import given, page_limit, parse_time, parse_uuid
from airflow_provider_zdirect.emulator.state import EmulatorState

OPERATION = "announced-returns"
DEFAULT_SORT, ASCENDING = "-return_registered_at", "return_registered_at"
# The default is documented, the largest is not.
DEFAULT_LIMIT, LARGEST_LIMIT = 50, 1000


def announced_returns_router(state: EmulatorState) -> APIRouter:
    """The one route."""
    router = APIRouter(route_class=JsonApiRoute)

    @router.get("/merchants/{merchant_id}/announced-returns")
    def announced_returns(request: Request, merchant_id: str) -> Response:
        merchant_id = admit(state, request, merchant_id, OTHER_LIMIT, READ)
        return json_api_answer(_page(state, request, merchant_id))

    return router


def _page(state: EmulatorState, request: Request, merchant_id: str) -> dict[str, Any]:
    query = request.query_params
    limit = page_limit(given(query, "limit"), DEFAULT_LIMIT, LARGEST_LIMIT)
    sort = query.get("sort") or DEFAULT_SORT
    if sort not in (DEFAULT_SORT, ASCENDING):
        raise FieldError(f"sort must be {ASCENDING} or {DEFAULT_SORT}", parameter="sort")
    found = _selected(state, request, merchant_id)
    if sort == DEFAULT_SORT:
        found.reverse()
    filters = [merchant_id, sort, *(query.get(name, "") for name in ("sales_channel_id", "after", "before"))]
    cursor = given(query, "cursor")
    offset = OffsetCursor.decode(cursor, OPERATION, filters).offset if cursor else 0
    rows = found[offset : offset + limit]

    def link(to: int) -> str:
        parameters = {**query, "cursor": OffsetCursor(to).encode(OPERATION, filters)}
        return f"{str(request.base_url).rstrip('/')}{request.url.path}?{urlencode(parameters)}"

    links = {"self": str(request.url)}
    if offset:
        links["prev"] = link(max(0, offset - limit))
    # A page that is full has a next one, even if nothing comes after it.
    if len(rows) == limit:
        links["next"] = link(offset + limit)
    return {"data": [wish.body for wish in rows], "links": links}


def _selected(state: EmulatorState, request: Request, merchant_id: str) -> list[Wish]:
    """Those from ``after`` on and earlier than ``before``, oldest first."""
    query = request.query_params
    channel, after, before = (given(query, name) for name in ("sales_channel_id", "after", "before"))
    channel = parse_uuid(channel, "sales_channel_id") if channel else None
    start = parse_time(after, "after") if after else None
    end = parse_time(before, "before") if before else None
    now = state.clock.now()
    return [
        wish
        for wish in state.customer_wishes.returns(merchant_id)
        if wish.at <= now
        and (start is None or wish.at >= start)
        and (end is None or wish.at < end)
        and channel in (None, wish.body["sales_channel_id"])
    ]
