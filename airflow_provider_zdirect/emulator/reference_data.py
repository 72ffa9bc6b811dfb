"""Stock Locations, Sales Channels and Logistic Centers (zDirect docs: pages of these names)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from airflow_provider_zdirect.emulator.answers import ProblemError, json_answer
from airflow_provider_zdirect.emulator.reference_book import KEY, LOGISTIC_CENTERS, SALES_CHANNELS, STOCK_LOCATIONS
from airflow_provider_zdirect.emulator.requests import admit, admit_client, own_merchant, required
from airflow_provider_zdirect.emulator.state import EmulatorState


def reference_data_router(state: EmulatorState) -> APIRouter:
    """Routes of the three APIs."""
    router = APIRouter()

    @router.get("/zfs/stock-locations")
    def stock_locations(request: Request) -> Response:
        admit_client(state, request, "stock-locations")
        records = state.reference(STOCK_LOCATIONS, state.merchant_ids[0])
        return json_answer(records if state.options.stock_locations_shape == "array" else {STOCK_LOCATIONS: records})

    @router.get("/zfs/stock-locations/{location_id}")
    def stock_location(request: Request, location_id: str) -> Response:
        admit_client(state, request, "stock-locations")
        return json_answer(_one(state, STOCK_LOCATIONS, state.merchant_ids[0], location_id))

    @router.get("/sales-channels")
    def sales_channels(request: Request) -> Response:
        try:
            admit_client(state, request, "sales-channels")
            return json_answer({"items": _channels(state, request)})
        except ProblemError as error:
            # Specification of Sales Channels: errors in the form of JSON:API, with the plain media type.
            fault = {"status": str(error.status), "title": error.title, "detail": error.detail}
            return json_answer({"errors": [fault]}, error.status, error.headers)

    @router.get("/merchants/{merchant_id}/logistic-centers")
    def logistic_centers(request: Request, merchant_id: str) -> Response:
        merchant_id = admit(state, request, merchant_id, "logistic-centers")
        return json_answer({"items": state.reference(LOGISTIC_CENTERS, merchant_id)})

    @router.get("/merchants/{merchant_id}/logistic-centers/{logistic_center_id}")
    def logistic_center(request: Request, merchant_id: str, logistic_center_id: str) -> Response:
        merchant_id = admit(state, request, merchant_id, "logistic-centers")
        return json_answer(_one(state, LOGISTIC_CENTERS, merchant_id, logistic_center_id))

    return router


def _one(state: EmulatorState, dataset: str, merchant_id: str, id: str) -> dict[str, Any]:
    for record in state.reference(dataset, merchant_id):
        if record[KEY[dataset]].lower() == id.lower():
            return record
    raise ProblemError(404, f"{id[:60]} is unknown")


def _channels(state: EmulatorState, request: Request) -> list[dict[str, Any]]:
    """Each channel once; with several merchants it is live if it is so for one of them (not confirmed)."""
    merchant_ids = [part for part in required(request.query_params, "merchant_ids").split(",") if part]
    if request.query_params.get("zalando_only", "false") not in ("true", "false"):
        raise ProblemError(400, "zalando_only is true or false")
    found: dict[str, dict[str, Any]] = {}
    for merchant_id in merchant_ids:
        for channel in state.reference(SALES_CHANNELS, own_merchant(state, merchant_id)):
            known = found.setdefault(channel["sales_channel_id"], channel)
            if channel.get("live") and not known.get("live"):
                found[channel["sales_channel_id"]] = channel
    return list(found.values())
