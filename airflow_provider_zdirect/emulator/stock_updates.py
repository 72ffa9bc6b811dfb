# SPDX-License-Identifier: Apache-2.0
"""Stocks API (zDirect docs: Updating Stock Levels)."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from airflow_provider_zdirect.emulator.answers import JSON, ProblemError, json_answer
from airflow_provider_zdirect.emulator.channel_stock import Result
from airflow_provider_zdirect.emulator.reference_book import SALES_CHANNELS
from airflow_provider_zdirect.emulator.requests import Api, Call

WRITE = "products/stock/write"
MOST_ITEMS = 1000
FIELDS = ("sales_channel_id", "ean", "quantity")
api = Api()


@api.route("POST", "/merchants/{merchant_id}/stocks")
def stocks(call: Call) -> Response:
    items: list[dict[str, Any]] = []
    fault: ProblemError | None = None
    try:
        items = _parse(call)
    except ProblemError as error:
        fault = error
    # A malformed request counts too, but for no update.
    call.admit("stock updates", WRITE, updates=len(items))
    if fault:
        raise fault
    known = call.state.references.records(SALES_CHANNELS, call.merchant_id, drift=0)
    channels = {channel["sales_channel_id"].lower() for channel in known}
    update, shape = call.state.stocks.update, call.options.stocks_answer
    results = [(item, update(call.merchant_id, item, channels, call.options, call.now)) for item in items]
    rows = [{"item": item, "result": _shown(result, shape == "items")} for item, result in results]
    return json_answer({shape: rows}, 207)


def _parse(call: Call) -> list[dict[str, Any]]:
    """The items, if the request as a whole is well-formed; each of them is judged later."""
    items = call.object(JSON).get("items")
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
