"""Pages of present states: lists in objects, bare lists, groups by location, times and entity tags."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from clocks import FakeClock

from airflow_provider_zdirect.client import ClientConfig, MemoryRateLimiter, Page, ZDirectClient
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import MalformedResponseError

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
CREATED = "2026-11-21T22:00:00Z"

PLACES: list[Any] = [
    {"stock_location_id": "a", "quantities_by_state": {"offerable": 541, "non_offerable": 1}},
    {"stock_location_id": "b", "quantities_by_state": {"offerable": 256, "non_offerable": 10}},
]
TOTAL = {"offerable": 797, "non_offerable": 11}
ITEM = {"ean": "4260612848605", "total_quantity": 808, "quantities_by_state": TOTAL, "quantities_by_location": PLACES}


def records(page: Page) -> list[Any]:
    return [msgspec.json.decode(record) for record in page.records]


def parsed(dataset: str, content: Any) -> Page:
    return get_dataset(dataset).read(json.dumps(content).encode())


def test_a_snapshot_is_a_record_per_location_with_what_its_ean_has_and_the_time() -> None:
    content = {"item_quantity_snapshot": {"item_quantities": [ITEM]}, "created": CREATED}
    page = parsed("item_quantity_snapshots", content)
    assert page.snapshot_time == CREATED
    common = {"created": CREATED, "ean": ITEM["ean"], "total_quantity": 808, "total_quantities_by_state": TOTAL}
    assert records(page) == [{**common, **place} for place in PLACES]


@pytest.mark.parametrize("places", [{}, {"quantities_by_location": []}, {"quantities_by_location": None}])
def test_an_ean_without_locations_is_one_record(places: dict[str, Any]) -> None:
    page = parsed("item_quantities", {"item_quantities": [{"ean": "1", "total_quantity": 0, **places}]})
    assert records(page) == [{"ean": "1", "total_quantity": 0}]


@pytest.mark.parametrize(
    ("content", "time"),
    [
        ({}, None),
        ({"item_quantity_snapshot": None}, None),
        ({"item_quantity_snapshot": {}}, None),
        ({"item_quantity_snapshot": {"item_quantities": None}, "created": None}, None),
        ({"item_quantity_snapshot": {"item_quantities": []}, "created": ""}, None),
        ({"item_quantity_snapshot": {"item_quantities": []}, "created": CREATED}, CREATED),
    ],
)
def test_a_page_without_records_has_the_time_if_there_is_one(content: dict[str, Any], time: str | None) -> None:
    page = parsed("item_quantity_snapshots", content)
    assert (page.records, page.snapshot_time) == ([], time)


@pytest.mark.parametrize(
    "content", [{"item_quantity_snapshot": {"stock": []}}, {"snapshot": {}}, {"item_quantity_snapshot": [ITEM]}, [ITEM]]
)
def test_what_is_not_understood_does_not_look_like_no_stock(content: Any) -> None:
    with pytest.raises(MalformedResponseError):
        parsed("item_quantity_snapshots", content)


def test_stock_locations_may_be_a_list_or_an_object_and_channels_only_an_object() -> None:
    assert records(get_dataset("stock_locations").read(b' \n[{"id": "a"}]')) == [{"id": "a"}]
    assert records(parsed("stock_locations", {"stock_locations": [{"id": "a"}]})) == [{"id": "a"}]
    assert records(parsed("stock_locations", [])) == []
    with pytest.raises(MalformedResponseError):
        parsed("sales_channels", [{"id": "a"}])


# Over HTTP


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorServer]:
    with EmulatorServer(seed=7, now=NOW, rate_limits=False, notices_page_size=500) as running:
        yield running


async def fetch(emulator: EmulatorServer, dataset: str, merchant_id: str, *parameters: Any, **options: Any) -> Page:
    clock = FakeClock(NOW)
    config = ClientConfig("demo", "demo-secret", base_url=emulator.url)
    async with ZDirectClient(config, clock=clock, limiter=MemoryRateLimiter(clock)) as client:
        (page,) = [
            page async for page in client.pages(get_dataset(dataset), merchant_id, *parameters or ({},), **options)
        ]
    return page


@pytest.mark.anyio
async def test_the_merchant_is_a_parameter_where_the_path_has_none(emulator: EmulatorServer) -> None:
    merchant = emulator.merchant_ids[1]
    page = await fetch(emulator, "sales_channels", merchant)
    assert records(page) == emulator.reference("sales_channels", merchant)
    assert emulator.requests[-1].query == f"merchant_ids={merchant}"


@pytest.mark.anyio
async def test_the_time_of_an_answer_is_taken_when_it_is_there(emulator: EmulatorServer) -> None:
    emulator.state.log.clear()
    asked: list[int] = []

    def answered_at() -> datetime:
        asked.append(len(emulator.requests))
        return NOW

    since = {"from": "2026-11-22T09:00:00Z"}
    page = await fetch(emulator, "item_quantities", emulator.merchant_ids[0], since, answered_at=answered_at)
    assert {record["observed_at"] for record in records(page)} == {"2026-11-22T12:00:00Z"}
    assert asked == [2], "after the token and the answer"


@pytest.mark.anyio
async def test_a_known_etag_brings_no_records_and_a_stale_one_all(emulator: EmulatorServer) -> None:
    merchant = emulator.merchant_ids[0]
    first = await fetch(emulator, "shipping_notices", merchant)
    assert first.etag
    assert not first.unchanged
    again = await fetch(emulator, "shipping_notices", merchant, known_as=first.etag)
    assert (again.unchanged, again.records, again.etag) == (True, [], first.etag)
    other = await fetch(emulator, "shipping_notices", merchant, known_as='"stale"')
    assert (other.unchanged, len(other.records)) == (False, len(first.records))
