"""The server or the way to it fails: every status, form of ``Retry-After``, broken connection and damaged answer."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.utils import format_datetime

import pytest

from airflow_provider_zdirect.client import MemoryRateLimiter
from airflow_provider_zdirect.client.client import ALIKE_PAGES
from airflow_provider_zdirect.datasets.dataset import Dataset
from airflow_provider_zdirect.datasets.paging import Cursor
from airflow_provider_zdirect.emulator.clock import DAY
from airflow_provider_zdirect.exceptions import (
    BadRequestError,
    CursorLoopError,
    MalformedResponseError,
    NotConnectedError,
    RateLimitedError,
    ServerError,
    TransportError,
    ZDirectConfigurationError,
    ZDirectError,
)
from airflow_provider_zdirect.windows import Window
from certification.case import (
    Disturbed,
    Play,
    Situation,
    check_end,
    check_requests,
    check_waits,
    of_dataset,
    requests_needed,
)
from certification.protection import Protection
from certification.world import DAYS, NOW, World

LATER = Protection(
    "client.answer_errors:error_of", "max(parse_retry_after(header, now) or 0.0, call.refetch_delay)", "1.0"
)
RETRY_AFTER: dict[str, tuple[str | None, float]] = {
    "seconds": ("7", 7),
    "fraction": ("2.5", 2.5),
    "http-date": (format_datetime(NOW + timedelta(seconds=25), usegmt=True), 24),
    "long": ("900", 900),
    "past": (format_datetime(NOW - timedelta(hours=1), usegmt=True), 1),
    "negative": ("-5", 60),
    "absent": (None, 60),
    "garbage": ("soon", 60),
    "huge": ("99999999999", 86_400),
}
"""The header's form: its text, and the seconds to wait after a 429. The client sleeps up to 30 s itself."""


def _after_429(form: str) -> Situation:
    text, wait = RETRY_AFTER[form]
    headers = {"Retry-After": text} if text is not None else {}
    kept = (
        ("asked = parse_retry_after(header, now)", "asked = 0.0")
        if wait != 1
        else ("max(asked, SHORTEST_RATE_LIMIT_WAIT)", "0.0")
    )
    # Some endpoints have a limit that allows no request before, either.
    paced = ("await self._change(endpoint, partial(self._reserve, endpoint, rate, left))", "0.0")
    return Situation(
        f"retry/429-{form}",
        f"After a 429 whose Retry-After is {form}, nothing is asked for before {wait:g} s have passed.",
        Protection(
            "client.retry:RetryPolicy.wait_after_429",
            *kept,
            also=Protection("client.rates:RateLimiter.acquire", *paced),
        ),
        Disturbed(
            {"status": 429, "headers": headers},
            RateLimitedError if wait > 30 else None,
            wait,
            tokens=1 + (wait > 7200),
        ),
    )


def _after_503(form: str) -> Situation:
    text, wait = RETRY_AFTER[form]
    wait = max(120, wait) if text and text[0].isdigit() else 120
    headers = {"Retry-After": text} if text is not None else {}
    return Situation(
        f"retry/503-{form}",
        f"After a 503 whose Retry-After is {form}, nothing is asked for again before {wait:g} s have passed.",
        LATER,
        Disturbed(
            {"status": 503, "headers": headers},
            ServerError,
            wait,
            says=("answered 503",),
            tokens=1 + (wait > 7200),
        ),
    )


def _status(status: int) -> Situation:
    return Situation(
        f"retry/{status}",
        f"A {status} is repeated by the task's retry, two minutes later, and what came before it is kept.",
        LATER,
        Disturbed({"status": status, "body": ""}, ServerError, 120, says=(f"answered {status}",)),
    )


def _inside(name: str, shows: str, protected_by: Protection, action: dict[str, object], **more: object) -> Situation:
    """A failure that the client repeats by itself."""
    return Situation(f"transport/{name}", shows, protected_by, Disturbed(action, None, 1, **more))  # type: ignore[arg-type]


def _token(
    name: str,
    shows: str,
    protected_by: Protection,
    action: dict[str, object],
    error: type[ZDirectError] | None,
    wait: float,
) -> Situation:
    """The token endpoint fails once."""
    return Situation(
        f"token/{name}",
        shows,
        protected_by,
        Disturbed(action, error, wait, path="^/auth/token$", tokens=2),
    )


def refused(world: World) -> None:
    """Nothing listens at the address for a while."""
    needed = requests_needed(world)
    asyncio.run(_ask_for_token(world))
    with _nobody_listens() as address:
        world.settings = {"base_url": address}
        outcome = world.task(tries=1)
        assert outcome.errors[0].retry_after >= 120  # type: ignore[attr-defined]
        check_end(world, outcome, error=NotConnectedError, ends=False, says=("nothing listens on that port",))
    world.settings = {}
    check_end(world, world.task())
    check_requests(world, needed=needed)


