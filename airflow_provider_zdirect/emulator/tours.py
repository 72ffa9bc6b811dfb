# SPDX-License-Identifier: Apache-2.0
"""Tours API: the deliveries of shipping notices (zDirect docs: Shipping Notices, tracking)."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any

from airflow_provider_zdirect.emulator.answers import ProblemError
from airflow_provider_zdirect.emulator.catalog import ADDRESSES, WAREHOUSE_COUNT, warehouse_id
from airflow_provider_zdirect.emulator.clock import HOUR
from airflow_provider_zdirect.emulator.drift import drifted
from airflow_provider_zdirect.emulator.notice_book import Notice
from airflow_provider_zdirect.emulator.records import rfc3339
from airflow_provider_zdirect.emulator.reference_book import WAREHOUSES
from airflow_provider_zdirect.emulator.requests import ADVICE_ID, Api, Call

CANCELED_SHARE, REJECTED_SHARE = 0.03, 0.03
STATUS_TEXTS = {
    "initialized": "The tour is planned",
    "arrived": "The truck is in the yard",
    "unloading": "The truck is at the dock",
    "unloaded": "All loading units are unloaded",
    "rejected": "The delivery was rejected",
    "canceled": "The tour was canceled",
}
OPTIONAL = ("from_location", "actual_amount_of_loading_units")


api = Api()


@api.get("/zfs/tours", "tours")
def tours(call: Call) -> dict[str, Any]:
    name, state = "zalando_advice_id", call.state
    advice_id = call.given(name) if call.options.tours_without_parameter else call.required(name)
    if advice_id is not None and not ADVICE_ID.fullmatch(advice_id):
        raise ProblemError(400, f"{name} must have 8 digits: {advice_id[:60]}")
    found = tours_of(state.settings.seed, state.notices.of(state.merchant_ids), call.now)
    chosen = [tour for tour in found if advice_id in (None, tour[name])]
    return {"tours": [drifted(tour, tour["tour_number"], call.options.drift, OPTIONAL) for tour in chosen]}


def tours_of(seed: int, notices: list[Notice], now: datetime) -> list[dict[str, Any]]:
    """One tour for each notice whose delivery date is set."""
    warehouses = {warehouse_id(seed, number): number for number in range(WAREHOUSE_COUNT)}
    return [
        _tour(notice, warehouses.get(notice.fields.get("requested_zalando_location_id") or "", 0), now)
        for notice in notices
        if notice.delivery_date
    ]


def _tour(notice: Notice, warehouse: int, now: datetime) -> dict[str, Any]:
    """Fields: zDirect docs, *Shipping Notices*, tracking; whether locations are texts is not confirmed."""
    assert notice.delivery_date is not None
    rng = Random(f"tour/{notice.id}")  # noqa: S311 - reproducible, not secret
    day = notice.delivery_date
    at_yard = datetime(day.year, day.month, day.day, rng.randint(5, 9), tzinfo=UTC)
    at_dock = at_yard + HOUR
    planned = {
        "pallets": notice.fields.get("pallets_count") or 0,
        "colli": notice.fields.get("colli_count") or 0,
        "hanging_garments": notice.fields.get("hanging_goods_count") or 0,
    }
    status, since = _status(notice, rng.random(), at_yard, at_dock, now)
    missing = 1 if planned["pallets"] > 1 and rng.random() < 0.2 else 0
    actual = {**planned, "pallets": planned["pallets"] - missing}
    return {
        "zalando_advice_id": notice.zalando_advice_id,
        "shipping_notice_id": notice.id,
        "tour_number": f"{day:%Y%m%d}-{int(notice.zalando_advice_id) % 10_000:04d}-BR-{WAREHOUSES[warehouse][1]}",
        "to_location": ADDRESSES[warehouse][0],
        "from_location": "Brieselang",
        "planned_arrival_time_at_dock": rfc3339(at_dock),
        "planned_arrival_time_at_yard": rfc3339(at_yard),
        "planned_amount_of_loading_units": planned,
        "actual_amount_of_loading_units": actual if status == "unloaded" else dict.fromkeys(planned, 0),
        "type": "NEW_GOODS",
        "current_status": {"status": status, "status_text": STATUS_TEXTS[status], "last_updated": rfc3339(since)},
    }


def _status(notice: Notice, fate: float, at_yard: datetime, at_dock: datetime, now: datetime) -> tuple[str, datetime]:
    """The status of a tour and since when it has it."""
    assert notice.delivery_set_at is not None
    if fate < CANCELED_SHARE:
        return "canceled", notice.delivery_set_at
    # Warehouses receive goods only after the dispatch confirmation.
    if notice.dispatched_at is None or now < max(at_yard, notice.dispatched_at):
        return "initialized", notice.delivery_set_at
    late = max(at_yard, notice.dispatched_at) - at_yard
    if fate < CANCELED_SHARE + REJECTED_SHARE and now >= at_dock + late:
        return "rejected", at_dock + late
    reached = [("arrived", at_yard + late), ("unloading", at_dock + late), ("unloaded", at_dock + late + 2 * HOUR)]
    return [(status, moment) for status, moment in reached if moment <= now][-1]
