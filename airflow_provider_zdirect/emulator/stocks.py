"""Stocks API (zDirect docs: Updating Stock Levels)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from airflow_provider_zdirect.emulator.answers import ProblemError, json_answer
from airflow_provider_zdirect.emulator.channel_stock import Result
from airflow_provider_zdirect.emulator.reference_book import SALES_CHANNELS
from airflow_provider_zdirect.emulator.requests import (
    Body,
    admit_updates,
    check_content_type,
    own_merchant,
    parse_object,
)
from airflow_provider_zdirect.emulator.state import EmulatorState

WRITE = "products/stock/write"
MOST_ITEMS = 1000
FIELDS = ("sales_channel_id", "ean", "quantity")


def stocks_router(state: EmulatorState) -> APIRouter:
    """The one route."""
    router = APIRouter()

    @router.post("/merchants/{merchant_id}/stocks")
    def stocks(request: Request, merchant_id: str, body: Body) -> Response:
        items: list[dict[str, Any]] = []
        fault: ProblemError | None = None
        try:
            items = _parse(request, body)
        except ProblemError as error:
            fault = error
        # A malformed request counts too, but for no update.
        admit_updates(state, request, len(items), WRITE)
        merchant_id = own_merchant(state, merchant_id)
        if fault:
            raise fault
        channels = {
            channel["sales_channel_id"].lower()
            for channel in state.references.records(SALES_CHANNELS, merchant_id, drift=0)
        }
        options, now = state.options, state.clock.now()
        results = [(item, state.stocks.update(merchant_id, item, channels, options, now)) for item in items]
        shape = options.stocks_answer
        rows = [{"item": item, "result": _shown(result, shape == "items")} for item, result in results]
        return json_answer({shape: rows}, 207)

    return router


def _parse(request: Request, body: bytes) -> list[dict[str, Any]]:
    """The items, if the request as a whole is well-formed; each of them is judged later."""
    check_content_type(request)
    items = parse_object(body).get("items")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ProblemError(400, "items must be a list of objects")
    if len(items) > MOST_ITEMS:
        raise ProblemError(400, f"a request has {MOST_ITEMS} items at most, not {len(items)}")
    for item in items:
        missing = [name for name in FIELDS if item.get(name) is None]
        if missing:
            raise ProblemError(400, f"{', '.join(missing)} of an item is missing")
    pairs = [(str(item["sales_channel_id"]).lower(), str(item["ean"])) for item in items]
    if len(set(pairs)) != len(pairs):
        raise ProblemError(400, "a sales_channel_id and ean must come once in a request")
    return [{name: item[name] for name in FIELDS} for item in items]


def _shown(result: Result, codes_are_texts: bool) -> dict[str, Any]:
    code = str(result.code) if codes_are_texts else result.code
    described = {"description": result.description} if result.description else {}
    return {"status": result.status, "code": code, **described}
