"""Access tokens: asked for rarely, shared by everybody, renewed once when refused.

zDirect docs, Authentication: OAuth2 client credentials, ``POST /auth/token``; 8 token requests a minute in
production, 1 in sandbox, per app; offenders may be banned. The life of a token is read from ``expires_in``.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import re
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import msgspec

from airflow_provider_zdirect.client.failures import Call
from airflow_provider_zdirect.client.rates import RateLimiter
from airflow_provider_zdirect.client.sending import Sender
from airflow_provider_zdirect.client.tokens import Token, TokenStore, token_key
from airflow_provider_zdirect.client.transport import Timeouts
from airflow_provider_zdirect.datasets.endpoint import Rate, RateLimits
from airflow_provider_zdirect.exceptions import (
    AuthenticationError,
    MalformedResponseError,
    NotConnectedError,
    RateLimitedError,
    ZDirectConfigurationError,
    ZDirectRetriableError,
)

log = logging.getLogger(__name__)

TOKEN_PATH = "/auth/token"  # noqa: S105
TOKEN_RATES = RateLimits(production=Rate(8, 60, burst=2), sandbox=Rate(1, 60))
TOKEN_TIMEOUT = 30.0
"""Seconds for the answer to a token request: others wait for it behind the lock."""

LOOK_AGAIN = 5.0
"""Seconds between two looks at the store while the token endpoint is closed: another host may have got a token."""

LAST_USE = 30.0
"""Seconds of life with which an ageing token is still used if no new one can be had."""


class TokenProvider:
    """Gives the app's access token, requesting one only if no other process has a usable one.

    :param store: where the token is shared.
    """

    def __init__(self, sender: Sender, store: TokenStore, limiter: RateLimiter) -> None:
        self._sender = sender
        self._config = config = sender.config
        self._clock = sender.clock
        self._store = store
        self._limiter = limiter
        self._key = token_key(config.address, config.client_id)
        self._call = Call(
            what=f"Access token for app {config.client_id}",
            path=TOKEN_PATH,
            endpoint="token",
            rate=TOKEN_RATES.of(config.environment),
            method="POST",
        )
        self._pace = f"{config.address} {config.client_id} {self._call.endpoint}"
        self._held: Token | None = None
        self._keep_until: datetime | None = None
        # Tasks of this process queue here, so that only one of them looks at the host's lock.
        self._turn = asyncio.Lock()

    async def get(self, refused: str | None = None) -> Token:
        """A token with enough life left: the shared one, or a new one.

        :param refused: a token that zDirect has answered with 401; it is another one then.
        :raises ZDirectConfigurationError: if another address than zDirect's own cannot be reached, and never was.
        :raises AuthenticationError: if the client id or the secret is refused.
        :raises ZDirectRetriableError: if no token can be had at the moment.
        """
        if token := self._usable(self._held, refused):
            return token
        async with self._turn:
            if token := self._usable(self._held, refused):
                return token
            self._held = await self._load() or self._held
            self._held = self._usable(self._held, refused) or await self._renew(refused)
            return self._held

    async def _renew(self, refused: str | None) -> Token:
        async with self._store.lock():
            if token := self._usable(await self._load(), refused):
                return token
            try:
                token = await self._request(refused)
            except ZDirectRetriableError as failure:
                return self._ageing(failure, refused)
            await self._store.save(token)
            return token

    async def _request(self, refused: str | None) -> Token:
        max_wait = self._config.max_inline_wait
        rate = self._call.rate.shared(self._config.rate_share)
        failure: RateLimitedError | None = None
        for _ in range(self._config.max_attempts):
            try:
                waited = await self._limiter.acquire(self._pace, rate, max_wait=max_wait)
            except RateLimitedError as closed:
                raise closed from failure
            if waited and (token := self._usable(await self._load(), refused)):
                return token
            try:
                return await self._ask()
            except RateLimitedError as error:
                failure = error
            left = failure.retry_after
            await self._limiter.pause(self._pace, left)
            if left > max_wait:
                raise failure
            log.info("%s: 429, waiting %.0f s.", self._call.what, left)
            while left > 0:
                await self._clock.sleep(min(left, LOOK_AGAIN))
                left -= LOOK_AGAIN
                if token := self._usable(await self._load(), refused):
                    return token
        assert failure is not None
        raise failure

    async def _ask(self) -> Token:
        """Request a token, once.

        :raises AuthenticationError: if the client id or the secret is refused.
        :raises ZDirectRetriableError: 429, 5xx, no or a malformed answer.
        """
        config = self._config
        asked_at = self._clock.now()
        self._sender.stats.token_requests += 1
        outcome = await self._sender.send(
            self._call,
            "Basic " + base64.b64encode(f"{config.client_id}:{config.client_secret}".encode()).decode(),
            form={"grant_type": "client_credentials"},
            timeouts=Timeouts(connect=config.connect_timeout, read=TOKEN_TIMEOUT, total=2 * TOKEN_TIMEOUT),
        )
        failure, status = outcome.failure, outcome.answer.status
        facts: dict[str, Any] = {"status": status, "path": TOKEN_PATH, "flow_id": outcome.flow_id}
        if failure is not None and status in (400, 401):
            raise AuthenticationError(
                f"{self._call.what}{config.source}: zDirect refused the client id or the client secret.",
                remedy="Copy both again from the app in the zDirect portal (login and password of the connection), and "
                f"check that the app belongs to the environment {config.environment} at {config.address}.",
                title=failure.title,
                **facts,
            )
        if failure is not None:
            raise failure
        content: Any = None
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            content = msgspec.json.decode(outcome.answer.body)
        known: dict[str, Any] = content if isinstance(content, dict) else {}
        value, lifetime = str(known.get("access_token")), _seconds(known.get("expires_in"))
        if not isinstance(content, dict):
            fault = "is not a JSON object"
        # Anything else could not be sent in a header, and would be quoted in an error.
        elif value != content.get("access_token") or not re.fullmatch(r"[!-~]+", value):
            fault = "has no usable access_token"
        elif lifetime is None:
            fault = "has no usable expires_in"
        else:
            log.info("%s: obtained, valid for %.0f s.", self._call.what, lifetime)
            return Token(value, self._key, asked_at, asked_at + timedelta(seconds=lifetime))
        raise MalformedResponseError(
            f"{self._call.what}: the answer {fault}.",
            remedy="Check host: it must be the address of zDirect or its emulator.",
            retry_after=self._call.refetch_delay,
            **facts,
        )

    def _ageing(self, failure: ZDirectRetriableError, refused: str | None) -> Token:
        """The ageing token, if it still lives: no reason to fail a task while it does."""
        held = self._held
        now = self._clock.now()
        if held is None and isinstance(failure, NotConnectedError) and not self._config.is_zalando:
            # A token, even an expired one, shows that the address was right; without one it is most likely wrong.
            raise ZDirectConfigurationError(
                f"{failure.message} The address cannot be reached, and has never given an access token.",
                remedy="Correct host in the connection (scheme, name, port), or start what should answer there; "
                "behind a proxy, check HTTPS_PROXY and NO_PROXY.",
                path=TOKEN_PATH,
            )
        if held is None or held.access_token == refused or held.remaining(now) <= LAST_USE:
            raise failure
        left = held.remaining(now)
        log.warning(
            "%s: no new one (%s); the current one is valid for %.0f more s.",
            self._call.what,
            type(failure).__name__,
            left,
        )
        self._keep_until = now + timedelta(seconds=min(failure.retry_after, left - LAST_USE))
        return held

    async def _load(self) -> Token | None:
        token = await self._store.load()
        # A store may be shared by mistake between apps or environments; their tokens must not be mixed up.
        return token if token is not None and token.issued_for == self._key else None

    def _usable(self, token: Token | None, refused: str | None) -> Token | None:
        if token is None or token.access_token == refused:
            return None
        now = self._clock.now()
        if token is self._held and self._keep_until is not None and now < self._keep_until:
            return token if token.remaining(now) > LAST_USE else None
        return token if token.is_fresh(now, self._config.token_margin) else None


def _seconds(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if 0 < seconds <= 366 * 86_400 else None
