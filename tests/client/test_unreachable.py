"""An address that nothing answers at: wrong for good, or away for a moment."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from clocks import FakeClock

from airflow_provider_zdirect.client import PRODUCTION_URL, MemoryTokenStore, Token
from airflow_provider_zdirect.exceptions import NotConnectedError, TransportError, ZDirectConfigurationError
from client.conftest import CLIENT_SECRET, MakeClient
from client.scripted_server import RESET, ScriptedServer

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("kind", ["refused", "unknown host", "plain http"])
async def test_an_address_that_never_worked_is_named_with_its_connection_and_not_tried_again(
    refused: str, make_client: MakeClient, clock: FakeClock, kind: str
) -> None:
    async def complain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(complain, "127.0.0.1", 0) as plain:
        url, reason = {
            "refused": (refused, "refused"),
            "unknown host": ("https://zdirect-gateway.invalid", "cannot be resolved"),
            "plain http": (
                f"https://127.0.0.1:{plain.sockets[0].getsockname()[1]}",
                "should the address start with http://",
            ),
        }[kind]
        with pytest.raises(ZDirectConfigurationError, match=reason) as caught:
            await make_client(base_url=url, conn_id="shop").me()
    for part in ("(connection 'shop')", url, "cannot be reached", "Correct host"):
        assert part in str(caught.value)
    assert CLIENT_SECRET not in str(caught.value)
    assert clock.slept == []


@pytest.mark.parametrize("lifetime", [7200, -7200])
async def test_an_address_that_has_given_a_token_before_is_right_and_may_come_back(
    refused: str, make_client: MakeClient, clock: FakeClock, lifetime: float
) -> None:
    store, now = MemoryTokenStore(), clock.now()
    token = Token("a-token", now - timedelta(days=1), now + timedelta(seconds=lifetime))
    await store.save(token)
    with pytest.raises(NotConnectedError, match="refused"):
        await make_client(store, base_url=refused).me()
    assert {1, 2, 4} <= set(clock.slept)


async def test_zdirects_own_address_is_right_and_may_come_back(
    refused: str, make_client: MakeClient, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", refused)
    with pytest.raises(NotConnectedError, match="refused") as caught:
        await make_client(base_url=None, conn_id="shop").me()
    for part in ("(connection 'shop')", PRODUCTION_URL, "HTTPS_PROXY"):
        assert part in str(caught.value)
    assert {1, 2, 4} <= set(clock.slept)


async def test_a_connection_that_breaks_off_is_retried_at_any_address(
    server: ScriptedServer, make_client: MakeClient, clock: FakeClock
) -> None:
    server.token_script = [RESET]
    with pytest.raises(TransportError) as caught:
        await make_client(conn_id="shop").me()
    assert server.url in str(caught.value)
    assert "(connection 'shop')" in str(caught.value)
    assert {1, 2, 4} <= set(clock.slept)
