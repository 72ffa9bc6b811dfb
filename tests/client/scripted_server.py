"""A server on a loopback port that answers with exactly the bytes a test wrote down, broken ones included."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

RESET = b""
"""A reply that closes the connection without a byte."""


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def token(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")


Script = bytes | Callable[[Received], bytes]


def reply(
    status: int, content: Any = None, headers: Mapping[str, str] | None = None, *, claim: int | None = None
) -> bytes:
    """An HTTP answer.

    :param content: bytes or text as they are, anything else as JSON.
    :param claim: Content-Length to pretend; the connection is closed after the body then.
    """
    if content is None:
        body = b""
    elif isinstance(content, bytes):
        body = content
    else:
        body = (content if isinstance(content, str) else json.dumps(content)).encode()
    lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(body) if claim is None else claim}"]
    lines += ["Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass
class ScriptedServer:
    """Answers requests from a list, the last entry again and again; and token requests from another.

    :param script: answers to everything but token requests.
    :param token_script: answers to token requests; empty gives out ``secret-token-1``, ``secret-token-2``, ...
    :param tls: its certificate; None speaks plain HTTP.
    """

    script: list[Script] = field(default_factory=list)
    token_script: list[Script] = field(default_factory=list)
    requests: list[Received] = field(default_factory=list)
    token_requests: list[Received] = field(default_factory=list)
    url: str = ""
    tls: ssl.SSLContext | None = None

    async def __aenter__(self) -> ScriptedServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        self.url = f"http{'s' if self.tls else ''}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            method, target, _ = head[0].split(" ")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            parts = urlsplit(target)
            received = Received(method, parts.path, dict(parse_qsl(parts.query)), headers, body)
            writer.write(self._answer(received))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # The client went away, which some tests mean.
        finally:
            writer.close()

    def _answer(self, received: Received) -> bytes:
        if received.path.endswith("/auth/token"):
            self.token_requests.append(received)
            if not self.token_script:
                return token_reply(f"secret-token-{len(self.token_requests)}")
            return _play(self.token_script, len(self.token_requests), received)
        self.requests.append(received)
        return _play(self.script, len(self.requests), received)


def token_reply(token: str, expires_in: Any = 7200) -> bytes:
    return reply(200, {"access_token": token, "token_type": "Bearer", "expires_in": expires_in})


def _play(script: list[Script], number: int, received: Received) -> bytes:
    entry = script[min(number, len(script)) - 1]
    return entry(received) if callable(entry) else entry
