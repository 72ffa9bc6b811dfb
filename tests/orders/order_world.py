"""An emulator with the orders that a test makes, whose clock is the client's, and clients that can be killed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import fsspec
from emulated_time import EmulatedTime

from airflow_provider_zdirect.client import ClientConfig, MemoryRateLimiter, RetryPolicy, Timeouts, Transport
from airflow_provider_zdirect.client.client import ZDirectClient
from airflow_provider_zdirect.datasets.assumptions import Assumptions
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.orders.order_updates import update_orders
from airflow_provider_zdirect.orders.update_job import OrderUpdateJob, OrderUpdateResult, UpdateRules
from airflow_provider_zdirect.orders.update_rows import read_updates
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.storage.object_store import ObjectStore

NOW = "2026-03-10T08:00:00+00:00"
CODES = {"tracking_number": "OUT-10001", "return_tracking_number": "BACK-10001"}


def order_emulator() -> EmulatorServer:
    """One in which there are only those orders that a test makes."""
    return EmulatorServer(seed=7, now=NOW, order_days=0)


class AnsweringTransport(Transport):
    """Changes answers.

    :param change: is given method, URL, and the content of an answer, and may change the content, or return a status.
    """

    def __init__(self, change: Callable[[str, str, Any], int | None]) -> None:
        super().__init__(Timeouts(10, 10, 10))
        self._change = change

    async def send(self, method: str, url: str, **options: Any) -> Any:
        answer = await super().send(method, url, **options)
        content = json.loads(bytes(answer.body) or "null")
        status = self._change(method, url, content)
        return replace(answer, status=status or answer.status, body=bytearray(json.dumps(content).encode()))


class OrderWorld:
    """One merchant's orders."""

    def __init__(self, emulator: EmulatorServer, base: Path) -> None:
        self.emulator = emulator
        self.base = base
        self.clock = EmulatedTime(emulator)
        self.limiter = MemoryRateLimiter(self.clock)
        self.merchant_id = emulator.merchant_ids[0]
        self.assumptions: dict[str, Any] = {}

    def place(self, **changes: Any) -> Place:
        root, uri = str(self.base), self.base.as_uri()
        fields = {"merchant_id": self.merchant_id, "environment": "production", **changes}
        return Place(fsspec.filesystem("file"), root, uri, **fields)

    @property
    def store(self) -> ObjectStore:
        return self.place().store

    def fail(
        self, path: str, status: int, times: int | None = None, *, method: str | None = None, **action: Any
    ) -> None:
        """Let zDirect answer requests otherwise.

        :param times: how often; None: always.
        :param action: ``body``, ``headers``.
        """
        match = {"path": path, **({"method": method} if method else {})}
        self.emulator.faults.add({"match": match, "action": {"status": status, **action}, "times": times})

    def order(self, **attributes: Any) -> str:
        """One more order, with two items of one line each."""
        (order_id,) = self.emulator.add_orders(self.merchant_id, 1, **{"items": 2, "lines": 1, **attributes})
        return order_id

    def truth(self, order_id: str) -> dict[str, Any]:
        return next(one for one in self.emulator.orders(self.merchant_id) if one["order_id"] == order_id)

    def lines(self, order_id: str) -> dict[str, str]:
        """Status by line."""
        items = self.truth(order_id)["items"]
        return {line["order_line_id"]: line["status"] for item in items for line in item["lines"]}

    def job(self, rows: list[dict[str, Any]], **changes: Any) -> OrderUpdateJob:
        read = read_updates(
            [(f"row {number}", row) for number, row in enumerate(rows, start=2)], merchant_id=self.merchant_id
        )
        rules = {name: changes.pop(name) for name in list(changes) if name in UpdateRules.__annotations__}
        fields: dict[str, Any] = {
            "place": self.place(**{name: changes.pop(name) for name in ("merchant_id", "format") if name in changes}),
            "updates": read.updates,
            "wrong": read.wrong,
            "run": "a-run",
            "rules": UpdateRules(**rules),
        }
        return OrderUpdateJob(**{**fields, **changes})

    def client(self, transport: Transport | None = None, **settings: Any) -> ZDirectClient:
        own = self.emulator.state.settings
        settings = {"assumptions": Assumptions(self.assumptions), **settings}
        config = ClientConfig(own.client_id, own.client_secret, base_url=self.emulator.url, **settings)
        policy = RetryPolicy(jitter=lambda: 0.0)
        return ZDirectClient(config, clock=self.clock, limiter=self.limiter, transport=transport, policy=policy)

    def run(self, job: OrderUpdateJob, transport: Transport | None = None) -> OrderUpdateResult:
        """Once, in a process of its own."""

        async def go() -> OrderUpdateResult:
            async with self.client(transport) as client:
                return await update_orders(job, client, self.clock)

        return asyncio.run(go())

    def update(self, *rows: dict[str, Any], **changes: Any) -> dict[int, set[str]]:
        """Outcomes by row, however many of them are bad."""
        return outcomes(self.runs(*rows, **{"max_failed": None, **changes}))

    def runs(self, *rows: dict[str, Any], transport: Transport | None = None, **changes: Any) -> OrderUpdateResult:
        return self.run(self.job(list(rows), **changes), transport)

    def writes(self, order_id: str = "") -> list[str]:
        """What was asked to be changed, in order: the kind, and the status of the answer."""
        return [
            f"{request.method} {_kind(request.path)} {request.status}"
            for request in self.emulator.requests
            if request.method in ("PATCH", "POST") and "/auth/" not in request.path and order_id in request.path
        ]

    def published(self) -> list[tuple[Any, ...]]:
        """Row, what and outcome of every published result, by DuckDB: independent of the code under test."""
        files = f"{self.base}/order_updates/**/*.parquet"
        return duckdb.sql(f"SELECT row, what, outcome FROM read_parquet('{files}') ORDER BY ALL").fetchall()


def outcomes(result: OrderUpdateResult) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for one in result.results:
        found.setdefault(one.row, set()).add(str(one.outcome))
    return found


def tracked(order_id: str, number: int = 1, **more: Any) -> dict[str, Any]:
    """A row that exports and ships an order."""
    return {
        "order_id": order_id,
        "merchant_order_id": f"M{number}",
        "tracking_number": f"OUT-1000{number}",
        "return_tracking_number": f"BACK-1000{number}",
        "status": "shipped",
        **more,
    }


def _kind(path: str) -> str:
    for kind, name in (("/lines/", "line"), ("/shipments/", "shipment"), ("/shipments", "shipments")):
        if kind in path:
            return name
    return "order"
