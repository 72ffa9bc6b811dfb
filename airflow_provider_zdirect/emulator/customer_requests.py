"""Orders API, what customers ask for (zDirect docs: Deletion requests, Announced returns)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response

from airflow_provider_zdirect.emulator.answers import (
    JsonApiRoute,
    ProblemError,
    json_answer,
    json_api_answer,
    json_api_error,
    next_page,
    wrong_parameter,
)
from airflow_provider_zdirect.emulator.cursor import position, sealed
from airflow_provider_zdirect.emulator.orders import OTHER_LIMIT, READ
from airflow_provider_zdirect.emulator.requests import admit, base_url, given, given_uuid, page_limit, parse_time
from airflow_provider_zdirect.emulator.state import EmulatorState

DELETIONS, RETURNS = "orders-deletion-requests", "announced-returns"
SHOWN_FOR = timedelta(days=30)
DEFAULT_SORT, ASCENDING = "-return_registered_at", "return_registered_at"
# The defaults are documented, the largest limit is not.
DELETIONS_PAGE, RETURNS_PAGE, LARGEST_PAGE = 1000, 50, 1000


def deletion_requests_router(state: EmulatorState) -> APIRouter:
    """Its errors are problems, apart from the one of the rate limit."""
    router = APIRouter()

    @router.get("/merchants/{merchant_id}/orders-deletion-requests")
    def deletion_requests(request: Request, merchant_id: str) -> Response:
        try:
            merchant_id = admit(state, request, merchant_id, DELETIONS, READ)
        except ProblemError as error:
            if error.status != 429:
                raise
            return json_api_error(error)
        query, now = request.query_params, state.clock.now()
        limit = page_limit(query, DELETIONS_PAGE, LARGEST_PAGE)
        channel = given_uuid(query, "sales_channel_id")
        wishes = [
            wish
            for wish in state.customer_wishes.deletions(merchant_id)
            if now - SHOWN_FOR < wish.at <= now and channel in (None, wish.body["sales_channel_id"])
        ]
        filters = [merchant_id, channel]
        if cursor := given(query, "cursor"):
            at, id = position(DELETIONS, cursor, filters)
            wishes = [wish for wish in wishes if (wish.at, wish.id) > (datetime.fromisoformat(at), id)]
        last = wishes[limit - 1] if len(wishes) > limit else None
        following = sealed(DELETIONS, *filters, last.at.isoformat(), last.id) if last else None
        items = [wish.body for wish in wishes[:limit]]
        return json_answer({"cursor": next_page(following, state.options), "items": items})

    return router


def announced_returns_router(state: EmulatorState) -> APIRouter:
    router = APIRouter(route_class=JsonApiRoute)

    @router.get("/merchants/{merchant_id}/announced-returns")
    def announced_returns(request: Request, merchant_id: str) -> Response:
        merchant_id = admit(state, request, merchant_id, OTHER_LIMIT, READ)
        query = request.query_params
        limit = page_limit(query, RETURNS_PAGE, LARGEST_PAGE)
        sort = query.get("sort") or DEFAULT_SORT
        if sort not in (DEFAULT_SORT, ASCENDING):
            raise wrong_parameter(f"sort must be {ASCENDING} or {DEFAULT_SORT}", "sort")
        found = _selected(state, request, merchant_id)
        if sort == DEFAULT_SORT:
            found.reverse()
        filters = [merchant_id, sort, *(query.get(name, "") for name in ("sales_channel_id", "after", "before"))]
        cursor = given(query, "cursor")
        offset = position(RETURNS, cursor, filters)[0] if cursor else 0
        rows = found[offset : offset + limit]

        def link(to: int) -> str:
            parameters = {**query, "cursor": sealed(RETURNS, *filters, to)}
            return f"{base_url(request)}{request.url.path}?{urlencode(parameters)}"

        links = {"self": str(request.url)}
        if offset:
            links["prev"] = link(max(0, offset - limit))
        # A page that is full has a next one, even if nothing comes after it.
        if len(rows) == limit:
            links["next"] = link(offset + limit)
        return json_api_answer({"data": rows, "links": links})

    return router


def _selected(state: EmulatorState, request: Request, merchant_id: str) -> list[dict[str, Any]]:
    """Those from ``after`` on and earlier than ``before``, oldest first."""
    query = request.query_params
    channel = given_uuid(query, "sales_channel_id")
    start, end = (parse_time(query[name], name) if given(query, name) else None for name in ("after", "before"))
    return [
        wish.body
        for wish in state.customer_wishes.returns(merchant_id)
        if wish.at <= state.clock.now()
        and (start is None or wish.at >= start)
        and (end is None or wish.at < end)
        and channel in (None, wish.body["sales_channel_id"])
    ]
