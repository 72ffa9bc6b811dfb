from __future__ import annotations

import asyncio
import random
from datetime import timedelta

import pytest
from airflow.models.variable import Variable
from clocks import FakeClock
from exhaustive import exhaustive
from own_emulator import config_of, own_emulator

from airflow_provider_zdirect.client import ClientConfig, FileRateLimiter, Rate, Token, ZDirectClient
from airflow_provider_zdirect.client.shared_paces import SharedPaces
from airflow_provider_zdirect.clock import SystemClock
from airflow_provider_zdirect.exceptions import RateLimitedError
from airflow_provider_zdirect.hooks import shared_variables
from airflow_provider_zdirect.hooks.shared_variables import AirflowVariables, AirflowVariableTokenStore

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.anyio]


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def make_store(tmp_path):
    """A store of the same app, as another task has it."""

    def make(secret="secret"):
        address = f"http://localhost/{tmp_path.name}"
        return AirflowVariableTokenStore(ClientConfig("app", secret, environment="sandbox", base_url=address))

    return make


@pytest.fixture
def store(make_store):
    return make_store()


@pytest.fixture
def token(clock):
    return Token("the-token-itself", clock.now(), clock.now() + timedelta(hours=2))


async def test_a_saved_token_is_there_sealed_for_other_tasks_with_the_same_secret(store, make_store, token):
    await store.save(token)
    assert await make_store().load() == token
    assert await make_store(secret="changed").load() is None
    assert store.key.startswith("zdirect_token_sandbox_")
    assert token.access_token not in Variable.get(store.key)


async def test_where_variables_cannot_be_reached_the_host_shares_the_token(store, token, monkeypatch, caplog):
    def unreachable():
        raise RuntimeError("no variables here")

    monkeypatch.setattr(shared_variables, "_variables", unreachable)
    async with store.lock():
        await store.save(token)
    assert await store.load() == token
    assert "could not be shared: The Airflow Variable" in caplog.text
    assert token.access_token not in caplog.text


async def test_an_old_token_in_a_variable_does_not_hide_a_newer_one_of_the_host(store, token, monkeypatch):
    await store.save(token)
    newer = Token("another-token", token.obtained_at + timedelta(minutes=1), token.expires_at)

    async def refuse(*_):
        raise OSError("read-only")

    monkeypatch.setattr(AirflowVariables, "write", refuse)
    await store.save(newer)
    assert await store.load() == newer


async def test_limiters_of_two_hosts_share_a_pace_through_variables(tmp_path, clock):
    def limiter(host):
        everybody = SharedPaces(AirflowVariables("A pace."), clock)
        return FileRateLimiter(tmp_path / host, clock, everybody)

    # Of one host it is the same file.
    name = tmp_path.name
    waits = [await limiter(host).acquire(name, Rate(1, 60), max_wait=600) for host in ("one", "one", "two")]
    assert waits == pytest.approx([0, 60, 60], abs=1)
    await limiter("one").pause(name, Rate(1, 60), 300)
    with pytest.raises(RateLimitedError) as caught:
        await limiter("two").acquire(name, Rate(1, 60), max_wait=200)
    assert caught.value.retry_after > 290


async def test_where_variables_cannot_be_reached_a_host_uses_a_quarter_of_a_limit(tmp_path, clock, monkeypatch, caplog):
    def unreachable():
        raise RuntimeError("no variables here")

    monkeypatch.setattr(shared_variables, "_variables", unreachable)
    limiter = FileRateLimiter(tmp_path, clock, SharedPaces(AirflowVariables("A pace."), clock))
    waits = [await limiter.acquire("orders", Rate(1, 10), max_wait=600) for _ in range(3)]
    assert waits == pytest.approx([0, 40, 40])
    assert "RuntimeError: no variables here" in caplog.text


class SlowTexts:
    """A store that many hosts reach in some milliseconds, without any lock."""

    def __init__(self):
        self._texts, self._rng = {}, random.Random(0)

    async def read(self, name):
        await self._wait()
        text = self._texts.get(name)
        await self._wait()
        return text

    async def write(self, name, text):
        await self._wait()
        self._texts[name] = text
        await self._wait()

    async def _wait(self):
        await asyncio.sleep(self._rng.uniform(0.002, 0.03))


@pytest.mark.parametrize("environment", ["sandbox", "production"])
async def test_hosts_that_start_cold_together_ask_for_few_tokens(environment, tmp_path, monkeypatch):
    texts, hosts = SlowTexts(), 12

    async def host(number, config):
        # What the processes of a host share is below its temporary directory.
        (tmp_path / str(number)).mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / str(number)))
        store = AirflowVariableTokenStore(config, texts=texts)
        limiter = FileRateLimiter(tmp_path / str(number), everybody=SharedPaces(texts, SystemClock()))
        async with ZDirectClient(config, tokens=store, limiter=limiter) as client:
            return await client.access_token()

    with own_emulator(seed=7, environment=environment) as emulator:
        config = config_of(emulator, environment=environment)
        tokens = await asyncio.gather(*(host(each, config) for each in range(hosts)))
        asked = [request for request in emulator.requests if request.path == "/auth/token"]
    assert all(request.status == 200 for request in asked)
    # In production two may follow each other at once.
    assert len(set(tokens)) == len(asked) <= (1 if environment == "sandbox" else 3)


@pytest.mark.parametrize("count", exhaustive([3, 10]))
async def test_tasks_that_start_together_ask_once(count):
    async def task(config):
        async with ZDirectClient(config, tokens=AirflowVariableTokenStore(config)) as client:
            return await client.me()

    with own_emulator(seed=7) as emulator:
        await asyncio.gather(*(task(config_of(emulator)) for _ in range(count)))
        assert sum(request.path == "/auth/token" for request in emulator.requests) == 1
