from __future__ import annotations

import asyncio
import base64
import multiprocessing
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from clocks import FakeClock
from exhaustive import exhaustive

from airflow_provider_zdirect.client import (
    ClientConfig,
    MemoryRateLimiter,
    MemoryTokenStore,
    RetryPolicy,
    Token,
    TokenStore,
    Transport,
)
from airflow_provider_zdirect.client.access_token import AccessTokens
from airflow_provider_zdirect.client.sending import Sender
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import (
    AuthenticationError,
    MalformedResponseError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    TransportError,
    ZDirectError,
)
from client.conftest import CLIENT_SECRET
from client.processes import ask_who_the_app_is
from client.scripted_server import RESET, Script, ScriptedServer, reply, token_reply

pytestmark = pytest.mark.anyio


MakeProvider = Callable[..., AccessTokens]


@pytest.fixture
def make_provider(server: ScriptedServer, clock: FakeClock) -> MakeProvider:
    limiter = MemoryRateLimiter(clock)

    def make(store: TokenStore | None = None, **settings: Any) -> AccessTokens:
        config = ClientConfig("app-1", CLIENT_SECRET, base_url=server.url, **settings)
        sender = Sender(config, Transport(), limiter, RetryPolicy(jitter=lambda: 0.0), clock)
        return AccessTokens(sender, store or MemoryTokenStore())

    return make


@pytest.mark.parametrize("expires_in", [3600, "3600", 3600.0])
async def test_the_request_is_the_documented_one_and_the_answer_has_the_life_of_the_token(
    server: ScriptedServer, make_provider: MakeProvider, clock: FakeClock, expires_in: Any
) -> None:
    server.token_script = [token_reply("t", expires_in)]
    token = await make_provider().get()
    assert (token.access_token, token.expires_at) == ("t", clock.now() + timedelta(hours=1))
    request = server.token_requests[0]
    assert (request.method, request.path) == ("POST", "/auth/token")
    assert request.body == b"grant_type=client_credentials"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    credentials = base64.b64encode(f"app-1:{CLIENT_SECRET}".encode()).decode()
    assert request.headers["authorization"] == f"Basic {credentials}"
    assert request.headers["x-flow-id"]


async def test_a_token_is_used_until_five_minutes_before_its_end(
    server: ScriptedServer, make_provider: MakeProvider, clock: FakeClock
) -> None:
    provider = make_provider()
    await provider.get()
    clock.advance(6900)
    assert (await provider.get()).access_token == "secret-token-1"
    clock.advance(1)
    assert (await provider.get()).access_token == "secret-token-2"


async def test_a_short_lived_token_is_not_requested_anew_for_every_request(
    server: ScriptedServer, make_provider: MakeProvider, clock: FakeClock
) -> None:
    server.token_script = [token_reply("t", 60)]
    provider = make_provider()
    for _ in range(3):
        await provider.get()
        clock.advance(10)
    assert len(server.token_requests) == 1


async def test_tasks_that_start_together_or_meet_a_401_together_ask_once(
    server: ScriptedServer, make_provider: MakeProvider
) -> None:
    store = MemoryTokenStore()
    providers = [make_provider(store) for _ in range(5)] * 4
    tokens = await asyncio.gather(*(provider.get() for provider in providers))
    assert {token.access_token for token in tokens} == {"secret-token-1"}
    assert len(server.token_requests) == 1
    tokens = await asyncio.gather(*(provider.get("secret-token-1") for provider in providers))
    assert {token.access_token for token in tokens} == {"secret-token-2"}
    assert len(server.token_requests) == 2


@pytest.mark.parametrize(("status", "kind"), [(401, AuthenticationError), (503, ServerError)])
async def test_those_that_queue_while_a_token_is_requested_in_vain_do_not_ask_again(
    server: ScriptedServer, make_provider: MakeProvider, status: int, kind: type[Exception]
) -> None:
    server.token_script = [reply(status), token_reply("t")]
    provider = make_provider()
    failures = await asyncio.gather(*(provider.get() for _ in range(8)), return_exceptions=True)
    assert {type(failure) for failure in failures} == {kind}
    assert len(server.token_requests) == 1
    assert (await provider.get()).access_token == "t"


async def test_whoever_queued_behind_a_cancelled_task_asks_and_does_not_get_an_old_failure(
    server: ScriptedServer, make_provider: MakeProvider
) -> None:
    server.token_script = [reply(503), token_reply("t")]
    provider = make_provider(store := MemoryTokenStore())
    with pytest.raises(ServerError):
        await provider.get()
    async with store.lock():
        cancelled, queued = asyncio.create_task(provider.get()), asyncio.create_task(provider.get())
        await asyncio.sleep(0.01)
        cancelled.cancel()
        await asyncio.wait([cancelled])
    assert (await queued).access_token == "t"


