# SPDX-License-Identifier: Apache-2.0
"""Where the access token is shared: within a process, or sealed between the processes of a host."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Protocol
from weakref import WeakKeyDictionary

import msgspec
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from airflow_provider_zdirect.client.config import ClientConfig
from airflow_provider_zdirect.client.file_lock import host_lock
from airflow_provider_zdirect.datasets.page import NOT_READABLE
from airflow_provider_zdirect.exceptions import TransportError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Token:
    """An access token of zDirect.

    :param access_token: the bearer token; never shown by ``repr``.
    :param obtained_at: when it was requested, aware.
    :param expires_at: ``obtained_at`` plus the ``expires_in`` of the answer.
    """

    access_token: str = field(repr=False)
    obtained_at: datetime
    expires_at: datetime

    def remaining(self, now: datetime) -> float:
        """Seconds until it expires."""
        return (self.expires_at - now).total_seconds()

    def is_fresh(self, now: datetime) -> bool:
        """Whether it lives for five more minutes, or for half of its life if that is shorter."""
        lifetime = (self.expires_at - self.obtained_at).total_seconds()
        return self.remaining(now) >= min(300.0, lifetime / 2)


def token_key(base_url: str, client_id: str) -> str:
    """Name under which a token is shared. zDirect binds tokens to an app and an environment (docs, Authentication)."""
    return hashlib.sha256(f"{base_url}\n{client_id}".encode()).hexdigest()[:32]


class TokenStore(Protocol):
    """A place where the tasks of a deployment share a token."""

    async def load(self) -> Token | None:
        """The token last saved; None if there is none, or the store cannot be read."""

    async def save(self, token: Token) -> None:
        """Keep ``token`` for the others."""

    def lock(self) -> AbstractAsyncContextManager[object]:
        """Held while a token is requested, so that tasks that start together ask once.

        :raises TransportError: on entering, if somebody else has held it for too long.
        """


class TokenCipher:
    """Seals tokens with a key derived from the client secret (scrypt, about 50 ms, once in a process).

    Whoever can read the sealed text needs the secret to open it, and with the secret could request a token anyway.
    After a change of the secret, old texts count as absent.

    :param client_id: salt of the key.
    """

    def __init__(self, client_id: str, client_secret: str) -> None:
        self._client_id = client_id
        self._client_secret = client_secret

    def seal(self, token: Token) -> str:
        """``token`` as ASCII text."""
        return self._fernet.encrypt(msgspec.json.encode(token)).decode()

    def open(self, text: str | None) -> Token | None:
        """The token in ``text``, or None if it was not sealed by this cipher."""
        try:
            return msgspec.json.decode(self._fernet.decrypt((text or "").encode()), type=Token)
        except (InvalidToken, *NOT_READABLE):
            return None

    @property
    def _fernet(self) -> Fernet:
        return _fernet_of(self._client_id, self._client_secret)


@lru_cache(maxsize=8)
def _fernet_of(client_id: str, client_secret: str) -> Fernet:
    kdf = Scrypt(salt=f"zdirect-token\n{client_id}".encode(), length=32, n=2**14, r=8, p=1)
    return Fernet(base64.urlsafe_b64encode(kdf.derive(client_secret.encode())))


class MemoryTokenStore:
    """Shares the token of one app between the tasks of one event loop."""

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
    :param config: whose app and address the token belongs to.
    :param lock_timeout: seconds to wait for another process that is requesting a token.
    """

    def __init__(self, directory: Path, config: ClientConfig, *, lock_timeout: float = 120.0) -> None:
        self._path = directory / f"{token_key(config.address, config.client_id)}.token"
        self._cipher = TokenCipher(config.client_id, config.client_secret)
        self._lock_timeout = lock_timeout

    async def load(self) -> Token | None:
        try:
            text = self._path.read_text("ascii")
        except (OSError, UnicodeDecodeError):
            return None
        return await asyncio.to_thread(self._cipher.open, text)

    async def save(self, token: Token) -> None:
        text = await asyncio.to_thread(self._cipher.seal, token)
        part = self._path.with_name(f".{uuid.uuid4().hex}")
        try:
            part.touch(0o600)
            part.write_text(text, "ascii")
            # Atomic, so that half a token is never read.
            part.replace(self._path)
        except OSError as error:
            log.warning("The zDirect token could not be shared through %s: %s.", self._path.parent, error)
            with suppress(OSError):
                part.unlink()

    @asynccontextmanager
    async def lock(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            try:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                await stack.enter_async_context(host_lock(self._path.with_suffix(".lock"), patience=self._lock_timeout))
            except TimeoutError:
                raise TransportError(
                    f"Another process has been requesting a zDirect token for more than {self._lock_timeout:g} s.",
                    remedy="No action needed: the task retries. If it persists, find the hanging process on this host.",
                    retry_after=30.0,
                ) from None
            except OSError as error:
                log.warning("Other processes of this host may request a zDirect token too: %s.", error)
            yield
