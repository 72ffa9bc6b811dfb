from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

import pytest
from airflow.models.variable import Variable
from clocks import FakeClock
from exhaustive import exhaustive
from own_emulator import config_of, own_emulator

from airflow_provider_zdirect.client import ClientConfig, Token, ZDirectClient
from airflow_provider_zdirect.hooks import token_lease as token_store
from airflow_provider_zdirect.hooks.token_lease import AirflowVariableTokenStore

pytestmark = pytest.mark.usefixtures("database")


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
def address(tmp_path):
    return f"http://localhost/{tmp_path.name}"


def store_of(address, clock, secret="secret"):
    return AirflowVariableTokenStore(ClientConfig("app", secret, environment="sandbox", base_url=address), clock)


@pytest.fixture
def store(clock, address):
    return store_of(address, clock)


@pytest.fixture
def token(clock):
    return Token("the-token-itself", "somebody", clock.now(), clock.now() + timedelta(hours=2))


def test_a_saved_token_is_there_for_another_task(store, clock, address, token):
    asyncio.run(store.save(token))
    assert asyncio.run(store_of(address, clock).load()) == token


def test_the_variable_is_sealed_and_its_name_has_the_environment(store, token):
    asyncio.run(store.save(token))
    assert store.key.startswith("zdirect_token_sandbox_")
    assert token.access_token not in Variable.get(store.key)


def test_with_another_secret_there_is_no_token(store, clock, address, token):
    asyncio.run(store.save(token))
    assert asyncio.run(store_of(address, clock, secret="changed").load()) is None


def test_where_variables_cannot_be_reached_the_host_shares_the_token(store, token, monkeypatch, caplog):
    def unreachable():
        raise RuntimeError("no variables here")

    monkeypatch.setattr(token_store, "_variables", unreachable)

    async def ask_and_keep():
        async with store.lock():
            await store.save(token)
        return await store.load()

    with caplog.at_level(logging.WARNING):
        assert asyncio.run(ask_and_keep()) == token
    assert "could not be shared in the Airflow Variable" in caplog.text
    assert token.access_token not in caplog.text


def test_while_another_host_asks_this_one_waits_for_its_token(store, clock, token):
    async def scenario():
        await store._write_lease("another host", clock.now() + timedelta(seconds=30))
        clock.during_sleep = lambda: store.save(token)
        async with store.lock():
            return await store.load(), (await store._read_lease())[0]

    assert asyncio.run(scenario()) == (token, "another host")
    assert sum(clock.slept) < 30


def test_a_lease_that_ran_out_holds_nobody_up(store, clock):
    async def scenario():
        await store._write_lease("a host that died", clock.now() - timedelta(seconds=1))
        async with store.lock():
            holder, _ = await store._read_lease()
        return holder, (await store._read_lease())[0]

    during, after = asyncio.run(scenario())
    assert during not in ("", "a host that died")
    assert after == ""


@pytest.mark.parametrize("count", exhaustive([3, 10]))
def test_tasks_that_start_together_ask_once(count):
    async def task(config):
        async with ZDirectClient(config, tokens=AirflowVariableTokenStore(config)) as client:
            return await client.me()

    async def together(config):
        return await asyncio.gather(*(task(config) for _ in range(count)))

    with own_emulator(seed=7) as emulator:
        assert len(asyncio.run(together(config_of(emulator)))) == count
        assert sum(request.path == "/auth/token" for request in emulator.requests) == 1
