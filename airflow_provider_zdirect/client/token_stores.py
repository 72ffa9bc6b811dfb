"""Where a token is shared: within a process, or between the processes of a host."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from weakref import WeakKeyDictionary

from airflow_provider_zdirect.client.host_lock import host_lock
from airflow_provider_zdirect.client.token_cipher import TokenCipher
from airflow_provider_zdirect.client.tokens import Token, token_key
from airflow_provider_zdirect.exceptions import TransportError

log = logging.getLogger(__name__)


class MemoryTokenStore:
    """Shares a token between the tasks of one event loop."""

    def __init__(self) -> None:
        self._token: Token | None = None
        # An asyncio lock belongs to one loop; the store may outlive it.
        self._locks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()

    async def load(self) -> Token | None:
        return self._token

    async def save(self, token: Token) -> None:
        self._token = token

    def lock(self) -> AbstractAsyncContextManager[object]:
        return self._locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())


class FileTokenStore:
    """Shares a token between the processes of a host, sealed, in a file that only its owner can read.

    :param directory: where the file is; made if needed.
    :param base_url: address that the token belongs to.
    :param client_id: app that the token belongs to.
    :param client_secret: seals the token, see :class:`TokenCipher`.
    :param lock_timeout: seconds to wait for another process that is requesting a token.
    """

    def __init__(
        self,
        directory: Path | str,
        *,
        base_url: str,
        client_id: str,
        client_secret: str,
        lock_timeout: float = 120.0,
    ) -> None:
        self._path = Path(directory) / f"{token_key(base_url, client_id)}.token"
        self._cipher = TokenCipher(client_id, client_secret)
        self._lock_timeout = lock_timeout

    def __repr__(self) -> str:
        return f"FileTokenStore({str(self._path.parent)!r})"

    async def load(self) -> Token | None:
        try:
            text = self._path.read_text("ascii")
        except (OSError, UnicodeDecodeError):
            return None
        return await asyncio.to_thread(self._cipher.open, text)

    async def save(self, token: Token) -> None:
        text = await asyncio.to_thread(self._cipher.seal, token)
        try:
            self._replace(text)
        except OSError as error:
            log.warning("The zDirect token could not be shared through %s: %s.", self._path.parent, error)

    def _replace(self, text: str) -> None:
        # mkstemp makes the file with mode 0600; replacing is atomic, so that half a token is never read.
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=".token-")
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(text)
            os.replace(name, self._path)
        except OSError:
            with suppress(OSError):
                os.unlink(name)
            raise

    @asynccontextmanager
    async def lock(self) -> AsyncIterator[None]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The path is needed for the lock only while entering; errors of the body must not be caught here.
        holding = host_lock(self._path.with_suffix(".lock"), patience=self._lock_timeout)
        try:
            await holding.__aenter__()
        except TimeoutError:
            raise TransportError(
                f"Another process has been requesting a zDirect token for more than {self._lock_timeout:g} s.",
                remedy="No action needed: the task retries. If it stays, look for a hanging process on this host.",
                retry_after=30.0,
            ) from None
        try:
            yield
        finally:
            await holding.__aexit__(None, None, None)
