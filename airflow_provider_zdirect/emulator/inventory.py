# SPDX-License-Identifier: Apache-2.0
"""Item Quantities API, ZFS Inventory (zDirect docs: Item Quantities)."""

from __future__ import annotations

from datetime import datetime
from datetime import time as time_of_day
from typing import Any

from airflow_provider_zdirect.emulator import warehouse_stock
from airflow_provider_zdirect.emulator.answers import ProblemError
from airflow_provider_zdirect.emulator.clock import DAY
from airflow_provider_zdirect.emulator.drift import drifted
from airflow_provider_zdirect.emulator.records import rfc3339
from airflow_provider_zdirect.emulator.requests import Api, Call, parse_time

# zDirect docs: Tracking inventory.
LONGEST_CHANGED_SINCE = DAY
api = Api()


@api.get("/zfs/item-quantity-snapshots/{merchant_id}", "item-quantity-snapshots")
def item_quantity_snapshot(call: Call) -> dict[str, Any]:
    kind = _kind(call)
    if kind in ("missing", "empty"):
        return {} if kind == "missing" else {"item_quantity_snapshot": {"item_quantities": []}}
    at = time_of_day.fromisoformat(call.options.snapshot_time)
    created = call.now.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
    if created > call.now:
        created -= DAY
    levels = call.state.stock_levels(call.merchant_id, created)
    items = [_sent(call, ean, level) for ean, level in levels.items() if level]
    return {"item_quantity_snapshot": {"item_quantities": items}, "created": rfc3339(created)}


@api.get("/zfs/item-quantities/{merchant_id}", "item-quantities")
def item_quantities(call: Call) -> dict[str, Any]:
    eans, kind = _eans(call), _kind(call)
    if kind in ("missing", "empty"):
        return {} if kind == "missing" else {"item_quantities": []}
    now = call.state.stock_levels(call.merchant_id, call.now)
    return {"item_quantities": [_sent(call, ean, now[ean]) for ean in eans if ean in now]}


def _kind(call: Call) -> str:
    # zDirect docs: in sandbox the answers of this API are empty.
    return "empty" if call.state.settings.environment == "sandbox" else call.options.inventory


def _eans(call: Call) -> list[str]:
    """The EANs that are asked for, in the order of the answer."""
    name = call.options.changed_since_parameter
    eans, since = call.given("eans"), call.given(name)
    if (eans is None) == (since is None):
        raise ProblemError(400, f"give either eans or {name}")
    if eans is not None:
        asked = list(dict.fromkeys(ean for ean in eans.split(",") if ean))
        if len(asked) > call.options.most_eans:
            raise ProblemError(400, f"eans are {len(asked)}, and may be {call.options.most_eans}")
        return asked
    start: datetime = parse_time(since or "", name)
    if start < call.now - LONGEST_CHANGED_SINCE:
        raise ProblemError(400, f"{name} is more than 24 hours ago")
    if call.options.inventory == "zero":
        return []
    return warehouse_stock.changed_eans(call.state.settings.seed, call.merchant_id, start, call.now)


def _sent(call: Call, ean: str, level: warehouse_stock.Level) -> dict[str, Any]:
    return drifted(warehouse_stock.item(ean, level), f"{call.state.settings.seed}/{ean}", call.options.drift)
