# SPDX-License-Identifier: Apache-2.0
"""The door of the emulator: flow id and date on every answer, the request log, and the faults."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from airflow_provider_zdirect.emulator.answers import JSON, PROBLEM_JSON, ProblemError, compact, problem
from airflow_provider_zdirect.emulator.faults import Action
from airflow_provider_zdirect.emulator.state import EmulatorState, LoggedRequest

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

ADMIN = "/_emulator"
SHIPPING_NOTICES = "/zfs/shipping-notices"
LONGEST_HANG = 3600.0
PIECES = 20
# Transports of open connections by the client's address, kept by the server for resets.
Connections = dict[tuple[str, int], asyncio.Transport]


@dataclass(frozen=True)
class Reply:
    """A complete answer."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def with_headers(self, headers: Mapping[str, str]) -> Reply:
        changed = {name.lower().encode(): value.encode() for name, value in headers.items()}
        kept = tuple((name, value) for name, value in self.headers if name not in changed)
        return replace(self, headers=(*kept, *changed.items()))


class Front:
    """ASGI middleware around all routes."""

    def __init__(self, app: App, state: EmulatorState, connections: Connections) -> None:
        self._app = app
        self._state = state
        self._connections = connections

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        query = scope["query_string"].decode("latin-1")
        parameters = dict(parse_qsl(query, keep_blank_values=True))
        sent_flow_id = dict(scope["headers"]).get(b"x-flow-id", b"").decode("latin-1")
        flow_id = sent_flow_id or self._state.next_flow_id()
        arrived, elapsed = self._state.clock.now(), self._state.clock.elapsed()
        scope["state"] = {}
        is_admin = scope["path"].startswith(ADMIN)
        action = None if is_admin else self._state.faults.take(scope["method"], scope["path"], parameters)

        def log(status: int | None) -> None:
            if not is_admin:
                client_id, fault = scope["state"].get("client_id"), action.names() if action else ""
                asked = (scope["method"], scope["path"], query)
                self._state.log.append(LoggedRequest(arrived, elapsed, *asked, status, client_id, flow_id, fault))

        if action and (action.hang or action.reset):
            await asyncio.sleep(action.delay)
            log(None)
            await self._withhold(action, scope, receive)
            return
        if action and action.revoke_tokens:
            self._state.tokens.revoke_all()
        name = self._state.options.notices_cursor_parameter if scope["path"] == SHIPPING_NOTICES else "cursor"
        if action and action.endless_cursor:
            kept = [(each, text) for each, text in parse_qsl(query) if each != name]
            scope = {**scope, "query_string": urlencode(kept).encode()}
        if action and action.status is not None:
            reply = _prescribed(action.status, action)
        else:
            reply = await _collected(self._app, scope, receive)
        if action:
            cursor = f"endless-{self._state.next_flow_id()}" if action.endless_cursor else parameters.get(name)
            reply = _damaged(reply, action, cursor)
            # The answer is made when the request arrives; what becomes visible while it is held back is not in it.
            await asyncio.sleep(action.delay)
        log(reply.status)
        cut = action.cut_body if action else None
        if action and action.trickle:
            send = _trickling(send, action.trickle)
        await _send(reply, flow_id, arrived, send, len(reply.body) // 2 if cut is True else cut)

    async def _withhold(self, action: Action, scope: Message, receive: Receive) -> None:
        if action.hang:
            seconds = LONGEST_HANG if action.hang is True else float(action.hang)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while (await receive())["type"] != "http.disconnect":
                        pass
        transport = self._connections.get(tuple(scope.get("client") or ()))
        if transport is None:
            return
        # With no time to linger the kernel sends RST instead of FIN.
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        # Lets the server notice before this application returns without an answer.
        while (await receive())["type"] != "http.disconnect":
            pass


async def _collected(app: App, scope: Message, receive: Receive) -> Reply:
    start: Message = {}
    body: list[bytes] = []

    async def catch(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        else:
            body.append(message.get("body", b""))

    await app(scope, receive, catch)
    headers = tuple((bytes(name).lower(), bytes(value)) for name, value in start["headers"])
    return Reply(start["status"], headers, b"".join(body))


def _prescribed(status: int, action: Action) -> Reply:
    if action.body is None:
        body, kind = bytes(problem(ProblemError(status, "a fault of the emulator's plan")).body), PROBLEM_JSON
    elif isinstance(action.body, str):
        body, kind = action.body.encode("utf-8", "surrogateescape"), "text/plain; charset=utf-8"
    else:
        body, kind = compact(action.body), PROBLEM_JSON if status >= 400 else JSON
    return Reply(status, ((b"content-type", kind.encode()),), body)


def _damaged(reply: Reply, action: Action, cursor: str | None) -> Reply:
    body = reply.body
    if body and (action.duplicate or action.repeat_cursor or action.endless_cursor):
        answer = json.loads(body)
        for rows in _lists(answer):
            rows.extend(rows[: action.duplicate])
        # The answer names itself as the next page, in whatever way it names pages.
        if action.endless_cursor and "links" in answer:
            answer["links"]["next"] = f"/?{urlencode({'cursor': cursor})}"
        elif action.repeat_cursor and "links" in answer:
            answer["links"]["next"] = answer["links"]["self"]
        elif cursor and (action.repeat_cursor or action.endless_cursor):
            answer.get("cursor", answer)["next"] = cursor
        body = compact(answer)
    if action.malformed_json:
        body = body[: max(1, len(body) * 2 // 3)]
    if action.empty_body:
        body = b""
    headers = action.headers
    if action.cut_gzip:
        packed = gzip.compress(body)
        body, headers = packed[: len(packed) // 2], {**headers, "Content-Encoding": "gzip"}
    return replace(reply, body=body).with_headers(headers)


def _lists(answer: Any) -> list[list[Any]]:
    """The lists of records in an answer: itself, or under a key, of the snapshot of the inventory too."""
    if isinstance(answer, list):
        return [answer]
    snapshot = answer.get("item_quantity_snapshot", {})
    return [rows for rows in (*answer.values(), *snapshot.values()) if isinstance(rows, list)]


def _trickling(send: Send, seconds: float) -> Send:
    async def trickle(message: Message) -> None:
        body = message.get("body", b"")
        size = len(body) // PIECES + 1
        for start in range(0, len(body), size):
            await send({**message, "body": body[start : start + size], "more_body": True})
            await asyncio.sleep(seconds)
        await send({**message, "body": b""} if body else message)

    return trickle


async def _send(reply: Reply, flow_id: str, arrived: datetime, send: Send, cut_after: int | None) -> None:
    length = len(reply.body) if cut_after is None else max(len(reply.body), cut_after + 1)
    usual = {b"date": format_datetime(arrived, usegmt=True).encode(), b"x-flow-id": flow_id.encode("latin-1")}
    headers = {**usual, **dict(reply.headers), b"content-length": str(length).encode()}
    await send({"type": "http.response.start", "status": reply.status, "headers": list(headers.items())})
    # An answer that is cut stays unfinished, and the server closes the connection.
    await send({"type": "http.response.body", "body": reply.body[:cut_after], "more_body": cut_after is not None})
