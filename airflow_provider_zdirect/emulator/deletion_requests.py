"""Orders API, requests of customers to delete their data (zDirect docs: Deletion requests)."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter, Request
from fastapi.responses import Response

from airflow_provider_zdirect.emulator.admission import admit
from airflow_provider_zdirect.emulator.answers import json_answer, next_page
from airflow_provider_zdirect.emulator.cursor import PlaceCursor
from airflow_provider_zdirect.emulator.json_api import error_answer
from airflow_provider_zdirect.emulator.orders import READ
from airflow_provider_zdirect.emulator.parameters import given, page_limit, parse_uuid
from airflow_provider_zdirect.emulator.problem import ProblemError
from airflow_provider_zdirect.emulator.state import EmulatorState

OPERATION = "orders-deletion-requests"
SHOWN_FOR = timedelta(days=30)
# The default is documented, the largest is not.
DEFAULT_LIMIT, LARGEST_LIMIT = 1000, 1000


def deletion_requests_router(state: EmulatorState) -> APIRouter:
    """The one route, whose errors are problems, apart from that of the rate limit."""
    router = APIRouter()

    @router.get("/merchants/{merchant_id}/orders-deletion-requests")
    def deletion_requests(request: Request, merchant_id: str) -> Response:
        try:
            merchant_id = admit(state, request, merchant_id, OPERATION, READ)
        except ProblemError as error:
            if error.status != 429:
                raise
            return error_answer(error)
        return json_answer(_page(state, request, merchant_id))

    return router


def _page(state: EmulatorState, request: Request, merchant_id: str) -> dict[str, object]:
    query, now = request.query_params, state.clock.now()
    limit = page_limit(given(query, "limit"), DEFAULT_LIMIT, LARGEST_LIMIT)
    channel = given(query, "sales_channel_id")
    channel = parse_uuid(channel, "sales_channel_id") if channel else None
    wishes = [
        wish
        for wish in state.customer_wishes.deletions(merchant_id)
        if now - SHOWN_FOR < wish.at <= now and channel in (None, wish.body["sales_channel_id"])
    ]
    filters = [merchant_id, channel]
    if cursor := given(query, "cursor"):
        after = PlaceCursor.decode(cursor, OPERATION, filters)
        wishes = [wish for wish in wishes if (wish.at, wish.id) > (after.at, after.id)]
    last = wishes[limit - 1] if len(wishes) > limit else None
    following = PlaceCursor(last.at, last.id).encode(OPERATION, filters) if last else None
    return {"cursor": next_page(following, state.options), "items": [wish.body for wish in wishes[:limit]]}
