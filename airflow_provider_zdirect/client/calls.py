"""One request from start to end: paced, authorised, sent, judged, and sent again where the rules allow it."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from airflow_provider_zdirect.client.auth import TokenProvider
from airflow_provider_zdirect.client.failures import Call
from airflow_provider_zdirect.client.rates import RateLimiter
from airflow_provider_zdirect.client.sending import Outcome, Sender
from airflow_provider_zdirect.client.tokens import Token
from airflow_provider_zdirect.client.transport import Answer
from airflow_provider_zdirect.exceptions import MalformedResponseError, RateLimitedError, ZDirectRetriableError

log = logging.getLogger(__name__)

T = TypeVar("T")

LARGE = 256 * 1024
"""Bytes of a body that take some milliseconds to read."""


class Caller:
    """Carries out :class:`Call`."""

    def __init__(self, sender: Sender, tokens: TokenProvider, limiter: RateLimiter) -> None:
        self._sender = sender
        self._stats = sender.stats
        self._tokens = tokens
        self._limiter = limiter

    async def fetch(self, call: Call, read: Callable[[Answer], T]) -> T:
        """What ``read`` makes of an answer that is expected.

        A call that changes something is repeated only after a 429 and a 401, which show that it was not carried out.
        After any other failure, the caller checks the current state first.

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
                # Our own pacing refused, not zDirect: the failure before it explains more.
                failure.__cause__ = last
            kinds[type(failure)] += 1
            wait = self._sender.policy.inline_wait(failure, attempts=kinds.total(), alike=kinds[type(failure)])
            if wait is None or not (call.changes_nothing or isinstance(failure, RateLimitedError)):
                raise failure
            self._stats.retries += 1
            log.info("%s Trying again in %.1f s.", failure.message, wait)
            # After a 429 the rate limiter does the waiting, one after the other.
            if not isinstance(failure, RateLimitedError):
                await self._sender.clock.sleep(wait)
                self._stats.waited += wait
            last = failure

    async def _once(self, call: Call, read: Callable[[Answer], T]) -> T:
        outcome = await self._authorised(call)
        answer, failure = outcome.answer, outcome.failure
        if isinstance(failure, RateLimitedError):
            await self._limiter.pause(self._pace(call), failure.retry_after)
        if failure is not None:
            raise failure
        try:
            # In a thread, so that a large page does not stop the loop for all others on it.
            return await asyncio.to_thread(read, answer) if len(answer.body) > LARGE else read(answer)
        except MalformedResponseError as error:
            facts = {"status": answer.status, "path": call.path, "flow_id": outcome.flow_id}
            unread = error.with_message(f"{call.what}: {error.message}", **facts, retry_after=call.refetch_delay)
        raise unread

    async def _authorised(self, call: Call) -> Outcome:
        """The answer; a 401 only if a token that was requested after a first 401 is refused as well."""
        token = await self._tokens.get()
        refused_at: datetime | None = None
        while True:
            outcome = await self._send(call, token)
            if outcome.answer.status != 401 or (refused_at is not None and token.obtained_at >= refused_at):
                return outcome
            refused_at = refused_at or self._sender.clock.now()
            log.info("%s: 401, the access token is refused; using another one.", call.what)
            token = await self._tokens.get(refused=token.access_token)

    async def _send(self, call: Call, token: Token) -> Outcome:
        config = self._sender.config
        self._stats.waited += await self._limiter.acquire(
            self._pace(call), call.rate.shared(config.rate_share), max_wait=config.max_inline_wait
        )
        self._stats.requests += 1
        outcome = await self._sender.send(call, f"Bearer {token.access_token}")
        answer = outcome.answer
        self._stats.bytes += len(answer.body)
        log.debug(
            "%s: %d, %d bytes in %.2f s, flow id %s.",
            call.what,
            answer.status,
            len(answer.body),
            answer.elapsed,
            outcome.flow_id,
        )
        return outcome

    def _pace(self, call: Call) -> str:
        config = self._sender.config
        return f"{config.address} {config.client_id} {call.endpoint}"
