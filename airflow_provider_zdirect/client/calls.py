"""One request from start to end: paced, authorised, sent, judged, and sent again where the rules allow it."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from airflow_provider_zdirect.client.auth import TokenProvider
from airflow_provider_zdirect.client.config import ClientConfig
from airflow_provider_zdirect.client.failures import Call, failure_of, flow_id_of, no_answer
from airflow_provider_zdirect.client.rates import RateLimiter
from airflow_provider_zdirect.client.retry import RetryPolicy
from airflow_provider_zdirect.client.tokens import Token
from airflow_provider_zdirect.client.transport import Answer, Transport
from airflow_provider_zdirect.clock import Clock
from airflow_provider_zdirect.exceptions import (
    MalformedResponseError,
    RateLimitedError,
    TransportError,
    ZDirectRetriableError,
)

log = logging.getLogger(__name__)

T = TypeVar("T")

LARGE = 256 * 1024
"""Bytes of a body that take some milliseconds to read."""


@dataclass
class ClientStats:
    """What a client has done so far.

    :param requests: requests sent, without token requests.
    :param token_requests: token requests sent.
    :param bytes: bytes of the bodies received, after decompression.
    :param retries: requests that were sent again.
    :param waited: seconds waited for rate limits and between attempts.
    """

    requests: int = 0
    token_requests: int = 0
    bytes: int = 0
    retries: int = 0
    waited: float = 0.0


@dataclass(frozen=True)
class _Exchange:
    """An answer, and what must be known of its request.

    :param secrets: what a server may have echoed, to be kept out of every text.
    """

    answer: Answer
    flow_id: str
    secrets: tuple[str, ...] = field(repr=False)


class Caller:
    """Carries out :class:`Call`."""

    def __init__(
        self,
        config: ClientConfig,
        transport: Transport,
        tokens: TokenProvider,
        limiter: RateLimiter,
        policy: RetryPolicy,
        clock: Clock,
        stats: ClientStats,
    ) -> None:
        self._config = config
        self._transport = transport
        self._tokens = tokens
        self._limiter = limiter
        self._policy = policy
        self._clock = clock
        self._stats = stats

    async def fetch(self, call: Call, read: Callable[[Answer], T]) -> T:
        """What ``read`` makes of an answer that is expected.

        A call that changes something is repeated only after a 429 and a 401, which say that it was not carried out;
        after any other failure it has to be looked first what became of it.

        :param read: may raise MalformedResponseError; the call is then repeated like a broken connection.
        :raises ZDirectError: the failure, once the rules of :mod:`.retry` are exhausted.
        """
        kinds: Counter[type[ZDirectRetriableError]] = Counter()
        last: ZDirectRetriableError | None = None
        while True:
            try:
                return await self._once(call, read)
            except ZDirectRetriableError as error:
                failure = error
            if isinstance(failure, RateLimitedError) and failure.status is None and last is not None:
                # Not zDirect but our own pacing refused: what went wrong before is the better story.
                failure.__cause__ = last
            kinds[type(failure)] += 1
            wait = self._policy.inline_wait(failure, attempts=kinds.total(), alike=kinds[type(failure)])
            if wait is None or not (call.changes_nothing or isinstance(failure, RateLimitedError)):
                raise failure
            self._stats.retries += 1
            log.info("%s Trying again in %.1f s.", failure.message, wait)
            # After a 429 the rate limiter does the waiting, one after the other.
            if not isinstance(failure, RateLimitedError):
                await self._clock.sleep(wait)
                self._stats.waited += wait
            last = failure

    async def _once(self, call: Call, read: Callable[[Answer], T]) -> T:
        exchange = await self._authorised(call)
        answer, flow_id = exchange.answer, exchange.flow_id
        failure = failure_of(
            answer,
            call,
            flow_id=flow_id,
            now=self._clock.now(),
            policy=self._policy,
            secrets=exchange.secrets,
        )
        if isinstance(failure, RateLimitedError):
            await self._limiter.pause(self._pace(call), failure.retry_after)
        if failure is not None:
            raise failure
        try:
            # In a thread, so that a large page does not stop the loop for all others on it.
            return await asyncio.to_thread(read, answer) if len(answer.body) > LARGE else read(answer)
        except MalformedResponseError as error:
            reason, remedy = error.message, error.remedy
        raise MalformedResponseError(
            f"{call.what}: {reason}",
            remedy=remedy,
            status=answer.status,
            path=call.path,
            flow_id=flow_id,
            retry_after=call.refetch_delay,
        )

    async def _authorised(self, call: Call) -> _Exchange:
        """The answer; a 401 only if a token that was requested after a first 401 is refused as well."""
        token = await self._token()
        refused_at: datetime | None = None
        while True:
            exchange = await self._send(call, token)
            if exchange.answer.status != 401 or (refused_at is not None and token.obtained_at >= refused_at):
                return exchange
            refused_at = refused_at or self._clock.now()
            log.info("%s: 401, the access token is refused; using another one.", call.what)
            token = await self._token(refused=token)

    async def _token(self, refused: Token | None = None) -> Token:
        before = self._tokens.requests
        try:
            return await (self._tokens.refresh_after_401(refused) if refused else self._tokens.get())
        finally:
            self._stats.token_requests += self._tokens.requests - before

    async def _send(self, call: Call, token: Token) -> _Exchange:
        config = self._config
        self._stats.waited += await self._limiter.acquire(
            self._pace(call), call.rate.shared(config.rate_share), max_wait=config.max_inline_wait
        )
        flow_id = str(uuid.uuid4())
        self._stats.requests += 1
        try:
            answer = await self._transport.send(
                call.method,
                config.address + call.path,
                headers={
                    "Authorization": f"Bearer {token.access_token}",
                    "Accept": call.accept,
                    "User-Agent": config.user_agent,
                    "X-Flow-Id": flow_id,
                    **call.headers,
                },
                params=call.parameters,
                body=call.body,
            )
        except TransportError as error:
            raise no_answer(error, call, source=config.source, flow_id=flow_id) from None
        self._stats.bytes += len(answer.body)
        secrets = (config.client_secret, token.access_token)
        flow_id = flow_id_of(answer, flow_id, secrets)
        log.debug(
            "%s: %d, %d bytes in %.2f s, flow id %s.",
            call.what,
            answer.status,
            len(answer.body),
            answer.elapsed,
            flow_id,
        )
        return _Exchange(answer, flow_id, secrets)

    def _pace(self, call: Call) -> str:
        return f"{self._config.address} {self._config.client_id} {call.endpoint}"
