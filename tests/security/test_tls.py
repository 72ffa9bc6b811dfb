"""Certificates are verified, a private CA can be trusted, and credentials go nowhere else."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from certificates import DAY, Authority
from client.scripted_server import ScriptedServer, reply
from clocks import FakeClock

from airflow_provider_zdirect.client import ClientConfig, MemoryRateLimiter, RetryPolicy, ZDirectClient
from airflow_provider_zdirect.exceptions import TransportError, ZDirectConfigurationError

pytestmark = pytest.mark.anyio

SECRET = "s3cr3t-of-the-app"
ME = reply(200, {"client_id": "app-1", "username": "u", "bpids": [], "scopes": []})


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "private-ca")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No CA of the machine, and no proxy."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def client_of(url: str) -> ZDirectClient:
    clock = FakeClock()
    config = ClientConfig("app-1", SECRET, base_url=url, conn_id="shop")
    policy = RetryPolicy(max_inline_wait=30.0, jitter=lambda: 0.0)
    return ZDirectClient(config, clock=clock, limiter=MemoryRateLimiter(clock), policy=policy)


async def refusal(context: ssl.SSLContext) -> str:
    """The error of a client that is to get a token from a server with such a certificate; it has sent nothing."""
    async with ScriptedServer([ME], tls=context) as server, client_of(server.url) as client:
        with pytest.raises(ZDirectConfigurationError) as caught:
            await client.me()
        assert (server.requests, server.token_requests) == ([], [])
        assert server.url in str(caught.value)
    assert SECRET not in str(caught.value)
    return str(caught.value)


async def test_a_server_of_an_unknown_ca_is_refused_and_the_remedy_named(authority: Authority) -> None:
    error = await refusal(authority.server())
    for part in ("connection 'shop'", "certificate is not accepted: unable to get local issuer", "SSL_CERT_FILE"):
        assert part in error


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
async def test_a_private_ca_is_trusted_if_the_environment_names_it(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    named = {"SSL_CERT_FILE": authority.file, "SSL_CERT_DIR": authority.folder}
    if variable == "SSL_CERT_DIR":
        subprocess.run(["openssl", "rehash", str(authority.folder)], check=True, capture_output=True)
    monkeypatch.setenv(variable, str(named[variable]))
    async with ScriptedServer([ME], tls=authority.server()) as server, client_of(server.url) as client:
        assert (await client.me()).client_id == "app-1"
        assert [request.token for request in server.requests] == ["secret-token-1"]


@pytest.mark.parametrize(
    ("host", "starts", "ends", "reason"),
    [
        ("api.merchants.zalando.com", -DAY, DAY, "IP address mismatch"),
        ("127.0.0.2", -DAY, DAY, "IP address mismatch"),
        ("127.0.0.1", -2 * DAY, -DAY, "certificate has expired"),
        ("127.0.0.1", DAY, 2 * DAY, "certificate is not yet valid"),
    ],
)
async def test_a_certificate_of_a_trusted_ca_must_be_of_the_host_and_of_today(
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    starts: timedelta,
    ends: timedelta,
    reason: str,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    assert reason in await refusal(authority.server(host, starts=starts, ends=ends))


async def test_a_ca_of_the_same_name_is_another_one(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    assert "certificate is not accepted" in await refusal(Authority(tmp_path / "other", "private-ca").server())


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
async def test_a_server_with_old_tls_only_is_refused(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    context = authority.server()
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    async with ScriptedServer([ME], tls=context) as server, client_of(server.url) as client:
        with pytest.raises(TransportError):
            await client.me()
        assert server.token_requests == []


async def test_a_ca_file_that_cannot_be_read_is_a_configuration_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    with pytest.raises(ZDirectConfigurationError, match=r"FileNotFoundError.*SSL_CERT_FILE"):
        await client_of("https://127.0.0.1:9").me()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("is_token_request", [True, False])
async def test_no_redirect_is_followed(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, status: int, is_token_request: bool
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    async with ScriptedServer([ME]) as plain, ScriptedServer([ME], tls=authority.server()) as other:
        for elsewhere in (plain, other):
            moved = reply(status, None, {"Location": f"{elsewhere.url}/auth/me"})
            async with ScriptedServer([moved], tls=authority.server()) as server, client_of(server.url) as client:
                server.token_script = [moved] if is_token_request else []
                with pytest.raises(ZDirectConfigurationError, match="redirect; it is not followed"):
                    await client.me()
            assert (elsewhere.requests, elsewhere.token_requests) == ([], [])


def test_requests_drops_the_token_where_https_redirects_to_http(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The HTTP provider's hook follows redirects; ``requests`` gives the token to no other origin."""
    from airflow_provider_zdirect.hooks.http import ZDirectHttpHook

    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, str(authority.file))

    async def run() -> tuple[ScriptedServer, ScriptedServer]:
        async with ScriptedServer([ME]) as plain:
            moved = reply(307, None, {"Location": f"{plain.url}/elsewhere"})
            async with ScriptedServer([moved], tls=authority.server()) as server:
                connection = {"conn_type": "zdirect", "login": "app-1", "password": SECRET, "host": server.url}
                monkeypatch.setenv("AIRFLOW_CONN_REDIRECTED", json.dumps(connection))
                hook = ZDirectHttpHook(method="GET", http_conn_id="redirected")
                options = {"verify": str(authority.file)}
                await asyncio.to_thread(hook.run, "/orders", extra_options=options)
                return server, plain

    server, plain = asyncio.run(run())
    assert [request.token for request in server.requests] == ["secret-token-1"]
    assert [(request.path, request.headers.get("authorization")) for request in plain.requests] == [
        ("/elsewhere", None)
    ]


@pytest.mark.parametrize(
    "host",
    [
        "http://127.0.0.1.evil.com",
        "http://127.0.0.1@evil.com",
        "http://localhost@evil.com",
        "http://localhost:8088@evil.com",
        "http://localhost.evil.com",
        "http://localhost%2eevil.com",
        "http://evil.com/127.0.0.1",
        "http://evil.com?localhost",
        "http://evil.com#localhost",
        "http://evil.com\\localhost",
        "http://localhost\t.evil.com",
        "http://[::ffff:8.8.8.8]",
        "http://[::1].evil.com",
        "http://[::1]@evil.com",
        "http://[fe80::1]",
        "http://[::]",
        "http://0",
        "http://127.1.evil",
        "http://2130706433.evil.com",
        "http://localhos\N{LATIN SMALL LETTER DOTLESS I}.com",
        "HTTP://evil.com",
        "ftp://localhost",
        "file:///etc/passwd",
        "http+unix://localhost",
        "javascript://localhost/%0aalert(1)",
    ],
)
def test_plain_http_is_for_this_machine_only(host: str) -> None:
    with pytest.raises(ZDirectConfigurationError):
        ClientConfig("app", SECRET, base_url=host)


@pytest.mark.parametrize("host", ["http://localhost:1", "http://LOCALHOST:1", "http://127.8.9.10:1", "http://[::1]:1"])
def test_plain_http_to_this_machine_is_allowed(host: str) -> None:
    assert ClientConfig("app", SECRET, base_url=host).address == host.lower()
