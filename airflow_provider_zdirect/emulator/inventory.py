"""Item Quantities API, ZFS Inventory (zDirect docs: Item Quantities)."""

from __future__ import annotations

from datetime import datetime, timedelta
from datetime import time as time_of_day
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from airflow_provider_zdirect.emulator import stock
from airflow_provider_zdirect.emulator.answers import ProblemError, json_answer
from airflow_provider_zdirect.emulator.drift import loosened
from airflow_provider_zdirect.emulator.records import rfc3339
from airflow_provider_zdirect.emulator.requests import admit, given, parse_time
from airflow_provider_zdirect.emulator.state import EmulatorState

DAY = timedelta(days=1)
# zDirect docs: Tracking inventory.
LONGEST_CHANGED_SINCE = DAY


def inventory_router(state: EmulatorState) -> APIRouter:
    """Routes of the API."""
    router = APIRouter(prefix="/zfs")

    @router.get("/item-quantity-snapshots/{merchant_id}")
    def item_quantity_snapshot(request: Request, merchant_id: str) -> Response:
        merchant_id = admit(state, request, merchant_id, "item-quantity-snapshots")
        kind = _kind(state)
        if kind == "missing":
            return json_answer({})
        if kind == "empty":
            return json_answer({"item_quantity_snapshot": {"item_quantities": []}})
        created = _snapshot_time(state)
        items = [_sent(state, ean, level) for ean, level in state.stock_levels(merchant_id, created).items() if level]
        return json_answer({"item_quantity_snapshot": {"item_quantities": items}, "created": rfc3339(created)})

    @router.get("/item-quantities/{merchant_id}")
    def item_quantities(request: Request, merchant_id: str) -> Response:
        merchant_id = admit(state, request, merchant_id, "item-quantities")
        eans = _eans(state, request, merchant_id)
        kind = _kind(state)
        if kind == "missing":
            return json_answer({})
        if kind == "empty":
            return json_answer({"item_quantities": []})
        now = state.stock_levels(merchant_id, state.clock.now())
        return json_answer({"item_quantities": [_sent(state, ean, now[ean]) for ean in eans if ean in now]})

    return router


def _kind(state: EmulatorState) -> str:
    # zDirect docs: in sandbox the answers of this API are empty.
    return "empty" if state.settings.environment == "sandbox" else state.options.inventory


def _snapshot_time(state: EmulatorState) -> datetime:
    now, at = state.clock.now(), time_of_day.fromisoformat(state.options.snapshot_time)
    today = now.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
    return today if today <= now else today - DAY


def _eans(state: EmulatorState, request: Request, merchant_id: str) -> list[str]:
    """The EANs that are asked for, in the order of the answer."""
    eans, name = given(request.query_params, "eans"), state.options.changed_since_parameter
    since = given(request.query_params, name)
    if (eans is None) == (since is None):
        raise ProblemError(400, f"give either eans or {name}")
    if eans is not None:
        asked = list(dict.fromkeys(ean for ean in eans.split(",") if ean))
        if len(asked) > state.options.most_eans:
            raise ProblemError(400, f"eans are {len(asked)}, and may be {state.options.most_eans}")
        return asked
    now, start = state.clock.now(), parse_time(since or "", name)
    if start < now - LONGEST_CHANGED_SINCE:
        raise ProblemError(400, f"{name} is more than 24 hours ago")
    if state.options.inventory == "zero":
        return []
    return stock.changed_eans(state.settings.seed, merchant_id, start, now)


def _sent(state: EmulatorState, ean: str, level: stock.Level) -> dict[str, Any]:
    return loosened(stock.item(ean, level), f"{state.settings.seed}/{ean}", state.options.drift)
