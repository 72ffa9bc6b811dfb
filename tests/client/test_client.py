from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import traceback
from dataclasses import replace
from typing import Any

import pytest
from clocks import FakeClock

from airflow_provider_zdirect.client import ZDirectClient, checked_merchant_id
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.exceptions import (
    AuthenticationError,
    BadRequestError,
    ConflictError,
    CursorLoopError,
    MalformedResponseError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    TransportError,
    ZDirectConfigurationError,
    ZDirectError,
    ZDirectRetriableError,
)
from client.conftest import CLIENT_SECRET, MakeClient
from client.scripted_server import RESET, Received, Script, ScriptedServer, reply

pytestmark = pytest.mark.anyio

MERCHANT = "0a1b2c3d-0000-4000-8000-00000000abcd"
RECEIVED = get_dataset("received_items")
WINDOW = {"from": "2026-11-22T10:00:00Z", "to": "2026-11-22T11:00:00Z"}


def page(*eans: str, after: str | None = None) -> bytes:
    return reply(200, {"received_items": [{"ean": ean} for ean in eans], **({"next": after} if after else {})})


async def eans(client: ZDirectClient, **options: Any) -> list[str]:
    return [
        json.loads(bytes(record))["ean"]
        async for each in client.pages(options.pop("dataset", RECEIVED), MERCHANT, WINDOW, **options)
        for record in each.records
    ]


async def test_pages_are_followed_with_the_same_filters_and_headers(
    server: ScriptedServer, make_client: MakeClient
) -> None:
    server.script = [page("1", "2", after="b/+="), page(after="c"), page("3")]
    async with make_client() as client:
        assert await eans(client) == ["1", "2", "3"]
        assert client.stats.requests == 3
        assert len(server.token_requests) == 1
        assert client.stats.bytes > 0
    first = {**WINDOW, "limit": "100000"}
    assert [request.query for request in server.requests] == [
        first,
        {**first, "cursor": "b/+="},
        {**first, "cursor": "c"},
    ]
    assert {request.path for request in server.requests} == {f"/zfs/stock-movements/reports/received-items/{MERCHANT}"}
    sent = [request.headers for request in server.requests]
    assert {headers["authorization"] for headers in sent} == {"Bearer secret-token-1"}
    assert {headers["accept"] for headers in sent} == {"application/json"}
    assert sent[0]["user-agent"].startswith("airflow-provider-zdirect/")
    assert len({headers["x-flow-id"] for headers in sent}) == 3


async def test_a_fetch_goes_on_at_a_given_cursor_and_an_empty_answer_is_one_empty_page(
    server: ScriptedServer, make_client: MakeClient
) -> None:
    server.script = [reply(200, {})]
    pages = [each async for each in make_client().pages(RECEIVED, MERCHANT, WINDOW, cursor="stored")]
    assert [len(each.records) for each in pages] == [0]
    assert server.requests[0].query["cursor"] == "stored"


async def test_an_endpoint_that_does_not_page_gets_no_limit(server: ScriptedServer, make_client: MakeClient) -> None:
    server.script = [reply(200, {"returned_items": [{"ean": "1"}]})]
    assert await eans(make_client(), dataset=get_dataset("returned_items")) == ["1"]
    assert server.requests[0].query == WINDOW


@pytest.mark.parametrize(
    "script",
    [
        [page("1", after="a"), page("2", after="a")],
        [page("1", after="a"), page("2", after="b"), page("3", after="a")],
        [page("1", after="start")],
    ],
)
async def test_a_repeated_cursor_ends_the_fetch(
    server: ScriptedServer, make_client: MakeClient, script: list[Script]
) -> None:
    server.script = script
    with pytest.raises(CursorLoopError, match="received_items"):
        await eans(make_client(), cursor="start")
    assert len(server.requests) == len(script)


