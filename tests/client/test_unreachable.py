"""An address that nothing answers at: wrong for good, or away for a moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from clocks import FakeClock

from airflow_provider_zdirect.client import (
    PRODUCTION_URL,
    ClientConfig,
    MemoryRateLimiter,
    MemoryTokenStore,
    RetryPolicy,
    Token,
    ZDirectClient,
    token_key,
)
from airflow_provider_zdirect.exceptions import NotConnectedError, TransportError, ZDirectConfigurationError
from client.scripted_server import RESET, ScriptedServer, reply

pytestmark = pytest.mark.anyio

MakeUnreachable = Callable[..., ZDirectClient]


@pytest.fixture
def client_at(clock: FakeClock) -> Callable[..., ZDirectClient]:
    def make(url: str | None, tokens: MemoryTokenStore | None = None, **settings: Any) -> ZDirectClient:
        config = ClientConfig("app-1", "the-secret", base_url=url, conn_id="shop", **settings)
        policy = RetryPolicy(jitter=lambda: 0.0)
        return ZDirectClient(config, tokens=tokens, clock=clock, limiter=MemoryRateLimiter(clock), policy=policy)

    return make


async def store_with_a_token(url: str, clock: FakeClock, lifetime: float) -> MemoryTokenStore:
    store = MemoryTokenStore()
    end = clock.now() + timedelta(seconds=lifetime)
    await store.save(Token("a-token", token_key(url, "app-1"), clock.now() - timedelta(days=1), end))
    return store


async def test_a_refused_port_is_named_with_address_and_connection_and_not_tried_again(
    refused: str, client_at: MakeUnreachable, clock: FakeClock
) -> None:
    async with client_at(refused) as client:
        with pytest.raises(ZDirectConfigurationError, match="refused") as caught:
            await client.me()
    for part in ("(connection 'shop')", refused, "cannot be reached", "Correct host"):
        assert part in str(caught.value)
    assert "the-secret" not in str(caught.value)
    assert clock.slept == []


async def test_so_is_a_host_that_nobody_knows(
    client_at: MakeUnreachable, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with client_at("https://zdirect-gateway.invalid") as client:
        with pytest.raises(ZDirectConfigurationError, match="cannot be resolved") as caught:
            await client.me()
    assert "https://zdirect-gateway.invalid" in str(caught.value)
    assert "(connection 'shop')" in str(caught.value)
    assert clock.slept == []


async def test_so_is_https_where_plain_http_is_spoken(client_at: MakeUnreachable, clock: FakeClock) -> None:
    async def complain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(complain, "127.0.0.1", 0) as plain:
        port = plain.sockets[0].getsockname()[1]
        async with client_at(f"https://127.0.0.1:{port}") as client:
            with pytest.raises(ZDirectConfigurationError, match="should the address start with http://"):
                await client.me()
    assert clock.slept == []


@pytest.mark.parametrize("lifetime", [7200, -7200])
async def test_an_address_that_has_given_a_token_before_is_right_and_may_come_back(
    refused: str, client_at: MakeUnreachable, clock: FakeClock, lifetime: float
) -> None:
    store = await store_with_a_token(refused, clock, lifetime)
    async with client_at(refused, store) as client:
        with pytest.raises(NotConnectedError, match="refused") as caught:
            await client.me()
    assert "(connection 'shop')" in str(caught.value)
    assert refused in str(caught.value)
    assert {1, 2, 4} <= set(clock.slept)


async def test_zdirects_own_address_is_right_and_may_come_back(
    refused: str, client_at: MakeUnreachable, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, refused)
    async with client_at(None) as client:
        with pytest.raises(NotConnectedError, match="refused") as caught:
            await client.me()
    assert "(connection 'shop')" in str(caught.value)
    assert PRODUCTION_URL in str(caught.value)
    assert "HTTPS_PROXY" in str(caught.value)
    assert {1, 2, 4} <= set(clock.slept)


async def test_a_connection_that_breaks_off_is_retried_at_any_address(
    server: ScriptedServer, client_at: MakeUnreachable, clock: FakeClock
) -> None:
    server.token_script = [RESET]
    server.script = [reply(200, {})]
    async with client_at(server.url) as client:
        with pytest.raises(TransportError) as caught:
            await client.me()
    assert server.url in str(caught.value)
    assert "(connection 'shop')" in str(caught.value)
    assert {1, 2, 4} <= set(clock.slept)
