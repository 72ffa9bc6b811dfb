# SPDX-License-Identifier: Apache-2.0
"""The client of zDirect's API that a plain script can use; everything above it is Airflow."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from typing import Any, TypedDict, TypeVar, Unpack

import msgspec

from airflow_provider_zdirect.client.access_token import AccessTokens
from airflow_provider_zdirect.client.config import ClientConfig
from airflow_provider_zdirect.client.metrics import RETRIES, WAIT_SECONDS, Listener, nobody
from airflow_provider_zdirect.client.rates import FileRateLimiter, RateLimiter
from airflow_provider_zdirect.client.retry import RetryPolicy
from airflow_provider_zdirect.client.sending import Call, Sender
from airflow_provider_zdirect.client.token_stores import MemoryTokenStore, TokenStore
from airflow_provider_zdirect.client.transport import MB, Answer, Timeouts, Transport
from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.datasets.damaged_json import mended
from airflow_provider_zdirect.datasets.dataset import Dataset
from airflow_provider_zdirect.datasets.endpoint import REFETCH_DELAY, Rate
from airflow_provider_zdirect.datasets.page import NOT_READABLE, Page
from airflow_provider_zdirect.exceptions import (
    AuthenticationError,
    CursorLoopError,
    MalformedResponseError,
    RateLimitedError,
    ZDirectConfigurationError,
    ZDirectRetriableError,
)
from airflow_provider_zdirect.merchant_files.cells import checked_merchant_id as checked_merchant_id
from airflow_provider_zdirect.words import counted

T = TypeVar("T")

log = logging.getLogger(__name__)

ME_RATE = Rate(2)
"""No limit of /auth/me is documented; more than two a second are never needed."""


ALIKE_PAGES = 100
"""Pages in a row that begin and end with the same records: the server gives one page by ever new cursors."""


@dataclass(frozen=True)
class Identity:
    """Who the app is (``GET /auth/me``).

    :param merchant_ids: the merchants it may read: ``bpids``, business partner ids, which are UUIDs.
    :param scopes: permissions granted to the app.
    """

    client_id: str
    username: str
    merchant_ids: tuple[str, ...]
    scopes: tuple[str, ...]


@dataclass(frozen=True)
class Reply:
    """An answer to a single request.

    :param content: the decoded JSON; None for an empty body.
    :param etag: names the state of what was answered, for ``If-Match`` and ``If-None-Match``; None if there was none.
    :param location: where something that was created is.
    """

    status: int
    content: Any
    etag: str | None
    location: str | None


class CallFacts(TypedDict, total=False):
    """What else may be said of a request.

    :param endpoint: name of the rate limit, if several paths share it; otherwise the path.
    :param scope: permission that the app needs, for errors.
    :param accept: media type of the answer, and of a body that is sent.
    :param what: what is fetched, for errors and logs.
    """

    endpoint: str
    scope: str | None
    accept: str
    what: str


class ZDirectClient:
    """Fetches datasets from zDirect. An async context manager; belongs to one event loop.

    :param config: address, app and patience.
    :param tokens: where the access token is shared; None keeps it in this client.
    :param clock: all waiting for zDirect goes through it.
    :param limiter: None paces the requests of all processes of this host together.
    :param transport: None talks HTTP.
    :param policy: None is made from ``config``.
    :param listener: is called for the metrics of :mod:`.metrics`.
    """

    def __init__(
        self,
        config: ClientConfig,
        *,
        tokens: TokenStore | None = None,
        clock: Clock | None = None,
        limiter: RateLimiter | None = None,
        transport: Transport | None = None,
        policy: RetryPolicy | None = None,
        listener: Listener = nobody,
    ) -> None:
        self.config = config
        self.assumptions = config.assumptions
        self.merchants = config.merchants
        clock = clock or SystemClock()
        limiter = limiter or FileRateLimiter(clock=clock)
        policy = policy or RetryPolicy(max_inline_wait=config.max_inline_wait)
        self._transport = transport or Transport(
            Timeouts(config.connect_timeout, config.read_timeout, config.total_timeout),
            largest=int(config.max_answer_size * MB),
        )
        self._sender = Sender(config, self._transport, limiter, policy, clock, listener=listener)
        self._tokens = AccessTokens(self._sender, tokens or MemoryTokenStore())
        self.stats = self._sender.stats

    async def __aenter__(self) -> ZDirectClient:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    def on_piece(self, call: Callable[[int], None]) -> None:
        """Call back whenever a piece of an answer has come, with its bytes; and with 0 now and then while none comes.

        For signs of life of long answers; the last callback that was given is called.
        """
        self._transport.on_piece = call

    async def pages(
        self,
        dataset: Dataset,
        merchant_id: str,
        parameters: Mapping[str, str],
        *,
        cursor: str | None = None,
        answered_at: Callable[[], datetime] | None = None,
        known_as: str | None = None,
    ) -> AsyncGenerator[Page, None]:
        """Every page of ``dataset`` that ``parameters`` select, in the server's order.

        :param merchant_id: UUID of the merchant.
        :param parameters: the query, as ``dataset.windows.parameters`` gives it; sent with every page.
        :param cursor: where to go on; None starts at the first page.
        :param answered_at: the time of an answer, called whenever one has come.
        :param known_as: ETag of a former answer; if the first page is still that, it comes without records and is
            marked as unchanged.
        :raises CursorLoopError: if the server names a cursor that was followed before, or the same page over and over.
        :raises ZDirectError: if a page cannot be fetched; the pages before it were yielded.
        """
        dataset = dataset.assuming(self.assumptions)
        endpoint, merchant = dataset.endpoint, checked_merchant_id(merchant_id)
        filters = ", ".join(f"{name}={value}" for name, value in parameters.items())
        what = f"{dataset.name} of merchant {self.merchants.in_words(merchant)}" + (f" ({filters})" if filters else "")

        def read(answer: Answer) -> Page:
            etag = answer.headers.get("etag")
            if answer.status == 304:
                return Page([], None, 0, etag=etag, unchanged=True)
            at = answered_at() if answered_at else None
            return replace(dataset.read(answer.body, parameters, cursor, at), etag=etag)

        followed: set[str] = set()
        alike, before = 1, None
        for number in count(1):
            if cursor is not None:
                followed.add(cursor)
            known = known_as if number == 1 else None
            call = Call(
                what=what if number == 1 else f"{what}, page {number}",
                path=endpoint.path_of(merchant),
                endpoint=dataset.name,
                rate=endpoint.rate_limits.of(self.config.environment),
                parameters={
                    **endpoint.parameters(merchant),
                    **parameters,
                    **dataset.paging.parameters(cursor, parameters),
                },
                scope=endpoint.scope,
                accept=endpoint.media_type,
                refetch_delay=endpoint.refetch_delay,
                headers={"If-None-Match": known} if known else {},
                expected=frozenset({200, 304} if known else {200}),
            )
            page = await self._fetch(call, read)
            if page.next_cursor in followed:
                raise CursorLoopError(
                    f"{call.what}: zDirect named a cursor that was followed before; the pages would never end.",
                    remedy="Run the window again from its start; if the error stays, report it to Zalando's support.",
                    path=call.path,
                )
            seen = _outline(page)
            alike, before = alike + 1 if seen == before else 1, seen
            if page.next_cursor and alike >= ALIKE_PAGES:
                raise CursorLoopError(
                    f"{call.what}: {alike} pages one after the other are the same; they would never end.",
                    remedy="Run the window again from its start; if the error stays, report it to Zalando's support.",
                    path=call.path,
                )
            log.debug(
                "%s: %s, %s.", call.what, counted(len(page.records), "record"), "more" if page.next_cursor else "end"
            )
            yield page
            cursor = page.next_cursor
            # The consumer is done with it; two pages at once would double the memory.
            del page
            if cursor is None:
                return

    async def access_token(self, *, refused: str | None = None) -> str:
        """The app's access token, for requests that this client does not send.

        :param refused: a token that zDirect has answered with 401; it is another one then.
        :raises AuthenticationError: if the client id or the secret is refused.
        :raises ZDirectRetriableError: if no token can be had at the moment.
        """
        return (await self._tokens.get(refused)).access_token

    async def me(self) -> Identity:
        """Who the app is and which merchants it may read. Needs no scope (zDirect docs, Authentication)."""
        content = await self.get("/auth/me", rate=ME_RATE, what="Identity of the app")
        if not isinstance(content, dict):
            raise MalformedResponseError(
                "Identity of the app: the answer is not a JSON object.", path="/auth/me", retry_after=REFETCH_DELAY
            )
        return Identity(
            client_id=str(content.get("client_id") or ""),
            username=str(content.get("username") or ""),
            merchant_ids=_texts(content.get("bpids")),
            scopes=_texts(content.get("scopes")),
        )

    async def get(
        self, path: str, parameters: Mapping[str, str] | None = None, *, rate: Rate, **facts: Unpack[CallFacts]
    ) -> Any:
        """The decoded JSON of one GET, for what is not a dataset.

        :param path: below the base URL, with a slash in front.
        :param rate: documented rate limit of the endpoint.
        """
        call = _call("GET", path, rate, facts, parameters=dict(parameters or {}))
        return await self._fetch(call, lambda answer: _decode(answer.body))

    async def get_bytes(self, path: str, *, rate: Rate, **facts: Unpack[CallFacts]) -> bytes:
        """The body of one GET as it is; parameters as :meth:`get`."""
        return await self._fetch(_call("GET", path, rate, facts), lambda answer: bytes(answer.body))

    async def request(
        self,
        method: str,
        path: str,
        *,
        rate: Rate,
        json: Any = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
        expected: frozenset[int] = frozenset({200, 201, 202, 204}),
        **facts: Unpack[CallFacts],
    ) -> Reply:
        """One request of any kind; parameters as :meth:`get`.

        A change is repeated automatically only after a 429 or a 401, which show that it was not carried out. After any
        other failure, check the current state first.

        :param json: the body, as what JSON can say; None sends none.
        :param if_match: ETag of what is to be changed.
        :param if_none_match: ETag of what is known already; a 304 is then an answer like any other.
        :param expected: statuses that are not failures.
        :raises ConflictError: 409, 412 and 428.
        """
        headers = {name: etag for name, etag in (("If-Match", if_match), ("If-None-Match", if_none_match)) if etag}
        call = _call(method, path, rate, facts)
        if method != "GET":
            # Wanted with every PUT and POST, those without a body included (zDirect docs, Shipping Notices).
            headers["Content-Type"] = call.accept
        call = replace(
            call,
            body=None if json is None else msgspec.json.encode(json),
            headers=headers,
            expected=expected | {304} if if_none_match else expected,
        )
        return await self._fetch(call, _reply)

    async def _fetch(self, call: Call, read: Callable[[Answer], T]) -> T:
        """What ``read`` makes of the answer, after as many attempts as :mod:`.retry` allows.

        A change is repeated only after a 429 and a 401, which show that it was not carried out.
        """
        kinds: Counter[type[ZDirectRetriableError]] = Counter()
        last: ZDirectRetriableError | None = None
        while True:
            try:
                return await self._authorised(call, read)
            except ZDirectRetriableError as error:
                failure = error
            is_limit = isinstance(failure, RateLimitedError)
            if is_limit and failure.status is None and last is not None:
                # Our own pacing refused, not zDirect: the failure before it explains more.
                failure.__cause__ = last
            kinds[type(failure)] += 1
            wait = self._sender.policy.inline_wait(failure, attempts=kinds.total(), alike=kinds[type(failure)])
            if wait is None or not (call.method == "GET" or is_limit):
                raise failure
            log.info("%s Trying again in %.1f s.", failure.message, wait)
            self._sender.listener(RETRIES, 1, endpoint=call.tag, reason=type(failure).__name__)
            # After a 429 the rate limiter does the waiting, one after the other.
            if not is_limit:
                self._sender.listener(WAIT_SECONDS, wait, reason="failure")
                await self._sender.clock.sleep(wait)
            last = failure

    async def _authorised(self, call: Call, read: Callable[[Answer], T]) -> T:
        """One attempt; a 401 fails it only if a token that was requested after a first 401 is refused as well."""
        token = await self._tokens.get()
        first_sent = self._sender.clock.now()
        is_repeated = False
        while True:
            try:
                return await self._sender.send(call, f"Bearer {token.access_token}", read)
            except AuthenticationError:
                if is_repeated and token.obtained_at >= first_sent:
                    raise
            is_repeated = True
            self._sender.listener(RETRIES, 1, endpoint=call.tag, reason=AuthenticationError.__name__)
            log.info("%s: 401, the access token is refused; using another one.", call.what)
            token = await self._tokens.get(refused=token.access_token)


def _outline(page: Page) -> tuple[int, bytes, bytes]:
    """Number of records, the first and the last one: enough to tell pages apart."""
    records = page.records
    return (len(records), bytes(records[0]), bytes(records[-1])) if records else (0, b"", b"")


def _call(method: str, path: str, rate: Rate, facts: CallFacts, **more: Any) -> Call:
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", path) or ".." in path:
        raise ZDirectConfigurationError(
            f"path={path[:100]!r} is not a path of the API.", remedy="Give it as /auth/me, without host and query."
        )
    named: CallFacts = {"what": f"{method} {path}", "endpoint": path, **facts}
    return Call(method=method, path=path, rate=rate, **named, **more)


def _reply(answer: Answer) -> Reply:
    content = _decode(answer.body) if answer.body.strip() else None
    return Reply(answer.status, content, answer.headers.get("etag"), answer.headers.get("location"))


def _decode(body: bytearray) -> Any:
    try:
        return msgspec.json.decode(mended(msgspec.Raw(body)))
    except (ValueError, *NOT_READABLE) as error:
        raise MalformedResponseError(
            f"the answer is not JSON ({error}).",
            remedy="No action needed if the retry succeeds; otherwise check host.",
            retry_after=REFETCH_DELAY,
        ) from None


def _texts(value: Any) -> tuple[str, ...]:
    """A list of texts or a single one: the docs' sample token has ``bpids`` as a plain string."""
    if isinstance(value, str):
        return tuple(value.split())
    return tuple(str(item) for item in value) if isinstance(value, list) else ()
