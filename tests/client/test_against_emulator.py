"""The client against the emulator: the same promises with a server that pages, limits and fails like zDirect."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from clocks import FakeClock

from airflow_provider_zdirect.client import ClientConfig, MemoryRateLimiter, ZDirectClient
from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import AuthenticationError, PermissionDeniedError

pytestmark = pytest.mark.anyio

END = datetime(2026, 11, 22, 12, tzinfo=UTC)
START = END - timedelta(hours=6)
NOW = END + timedelta(hours=3)
RECEIVED = get_dataset("received_items")


@pytest.fixture(scope="module")
def running() -> Iterator[EmulatorServer]:
    # The client's clock is a fake one, so the emulator must not count real seconds.
    with EmulatorServer(now=NOW, rate_limits=False, late_share=0.0) as server:
        yield server


@pytest.fixture
def emulator(running: EmulatorServer) -> EmulatorServer:
    running.reset()
    return running


def client_of(emulator: EmulatorServer, clock: Clock, secret: str = "demo-secret") -> ZDirectClient:
    config = ClientConfig("demo", secret, base_url=emulator.url)
    return ZDirectClient(config, clock=clock, limiter=MemoryRateLimiter(clock))


async def fetch(client: ZDirectClient, merchant_id: str, limit: int = 20) -> list[Any]:
    parameters = {**RECEIVED.windows.parameters(START, END), "limit": str(limit)}
    return [
        msgspec.json.decode(record)["quality_label"]
        async for page in client.pages(RECEIVED, merchant_id, parameters)
        for record in page.records
    ]


@pytest.mark.parametrize(
    "action",
    [
        None,
        {"reset": True},
        {"cut_body": True},
        {"malformed_json": True},
        {"empty_body": True},
        {"revoke_tokens": True},
        {"status": 429, "headers": {"Retry-After": "5"}},
    ],
)
async def test_all_pages_together_are_the_truth_also_with_a_fault_on_the_second(
    emulator: EmulatorServer, action: dict[str, Any] | None
) -> None:
    if action:
        emulator.faults.set([{"match": {"path": "received-items", "nth": 2}, "action": action}])
    merchant_id = emulator.merchant_ids[0]
    truth = [record["quality_label"] for record in emulator.truth("received_items", merchant_id, START, END)]
    async with client_of(emulator, FakeClock(NOW)) as client:
        assert sorted(await fetch(client, merchant_id)) == sorted(truth)
        assert client.stats.requests > 2


async def test_a_foreign_merchant_and_a_wrong_secret_are_refused(emulator: EmulatorServer) -> None:
    async with client_of(emulator, FakeClock(NOW)) as client:
        assert (await client.me()).merchant_ids == emulator.merchant_ids
        with pytest.raises(PermissionDeniedError):
            await fetch(client, emulator.foreign_merchant_id)
    async with client_of(emulator, FakeClock(NOW), "wrong") as client:
        with pytest.raises(AuthenticationError, match="client secret"):
            await client.me()


async def test_the_documented_rate_limit_is_kept_in_real_time() -> None:
    with EmulatorServer(now=NOW) as emulator:
        async with client_of(emulator, SystemClock()) as client:
            await fetch(client, emulator.merchant_ids[0], limit=5)
        assert 429 not in {request.status for request in emulator.requests}
        assert len(emulator.requests) > 21
