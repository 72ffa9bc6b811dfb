from __future__ import annotations

import asyncio

import pytest

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.hooks import shared_clients
from airflow_provider_zdirect.hooks.shared_clients import ClientShare

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.anyio]


async def client_of(share):
    return await (await share.get()).client()


async def test_all_share_a_client_which_the_last_one_closes(connect, emulator):
    async with ClientShare("zdirect_default") as one:
        async with ClientShare("zdirect_default") as other:
            client, *same = await asyncio.gather(*(client_of(share) for share in (other, one, other)))
            assert same == [client, client]
        assert await client_of(one) is client
        assert (await client.me()).merchant_ids == emulator.merchant_ids
    async with ClientShare("zdirect_default") as later:
        assert await client_of(later) is not client


async def test_nothing_is_read_before_it_is_needed(connect):
    async with ClientShare("not_there") as share:
        shared = await share.get()
        with pytest.raises(ZDirectConfigurationError, match="not_there"):
            await shared.client()


async def test_an_old_client_is_joined_by_nobody_so_that_a_changed_secret_is_seen(connect, monkeypatch):
    async with ClientShare("zdirect_default") as one, ClientShare("zdirect_default") as other:
        first = await client_of(one)
        monkeypatch.setattr(shared_clients, "YOUNG", 0.0)
        connect(password="changed")
        second = await client_of(other)
        assert (first.config.client_secret, second.config.client_secret) == ("demo-secret", "changed")
        # Who has the old one changes over with the next look.
        assert (await client_of(one)).config.client_secret == "changed"


async def test_if_the_first_one_is_cancelled_while_it_opens_the_next_one_opens(connect):
    async with ClientShare("zdirect_default") as share:
        shared = await share.get()
        opening, waiting = asyncio.create_task(shared.client()), asyncio.create_task(shared.client())
        await asyncio.sleep(0)
        opening.cancel()
        assert await waiting is await shared.client()


async def test_the_merchant_is_asked_for_until_there_is_one(connect, emulator):
    connect(extra={"share_access": False})
    async with ClientShare("zdirect_default") as share:
        shared = await share.get()
        for _ in range(2):
            with pytest.raises(ZDirectConfigurationError, match="may use 2 merchants"):
                await shared.merchant_id()
    connect(extra={"share_access": False, "merchant_id": emulator.merchant_ids[1]})
    async with ClientShare("zdirect_default") as share:
        shared = await share.get()
        assert await asyncio.gather(*(shared.merchant_id() for _ in range(5))) == [emulator.merchant_ids[1]] * 5


def test_every_event_loop_has_its_own(connect):
    async def shared():
        async with ClientShare("zdirect_default") as share:
            return await share.get()

    assert asyncio.run(shared()) is not asyncio.run(shared())
