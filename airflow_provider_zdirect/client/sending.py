# SPDX-License-Identifier: Apache-2.0
"""One request out and its answer back: paced, sent, judged, read. Nothing is repeated here."""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

from airflow_provider_zdirect.client.answer_errors import error_of, tidy
from airflow_provider_zdirect.client.config import USER_AGENT, ClientConfig
from airflow_provider_zdirect.client.metrics import BYTES, REQUESTS, WAIT_SECONDS, Listener, nobody
from airflow_provider_zdirect.client.rates import RateLimiter
from airflow_provider_zdirect.client.retry import RetryPolicy
from airflow_provider_zdirect.client.transport import Answer, Timeouts, Transport
from airflow_provider_zdirect.clock import Clock
from airflow_provider_zdirect.datasets.endpoint import REFETCH_DELAY, Rate
from airflow_provider_zdirect.exceptions import (
    AnswerTooLargeError,
    MalformedResponseError,
    RateLimitedError,
    TransportError,
)

log = logging.getLogger(__name__)

T = TypeVar("T")

LARGE = 256 * 1024
"""Bytes of a body that take some milliseconds to read."""


@dataclass(frozen=True)
class Call:
    """A request.

    :param what: what is fetched, in words: dataset, merchant and window.
    :param path: path below the base URL.
    :param endpoint: name of the rate limit that it counts against.
    :param scope: permission that the app needs for it.
    :param refetch_delay: seconds before it may be repeated after a failed answer.
    :param headers: beside those that every request has, for example ``If-Match``.
    :param expected: statuses that are not failures.
    """

    what: str
    path: str
    endpoint: str
    rate: Rate
    parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    scope: str | None = None
    refetch_delay: float = REFETCH_DELAY
    accept: str = "application/json"
    method: str = "GET"
    body: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    expected: frozenset[int] = frozenset({200})

    @property
    def tag(self) -> str:
        """The endpoint in metrics: without ids, so that there are few, in characters that StatsD accepts."""
        return re.sub(r"[^\w/.-]", "_", re.sub(r"[^/]*\d[^/]*", "id", self.endpoint), flags=re.ASCII)


@dataclass
class ClientStats:
    """What a client has done so far, token requests aside.

    :param bytes: bytes of the bodies received, after decompression.
    """

    requests: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class Sender:
    """Sends single requests for one app."""

    config: ClientConfig
    transport: Transport
    limiter: RateLimiter
    policy: RetryPolicy
    clock: Clock
    stats: ClientStats = field(default_factory=ClientStats)
    listener: Listener = nobody

    async def send(
        self,
        call: Call,
        authorization: str,
        read: Callable[[Answer], T],
        *,
        max_wait: float | None = None,
        timeouts: Timeouts | None = None,
    ) -> T:
        """What ``read`` makes of the answer; it may raise MalformedResponseError.

        :param authorization: scheme and credentials; masked in every text taken from the answer.
        :param max_wait: longest wait for the rate limit, in seconds; None is that of the policy.
        :raises ZDirectError: if no answer comes, or one with an unexpected status.
        """
        config = self.config
        pace = f"{config.address} {config.client_id} {call.endpoint}"
        patience = self.policy.max_inline_wait if max_wait is None else max_wait
        rate = call.rate.shared(config.rate_share or 1)
        try:
            waited = await self.limiter.acquire(pace, rate, max_wait=patience)
        except RateLimitedError as error:
            raise error.with_message(f"{call.what}: {error.message}", path=call.path) from None
        if waited:
            self.listener(WAIT_SECONDS, waited, reason="rate_limit")
        self.stats.requests += 1
        flow_id = str(uuid.uuid4())
        headers = {
            "Authorization": authorization,
            "Accept": call.accept,
            "User-Agent": USER_AGENT,
            "X-Flow-Id": flow_id,
            **call.headers,
        }
        try:
            answer = await self.transport.send(
                call.method,
                config.address + call.path,
                headers=headers,
                params=call.parameters,
                body=call.body,
                timeouts=timeouts,
                expected=call.expected,
            )
        except (TransportError, AnswerTooLargeError) as error:
            outcome = "no_answer" if isinstance(error, TransportError) else "too_large"
            self.listener(REQUESTS, 1, endpoint=call.tag, outcome=outcome)
            message = f"{call.what}{config.source}: {error.message}"
            facts: dict[str, object] = {"path": call.path, "flow_id": flow_id}
            if isinstance(error, TransportError):
                facts["retry_after"] = call.refetch_delay
            raise error.with_message(message, **facts) from None
        secrets = (config.client_secret, authorization.rpartition(" ")[2])
        flow_id = tidy(answer.headers.get("x-flow-id", ""), secrets)[:100] or flow_id
        size = len(answer.body)
        self.stats.bytes += size
        self.listener(REQUESTS, 1, endpoint=call.tag, outcome=str(answer.status))
        self.listener(BYTES, size, endpoint=call.tag)
        log.debug("%s: %d, %d bytes in %.2f s, flow id %s.", call.what, answer.status, size, answer.elapsed, flow_id)
        if answer.status not in call.expected:
            failure = error_of(answer, call, flow_id=flow_id, now=self.clock.now(), policy=self.policy, secrets=secrets)
            if isinstance(failure, RateLimitedError):
                await self.limiter.pause(pace, rate, failure.retry_after)
            raise failure
        try:
            # In a thread, so that a large page does not stop the loop for all others on it.
            return await asyncio.to_thread(read, answer) if size > LARGE else read(answer)
        except MalformedResponseError as error:
            facts = {"status": answer.status, "path": call.path, "flow_id": flow_id, "retry_after": call.refetch_delay}
            unread = error.with_message(f"{call.what}: {error.message}", **facts)
        raise unread
