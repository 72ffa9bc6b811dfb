"""One access token for all tasks, workers and triggers of a deployment, kept in an Airflow Variable."""

from __future__ import annotations

import asyncio
import logging
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import msgspec
from airflow.providers.common.compat.sdk import mask_secret

from airflow_provider_zdirect.client.config import ClientConfig
from airflow_provider_zdirect.client.file_lock import private_directory
from airflow_provider_zdirect.client.token_stores import (
    FileTokenStore,
    MemoryTokenStore,
    Token,
    TokenCipher,
    TokenStore,
    token_key,
)
from airflow_provider_zdirect.clock import Clock, SystemClock

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
SETTLE_SECONDS = 0.5
POLL_SECONDS = 1.0


class AirflowVariableTokenStore:
    """Shares a token through an Airflow Variable, sealed under the client secret.

    On one host a file lock makes tasks that start together ask once. Between hosts a lease in a second Variable does;
    Variables know no compare-and-set, so that is best effort, and two hosts that write in the same half second cost
    one request more. Where no Variable can be read or written (a plain script, a locked-down secrets backend) the
    token is shared by the processes of the host instead; a task never fails for it.

    :param config: whose app and address the token belongs to.
    """

    def __init__(self, config: ClientConfig, clock: Clock | None = None) -> None:
        self.key = f"zdirect_token_{config.environment}_{token_key(config.address, config.client_id)[:16]}"
        self.lease_key = f"{self.key}_lease"
        self._cipher = TokenCipher(config.client_id, config.client_secret)
        self._clock = clock or SystemClock()
        self._host: TokenStore
        try:
            self._host = FileTokenStore(private_directory("airflow-provider-zdirect"), config)
        except OSError as error:
            log.debug("No directory to share a zDirect token on this host: %s", error)
            self._host = MemoryTokenStore()

    async def load(self) -> Token | None:
        token = await asyncio.to_thread(self._cipher.open, await self._read(self.key))
        if token is None or token.remaining(self._clock.now()) <= 0:
            # Written where Variables could not be.
            token = await self._host.load() or token
        if token is not None:
            await asyncio.to_thread(mask_secret, token.access_token)
        return token

    async def save(self, token: Token) -> None:
        await asyncio.to_thread(mask_secret, token.access_token)
        sealed = await asyncio.to_thread(self._cipher.seal, token)
        if error := await self._write(self.key, sealed, "Access token of a zDirect app, sealed. Safe to delete."):
            log.warning(
                "The zDirect token could not be shared in the Airflow Variable %s (%s: %s). "
                "Each host asks for its own; zDirect allows 8 token requests a minute, in sandbox 1.",
                self.key,
                type(error).__name__,
                error,
            )
            await self._host.save(token)

    @asynccontextmanager
    async def lock(self) -> AsyncIterator[None]:
        async with self._host.lock():
            leased = await self._lease()
            try:
                yield
            finally:
                if leased:
                    await self._write_lease("", self._clock.now())

    async def _lease(self) -> bool:
        """Wait until this host may ask; False if another one did meanwhile, or leases do not work here."""
        me = uuid.uuid4().hex
        before = await self.load()
        give_up = self._clock.now() + LEASE
        while self._clock.now() < give_up:
            holder, until = await self._read_lease()
            if not holder or until <= self._clock.now():
                if await self._write_lease(me, self._clock.now() + LEASE):
                    return False
                # Another host may have written at the same time; the last one that wrote has it.
                await self._clock.sleep(SETTLE_SECONDS)
                if (await self._read_lease())[0] == me:
                    return True
            await self._clock.sleep(POLL_SECONDS)
            if await self.load() != before:
                return False
        return False

    async def _read_lease(self) -> tuple[str, datetime]:
        """Who has the lease, and until when."""
        try:
            return msgspec.json.decode(await self._read(self.lease_key) or "", type=tuple[str, datetime])
        except msgspec.DecodeError:
            return "", self._clock.now()

    async def _write_lease(self, holder: str, until: datetime) -> Exception | None:
        lease = msgspec.json.encode((holder, until)).decode()
        return await self._write(self.lease_key, lease, "Who is asking for a zDirect token now. Safe to delete.")

    async def _read(self, key: str) -> str | None:
        try:
            # In a thread: the Task SDK refuses blocking calls on the event loop of the triggerer.
            return await asyncio.to_thread(lambda: _variables().get(key, None))
        except Exception as error:
            log.debug("The Airflow Variable %s could not be read: %s", key, error)
            return None

    async def _write(self, key: str, value: str, description: str) -> Exception | None:
        """Why the Variable could not be written; None if it was."""
        try:
            await asyncio.to_thread(lambda: _variables().set(key, value, description))
        except Exception as error:
            log.debug("The Airflow Variable %s could not be written: %s", key, error)
            return error
        return None


def _variables() -> Any:
    """Variables as this process may reach them: through the Task SDK in a task or trigger, else in the database."""
    if hasattr(sys.modules.get("airflow.sdk.execution_time.task_runner"), "SUPERVISOR_COMMS"):
        from airflow.providers.common.compat.sdk import Variable
    else:
        # Airflow 2.11, and the API server of Airflow 3 when it tests a connection.
        from airflow.models.variable import Variable
    return Variable
