# SPDX-License-Identifier: Apache-2.0
"""An emulator on a loopback port, for tests and scripts: a context manager around a server thread."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from airflow_provider_zdirect.emulator import (
    auth,
    customer_requests,
    inventory,
    movement_reports,
    order_reads,
    order_writes,
    reference_data,
    shipping_documents,
    shipping_notices,
    stock_movements,
    stock_updates,
    tours,
)
from airflow_provider_zdirect.emulator.admin import admin_api
from airflow_provider_zdirect.emulator.answers import ProblemError, problem
from airflow_provider_zdirect.emulator.clock import EmulatorClock, Moment, moment
from airflow_provider_zdirect.emulator.controls import Controls
from airflow_provider_zdirect.emulator.faults import FaultPlan
from airflow_provider_zdirect.emulator.front import Connections, Front
from airflow_provider_zdirect.emulator.options import Options
from airflow_provider_zdirect.emulator.state import EmulatorState, LoggedRequest, Settings

APIS = (
    auth.api,
    stock_movements.api,
    movement_reports.api,
    inventory.api,
    reference_data.api,
    reference_data.channels_api,
    shipping_notices.api,
    tours.api,
    order_reads.api,
    order_writes.api,
    customer_requests.deletions_api,
    customer_requests.returns_api,
    stock_updates.api,
    shipping_documents.api,
)
START_SECONDS = 30.0
STOP_SECONDS = 10.0


class EmulatorServer(Controls):
    """A running emulator.

    :param now: moment to freeze the clock at (aware time or ISO string); ``None`` follows real time.
    :param port: 0 takes a free one.
    :param faults: fault plan, see :mod:`~airflow_provider_zdirect.emulator.faults`.
    :param fields: those of :class:`~airflow_provider_zdirect.emulator.state.Settings` (seed, merchants, client_id,
        client_secret, environment) and of :class:`~airflow_provider_zdirect.emulator.options.Options` (volume,
        late_share, bad_records, drift, rate_limits, ...).
    :raises ValueError: for an unknown name or a value out of range.
    :raises OSError: if the port is taken.
    """

    def __init__(
        self,
        *,
        now: Moment | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        faults: Iterable[Mapping[str, Any]] = (),
        **fields: Any,
    ) -> None:
        fixed = {name: fields.pop(name) for name in list(fields) if name in Settings.__annotations__}
        self._first_now = moment(now) if now is not None else None
        self._first_options = Options().changed(fields)
        clock = EmulatorClock(self._first_now)
        super().__init__(EmulatorState(Settings(**fixed), self._first_options, clock, FaultPlan(faults)))
        self.clock, self.faults = clock, self.state.faults
        # Merchants that the client may read, and one that exists but answers 403.
        self.merchant_ids, self.foreign_merchant_id = self.state.merchant_ids, self.state.foreign_merchant_id
        # With the protocol named, asyncio switches Nagle's algorithm off, which holds short answers back for 40 ms.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((host, port))
        self.url = f"http://{host}:{self._socket.getsockname()[1]}"
        self._connections: Connections = {}
        self.app = create_app(self, self._connections)
        self._server = uvicorn.Server(
            uvicorn.Config(
                self.app,
                http=_tracked_protocol(self._connections),
                loop="asyncio",
                ws="none",
                lifespan="off",
                # Cut and dropped answers are meant; uvicorn would log each as an error.
                log_level="critical",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,
            )
        )
        self._thread = threading.Thread(target=self._run, name="zdirect-emulator", daemon=True)
        self._end: Callable[[], object] = lambda: None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Serve in a thread; returns when requests are answered."""
        self._thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError("the emulator did not start")
            time.sleep(0.005)

    def stop(self) -> None:
        """Close all connections and end the thread."""
        if self._thread.is_alive():
            self._end()
            self._thread.join(STOP_SECONDS)
        self._socket.close()

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._serve())

    async def _serve(self) -> None:
        # Canceled, because uvicorn's own way to end takes two tenths of a second.
        serving = asyncio.ensure_future(self._server.serve(sockets=[self._socket]))
        self._end = partial(asyncio.get_running_loop().call_soon_threadsafe, serving.cancel)
        try:
            await serving
        finally:
            for listener in self._server.servers:
                listener.close()
            for transport in list(self._connections.values()):
                transport.abort()

    @property
    def requests(self) -> list[LoggedRequest]:
        """All requests so far, oldest first, without those to ``/_emulator``."""
        return list(self.state.log)

    @property
    def options(self) -> Options:
        return self.state.options

    def set_options(self, **changes: Any) -> None:
        """Change options while running."""
        self.state.options = self.state.options.changed(changes)

    def reset(self) -> None:
        """As at the start: options, clock, and everything that was written, logged, or set by tests."""
        self.state.options = self._first_options
        self.clock.set(self._first_now)
        self.faults.clear()
        self.state.forget()


def _tracked_protocol(connections: Connections) -> type[asyncio.Protocol]:
    """uvicorn's HTTP protocol that also notes its transport, the only way to a real connection reset."""

    class TrackedProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
        def connection_made(self, transport: asyncio.Transport) -> None:
            self._peer = tuple(transport.get_extra_info("peername")[:2])
            connections[self._peer] = transport
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            connections.pop(self._peer, None)
            super().connection_lost(exc)

    return TrackedProtocol


def create_app(controls: Controls, connections: Connections) -> Starlette:
    """All routes of one emulator."""
    state = controls.state
    routes = [route for api in (*APIS, admin_api(controls)) for route in api.routes(state)]
    return Starlette(
        routes=[*routes, shipping_documents.DocumentRoute(state)],
        middleware=[Middleware(Front, state=state, connections=connections)],
        exception_handlers={HTTPException: _http_error},
    )


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = f"{request.method} {request.url.path}: {error.detail}"
    return problem(ProblemError(error.status_code, detail, dict(error.headers or {})))
