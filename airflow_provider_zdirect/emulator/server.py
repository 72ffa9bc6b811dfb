"""An emulator on a loopback port, for tests and scripts: a context manager around a server thread."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from airflow_provider_zdirect.emulator.app import create_app
from airflow_provider_zdirect.emulator.bulk import BulkPlan
from airflow_provider_zdirect.emulator.clock import EmulatorClock
from airflow_provider_zdirect.emulator.faults import FaultPlan
from airflow_provider_zdirect.emulator.front import Connections
from airflow_provider_zdirect.emulator.liquidation_script import ScriptedRow
from airflow_provider_zdirect.emulator.moments import Moment, moment
from airflow_provider_zdirect.emulator.options import Options
from airflow_provider_zdirect.emulator.order_controls import OrderControls
from airflow_provider_zdirect.emulator.state import EmulatorState, LoggedRequest, Settings
from airflow_provider_zdirect.emulator.stock_controls import StockControls
from airflow_provider_zdirect.emulator.tours import tours_of
from airflow_provider_zdirect.emulator.truth import Record

START_SECONDS = 30.0
STOP_SECONDS = 10.0


class EmulatorServer(OrderControls, StockControls):
    """A running emulator.

    :param now: moment to freeze the clock at (aware time or ISO string); ``None`` follows real time.
    :param port: 0 takes a free one.
    :param faults: fault plan, see :mod:`~airflow_provider_zdirect.emulator.faults`.
    :param bulk: bulk mode of the first merchant's received items.
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
        bulk: BulkPlan | None = None,
        **fields: Any,
    ) -> None:
        fixed = {name: fields.pop(name) for name in list(fields) if name in Settings.__annotations__}
        self.state = EmulatorState(
            Settings(**fixed),
            Options().changed(fields),
            EmulatorClock(moment(now) if now is not None else None),
            FaultPlan(faults),
            bulk,
        )
        self._first_options, self._first_now = self.state.options, moment(now) if now is not None else None
        # With the protocol named, asyncio switches Nagle's algorithm off, which holds short answers back for 40 ms.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((host, port))
        self.url = f"http://{host}:{self._socket.getsockname()[1]}"
        connections: Connections = {}
        self._server = uvicorn.Server(
            uvicorn.Config(
                create_app(self.state, connections),
                http=_tracked_protocol(connections),
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
        self._server.should_exit = True
        self._server.force_exit = True
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)
        self._socket.close()
        if self.state.bulk:
            self.state.bulk.close()

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))

    @property
    def merchant_ids(self) -> tuple[str, ...]:
        """Merchants that the client may read."""
        return self.state.merchant_ids

    @property
    def foreign_merchant_id(self) -> str:
        """A merchant that exists, but answers 403."""
        return self.state.foreign_merchant_id

    @property
    def clock(self) -> EmulatorClock:
        return self.state.clock

    @property
    def faults(self) -> FaultPlan:
        return self.state.faults

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
        """Options and clock as at the start; no faults, tokens, used limits, scripts, changes, listeners, written
        notices, changed orders or stocks, or logged requests."""
        self.state.options = self._first_options
        self.clock.set(self._first_now)
        self.faults.clear()
        self.state.tokens.revoke_all()
        self.state.limiter.clear()
        self.state.stock_limiter.clear()
        self.state.script.clear()
        self.state.references.clear()
        self.state.notices.clear()
        self.state.orders.clear()
        self.state.customer_wishes.clear()
        self.state.stocks.clear()
        self.state.listeners.clear()
        self.state.log.clear()

    def truth(
        self, dataset: str, merchant_id: str, start: Moment, end: Moment, *, as_sent: bool = False
    ) -> list[dict[str, Any]]:
        """All records with ``start <= event time < end``, visible or not; bad ones carry ``_bad``.

        Liquidated rows are as they are in the end: those that vanish are not there, those that change have changed.

        :param dataset: ``received_items``, ``returned_items``, ``liquidated_items``,
            ``intra_community_movements`` (each with both its dates) or ``cross_border_movements``. Dates are half-open
            here too.
        :param as_sent: the records as the API sends them, drift included.
        """
        return self.state.truth(dataset, merchant_id, moment(start), moment(end), as_sent)

    def records(self, dataset: str, merchant_id: str, start: Moment, end: Moment) -> list[Record]:
        """The truth with event time, ``visible_at`` and defect of each record.

        Unlike the truth it holds liquidated rows that vanish and the earlier forms of those that change, both with
        ``visible_until``.
        """
        return self.state.records(dataset, merchant_id, moment(start), moment(end))

    def quantities(self, merchant_id: str, at: Moment) -> dict[tuple[str, str], tuple[int, int]]:
        """The stock at a moment, whatever the API tells of it.

        :returns: offerable and non-offerable items by EAN and stock location id, without zeros.
        """
        levels = self.state.stock_levels(self.state.known_merchant(merchant_id), moment(at))
        return {
            (ean, location_id): (offerable, non_offerable)
            for ean, level in levels.items()
            for location_id, offerable, non_offerable in level
        }

    def reference(self, dataset: str, merchant_id: str) -> list[dict[str, Any]]:
        """The current records as sent.

        :param dataset: ``stock_locations`` (the same for all merchants), ``sales_channels`` or ``logistic_centers``.
        """
        return self.state.reference(dataset, self.state.known_merchant(merchant_id))

    def change_reference(
        self, dataset: str, id: str, changes: Mapping[str, Any] | None, *, merchant_id: str | None = None
    ) -> None:
        """Change a record from now on.

        :param changes: fields to replace; ``None`` removes the record. An unknown id adds one, in which what is not
            said is as in the first record.
        :param merchant_id: only for this merchant; ``None``: for all that have the record, or a new one for all.
        """
        if merchant_id is not None:
            self.state.known_merchant(merchant_id)
        self.state.references.change(dataset, id, None if changes is None else dict(changes), merchant_id)

    def notices(self, merchant_id: str) -> list[dict[str, Any]]:
        """The merchant's shipping notices at the emulator's now, oldest first.

        :returns: of each ``id``, ``zalando_advice_id``, ``state``, ``announced`` and ``dispatched`` (quantity by EAN;
            ``dispatched`` is ``None`` without a set of its own) and ``fields``, as they were written.
        """
        return [
            {
                "id": notice.id,
                "zalando_advice_id": notice.zalando_advice_id,
                "state": notice.state,
                "announced": notice.announced_sets[-1].as_dict() if notice.announced_sets else {},
                "dispatched": notice.dispatch_sets[-1].as_dict() if notice.dispatch_sets else None,
                "fields": dict(notice.fields),
            }
            for notice in self.state.notices_of([self.state.known_merchant(merchant_id)])
        ]

    def tours(self, merchant_id: str) -> list[dict[str, Any]]:
        """The merchant's tours at the emulator's now, without drift."""
        notices = self.state.notices_of([self.state.known_merchant(merchant_id)])
        return tours_of(self.state.settings.seed, notices, self.clock.now())

    def confirm_delivery_date(self, notice_id: str) -> None:
        """What ZFS Operations does: an announced notice gets its delivery date and is ready for dispatch.

        :raises ValueError: if the notice is unknown or not in state ``ready_for_delivery_date``.
        """
        self.state.confirm_delivery_date(notice_id)

    def script_liquidated(self, merchant_id: str, day: Moment, rows: Iterable[ScriptedRow]) -> None:
        """From now on that merchant and day have exactly these liquidated rows.

        :param day: the date that ``from`` and ``to`` select.
        :param rows: ``(body, visible_from, visible_until)``: fields that differ from a complete body, which all rows
            of the day share; the API shows the row from one aware time until another, or ``None`` if it stays.
        """
        self.state.script.set(self.state.known_merchant(merchant_id), moment(day).date(), rows)


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