def refused_from_the_start(world: World) -> None:
    with _nobody_listens() as address:
        world.settings = {"base_url": address}
        outcome = world.task()
        says = (address, "Correct host in the connection")
        check_end(world, outcome, error=ZDirectConfigurationError, ends=False, says=says, names=False)
    assert not world.emulator.requests


async def _ask_for_token(world: World) -> None:
    async with world.client() as client:
        await client.access_token()


@contextmanager
def _nobody_listens() -> Iterator[str]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


def redirect(world: World) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        other.setblocking(False)
        address = f"http://127.0.0.1:{other.getsockname()[1]}/elsewhere"
        world.fault(world.path, {"status": 302, "headers": {"Location": address}}, times=None)
        check_end(world, world.task(), error=ZDirectConfigurationError, ends=False, says=("a redirect",))
        with pytest.raises(BlockingIOError):
            other.accept()


def _one_day(world: World) -> Window | None:
    """So that pages come one after the other."""
    if not world.is_by_day:
        return world.window
    return max(DAYS.split(DAY), key=lambda day: world.expected(day).total())


def repeated_cursor(world: World) -> None:
    world.fault(world.path, {"repeat_cursor": True}, nth=2)
    window = _one_day(world)
    outcome = world.task(window=window)
    check_end(world, outcome, error=CursorLoopError, ends=False, says=("never end",))
    assert len(of_dataset(world)) == 2
    check_end(world, world.task(window=window), window=window)


def endless_cursors(world: World) -> None:
    world.fault(world.path, {"endless_cursor": True}, times=None)
    outcome = world.task(window=_one_day(world))
    check_end(world, outcome, error=CursorLoopError, ends=False, says=("never end",))
    assert len(of_dataset(world)) == ALIKE_PAGES


def token_expires(world: World) -> None:
    needed = requests_needed(world)
    nth = 2 if needed > 1 else 1
    world.fault(world.path, {"revoke_tokens": True}, nth=nth)
    check_end(world, world.task())
    check_requests(world, needed=needed, tokens=2, hit=8)


def _skewed(ahead: timedelta) -> Play:
    def play(world: World) -> None:
        needed = requests_needed(world)
        world.ahead = ahead
        world.limiter = MemoryRateLimiter(world.clock())
        at = world.emulator.clock.now() + timedelta(seconds=25)
        date = format_datetime(at, usegmt=True)
        world.fault(world.path, {"status": 429, "headers": {"Retry-After": date}})
        outcome = world.task()
        check_end(world, outcome)
        hit = [request for request in world.emulator.requests if request.fault]
        check_waits(world, hit, 24)
        check_requests(world, needed=needed, tokens=2, hit=1)

    return play


def _pages(dataset: Dataset) -> bool:
    return isinstance(dataset.paging, Cursor)