async def test_a_page_that_comes_over_and_over_by_ever_new_cursors_is_an_error(
    server: ScriptedServer, make_client: MakeClient
) -> None:
    server.script = [lambda received: page("a", "b", after=f"cursor-{len(server.requests)}")]
    with pytest.raises(CursorLoopError, match="100 pages one after the other are the same"):
        await eans(make_client())
    assert len(server.requests) == 100


async def test_requests_that_are_refused_together_get_one_new_token(
    server: ScriptedServer, make_client: MakeClient, clock: FakeClock
) -> None:
    def refuse(received: Received) -> bytes:
        clock.advance(1)
        return reply(401, PROBLEM)

    server.script = [refuse]
    client = make_client()
    failures = await asyncio.gather(*(eans(client) for _ in range(4)), return_exceptions=True)
    assert {type(failure) for failure in failures} == {AuthenticationError}
    assert len(server.token_requests) == 2


PROBLEM = {"title": "A title", "detail": "A detail."}


def server_time(now: str, until: str) -> dict[str, str]:
    """Headers of a server whose clock is not the one here."""
    return {"Date": f"Sun, 22 Nov 2026 {now} GMT", "Retry-After": f"Sun, 22 Nov 2026 {until} GMT"}


@pytest.mark.parametrize(
    ("answer", "error", "retry_after", "requests"),
    [
        (reply(400, PROBLEM), BadRequestError, None, 1),
        (reply(401, PROBLEM), AuthenticationError, None, 2),
        (reply(403, PROBLEM), PermissionDeniedError, None, 1),
        (reply(404, PROBLEM), NotFoundError, None, 1),
        (reply(408, PROBLEM), ServerError, 120, 1),
        (reply(409, PROBLEM), ConflictError, None, 1),
        (reply(425, PROBLEM), ServerError, 120, 1),
        (reply(499, PROBLEM), BadRequestError, None, 1),
        (reply(429, PROBLEM), RateLimitedError, 60, 1),
        (reply(429, PROBLEM, {"Retry-After": "31"}), RateLimitedError, 31, 1),
        (reply(429, PROBLEM, {"Retry-After": "30"}), RateLimitedError, 30, 4),
        (reply(429, PROBLEM, {"Retry-After": "0"}), RateLimitedError, 1, 4),
        (reply(429, PROBLEM, {"Retry-After": "Sun, 22 Nov 2026 12:01:40 GMT"}), RateLimitedError, 100, 1),
        (reply(429, PROBLEM, server_time("10:00:00", "10:01:40")), RateLimitedError, 100, 1),
        (reply(429, PROBLEM, server_time("14:00:00", "14:01:40")), RateLimitedError, 100, 1),
        (reply(500, PROBLEM), ServerError, 120, 1),
        (reply(503, PROBLEM, {"Retry-After": "3"}), ServerError, 120, 1),
        (reply(503, PROBLEM, {"Retry-After": "300"}), ServerError, 300, 1),
        (reply(599, PROBLEM), ServerError, 120, 1),
        (reply(202, PROBLEM), ServerError, 120, 1),
        (reply(204), ServerError, 120, 1),
        (reply(206, {"received_items": []}), ServerError, 120, 1),
        (reply(301, headers={"Location": "https://evil.example.com/"}), ZDirectConfigurationError, None, 1),
        (reply(302, headers={"Location": "/elsewhere"}), ZDirectConfigurationError, None, 1),
        (reply(304), ZDirectConfigurationError, None, 1),
        (RESET, TransportError, 120, 4),
        (reply(200, b'{"received_items":[', claim=1000), TransportError, 120, 4),
        (reply(200, b'{"received_items":['), MalformedResponseError, 120, 3),
        (reply(200, "<html>Login</html>"), MalformedResponseError, 120, 3),
        (reply(200, PROBLEM), MalformedResponseError, 120, 3),
        (reply(200), MalformedResponseError, 120, 3),
    ],
)
async def test_an_answer_that_stays_wrong_becomes_a_typed_error(
    server: ScriptedServer,
    make_client: MakeClient,
    answer: Script,
    error: type[ZDirectError],
    retry_after: float | None,
    requests: int,
) -> None:
    server.script = [answer]
    with pytest.raises(ZDirectError) as caught:
        await eans(make_client())
    assert type(caught.value) is error
    assert len(server.requests) == requests
    if retry_after is None:
        assert not isinstance(caught.value, ZDirectRetriableError)
    else:
        assert isinstance(caught.value, ZDirectRetriableError)
        assert caught.value.retry_after == pytest.approx(retry_after, abs=3)
    text = str(caught.value)
    assert f"received_items of merchant {MERCHANT}" in text
    assert WINDOW["from"] in text
    assert caught.value.flow_id == server.requests[-1].headers["x-flow-id"]
    assert caught.value.path == server.requests[-1].path
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("answer", "waited"),
    [
        (reply(429, headers={"Retry-After": "7"}), 7),
        (reply(429, headers={"Retry-After": "0"}), 1),
        (reply(429, headers={"Retry-After": "Sun, 22 Nov 2026 12:00:20 GMT"}), 20),
        (RESET, 1),
        (reply(200, b'{"rec', claim=99), 1),
        (reply(200, b'{"rec'), 1),
    ],
)
async def test_an_answer_that_is_wrong_once_is_waited_out(
    server: ScriptedServer, make_client: MakeClient, clock: FakeClock, answer: Script, waited: float
) -> None:
    server.script = [page("1", after="a"), answer, page("2")]
    start = clock.now()
    client = make_client()
    assert await eans(client) == ["1", "2"]
    assert [request.query.get("cursor") for request in server.requests] == [None, "a", "a"]
    assert (clock.now() - start).total_seconds() == pytest.approx(waited, abs=0.2)


