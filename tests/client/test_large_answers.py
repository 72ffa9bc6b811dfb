"""Answers that are too large are refused while they come in, and need no memory, however well they are compressed."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from airflow_provider_zdirect.client import Rate, Transport
from airflow_provider_zdirect.client.transport import LARGEST_ERROR, MB
from airflow_provider_zdirect.exceptions import (
    AnswerTooLargeError,
    ServerError,
    TransportError,
    ZDirectFatalError,
)
from client.conftest import MakeClient
from client.scripted_server import ScriptedServer, reply

pytestmark = pytest.mark.anyio

GZIPPED = {"Content-Encoding": "gzip"}


def bomb(megabytes: int) -> bytes:
    """So many MB of zeros as gzip, without an end."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = deflate.compress(bytes(MB)) + deflate.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + block * megabytes


@asynccontextmanager
async def endless_server(head: bytes, piece: bytes) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A server that sends the piece until the client goes away; its address, and whether that has happened."""
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(head)
            while True:
                writer.write(piece)
                await writer.drain()
        gone.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", gone


async def test_an_endless_answer_is_refused_while_it_comes_in() -> None:
    received = 0

    def count(size: int) -> None:
        nonlocal received
        received += size

    async with endless_server(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 50_000) as (url, gone):
        transport = Transport(largest=MB)
        transport.on_piece = count
        with pytest.raises(AnswerTooLargeError, match=r"did not end after 1\.0 MB"):
            await transport.send("GET", url)
        await asyncio.wait_for(gone.wait(), 60)
        await transport.aclose()
    assert received <= MB


async def test_an_announced_answer_is_refused_before_its_body(server: ScriptedServer) -> None:
    # Not one byte of the body comes, so it cannot be waited for.
    server.script = [reply(200, b"", claim=900 * MB)]
    with pytest.raises(AnswerTooLargeError, match=r"announces 900\.0 MB, more than max_answer_size=512"):
        await Transport().send("GET", server.url)


@pytest.mark.parametrize("body", [b"x" * MB, gzip.compress(b"x" * MB)], ids=["plain", "gzip"])
async def test_an_answer_of_exactly_the_limit_is_read(server: ScriptedServer, body: bytes) -> None:
    server.script = [reply(200, body, GZIPPED if body[:2] == b"\x1f\x8b" else {})]
    assert (await Transport(largest=MB).send("GET", server.url)).body == b"x" * MB
    with pytest.raises(AnswerTooLargeError):
        await Transport(largest=MB - 1).send("GET", server.url)


@pytest.mark.parametrize("status", [200, 500])
async def test_a_gzip_bomb_needs_no_memory(server: ScriptedServer, status: int) -> None:
    server.script = [reply(status, bomb(1000), GZIPPED)]
    transport = Transport(largest=2 * MB)
    tracemalloc.start()
    try:
        if status == 200:
            with pytest.raises(AnswerTooLargeError):
                await transport.send("GET", server.url)
        else:
            assert len((await transport.send("GET", server.url)).body) == LARGEST_ERROR
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The server, which is of this process, holds the compressed MB.
    assert peak < 10 * MB


async def test_a_body_that_was_compressed_twice_is_unpacked_once(server: ScriptedServer) -> None:
    twice = gzip.compress(gzip.compress(bytes(MB)))
    server.script = [reply(200, twice, {"Content-Encoding": "gzip, gzip"})]
    assert (await Transport().send("GET", server.url)).body == gzip.decompress(twice)


async def test_a_compressed_answer_that_breaks_off_is_a_transport_error(server: ScriptedServer) -> None:
    server.script = [reply(200, gzip.compress(b'{"items": []}')[:-9], GZIPPED)]
    with pytest.raises(TransportError, match="the compressed body broke off"):
        await Transport().send("GET", server.url)


async def test_an_empty_answer_may_be_called_compressed(server: ScriptedServer) -> None:
    server.script = [reply(204, b"", GZIPPED)]
    assert not (await Transport().send("GET", server.url)).body


async def test_every_byte_of_a_well_compressed_answer_is_read(server: ScriptedServer) -> None:
    content = b"".join(b"%d" % number * 5000 for number in range(1000))
    server.script = [reply(200, gzip.compress(content, 9), GZIPPED)]
    assert (await Transport().send("GET", server.url)).body == content


async def test_the_error_says_what_was_asked_for_and_what_to_do(
    server: ScriptedServer, make_client: MakeClient
) -> None:
    server.script = [reply(200, b"x" * 2001)]
    client = make_client(max_answer_size=0.002)
    with pytest.raises(AnswerTooLargeError) as caught:
        await client.get("/auth/me", rate=Rate(100), what="Identity of the app")
    assert isinstance(caught.value, ZDirectFatalError)
    assert not hasattr(caught.value, "retry_after")
    assert len(server.requests) == 1, "it is not asked for again"
    text = str(caught.value)
    for part in ("Identity of the app", "max_answer_size=0.002", "status=200", "path=/auth/me", "flow_id=", "raise"):
        assert part in text
    assert client.stats.bytes == 0


async def test_of_a_large_error_the_beginning_is_read_and_the_status_counts(
    server: ScriptedServer, make_client: MakeClient
) -> None:
    page = b"<html><h1>Out of order</h1>" + b" " * 2 * LARGEST_ERROR
    server.script = [reply(503, page)]
    client = make_client(max_answer_size=0.002)
    with pytest.raises(ServerError, match="Out of order"):
        await client.get("/auth/me", rate=Rate(100))
    assert client.stats.bytes == LARGEST_ERROR


async def test_an_answer_of_several_gzip_members_is_read_to_its_end(server: ScriptedServer) -> None:
    parts = (b'{"items": [', b"1, " * 50_000, b"2]}")
    server.script = [reply(200, b"".join(map(gzip.compress, parts)), GZIPPED)]
    assert (await Transport().send("GET", server.url)).body == b"".join(parts)
