# SPDX-License-Identifier: Apache-2.0
"""Stock Locations, Sales Channels and Logistic Centers (zDirect docs: pages of these names)."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from airflow_provider_zdirect.emulator.answers import ProblemError, json_answer
from airflow_provider_zdirect.emulator.reference_book import LOGISTIC_CENTERS, SALES_CHANNELS, STOCK_LOCATIONS
from airflow_provider_zdirect.emulator.requests import Api, Call


def _plain_json_api(error: ProblemError) -> Response:
    """Specification of Sales Channels: errors in the form of JSON:API, with the plain media type."""
    fault = {"status": str(error.status), "title": error.title, "detail": error.detail}
    return json_answer({"errors": [fault]}, error.status, error.headers)


api = Api()
channels_api = Api(errors=_plain_json_api)


@api.get("/zfs/stock-locations", "stock-locations")
def stock_locations(call: Call) -> Any:
    records = call.state.reference(STOCK_LOCATIONS, call.state.merchant_ids[0])
    return records if call.options.stock_locations_shape == "array" else {STOCK_LOCATIONS: records}


@api.get("/merchants/{merchant_id}/logistic-centers", "logistic-centers")
def logistic_centers(call: Call) -> Any:
    return {"items": call.state.reference(LOGISTIC_CENTERS, call.merchant_id)}


@channels_api.get("/sales-channels", "sales-channels")
def sales_channels(call: Call) -> Any:
    """Each channel once; with several merchants it is live if it is live for one of them (not confirmed)."""
    merchant_ids = [part for part in call.required("merchant_ids").split(",") if part]
    if call.query.get("zalando_only", "false") not in ("true", "false"):
        raise ProblemError(400, "zalando_only is true or false")
    found: dict[str, dict[str, Any]] = {}
    for merchant_id in merchant_ids:
        for channel in call.state.reference(SALES_CHANNELS, call.own_merchant(merchant_id)):
            known = found.setdefault(channel["sales_channel_id"], channel)
            if channel.get("live") and not known.get("live"):
                found[channel["sales_channel_id"]] = channel
    return {"items": list(found.values())}
