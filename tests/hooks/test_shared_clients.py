from __future__ import annotations

import asyncio

import pytest

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.hooks import shared_clients
from airflow_provider_zdirect.hooks.shared_clients import ClientShare

pytestmark = pytest.mark.usefixtures("database")


def run(scenario):
    return asyncio.run(scenario())


def test_all_who_come_together_get_the_same_client(connect):
    async def scenario():
        async with ClientShare("zdirect_default") as one, ClientShare("zdirect_default") as other:
            shared = [await share.get() for share in (one, other, one)]
            clients = await asyncio.gather(*(each.client() for each in shared))
            assert clients[0] is clients[1] is clients[2]

    run(scenario)


def test_nothing_is_read_before_it_is_needed(connect):
    async def scenario():
        async with ClientShare("not_there") as share:
            shared = await share.get()
            with pytest.raises(ZDirectConfigurationError, match="not_there"):
                await shared.client()

    run(scenario)


def test_the_last_one_that_leaves_closes_it_and_the_next_one_gets_another(connect, emulator):
    async def scenario():
        async with ClientShare("zdirect_default") as one:
            async with ClientShare("zdirect_default") as other:
                client = await (await other.get()).client()
                assert await (await one.get()).client() is client
            assert (await client.me()).merchant_ids == emulator.merchant_ids
        async with ClientShare("zdirect_default") as later:
            assert await (await later.get()).client() is not client

    run(scenario)


def test_an_old_client_is_joined_by_nobody_so_that_a_changed_secret_is_seen(connect, monkeypatch):
    async def scenario():
        async with ClientShare("zdirect_default") as one, ClientShare("zdirect_default") as other:
            first = await (await one.get()).client()
            monkeypatch.setattr(shared_clients, "YOUNG", 0.0)
            connect(password="changed")
            second = await (await other.get()).client()
            assert second is not first
            assert (first.config.client_secret, second.config.client_secret) == ("demo-secret", "changed")
            # Who has the old one changes over with the next look.
            assert (await (await one.get()).client()).config.client_secret == "changed"

    run(scenario)


def test_if_the_first_one_is_cancelled_while_it_opens_the_next_one_opens(connect):
    async def scenario():
        async with ClientShare("zdirect_default") as one, ClientShare("zdirect_default") as other:
            shared = await one.get()
            assert await other.get() is shared
            opening, waiting = asyncio.create_task(shared.client()), asyncio.create_task(shared.client())
            await asyncio.sleep(0)
            opening.cancel()
            assert await waiting is await shared.client()

    run(scenario)


def test_the_merchant_is_asked_for_once(connect, emulator):
    connect(extra={"share_access": False})

    async def scenario():
        async with ClientShare("zdirect_default") as share:
            shared = await share.get()
            for _ in range(2):
                with pytest.raises(ZDirectConfigurationError, match="may use 2 merchants"):
                    await shared.merchant_id()
        connect(extra={"share_access": False, "merchant_id": emulator.merchant_ids[1]})
        async with ClientShare("zdirect_default") as share:
            shared = await share.get()
            assert await asyncio.gather(*(shared.merchant_id() for _ in range(5))) == [emulator.merchant_ids[1]] * 5

    run(scenario)


def test_every_event_loop_has_its_own(connect):
    async def scenario():
        async with ClientShare("zdirect_default") as share:
            return await share.get()

    assert run(scenario) is not run(scenario)
