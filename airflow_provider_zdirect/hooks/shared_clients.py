# SPDX-License-Identifier: Apache-2.0
"""One client per connection and event loop, for the many triggers that a triggerer runs.

Making an HTTP client blocks its loop for some hundredths of a second; a thousand triggers that are due at noon would
stop everything else for half a minute.
"""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

from airflow_provider_zdirect.client import ZDirectClient
from airflow_provider_zdirect.hooks.zdirect import ZDirectHook

YOUNG = 300.0
"""Seconds in which others may join a client. After that the next one reads the connection anew, and so sees a changed
secret."""


class SharedClient:
    """A client and the merchant of its connection, each got when it is first needed.

    :ivar users: how many share it; the last one that leaves closes it.
    """

    def __init__(self, conn_id: str) -> None:
        self.users = 1
        self._hook = ZDirectHook(conn_id)
        self._made_at = asyncio.get_running_loop().time()
        self._client: ZDirectClient | None = None
        self._merchant_id: str | None = None
        # Whoever comes first opens; if that one fails or is cancelled, the next one tries.
        self._turn = asyncio.Lock()

    @property
    def may_be_joined(self) -> bool:
        return self.users > 0 and asyncio.get_running_loop().time() - self._made_at < YOUNG

    async def client(self) -> ZDirectClient:
        """The client.

        :raises ZDirectConfigurationError: if the connection is missing or not usable.
        """
        async with self._turn:
            if self._client is None:
                # In a thread: Airflow refuses blocking calls on the event loop of the triggerer.
                self._client = await asyncio.to_thread(self._hook.client)
            return self._client

    async def merchant_id(self) -> str:
        """The connection's merchant, or else the only one that the app may use.

        :raises ZDirectConfigurationError: if there are several; lists them.
        """
        client = await self.client()
        async with self._turn:
            if self._merchant_id is None:
                self._merchant_id = await self._hook.find_merchant_id(client)
            return self._merchant_id

    async def leave(self) -> None:
        self.users -= 1
        if self.users == 0 and self._client is not None:
            await self._client.aclose()


_newest: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, SharedClient]] = WeakKeyDictionary()


class ClientShare:
    """One coroutine's share in the client of a connection; nothing is read or opened before :meth:`get`.

    :param conn_id: the connection.
    """

    def __init__(self, conn_id: str) -> None:
        self._conn_id = conn_id
        self._joined: SharedClient | None = None

    async def __aenter__(self) -> ClientShare:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._leave()

    async def get(self) -> SharedClient:
        """What is shared at the moment. Not to be kept: after a while it is another one."""
        if self._joined is None or not self._joined.may_be_joined:
            await self._leave()
            newest = _newest.setdefault(asyncio.get_running_loop(), {})
            shared = newest.get(self._conn_id)
            if shared is not None and shared.may_be_joined:
                shared.users += 1
            else:
                shared = newest[self._conn_id] = SharedClient(self._conn_id)
            self._joined = shared
        return self._joined

    async def _leave(self) -> None:
        left, self._joined = self._joined, None
        if left is not None:
            await left.leave()
