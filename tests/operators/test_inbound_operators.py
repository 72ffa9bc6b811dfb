from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from outlet_events import OutletEvents
from own_emulator import config_of, connection_to, own_emulator

from airflow_provider_zdirect.airflow_sdk import TaskDeferred
from airflow_provider_zdirect.assets import place_of, zdirect_asset
from airflow_provider_zdirect.client import ZDirectClient
from airflow_provider_zdirect.datasets.endpoint import Rate
from airflow_provider_zdirect.exceptions import RateLimitedError
from airflow_provider_zdirect.operators.base import MAX_WAITS
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator
from airflow_provider_zdirect.operators.inbound import ZDirectInboundReconciliationOperator
from airflow_provider_zdirect.operators.item_sets import ZDirectItemSetsOperator

EAN = "0191476239145"
NOTICE = "/zfs/shipping-notices/00000000-0000-4000-8000-000000000001"


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch):
    with own_emulator(seed=7, notice_days=0, merchants=1) as server:
        connection = connection_to(server)
        monkeypatch.setenv("AIRFLOW_CONN_ZDIRECT_DEFAULT", json.dumps(connection))
        yield server


@pytest.fixture
def place(emulator, context, tmp_path) -> dict[str, Any]:
    """A base path where the one notice of the merchant is published."""

    async def announce() -> None:
        async with ZDirectClient(config_of(emulator)) as client:
            fields = {"zalando_merchant_id": emulator.merchant_ids[0], "carrier_name": "DHL"}
            await client.request("PUT", NOTICE, json=fields, rate=Rate(100))
            notice = await client.request("GET", NOTICE, rate=Rate(100))
            items = {"items": [{"ean": EAN, "quantity": 4}]}
            path = f"{NOTICE}/announced-item-sets"
            await client.request("POST", path, json=items, if_match=notice.etag, rate=Rate(100))

    asyncio.run(announce())
    place = {"base_path": tmp_path.as_uri()}
    ZDirectExtractOperator(task_id="notices", dataset="shipping_notices", **place).execute(context)
    return place


def test_item_sets_then_the_reconciliation(place, context):
    summary = ZDirectItemSetsOperator(task_id="item_sets", **place).execute(context)
    assert (summary["notices"], summary["sets_fetched"], summary["sets_pending"], summary["items"]) == (1, 1, 0, 1)
    reconcile = ZDirectInboundReconciliationOperator(task_id="reconcile", **place)
    assert zdirect_asset("inbound_reconciliation") in reconcile.outlets
    found = reconcile.execute(context)
    assert (found["rows"], found["announced"], found["received"], found["differing"]) == (1, 4, 0, 1)
    for asset in (zdirect_asset("inbound_reconciliation"), zdirect_asset("inbound_reconciliation", place["base_path"])):
        extra = context["outlet_events"][asset].extra
        assert extra == {**found, "base_path": place_of(place["base_path"]), "environment": "production"}
    # An author who takes the assets out is left alone.
    reconcile.outlets, events = [], OutletEvents()
    reconcile.execute({**context, "outlet_events": events})
    assert not events


def test_the_rate_limit_is_waited_for_without_a_slot_and_not_for_ever(place, context, emulator):
    limit = {"status": 429, "headers": {"Retry-After": "900"}}
    emulator.faults.add({"match": {"path": "announced-item-sets"}, "action": limit, "times": None})
    task = ZDirectItemSetsOperator(task_id="item_sets", **place)
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context)
    assert deferred.value.kwargs["waits"] == 0
    since = deferred.value.kwargs["turn_since"]
    with pytest.raises(RateLimitedError, match="1 of 1 set left"):
        task.resume(context, waits=MAX_WAITS, turn_since=since - 86_400)