async def test_a_server_error_is_repeated_inline_only_if_two_minutes_are_allowed(
    server: ScriptedServer, make_client: MakeClient, clock: FakeClock
) -> None:
    server.script = [reply(503), page("1")]
    start = clock.now()
    assert await eans(make_client(max_inline_wait=120)) == ["1"]
    assert (clock.now() - start).total_seconds() >= 120


@pytest.mark.parametrize(
    ("script", "waits"),
    [([RESET], [1, 2, 4]), ([RESET, RESET, reply(200, b"{"), page("1")], [1, 2, 1])],
    ids=["alike", "of two kinds"],
)
async def test_failures_of_a_kind_back_off_1_2_4_seconds(
    server: ScriptedServer, make_client: MakeClient, clock: FakeClock, script: list[Script], waits: list[float]
) -> None:
    server.script = script
    with contextlib.suppress(TransportError):
        await eans(make_client())
    assert [wait for wait in clock.slept if wait >= 0.5] == waits


async def test_parallel_requests_wait_out_a_429_together(
    server: ScriptedServer, make_client: MakeClient, clock: FakeClock
) -> None:
    server.script = [reply(429, headers={"Retry-After": "55"})]
    client = make_client()
    for _ in range(3):
        with pytest.raises(RateLimitedError):
            await eans(client)
    assert len(server.requests) == 1


def refuse(*tokens: str) -> Script:
    return lambda request: reply(401, PROBLEM) if request.token in tokens else page("2")


async def test_a_401_in_the_middle_goes_on_at_the_same_cursor(server: ScriptedServer, make_client: MakeClient) -> None:
    server.script = [page("1", after="a"), refuse("secret-token-1")]
    client = make_client()
    assert await eans(client) == ["1", "2"]
    assert [request.query.get("cursor") for request in server.requests] == [None, "a", "a"]
    assert [request.token for request in server.requests] == ["secret-token-1"] * 2 + ["secret-token-2"]
    assert len(server.token_requests) == 2


async def test_a_refused_token_of_the_store_is_followed_by_a_new_one(
    server: ScriptedServer, make_client: MakeClient, clock: FakeClock
) -> None:
    client = make_client()
    server.script = [page("1"), refuse("secret-token-1", "of-another-task")]
    await eans(client)
    provider = client._tokens
    held = await provider.get()
    clock.advance(60)
    await provider._store.save(replace(held, access_token="of-another-task"))
    assert await eans(client) == ["2"]
    assert [request.token for request in server.requests[1:]] == [
        "secret-token-1",
        "of-another-task",
        "secret-token-2",
    ]


