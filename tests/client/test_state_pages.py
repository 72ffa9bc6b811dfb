"""Pages of present states over HTTP: the merchant as a parameter, times and entity tags."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from clocks import FakeClock

from airflow_provider_zdirect.client import ClientConfig, MemoryRateLimiter, Page, ZDirectClient
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.emulator.server import EmulatorServer

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def records(page: Page) -> list[Any]:
    return [msgspec.json.decode(record) for record in page.records]


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
