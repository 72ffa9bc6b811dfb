"""A request that changes something is sent again only where it is certain that it was not carried out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from clocks import FakeClock

from airflow_provider_zdirect.client import JSON_API, Rate
from airflow_provider_zdirect.exceptions import (
    AuthenticationError,
    BadRequestError,
    ConflictError,
    MalformedResponseError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    TransportError,
    ZDirectConfigurationError,
    ZDirectError,
)
from client.conftest import MakeClient
from client.scripted_server import RESET, Script, ScriptedServer, reply

pytestmark = pytest.mark.anyio
RATE = Rate(1000)
PATH = "/zfs/shipping-notices/1"
MADE = reply(201, {"id": "1"}, {"ETag": '"b"', "Location": "/zfs/shipping-notices/1"})


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (RESET, TransportError),
        (reply(201, {"id": "1"}, claim=1000), TransportError),
        (reply(201, "{"), MalformedResponseError),
        (reply(500), ServerError),
        (reply(502), ServerError),
        (reply(503, headers={"Retry-After": "1"}), ServerError),
        (reply(504), ServerError),
        (reply(408), ServerError),
        (reply(206), ServerError),
    ],
)
async def test_a_write_is_not_repeated_where_it_may_have_been_carried_out(
    server: ScriptedServer, make_client: MakeClient, method: str, failure: Script, error: type[ZDirectError]
) -> None:
    server.script = [failure, MADE]
    with pytest.raises(error) as caught:
        await make_client().request(method, PATH, rate=RATE, json={})
    assert len(server.requests) == 1
    assert caught.value.path == PATH
    assert caught.value.retry_after >= 120  # type: ignore[attr-defined]


async def test_a_read_is_repeated_there(server: ScriptedServer, make_client: MakeClient) -> None:
    server.script = [RESET, reply(200, "{"), reply(200, {"state": "initial"})]
    answer = await make_client().request("GET", PATH, rate=RATE)
    assert answer.content == {"state": "initial"}
    assert len(server.requests) == 3


async def test_a_write_is_repeated_after_429_when_zdirect_wants_it(
    server: ScriptedServer, make_client: MakeClient, clock: FakeClock
) -> None:
    server.script = [reply(429, headers={"Retry-After": "9"}), MADE]
    await make_client().request("POST", PATH, rate=RATE, json={"a": 1}, if_match='"a"')
    assert len(server.requests) == 2
    assert sum(clock.slept) >= 9
    assert server.requests[0].body == server.requests[1].body == b'{"a":1}'
    assert server.requests[1].headers["if-match"] == '"a"'


async def test_the_orders_api_has_a_media_type_of_its_own(server: ScriptedServer, make_client: MakeClient) -> None:
    server.script = [reply(204, None), MADE]
    await make_client().request("PATCH", PATH, rate=RATE, json={}, accept=JSON_API)
    sent = server.requests[0].headers
    assert (sent["content-type"], sent["accept"]) == ("application/vnd.api+json", "application/vnd.api+json")


async def test_a_write_is_repeated_after_401_with_another_token_once(
    server: ScriptedServer, make_client: MakeClient
) -> None:
    server.script = [reply(401), MADE]
    await make_client().request("PUT", PATH, rate=RATE, json={})
    assert [request.token for request in server.requests] == ["secret-token-1", "secret-token-2"]
    server.script = [reply(401)]
    server.requests.clear()
    with pytest.raises(AuthenticationError):
        await make_client().request("PUT", PATH, rate=RATE, json={})
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, BadRequestError),
        (422, BadRequestError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (302, ZDirectConfigurationError),
        (409, ConflictError),
        (412, ConflictError),
        (428, ConflictError),
        (429, RateLimitedError),
    ],
)
async def test_a_refusal_is_a_typed_error_with_its_reason_and_not_repeated(
    server: ScriptedServer, make_client: MakeClient, status: int, error: type[ZDirectError]
) -> None:
    headers = {"Location": "http://127.0.0.1:1/", "Retry-After": "1800"}
    server.script = [reply(status, {"title": "Stale", "detail": "Look again."}, headers)]
    with pytest.raises(error) as caught:
        await make_client().request("POST", PATH, rate=RATE, scope="/shipping-notices/write", what="Notice 1")
    assert (type(caught.value), caught.value.status, len(server.requests)) == (error, status, 1)
    assert caught.value.title == "Stale: Look again."
    assert "Notice 1" in str(caught.value)
    assert ("/shipping-notices/write" in str(caught.value)) == (status == 403)


async def test_what_is_sent_and_what_comes_back(server: ScriptedServer, make_client: MakeClient) -> None:
    server.script = [MADE]
    answer = await make_client().request("POST", PATH, rate=RATE, json={"items": []}, if_match='"a"')
    assert (answer.status, answer.content, answer.etag, answer.location) == (
        201,
        {"id": "1"},
        '"b"',
        "/zfs/shipping-notices/1",
    )
    (sent,) = server.requests
    assert (sent.method, sent.path, json.loads(sent.body)) == ("POST", PATH, {"items": []})
    assert (sent.headers["content-type"], sent.headers["if-match"]) == ("application/json", '"a"')
    assert sent.headers["authorization"] == "Bearer secret-token-1"
    assert "if-none-match" not in sent.headers


async def test_without_a_body_the_content_type_is_sent_as_well(server: ScriptedServer, make_client: MakeClient) -> None:
    server.script = [reply(204)]
    answer = await make_client().request("POST", PATH, rate=RATE)
    assert (answer.status, answer.content, answer.etag, answer.location) == (204, None, None, None)
    assert server.requests[0].body == b""
    assert server.requests[0].headers["content-type"] == "application/json"
    await make_client().request("GET", PATH, rate=RATE)
    assert "content-type" not in server.requests[1].headers


@pytest.mark.parametrize("headers", [{"ETag": '"a"'}, {}])
async def test_a_304_is_an_answer_where_it_was_asked_for(
    server: ScriptedServer, make_client: MakeClient, headers: dict[str, str]
) -> None:
    server.script = [reply(304, headers=headers)]
    answer = await make_client().request("GET", PATH, rate=RATE, if_none_match='"a"')
    assert (answer.status, answer.content) == (304, None)
    assert server.requests[0].headers["if-none-match"] == '"a"'
    with pytest.raises(ZDirectConfigurationError):
        await make_client().request("GET", PATH, rate=RATE)


@pytest.mark.parametrize(
    "path",
    ["", "auth/me", "/zfs/../auth/me", "/zfs/a?b", "/a b", "/a\n", "//evil.example.com/x", "/zfs/%2e", "https://x/"],
)
async def test_what_is_not_a_path_is_never_sent(server: ScriptedServer, make_client: MakeClient, path: str) -> None:
    for request in (make_client().request("POST", path, rate=RATE), make_client().get(path, rate=RATE)):
        with pytest.raises(ZDirectConfigurationError, match="is not a path"):
            await request
    assert not server.requests
    assert not server.token_requests


async def test_the_pace_is_that_of_the_named_limit(
    server: ScriptedServer, make_client: MakeClient, clock: FakeClock
) -> None:
    server.script = [MADE]
    client: Any = make_client(rate_share=1.0)
    hourly = Rate(30, 3600, burst=2)
    for number in range(2):
        await client.request("POST", f"/zfs/{number}/confirmations", rate=hourly, endpoint="confirmations", json={})
    assert not clock.slept
    with pytest.raises(RateLimitedError) as caught:
        await client.request("POST", "/zfs/3/confirmations", rate=hourly, endpoint="confirmations", json={})
    assert caught.value.retry_after == pytest.approx(hourly.interval, abs=1)
    assert (caught.value.status, len(server.requests)) == (None, 2)