async def test_a_403_names_the_scope_and_the_possible_causes(server: ScriptedServer, make_client: MakeClient) -> None:
    server.script = [reply(403, PROBLEM, {"X-Flow-Id": "flow-of-zalando"})]
    with pytest.raises(PermissionDeniedError) as caught:
        await eans(make_client())
    for part in ("zfs/received-item/read", "merchant", "sandbox mode", "new token", "A title", "flow-of-zalando"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "merchant_id",
    ["", "../../auth/token", MERCHANT + "/x", MERCHANT + "\n/", MERCHANT.replace("-", ""), f"{{{MERCHANT}}}"],
)
async def test_only_a_uuid_gets_into_a_path(server: ScriptedServer, make_client: MakeClient, merchant_id: str) -> None:
    with pytest.raises(ZDirectConfigurationError, match="merchant_id"):
        async for _ in make_client().pages(RECEIVED, merchant_id, WINDOW):
            pass
    assert server.requests == server.token_requests == []
    assert checked_merchant_id(f" {MERCHANT.upper()} ") == MERCHANT


@pytest.mark.parametrize(
    ("content", "merchants", "scopes"),
    [
        ({"client_id": "app-1", "username": "u", "bpids": ["a", "b"], "scopes": ["x/read"]}, ("a", "b"), ("x/read",)),
        ({"client_id": "app-1", "username": "u", "bpids": "a"}, ("a",), ()),
        ({"client_id": "app-1", "username": "u", "bpids": None, "scopes": "x y"}, (), ("x", "y")),
    ],
)
async def test_who_the_app_is(
    server: ScriptedServer, make_client: MakeClient, content: Any, merchants: tuple[str, ...], scopes: tuple[str, ...]
) -> None:
    server.script = [reply(200, content)]
    identity = await make_client().me()
    assert server.requests[0].path == "/auth/me"
    assert (identity.client_id, identity.username) == ("app-1", "u")
    assert (identity.merchant_ids, identity.scopes) == (merchants, scopes)


def echo_everything(status: int) -> Script:
    def answer(request: Received) -> bytes:
        seen = f"{request.token} {CLIENT_SECRET}"
        return reply(status, {"title": seen, "detail": seen}, {"X-Flow-Id": seen, "Location": f"/{seen}"})

    return answer


@pytest.mark.parametrize("status", [200, 204, 302, 400, 401, 403, 404, 429, 500, 503])
@pytest.mark.parametrize("where", ["api", "token"])
async def test_neither_secret_nor_token_is_ever_shown(
    server: ScriptedServer, make_client: MakeClient, caplog: pytest.LogCaptureFixture, status: int, where: str
) -> None:
    caplog.set_level(logging.DEBUG)
    (server.script if where == "api" else server.token_script).append(echo_everything(status))
    with pytest.raises(ZDirectError) as caught:
        await eans(make_client())
    error = caught.value
    own = [record.getMessage() for record in caplog.records if record.name.startswith("airflow_provider")]
    shown = "\n".join([*own, str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)])
    assert CLIENT_SECRET not in shown
    assert "secret-token" not in shown


async def test_logs_of_a_good_run_name_the_steps_and_no_secret(
    server: ScriptedServer, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.script = [
        page("1", after="a"),
        reply(429, headers={"Retry-After": "5"}),
        refuse("secret-token-1"),
        page("2"),
    ]
    assert await eans(make_client()) == ["1", "2"]
    own = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("airflow_provider"))
    assert f"received_items of merchant {MERCHANT}" in own
    assert "may be sent again in 5 s" in own
    assert "401" in own
    assert "secret-token" not in caplog.text
    assert CLIENT_SECRET not in caplog.text
