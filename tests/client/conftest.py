from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from clocks import FakeClock

from airflow_provider_zdirect.client import ClientConfig, MemoryRateLimiter, RetryPolicy, TokenStore, ZDirectClient
from airflow_provider_zdirect.client.metrics import Listener, nobody
from client.scripted_server import ScriptedServer

CLIENT_SECRET = "s3cr3t-of-the-app"

MakeClient = Callable[..., ZDirectClient]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as running:
        yield running


@pytest.fixture
async def make_client(server: ScriptedServer, clock: FakeClock) -> AsyncIterator[MakeClient]:
    """A client of ``server`` that never really waits; keyword arguments are those of the configuration."""
    async with AsyncExitStack() as made:

        def make(tokens: TokenStore | None = None, listener: Listener = nobody, **settings: Any) -> ZDirectClient:
            config = ClientConfig("app-1", CLIENT_SECRET, **{"base_url": server.url, **settings})
            policy = RetryPolicy(max_inline_wait=config.max_inline_wait, jitter=lambda: 0.0)
            limiter = MemoryRateLimiter(clock)
            client = ZDirectClient(
                config, tokens=tokens, clock=clock, limiter=limiter, policy=policy, listener=listener
            )
            return made.push_async_exit(client)

        yield make
