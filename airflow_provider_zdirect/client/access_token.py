# SPDX-License-Identifier: Apache-2.0
"""The access token: requested rarely, shared by everybody, renewed once when refused.

zDirect docs, Authentication: OAuth2 client credentials, ``POST /auth/token``; 8 token requests a minute in
production, 1 in sandbox, per app; offenders may be banned. The life of a token is read from ``expires_in``.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated

import msgspec

from airflow_provider_zdirect.client.metrics import REQUESTS, TOKENS, WAIT_SECONDS, Metric
from airflow_provider_zdirect.client.sending import Call, ClientStats, Sender
from airflow_provider_zdirect.client.token_stores import Token, TokenStore
from airflow_provider_zdirect.client.transport import Answer, Timeouts
from airflow_provider_zdirect.datasets.endpoint import Rate, RateLimits
from airflow_provider_zdirect.datasets.page import NOT_READABLE
from airflow_provider_zdirect.exceptions import (
    AuthenticationError,
    BadRequestError,
    MalformedResponseError,
    NotConnectedError,
    RateLimitedError,
    ZDirectConfigurationError,
    ZDirectError,
    ZDirectRetriableError,
)

log = logging.getLogger(__name__)

TOKEN_PATH = "/auth/token"  # noqa: S105
TOKEN_RATES = RateLimits(production=Rate(8, 60, burst=2), sandbox=Rate(1, 60))
TOKEN_TIMEOUT = 30.0
"""Seconds for the answer to a token request: others wait for it behind the lock."""

LOOK_AGAIN = 1.0
"""Seconds between two looks at the store while no token may be requested: another host may have got one."""

LAST_USE = 30.0
"""Seconds of life with which an ageing token is still used if no new one can be had."""


class _Granted(msgspec.Struct):
    """What zDirect answers. Other tokens could not be sent in a header, and would be quoted in an error."""

    access_token: Annotated[str, msgspec.Meta(pattern=r"\A[!-~]+\Z")]
    expires_in: Annotated[float, msgspec.Meta(gt=0, le=366 * 86_400)]


class AccessTokens:
    """Gives the app's access token, requesting one only if no other process has a usable one.

    :param store: where the token is shared.
    """

    def __init__(self, sender: Sender, store: TokenStore) -> None:
        self._listener = sender.listener
        self._sender = replace(sender, stats=ClientStats(), listener=self._count)
        self._config = config = sender.config
        self._clock = sender.clock
        self._store = store
        self._call = Call(
            what=f"Access token for app {config.client_id}",
            path=TOKEN_PATH,
            endpoint="token",
            rate=TOKEN_RATES.of(config.environment),
            method="POST",
            body=b"grant_type=client_credentials",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        self._held: Token | None = None
        self._keep_until: datetime | None = None
        # Tasks of this process queue here, so that only one of them looks at the host's lock.
        self._turn = asyncio.Lock()
        self._requested = 0
        self._failure: ZDirectError | None = None

    async def get(self, refused: str | None = None) -> Token:
        """A token with enough life left: the shared one, or a new one.

        :param refused: a token that zDirect has answered with 401; it is another one then.
        :raises ZDirectConfigurationError: if another address than zDirect's own cannot be reached, and never was.
        :raises AuthenticationError: if the client id or the secret is refused.
        :raises ZDirectRetriableError: if no token can be had at the moment.
        """
        if token := self._usable(self._held, refused):
            return token
        requested = self._requested
        async with self._turn:
            if token := self._usable(self._held, refused):
                return token
            self._held = await self._store.load() or self._held
            if token := self._usable(self._held, refused):
                self._held = token
                return token
            if self._failure is not None and self._requested > requested:
                # Somebody asked while this one queued, in vain; zDirect is not asked once more for each that queues.
                raise self._failure.with_message(self._failure.message)
            self._failure = None
            try:
                self._held = await self._renewed(refused)
            except ZDirectError as error:
                self._failure = error
                raise
            finally:
                self._requested += 1
            return self._held

    async def _renewed(self, refused: str | None) -> Token:
        async with self._store.lock():
            if token := self._usable(await self._store.load(), refused):
                return token
            try:
                token = await self._request(refused)
            except ZDirectRetriableError as failure:
                return self._ageing(failure, refused)
            await self._store.save(token)
            return token

    async def _request(self, refused: str | None) -> Token:
        """A new token; or the one that another host has got meanwhile."""
        policy, attempts = self._sender.policy, 0
        while True:
            attempts += 1
            try:
                return await self._ask()
            except RateLimitedError as error:
                refusal = error
            # Refused by our own pacing: somebody else has just asked, and the token will be there in a moment.
            is_ours = refusal.status is None
            if attempts >= policy.max_attempts or (refusal.retry_after > policy.max_inline_wait and not is_ours):
                raise refusal
            log.info("%s: no request for %.0f s.", self._call.what, refusal.retry_after)
            left = min(refusal.retry_after, policy.max_inline_wait)
            refusal.retry_after -= left
            while left > 0:
                pause = min(left, LOOK_AGAIN)
                self._listener(WAIT_SECONDS, pause, reason="token")
                await self._clock.sleep(pause)
                left -= LOOK_AGAIN
                if token := self._usable(await self._store.load(), refused):
                    return token
            if refusal.retry_after > 0:
                raise refusal

    async def _ask(self) -> Token:
        """Request a token, once.

        :raises AuthenticationError: if the client id or the secret is refused.
        :raises ZDirectRetriableError: 429, 5xx, no or a malformed answer.
        """
        config, what = self._config, self._call.what
        credentials = base64.b64encode(f"{config.client_id}:{config.client_secret}".encode()).decode()
        asked_at = self._clock.now()

        def read(answer: Answer) -> Token:
            try:
                granted = msgspec.json.decode(answer.body, type=_Granted, strict=False)
            except NOT_READABLE as error:
                raise MalformedResponseError(
                    f"the answer holds no token: {error}.",
                    remedy="Check host: it must be the address of zDirect or its emulator.",
                    retry_after=self._call.refetch_delay,
                ) from None
            log.info("%s: obtained, valid for %.0f s.", what, granted.expires_in)
            return Token(granted.access_token, asked_at, asked_at + timedelta(seconds=granted.expires_in))

        timeouts = Timeouts(connect=config.connect_timeout, read=TOKEN_TIMEOUT, total=2 * TOKEN_TIMEOUT)
        max_wait = min(LOOK_AGAIN, self._sender.policy.max_inline_wait)
        try:
            return await self._sender.send(
                self._call, f"Basic {credentials}", read, max_wait=max_wait, timeouts=timeouts
            )
        except (AuthenticationError, BadRequestError) as error:
            if error.status not in (400, 401):
                raise
            refusal = error
        raise AuthenticationError(
            f"{what}{config.source}: zDirect refused the client id or the client secret.",
            remedy="Copy both again from the app in the zDirect portal (login and password of the connection), and "
            f"check that the app belongs to the environment {config.environment} at {config.address}.",
            status=refusal.status,
            path=TOKEN_PATH,
            flow_id=refusal.flow_id,
            title=refusal.title,
        )

    def _ageing(self, failure: ZDirectRetriableError, refused: str | None) -> Token:
        """The ageing token, if it still lives: no reason to fail a task while it does."""
        held = self._held
        if held is None and isinstance(failure, NotConnectedError) and not self._config.is_zalando:
            # A token, even an expired one, shows that the address was right; without one it is most likely wrong.
            raise ZDirectConfigurationError(
                f"{failure.message} The address cannot be reached, and has never given an access token.",
                remedy="Correct host in the connection (scheme, name, port), or start what should answer there; "
                "behind a proxy, check HTTPS_PROXY and NO_PROXY; for certificates of a CA of your own, let "
                "SSL_CERT_FILE name its file.",
                path=TOKEN_PATH,
            )
        now = self._clock.now()
        left = held.remaining(now) if held is not None and held.access_token != refused else 0.0
        if held is None or left <= LAST_USE:
            raise failure
        log.warning(
            "%s: no new one (%s); the current one is valid for %.0f more s.",
            self._call.what,
            type(failure).__name__,
            left,
        )
        self._keep_until = now + timedelta(seconds=min(failure.retry_after, left - LAST_USE))
        return held

    def _count(self, metric: Metric, value: float, /, **tags: str) -> None:
        """Token requests are counted as such; the rate limit that they wait for is that of tokens."""
        if metric is REQUESTS:
            self._listener(TOKENS, value, outcome=tags["outcome"])
        elif metric is WAIT_SECONDS:
            self._listener(WAIT_SECONDS, value, reason="token")

    def _usable(self, token: Token | None, refused: str | None) -> Token | None:
        if token is None or token.access_token == refused:
            return None
        now = self._clock.now()
        if token is self._held and self._keep_until is not None and now < self._keep_until:
            return token if token.remaining(now) > LAST_USE else None
        return token if token.is_fresh(now) else None
