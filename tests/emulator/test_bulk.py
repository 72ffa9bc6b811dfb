from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest

from airflow_provider_zdirect.emulator.bulk import BulkPlan
from airflow_provider_zdirect.emulator.server import EmulatorServer

from .conftest import log_in
from .test_stock_movements import get, pages

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)


def test_bulk_pages_hold_every_item_once() -> None:
    plan = BulkPlan.of_yesterday(2500, 1000, NOW)
    with EmulatorServer(now=NOW, bulk=plan) as server, httpx.Client(base_url=server.url) as client:
        api, (bulky, other) = log_in(client), server.merchant_ids
        found = pages(api, bulky, **{"from": "2026-03-09T00:00:00Z", "to": "2026-03-10T00:00:00Z"}, limit=7)
        assert [len(page) for page in found] == [1000, 1000, 500]
        items = [item for page in found for item in page]
        assert items == server.truth("received_items", bulky, "2026-03-09", "2026-03-10")
        assert len({item["quality_label"] for item in items}) == 2500
        assert items[0]["received_timestamp"] == "2026-03-09T00:00:00Z"
        assert max(item["received_timestamp"] for item in items) < "2026-03-10"
        before = {"from": "2026-03-08T00:00:00Z", "to": "2026-03-09T00:00:00Z"}
        assert pages(api, bulky, **before) == [[]]
        assert len(pages(api, other, **before)[0]) > 100
        for cursor in ("bulk-3", "nonsense", "bulk-x"):
            assert get(api, "reports/received-items", bulky, cursor=cursor).status_code == 400


def test_a_bulk_plan_without_items_is_refused() -> None:
    with pytest.raises(ValueError):
        BulkPlan.of_yesterday(0, 10, NOW)
