from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from airflow.models.variable import Variable
from airflow_provider_zdirect.hooks.token_lease import AirflowVariableTokenStore
from clocks import FakeClock
from exhaustive import exhaustive
from own_emulator import config_of, own_emulator

from airflow_provider_zdirect.client import ClientConfig, Token, ZDirectClient
from airflow_provider_zdirect.hooks import token_lease

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.anyio]


class ClockOfTheWorld(FakeClock):
    """Something else happens while somebody sleeps."""

    async def sleep(self, seconds):
        await super().sleep(seconds)
        if self.during_sleep:
            await self.during_sleep()

    during_sleep = None


@pytest.fixture
def clock():
    return ClockOfTheWorld()


@pytest.fixture
def make_store(clock, tmp_path):
    """A store of the same app, as another task has it."""

    def make(secret="secret"):
        address = f"http://localhost/{tmp_path.name}"
        return AirflowVariableTokenStore(ClientConfig("app", secret, environment="sandbox", base_url=address), clock)

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

    monkeypatch.setattr(token_lease, "_variables", unreachable)
    async with store.lock():
        await store.save(token)
    assert await store.load() == token
    assert "could not be shared in the Airflow Variable" in caplog.text
    assert token.access_token not in caplog.text


@pytest.mark.parametrize("when", ["before", "at the same time"])
async def test_while_another_host_asks_this_one_waits_for_its_token(store, clock, token, when):
    async def other_asks():
        await store._write_lease("another host", clock.now() + timedelta(seconds=30))
        clock.during_sleep = lambda: store.save(token)

    clock.during_sleep = other_asks
    if when == "before":
        await other_asks()
    async with store.lock():
        assert await store.load() == token
        assert (await store._read_lease())[0] == "another host"
    assert sum(clock.slept) < 30


async def test_a_lease_that_ran_out_holds_nobody_up(store, clock):
    await store._write_lease("a host that died", clock.now() - timedelta(seconds=1))
    async with store.lock():
        assert (await store._read_lease())[0] not in ("", "a host that died")
    assert (await store._read_lease())[0] == ""


@pytest.mark.parametrize("count", exhaustive([3, 10]))
async def test_tasks_that_start_together_ask_once(count):
    async def task(config):
        async with ZDirectClient(config, tokens=AirflowVariableTokenStore(config)) as client:
            return await client.me()

    with own_emulator(seed=7) as emulator:
        await asyncio.gather(*(task(config_of(emulator)) for _ in range(count)))
        assert sum(request.path == "/auth/token" for request in emulator.requests) == 1
