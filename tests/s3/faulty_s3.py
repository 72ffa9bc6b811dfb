"""A proxy before an S3 server that answers some requests itself, as S3 does when it is busy or fails."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

BODY = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'


class FaultyS3:
    """:param endpoint: of the server.

    :ivar every: each so many-th request is answered with ``error``; 0: none is.
    :ivar down_after: after so many, all are; None: they are not.
    :ivar error: status and S3's code for it.
    """

    def __init__(self, endpoint: str) -> None:
        self._upstream = urlsplit(endpoint)
        self.every, self.error = 0, (503, "SlowDown")
        self.down_after: int | None = None
        self.seen = self.hits = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.seen += 1
            is_down = self.down_after is not None and self.seen > self.down_after
            if is_down or (self.every and self.seen % self.every == 0):
                self.hits += 1
                status, code = self.error
                body = BODY.format(code=code).encode()
                writer.write(
                    f"HTTP/1.1 {status} {code}\r\nContent-Type: application/xml\r\nConnection: close\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n".encode()
                    + body
                )
                await writer.drain()
            else:
                await self._forward(head, reader, writer)
        writer.close()

    async def _forward(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer, request = await asyncio.open_connection(self._upstream.hostname, self._upstream.port)
        first, _, rest = head.partition(b"\r\n")
        request.write(first + b"\r\nConnection: close\r\n" + rest)
        sending = asyncio.create_task(_pump(reader, request))
        await _pump(answer, writer)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        request.close()


@contextlib.contextmanager
def faulty_s3(endpoint: str) -> Iterator[FaultyS3]:
    proxy, loop, is_up = FaultyS3(endpoint), asyncio.new_event_loop(), threading.Event()

    async def start() -> None:
        server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
        proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        is_up.set()

    loop.create_task(start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    assert is_up.wait(60)
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while piece := await source.read(1 << 16):
        target.write(piece)
        await target.drain()
