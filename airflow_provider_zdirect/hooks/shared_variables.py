# SPDX-License-Identifier: Apache-2.0
"""What all tasks, workers and triggers of a deployment share, in Airflow Variables: the access token and the paces."""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import AbstractAsyncContextManager
from operator import attrgetter
from typing import Any

from airflow_provider_zdirect.airflow_sdk import mask_secret
from airflow_provider_zdirect.client.config import ClientConfig
from airflow_provider_zdirect.client.file_lock import private_directory
from airflow_provider_zdirect.client.shared_paces import TextStore
from airflow_provider_zdirect.client.token_stores import (
    FileTokenStore,
    MemoryTokenStore,
    Token,
    TokenCipher,
    TokenStore,
    token_key,
)

log = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds to wait for Airflow."""


class AirflowVariables:
    """Texts in Airflow Variables.

    :param description: of the Variables, for those who find them in the UI.
    """

    def __init__(self, description: str) -> None:
        self._description = description

    async def read(self, name: str) -> str | None:
        """The value; None if there is no such Variable.

        :raises OSError: if Variables cannot be read here.
        """
        what = f"The Airflow Variable {name} could not be read"
        text: str | None = await _in_time(what, lambda: _variables().get(name, None))
        return text

    async def write(self, name: str, text: str) -> None:
        """Set the Variable.

        :raises OSError: if Variables cannot be written here.
        """
        what = f"The Airflow Variable {name} could not be written"
        await _in_time(what, lambda: _variables().set(name, text, self._description))


class MaskedTokenStore(MemoryTokenStore):
    """Shares a token within one client, masked in logs."""

    async def save(self, token: Token) -> None:
        await asyncio.to_thread(mask_secret, token.access_token)
        await super().save(token)


class AirflowVariableTokenStore:
    """Shares a token through an Airflow Variable, sealed under the client secret; masked in logs.

    On one host a file lock makes tasks that start together ask once. Hosts that start together keep to the rate limit
    of token requests, and look for the token of another one meanwhile. Where no Variable can be read or written (a
    plain script, a locked-down secrets backend) the token is shared by the processes of the host instead; a task never
    fails for it.

    :param config: whose app and address the token belongs to.
    :param texts: None is Airflow's Variables.
    """

    def __init__(self, config: ClientConfig, texts: TextStore | None = None) -> None:
        self.key = f"zdirect_token_{config.environment}_{token_key(config.address, config.client_id)[:16]}"
        self._cipher = TokenCipher(config.client_id, config.client_secret)
        self._texts = texts or AirflowVariables("Access token of a zDirect app, sealed. Safe to delete.")
        self._host: TokenStore
        try:
            self._host = FileTokenStore(private_directory("airflow-provider-zdirect"), config)
        except OSError as error:
            log.debug("No directory to share a zDirect token on this host: %s", error)
            self._host = MemoryTokenStore()

    async def load(self) -> Token | None:
        try:
            sealed = await self._texts.read(self.key)
        except OSError as error:
            log.debug("%s", error)
            sealed = None
        # That of the host was written when the Variable could not be.
        found = [await asyncio.to_thread(self._cipher.open, sealed), await self._host.load()]
        tokens = [token for token in found if token is not None]
        for token in tokens:
            await asyncio.to_thread(mask_secret, token.access_token)
        return max(tokens, key=attrgetter("obtained_at"), default=None)

    async def save(self, token: Token) -> None:
        await asyncio.to_thread(mask_secret, token.access_token)
        sealed = await asyncio.to_thread(self._cipher.seal, token)
        try:
            await self._texts.write(self.key, sealed)
        except OSError as error:
            log.warning(
                "The zDirect token could not be shared: %s. Each host asks for its own; zDirect allows 8 token "
                "requests a minute, in sandbox 1.",
                error,
            )
            await self._host.save(token)

    def lock(self) -> AbstractAsyncContextManager[object]:
        return self._host.lock()


async def _in_time(what: str, call: Any) -> Any:
    try:
        # In a thread: the Task SDK refuses blocking calls on the event loop of the triggerer.
        async with asyncio.timeout(PATIENCE):
            return await asyncio.to_thread(call)
    except Exception as error:
        raise OSError(f"{what} ({type(error).__name__}: {error})") from error


def _variables() -> Any:
    """Variables as this process may reach them: through the Task SDK in a task or trigger, else in the database."""
    if hasattr(sys.modules.get("airflow.sdk.execution_time.task_runner"), "SUPERVISOR_COMMS"):
        from airflow_provider_zdirect.airflow_sdk import Variable
    else:
        # Airflow 2.11, and the API server of Airflow 3 when it tests a connection.
        from airflow.models.variable import Variable
    return Variable
