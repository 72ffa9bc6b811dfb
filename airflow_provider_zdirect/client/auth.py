"""Access tokens: asked for rarely, shared by everybody, renewed once when refused.

zDirect docs, Authentication: OAuth2 client credentials, ``POST /auth/token``; 8 token requests a minute in
production, 1 in sandbox, per app; offenders may be banned. The life of a token is read from ``expires_in``.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import uuid
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import msgspec

from airflow_provider_zdirect.client.config import ClientConfig
from airflow_provider_zdirect.client.failures import Call, failure_of, flow_id_of, no_answer
from airflow_provider_zdirect.client.rates import RateLimiter
from airflow_provider_zdirect.client.retry import RetryPolicy
from airflow_provider_zdirect.client.tokens import Token, TokenStore, token_key
from airflow_provider_zdirect.client.transport import Answer, Timeouts, Transport
from airflow_provider_zdirect.clock import Clock
from airflow_provider_zdirect.datasets.rate import Rate, RateLimits
from airflow_provider_zdirect.exceptions import (
    AuthenticationError,
    MalformedResponseError,
    NotConnectedError,
    RateLimitedError,
    TransportError,
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


class TokenEndpoint:
    """``POST /auth/token`` for one app."""

    def __init__(self, config: ClientConfig, transport: Transport, clock: Clock, policy: RetryPolicy) -> None:
        self._config = config
        self._transport = transport
        self._clock = clock
        self._policy = policy
        self.call = Call(
            what=f"Access token for app {config.client_id}",
            path=TOKEN_PATH,
            endpoint="token",
            rate=TOKEN_RATES.of(config.environment),
        )

    async def request(self) -> Token:
        """Ask for a token, once.

        :raises AuthenticationError: if the client id or the secret is refused.
        :raises ZDirectRetriableError: 429, 5xx, no or a malformed answer.
        """
        config = self._config
        asked_at = self._clock.now()
        flow_id = str(uuid.uuid4())
        credentials = base64.b64encode(f"{config.client_id}:{config.client_secret}".encode()).decode()
        try:
            answer = await self._transport.send(
                "POST",
                config.address + TOKEN_PATH,
                headers={
                    "Authorization": f"Basic {credentials}",
                    "Accept": "application/json",
                    "User-Agent": config.user_agent,
                    "X-Flow-Id": flow_id,
                },
                form={"grant_type": "client_credentials"},
                timeouts=Timeouts(connect=config.connect_timeout, read=TOKEN_TIMEOUT, total=2 * TOKEN_TIMEOUT),
            )
        except TransportError as error:
            raise no_answer(error, self.call, source=config.source, flow_id=flow_id) from None
        secrets = (config.client_secret, credentials)
        flow_id = flow_id_of(answer, flow_id, secrets)
        failure = failure_of(
            answer,
            self.call,
            flow_id=flow_id,
            now=self._clock.now(),
            policy=self._policy,
            secrets=secrets,
        )
        if answer.status in (400, 401) and failure is not None:
            raise AuthenticationError(
                f"{self.call.what}{config.source}: zDirect refused the client id or the client secret.",
                remedy="Copy both again from the app in the zDirect portal (login and password of the connection), and "
                f"check that the app belongs to the environment {config.environment} at {config.address}.",
                status=answer.status,
                path=TOKEN_PATH,
                flow_id=flow_id,
                title=failure.title,
            )
        if failure is not None:
            raise failure
        return self._parse(answer, asked_at, flow_id)

    def _parse(self, answer: Answer, asked_at: datetime, flow_id: str) -> Token:
        content: Any = None
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            content = msgspec.json.decode(answer.body)
        if not isinstance(content, dict):
            raise self._malformed("is not a JSON object", flow_id)
        value = content.get("access_token")
        # Anything else could not be sent in a header, and would be quoted in an error.
        if not (isinstance(value, str) and value.isascii() and value.isprintable() and value and " " not in value):
            raise self._malformed("has no usable access_token", flow_id)
        lifetime = _seconds(content.get("expires_in"))
        if lifetime is None:
            raise self._malformed("has no usable expires_in", flow_id)
        return Token(
            access_token=value,
            issued_for=token_key(self._config.address, self._config.client_id),
            obtained_at=asked_at,
            expires_at=asked_at + timedelta(seconds=lifetime),
        )

    def _malformed(self, what: str, flow_id: str) -> MalformedResponseError:
        return MalformedResponseError(
            f"{self.call.what}: the answer {what}.",
            remedy="Check host: it must be the address of zDirect or its emulator.",
            status=200,
            path=TOKEN_PATH,
            flow_id=flow_id,
            retry_after=self.call.refetch_delay,
        )


class TokenProvider:
    """Gives the app's access token, requesting one only if no other process has a usable one.

    :param store: where the token is shared.
    """

    def __init__(
        self,
        config: ClientConfig,
        endpoint: TokenEndpoint,
        store: TokenStore,
        limiter: RateLimiter,
        clock: Clock,
    ) -> None:
        self._config = config
        self._endpoint = endpoint
        self._store = store
        self._limiter = limiter
        self._clock = clock
        self._key = token_key(config.address, config.client_id)
        self._pace = f"{config.address} {config.client_id} {endpoint.call.endpoint}"
        self._rate = endpoint.call.rate.shared(config.rate_share)
        self._held: Token | None = None
        self._keep_until: datetime | None = None
        # Tasks of this process queue here, so that only one of them looks at the host's lock.
        self._turn = asyncio.Lock()
        self.requests = 0

    async def get(self) -> Token:
        """A token with enough life left.

        :raises ZDirectConfigurationError: if another address than zDirect's own cannot be reached, and never was.
        :raises RateLimitedError: if the token endpoint is closed for longer than ``max_inline_wait``.
        :raises AuthenticationError: if the client id or the secret is refused.
        """
        if self._held is not None and self._is_usable(self._held):
            return self._held
        async with self._turn:
            if self._held is not None and self._is_usable(self._held):
                return self._held
            self._held = await self._load() or self._held
            if self._held is None or not self._is_usable(self._held):
                self._held = await self._renew(refused=None)
            return self._held

    async def refresh_after_401(self, stale: Token) -> Token:
        """Another token than ``stale``, which zDirect has refused: the one of the store, or a new one."""
        async with self._turn:
            held = self._held
            if held is None or held.access_token == stale.access_token or not self._is_usable(held):
                self._held = await self._renew(refused=stale)
            assert self._held is not None
            return self._held

    async def _renew(self, refused: Token | None) -> Token:
        async with self._store.lock():
            shared = await self._load()
            if shared is not None and self._is_usable(shared) and not _same(shared, refused):
                return shared
            try:
                token = await self._request(refused)
            except ZDirectRetriableError as failure:
                return self._make_do(failure, refused)
            await self._store.save(token)
            return token

    async def _request(self, refused: Token | None) -> Token:
        max_wait = self._config.max_inline_wait
        failure: RateLimitedError | None = None
        for _ in range(self._config.max_attempts):
            try:
                waited = await self._limiter.acquire(self._pace, self._rate, max_wait=max_wait)
            except RateLimitedError as closed:
                raise closed from failure
            if waited and (token := await self._from_others(refused)):
                return token
            try:
                return await self._ask()
            except RateLimitedError as error:
                failure = error
            await self._limiter.pause(self._pace, failure.retry_after)
            if failure.retry_after > max_wait:
                raise failure
            log.info("%s: 429, waiting %.0f s.", self._endpoint.call.what, failure.retry_after)
            if token := await self._wait_for_others(failure.retry_after, refused):
                return token
        assert failure is not None
        raise failure

    async def _ask(self) -> Token:
        self.requests += 1
        token = await self._endpoint.request()
        log.info("%s: obtained, valid for %.0f s.", self._endpoint.call.what, token.remaining(token.obtained_at))
        return token

    async def _wait_for_others(self, seconds: float, refused: Token | None) -> Token | None:
        while seconds > 0:
            step = min(seconds, LOOK_AGAIN)
            await self._clock.sleep(step)
            seconds -= step
            if token := await self._from_others(refused):
                return token
        return None

    async def _from_others(self, refused: Token | None) -> Token | None:
        token = await self._load()
        return token if token is not None and self._is_usable(token) and not _same(token, refused) else None

    def _make_do(self, failure: ZDirectRetriableError, refused: Token | None) -> Token:
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
        if held is None or _same(held, refused) or held.remaining(now) <= LAST_USE:
            raise failure
        log.warning(
            "%s: no new one (%s); the current one is valid for %.0f more s.",
            self._endpoint.call.what,
            type(failure).__name__,
            held.remaining(now),
        )
        self._keep_until = now + timedelta(seconds=min(failure.retry_after, held.remaining(now) - LAST_USE))
        return held

    async def _load(self) -> Token | None:
        token = await self._store.load()
        # A store may be shared by mistake between apps or environments; their tokens must not be mixed up.
        return token if token is not None and token.issued_for == self._key else None

    def _is_usable(self, token: Token) -> bool:
        now = self._clock.now()
        if token is self._held and self._keep_until is not None and now < self._keep_until:
            return token.remaining(now) > LAST_USE
        return token.is_fresh(now, self._config.token_margin)


def _same(token: Token, other: Token | None) -> bool:
    return other is not None and token.access_token == other.access_token


def _seconds(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if 0 < seconds <= 366 * 86_400 else None