async def test_after_a_401_the_newer_token_of_the_store_is_used(
    server: ScriptedServer, make_provider: MakeProvider
) -> None:
    store = MemoryTokenStore()
    provider = make_provider(store)
    stale = await provider.get()
    await store.save(replace(stale, access_token="from-another-task"))
    assert (await provider.get(stale.access_token)).access_token == "from-another-task"
    assert len(server.token_requests) == 1


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (reply(401, {"error": "invalid_client", "error_description": "Nope"}), AuthenticationError, "invalid_client"),
        (reply(400, {"error": "unauthorized_client"}), AuthenticationError, "unauthorized_client"),
        (reply(401), AuthenticationError, "client secret"),
        (reply(401, f"bad secret {CLIENT_SECRET}"), AuthenticationError, "bad secret ***"),
        (reply(403, {"title": "Forbidden"}), PermissionDeniedError, "Forbidden"),
        (reply(500, "<html><title>Oops</title></html>"), ServerError, "Oops"),
        (RESET, TransportError, "No answer"),
        (reply(200, "<html>"), MalformedResponseError, "JSON is malformed"),
        (reply(200, []), MalformedResponseError, "Expected `object`"),
        (reply(200, {"expires_in": 7200}), MalformedResponseError, "access_token"),
        (reply(200, {"access_token": "a b", "expires_in": 7200}), MalformedResponseError, "access_token"),
        (reply(200, {"access_token": "a\r\nX: y", "expires_in": 7200}), MalformedResponseError, "access_token"),
        (reply(200, {"access_token": 7, "expires_in": 7200}), MalformedResponseError, "access_token"),
        (reply(200, {"access_token": "t"}), MalformedResponseError, "expires_in"),
        (token_reply("t", 0), MalformedResponseError, "expires_in"),
        (token_reply("t", -1), MalformedResponseError, "expires_in"),
        (token_reply("t", "soon"), MalformedResponseError, "expires_in"),
        (token_reply("t", True), MalformedResponseError, "expires_in"),
    ],
)
async def test_a_failed_token_request(
    server: ScriptedServer, make_provider: MakeProvider, answer: Script, error: type[ZDirectError], says: str
) -> None:
    server.token_script = [answer]
    with pytest.raises(error) as caught:
        await make_provider().get()
    assert type(caught.value) is error
    assert says in str(caught.value)
    assert "app-1" in str(caught.value) or error is TransportError
    assert CLIENT_SECRET not in str(caught.value) + repr(caught.value)
    assert caught.value.remedy


async def test_a_short_429_is_waited_for_but_not_for_ever(
    server: ScriptedServer, make_provider: MakeProvider, clock: FakeClock
) -> None:
    server.token_script = [reply(429, headers={"Retry-After": "12"}), token_reply("t")]
    start = clock.now()
    provider = make_provider()
    assert (await provider.get()).access_token == "t"
    assert clock.now() - start >= timedelta(seconds=12)
    server.token_script = [reply(429, headers={"Retry-After": "10"})]
    server.token_requests.clear()
    with pytest.raises(RateLimitedError):
        await provider.get("t")
    # The first 429 halves the rate, so this one is sent anew only once.
    assert len(server.token_requests) == 2


async def test_a_long_429_gives_the_worker_back_and_closes_the_door_for_everybody(
    server: ScriptedServer, make_provider: MakeProvider, clock: FakeClock
) -> None:
    server.token_script = [reply(429, headers={"Retry-After": "55"})]
    for waited in (0, 10):
        clock.advance(waited)
        with pytest.raises(RateLimitedError) as caught:
            await make_provider().get()
        # The second one has looked for a token of another host first, as long as a request may wait.
        assert caught.value.retry_after == pytest.approx(55 if waited == 0 else 55 - waited - 30, abs=0.01)
    assert len(server.token_requests) == 1


async def test_while_waiting_for_a_429_a_token_of_another_host_is_taken(
    server: ScriptedServer, make_provider: MakeProvider, clock: FakeClock
) -> None:
    class SharedStore(MemoryTokenStore):
        """Another host saves a token some seconds after the start."""

        async def load(self) -> Token | None:
            if clock.now() >= start + timedelta(seconds=5):
                await self.save(Token("theirs", start, start + timedelta(hours=2)))
            return await super().load()

    start = clock.now()
    server.token_script = [reply(429, headers={"Retry-After": "25"})]
    assert (await make_provider(SharedStore()).get()).access_token == "theirs"
    assert clock.now() - start < timedelta(seconds=25)
    assert len(server.token_requests) == 1


async def test_the_sandbox_gets_one_token_request_a_minute(
    server: ScriptedServer, make_provider: MakeProvider, clock: FakeClock
) -> None:
    provider = make_provider(environment="sandbox", rate_share=1.0)
    stale = await provider.get()
    with pytest.raises(RateLimitedError) as caught:
        await provider.get(stale.access_token)
    # Another host might have got one meanwhile, and was looked for.
    assert caught.value.retry_after == pytest.approx(61 - 30, abs=0.01)
    clock.advance(31)
    await provider.get(stale.access_token)
    assert len(server.token_requests) == 2


@pytest.mark.parametrize("answer", [reply(429, headers={"Retry-After": "60"}), reply(503), RESET])
async def test_an_ageing_token_is_used_while_no_new_one_can_be_had(
    server: ScriptedServer, make_provider: MakeProvider, clock: FakeClock, answer: Script
) -> None:
    server.token_script = [token_reply("old"), answer, token_reply("new")]
    provider = make_provider()
    await provider.get()
    clock.advance(7000)
    assert (await provider.get()).access_token == "old"
    assert (await provider.get()).access_token == "old"
    assert len(server.token_requests) == 2
    clock.advance(171)
    assert (await provider.get()).access_token == "new"


@pytest.mark.parametrize("count", exhaustive([2, 10]))
def test_processes_that_start_together_make_one_token_request(tmp_path: Path, count: int) -> None:
    spawn = multiprocessing.get_context("spawn")
    start, names = spawn.Barrier(count), spawn.Queue()
    with EmulatorServer(environment="sandbox") as emulator:
        arguments = (emulator.url, tmp_path, start, names)
        processes = [spawn.Process(target=ask_who_the_app_is, args=arguments) for _ in range(count)]
        for process in processes:
            process.start()
        assert [names.get(timeout=300) for _ in range(count)] == ["demo"] * count
        for process in processes:
            process.join()
        paths = [request.path for request in emulator.requests]
    assert paths.count("/auth/token") == 1
    assert paths.count("/auth/me") == count