REPEATED = Protection(
    "client.retry:RetryPolicy.inline_wait", "isinstance(failure, (TransportError, MalformedResponseError))", "False"
)
READ = "return replace(dataset.read(answer.body, parameters, cursor, at), etag=etag)"
UNREADABLE = Protection(
    "client.client:ZDirectClient.pages",
    READ,
    f"""try:
            {READ}
        except Exception:
            return Page([], None, 0)""",
)
CUT_GZIP = Protection("client.transport:_unpacked", "not (is_empty or gzip.eof)", "False", also=UNREADABLE)
CUT = Protection(
    "client.transport:_unpacked",
    """        async for raw in response.aiter_raw():
            yield raw
        return
""",
    """        try:
            async for raw in response.aiter_raw():
                yield raw
        except httpx.HTTPError:
            pass
        return
""",
    also=Protection(
        "client.transport:Transport._body",
        "announced not in (None, received := response.num_bytes_downloaded)",
        "False",
        also=UNREADABLE,
    ),
)
HTML = {"status": 200, "body": "<html>Please sign in</html>", "headers": {"Content-Type": "text/html"}}
GATEWAY = {"status": 200, "body": {"message": "no upstream"}}
SITUATIONS = [
    *map(_after_429, RETRY_AFTER),
    *map(_after_503, RETRY_AFTER),
    *map(_status, (202, 204, 206, 408, 500, 502, 503, 504)),
    Situation(
        "retry/503-always",
        "A server that is down for long is asked once per try, two minutes apart, and nothing is published.",
        LATER,
        Disturbed({"status": 503}, ServerError, 120, times=None, ends=False),
    ),
    Situation(
        "retry/400",
        "A request that zDirect refuses is an error at once.",
        Protection("client.answer_errors:error_of", "400 <= status < 500 and", "False and"),
        Disturbed({"status": 400}, BadRequestError, 0, times=None, ends=False),
    ),
    Situation(
        "retry/redirect",
        "A redirect is never followed: the token goes to no other host.",
        Protection("client.transport:_new_client", "follow_redirects=False", "follow_redirects=True", endless=True),
        redirect,
    ),
    Situation(
        "transport/refused",
        "While nothing listens, the task waits two minutes, and comes through afterwards.",
        Protection(
            "client.transport:_refusal", "case ConnectionRefusedError()", "case ConnectionRefusedError() if False"
        ),
        refused,
    ),
    Situation(
        "transport/refused-from-the-start",
        "An address that never worked is an error at once, and says what to correct.",
        Protection(
            "client.access_token:AccessTokens._ageing",
            "held is None and isinstance(failure, NotConnectedError)",
            "False",
        ),
        refused_from_the_start,
    ),
    _inside(
        "reset",
        "A connection that is reset before the answer is tried again after a second.",
        REPEATED,
        {"reset": True},
    ),
    Situation(
        "transport/reset-always",
        "A server that resets every connection fails each try after four requests, and nothing is published.",
        Protection(
            "client.retry:RetryPolicy.inline_wait",
            "attempts >= self.max_attempts",
            "False",
            # Of some datasets it allows no more requests either.
            also=Protection("client.rates:RateLimiter.acquire", "wait > left", "False"),
        ),
        Disturbed({"reset": True}, TransportError, 1, times=None, ends=False),
    ),
    _inside("cut-body", "A body that breaks off is never taken for the whole answer.", CUT, {"cut_body": True}),
    _inside("cut-at-start", "A body of which no byte comes is never taken for an empty answer.", CUT, {"cut_body": 0}),
    _inside(
        "cut-gzip",
        "A compressed body that breaks off is never taken for the whole answer.",
        CUT_GZIP,
        {"cut_gzip": True},
    ),
    _inside(
        "slow-trickle",
        "An answer that trickles in is given up after total_timeout, and tried again.",
        Protection("client.transport:Transport.send", "asyncio.timeout(limits.total)", "asyncio.timeout(None)"),
        {"trickle": 0.2},
        # Longer than any other answer takes on a busy machine.
        settings={"total_timeout": 2},
    ),
    _inside("truncated-json", "JSON that ends in the middle is fetched again.", UNREADABLE, {"malformed_json": True}),
    _inside("empty-body", "An empty 200 is never taken for no records.", UNREADABLE, {"empty_body": True}),
    _inside(
        "wrong-content-type",
        "A page of HTML with a 200, as proxies send it, is never taken for an answer.",
        UNREADABLE,
        HTML,
    ),
    _inside(
        "other-json",
        "JSON without the list of records is never taken for no records.",
        UNREADABLE,
        GATEWAY,
    ),
    Situation(
        "transport/html-always",
        "Where a proxy answers every request, the task fails and says that the answer is not JSON.",
        UNREADABLE,
        Disturbed(HTML, MalformedResponseError, 1, times=None, ends=False),
    ),
    Situation(
        "cursor/repeated",
        "A cursor that comes back is an error, and the next run starts from the first page.",
        Protection("client.client:ZDirectClient.pages", "page.next_cursor in followed", "False"),
        repeated_cursor,
        _pages,
    ),
    Situation(
        "cursor/endless",
        "A page that comes over and over, each time by a new cursor, is an error after a hundred times.",
        Protection("client.client:ZDirectClient.pages", "alike >= ALIKE_PAGES", "alike >= 3 * ALIKE_PAGES"),
        endless_cursors,
        _pages,
    ),
    Situation(
        "token/expires",
        "A token that expires in the middle is replaced once, and no page is lost.",
        Protection(
            "client.client:ZDirectClient._authorised", "is_repeated and token.obtained_at >= first_sent", "True"
        ),
        token_expires,
    ),
    _token(
        "limited-short",
        "A short limit of token requests is waited for.",
        Protection("client.access_token:AccessTokens._request", "attempts >= policy.max_attempts", "True"),
        {"status": 429, "headers": {"Retry-After": "5"}},
        None,
        5,
    ),
    _token(
        "limited-long",
        "A long limit of token requests releases the worker until it is over.",
        Protection("client.retry:RetryPolicy.wait_after_429", "parse_retry_after(header, now)", "0.0"),
        {"status": 429, "headers": {"Retry-After": "300"}},
        RateLimitedError,
        300,
    ),
    _token(
        "503",
        "A token endpoint that is down is asked again two minutes later.",
        LATER,
        {"status": 503},
        ServerError,
        120,
    ),
    _token("reset", "A token request whose connection is reset is repeated.", REPEATED, {"reset": True}, None, 1),
    _token(
        "html",
        "A page of HTML is not taken for a token.",
        Protection("client.access_token:AccessTokens._ask", "except NOT_READABLE", "except ()"),
        HTML,
        None,
        1,
    ),
    *(
        Situation(
            f"clock/{name}",
            f"With a worker's clock {name.replace('-', ' by ')}, all is published, and a Retry-After date kept to.",
            Protection("client.answer_errors:error_of", "_date_of(answer) or now", "now"),
            _skewed(ahead),
        )
        for name, ahead in {
            "ahead-45s": timedelta(seconds=45),
            "behind-45s": timedelta(seconds=-45),
            "ahead-2h": timedelta(hours=2),
            "behind-2h": timedelta(hours=-2),
        }.items()
    ),
]
