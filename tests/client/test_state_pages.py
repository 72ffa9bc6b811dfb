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
QUANTITIES, CHANNELS = get_dataset("item_quantities"), get_dataset("sales_channels")
NOTICES = get_dataset("shipping_notices")


def records(page: Page) -> list[Any]:
    return [msgspec.json.decode(record) for record in page.records]


@pytest.fixture
def emulator() -> Iterator[EmulatorServer]:
    with EmulatorServer(seed=7, now=NOW, rate_limits=False) as running:
        yield running


@pytest.fixture
def client(emulator: EmulatorServer) -> ZDirectClient:
    clock = FakeClock(NOW)
    config = ClientConfig("demo", "demo-secret", base_url=emulator.url)
    return ZDirectClient(config, clock=clock, limiter=MemoryRateLimiter(clock))


@pytest.mark.anyio
async def test_the_merchant_is_a_parameter_where_the_path_has_none(
    emulator: EmulatorServer, client: ZDirectClient
) -> None:
    merchant = emulator.merchant_ids[1]
    (page,) = [page async for page in client.pages(CHANNELS, merchant, {})]
    assert records(page) == emulator.reference("sales_channels", merchant)
    assert emulator.requests[-1].query == f"merchant_ids={merchant}"


@pytest.mark.anyio
async def test_the_time_of_an_answer_is_taken_when_it_is_there(emulator: EmulatorServer, client: ZDirectClient) -> None:
    asked: list[int] = []

    def answered_at() -> datetime:
        asked.append(len(emulator.requests))
        return NOW

    pages = client.pages(
        QUANTITIES, emulator.merchant_ids[0], {"from": "2026-11-22T09:00:00Z"}, answered_at=answered_at
    )
    (page,) = [page async for page in pages]
    assert {record["observed_at"] for record in records(page)} == {"2026-11-22T12:00:00Z"}
    assert asked == [2], "after the token and the answer"


@pytest.mark.anyio
async def test_a_known_etag_brings_no_records_and_a_stale_one_all(
    emulator: EmulatorServer, client: ZDirectClient
) -> None:
    emulator.set_options(notices_page_size=500)

    async def fetch(known_as: str | None) -> Page:
        (page,) = [page async for page in client.pages(NOTICES, emulator.merchant_ids[0], {}, known_as=known_as)]
        return page

    first = await fetch(None)
    assert first.etag
    assert not first.unchanged
    again = await fetch(first.etag)
    assert (again.unchanged, again.records, again.etag) == (True, [], first.etag)
    other = await fetch('"stale"')
    assert (other.unchanged, len(other.records)) == (False, len(first.records))
