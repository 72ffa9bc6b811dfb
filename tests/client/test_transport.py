from __future__ import annotations

import asyncio
import contextlib
import gzip

import pytest

from airflow_provider_zdirect.client.transport import Timeouts, Transport
from airflow_provider_zdirect.exceptions import TransportError, ZDirectConfigurationError
from client.scripted_server import RESET, Script, ScriptedServer, reply

pytestmark = pytest.mark.anyio


async def test_an_answer_has_status_headers_and_body(server: ScriptedServer) -> None:
    server.script = [reply(418, b"short and stout", {"X-Kind": "tea", "Set-Cookie": "a=1\r\nSet-Cookie: b=2"})]
    transport = Transport()
    answer = await transport.send("GET", f"{server.url}/pot", headers={"X-Flow-Id": "f"}, params={"from": "a+b c&"})
    await transport.aclose()
    assert (answer.status, bytes(answer.body)) == (418, b"short and stout")
    assert answer.headers["x-kind"] == "tea"
    assert answer.headers["set-cookie"] == "a=1"
    assert "a=1" not in repr(answer)
    assert answer.elapsed > 0
    assert server.requests[0].query == {"from": "a+b c&"}
    assert server.requests[0].headers["x-flow-id"] == "f"


async def test_a_compressed_body_is_unpacked(server: ScriptedServer) -> None:
    server.script = [reply(200, gzip.compress(b"x" * 10_000), {"Content-Encoding": "gzip"})]
    answer = await Transport().send("GET", server.url)
    assert answer.body == b"x" * 10_000


@pytest.mark.parametrize(
    "broken",
    [
        RESET,
        reply(200, b'{"received_items":[', claim=1000),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Len",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        reply(200, b"not gzip", {"Content-Encoding": "gzip"}),
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    ],
)
async def test_no_complete_answer_is_a_transport_error(server: ScriptedServer, broken: Script) -> None:
    server.script = [broken]
    with pytest.raises(TransportError) as caught:
        await Transport().send("GET", f"{server.url}/path")
    assert caught.value.retry_after == 120
    assert caught.value.path == "/path"


@pytest.mark.parametrize(
    ("limit", "text"), [("read", "nothing was received for {:g} s"), ("total", "not complete after {:g} s")]
)
async def test_a_silent_server_is_given_up(limit: str, text: str) -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Who closes before the answer has come resets the connection.
        with contextlib.suppress(ConnectionError):
            if await reader.readline():
                asked.set()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
                # Ends when the client has closed its side.
                await reader.read(-1)
        if asked.is_set():
            gone.set()
        writer.close()

    silent = await asyncio.start_server(hang, "127.0.0.1", 0)
    transport, url = Transport(), f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}"
    for seconds in (0.05, 1, 20):
        with pytest.raises(TransportError, match=text.format(seconds)):
            await transport.send("GET", url, timeouts=Timeouts(**{limit: seconds}))
        # On a busy machine it may be given up before it was asked, and then there is nothing to close.
        if asked.is_set():
            break
    await asyncio.wait_for(gone.wait(), 60)
    silent.close()
    await transport.aclose()


async def test_loopback_does_not_go_through_a_proxy(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.script = [reply(200)]
    assert (await Transport().send("GET", server.url)).status == 200


async def test_other_hosts_go_through_the_proxy_of_the_environment(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, server.url)
    server.script = [reply(403)]
    with pytest.raises(TransportError):
        await Transport().send("GET", "https://api.example.invalid/x")
    assert server.requests[0].method == "CONNECT"


async def test_a_proxy_that_cannot_be_used_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "nonsense://proxy")
    with pytest.raises(ZDirectConfigurationError, match="environment"):
        await Transport().send("GET", "https://api.example.invalid/x")


async def test_a_header_that_cannot_be_sent_is_not_quoted(server: ScriptedServer) -> None:
    with pytest.raises(TransportError) as caught:
        await Transport().send("GET", server.url, headers={"Authorization": "Bearer hidden\r\nvalue"})
    error: BaseException = caught.value
    assert "hidden" not in str(error) + repr(error)
    assert error.__context__ is None
    assert error.__cause__ is None


async def test_the_debug_log_does_not_show_the_headers_of_an_answer(
    server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    server.script = [reply(200, b"", {"Set-Cookie": "session=hidden"})]
    await Transport().send("GET", server.url)
    assert "send_request_headers" in caplog.text
    assert "hidden" not in caplog.text


async def test_a_transport_can_be_closed_and_used_again(server: ScriptedServer) -> None:
    server.script = [reply(200)]
    transport = Transport()
    await transport.send("GET", server.url)
    await transport.aclose()
    await transport.aclose()
    assert (await transport.send("GET", server.url)).status == 200
    await transport.aclose()
