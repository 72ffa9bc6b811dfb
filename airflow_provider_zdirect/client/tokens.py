"""The access token as a value, and what a place to share it must offer."""

from __future__ import annotations

import hashlib
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class Token:
    """An access token of zDirect.

    :param access_token: the bearer token; never shown by ``repr``.
    :param issued_for: :func:`token_key` of the app and address it belongs to.
    :param obtained_at: when it was asked for, aware.
    :param expires_at: ``obtained_at`` plus the ``expires_in`` of the answer.
    """

    access_token: str = field(repr=False)
    issued_for: str
    obtained_at: datetime
    expires_at: datetime

    def remaining(self, now: datetime) -> float:
        """Seconds until it expires."""
        return (self.expires_at - now).total_seconds()

    def is_fresh(self, now: datetime, margin: float) -> bool:
        """Whether it lives for ``margin`` more seconds, or for half of its life if that is shorter."""
        lifetime = (self.expires_at - self.obtained_at).total_seconds()
        return self.remaining(now) >= min(margin, lifetime / 2)


def token_key(base_url: str, client_id: str) -> str:
    """Name under which a token is shared. zDirect binds tokens to an app and an environment (docs, Authentication)."""
    return hashlib.sha256(f"{base_url}\n{client_id}".encode()).hexdigest()[:32]


class TokenStore(Protocol):
    """A place where the tasks of a deployment share a token."""

    async def load(self) -> Token | None:
        """The token last saved, or None if there is none that can be read. Should not raise for trouble in the
        store: without a stored token a new one is requested."""

    async def save(self, token: Token) -> None:
        """Keep ``token`` for the others."""

    def lock(self) -> AbstractAsyncContextManager[object]:
        """Held while a token is requested, so that tasks that start together ask once.

        :raises TransportError: on entering, if somebody else has held it for too long.
        """
