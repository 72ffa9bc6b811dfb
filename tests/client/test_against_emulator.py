"""The client against the emulator: the same promises with a server that pages, limits and fails like zDirect."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from clocks import FakeClock

from airflow_provider_zdirect.client import ClientConfig, MemoryRateLimiter, ZDirectClient
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import (
    AuthenticationError,
    CursorLoopError,
    MalformedResponseError,
    PermissionDeniedError,
    TransportError,
)

pytestmark = pytest.mark.anyio

END = datetime(2026, 11, 22, 12, tzinfo=UTC)
START = END - timedelta(hours=6)
RECEIVED = get_dataset("received_items")


@pytest.fixture
def emulator() -> Iterator[EmulatorServer]:
    # The client's clock is a fake one, so the emulator must not count real seconds.
    with EmulatorServer(now=END + timedelta(hours=3), rate_limits=False, late_share=0.0) as running:
        yield running


@pytest.fixture
def client(emulator: EmulatorServer) -> ZDirectClient:
    clock = FakeClock(END + timedelta(hours=3))
    config = ClientConfig("demo", "demo-secret", base_url=emulator.url)
    return ZDirectClient(config, clock=clock, limiter=MemoryRateLimiter(clock))


async def fetch(client: ZDirectClient, merchant_id: str, limit: int = 20) -> list[Any]:
    parameters = {**RECEIVED.windows.parameters(START, END), "limit": str(limit)}
    return [
        msgspec.json.decode(record)["quality_label"]
        async for page in client.pages(RECEIVED, merchant_id, parameters)
        for record in page.records
    ]


def truth(emulator: EmulatorServer) -> list[Any]:
    records = emulator.truth("received_items", emulator.merchant_ids[0], START, END)
    return sorted(record["quality_label"] for record in records)


async def test_me_lists_the_merchants(emulator: EmulatorServer, client: ZDirectClient) -> None:
    identity = await client.me()
    assert identity.merchant_ids == emulator.merchant_ids
    assert RECEIVED.endpoint.scope in identity.scopes


async def test_all_pages_together_are_the_truth(emulator: EmulatorServer, client: ZDirectClient) -> None:
    fetched = await fetch(client, emulator.merchant_ids[0])
    assert sorted(fetched) == truth(emulator)
    assert client.stats.requests > 2


@pytest.mark.parametrize(
    "action",
    [
        {"reset": True},
        {"cut_body": True},
        {"malformed_json": True},
        {"empty_body": True},
        {"revoke_tokens": True},
        {"status": 429, "headers": {"Retry-After": "5"}},
    ],
)
async def test_a_fault_on_the_second_page_loses_and_repeats_nothing(
    emulator: EmulatorServer, client: ZDirectClient, action: dict[str, Any]
) -> None:
    emulator.faults.set([{"match": {"path": "received-items", "nth": 2}, "action": action}])
    assert sorted(await fetch(client, emulator.merchant_ids[0])) == truth(emulator)


@pytest.mark.parametrize(
    ("action", "error"),
    [
        ({"reset": True}, TransportError),
        ({"cut_body": True}, TransportError),
        ({"malformed_json": True}, MalformedResponseError),
    ],
)
async def test_a_fault_that_stays_is_a_typed_error(
    emulator: EmulatorServer, client: ZDirectClient, action: dict[str, Any], error: type[Exception]
) -> None:
    emulator.faults.set([{"match": {"path": "received-items", "nth": 2}, "action": action, "times": None}])
    with pytest.raises(error):
        await fetch(client, emulator.merchant_ids[0])


async def test_a_repeated_cursor_is_noticed(emulator: EmulatorServer, client: ZDirectClient) -> None:
    emulator.faults.set([{"match": {"path": "received-items", "nth": 2}, "action": {"repeat_cursor": True}}])
    with pytest.raises(CursorLoopError):
        await fetch(client, emulator.merchant_ids[0])


async def test_a_merchant_of_somebody_else_is_denied(emulator: EmulatorServer, client: ZDirectClient) -> None:
    with pytest.raises(PermissionDeniedError):
        await fetch(client, emulator.foreign_merchant_id)


async def test_a_wrong_secret_has_an_error_of_its_own(emulator: EmulatorServer) -> None:
    config = ClientConfig("demo", "wrong-secret", base_url=emulator.url)
    with pytest.raises(AuthenticationError, match="client secret"):
        await ZDirectClient(config, limiter=MemoryRateLimiter()).me()


async def test_the_documented_rate_limit_is_kept_in_real_time() -> None:
    with EmulatorServer(now=END + timedelta(hours=3)) as emulator:
        config = ClientConfig("demo", "demo-secret", base_url=emulator.url)
        async with ZDirectClient(config, limiter=MemoryRateLimiter()) as client:
            await fetch(client, emulator.merchant_ids[0], limit=5)
        assert 429 not in {request.status for request in emulator.requests}
        assert len(emulator.requests) > 21
