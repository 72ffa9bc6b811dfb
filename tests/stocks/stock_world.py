"""An emulator whose clock is the client's, feeds for it, and processes that can be killed at any request and write."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import base_paths
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from emulated_time import EmulatedTime
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem
from killing import DeadlyTransport, Killed
from own_emulator import config_of

from airflow_provider_zdirect.client import MemoryRateLimiter, RetryPolicy, Transport
from airflow_provider_zdirect.client.client import ZDirectClient
from airflow_provider_zdirect.datasets.assumptions import Assumptions
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import ZDirectRetriableError
from airflow_provider_zdirect.merchant_files.ean import ean13
from airflow_provider_zdirect.merchant_files.tables import TableFile
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.stocks.feed import MAPPING_COLUMNS, FeedFiles
from airflow_provider_zdirect.stocks.stock_updates import update_stocks
from airflow_provider_zdirect.stocks.update_plan import StockUpdateJob

NOW = "2026-03-10T08:00:00+00:00"


def stock_emulator() -> EmulatorServer:
    return EmulatorServer(seed=7, now=NOW, notice_days=0, order_days=0)


def ean(number: int) -> str:
    return ean13(f"40{number:010d}")


def deadly_files(dies: Callable[[], bool]) -> AbstractFileSystem:
    """A storage that may be gone after any change."""
    files = base_paths.storage.filesystem()

    def deadly(change: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            done = change(*arguments, **options)
            if dies():
                raise Killed
            return done

        return call

    for name in base_paths.storage.changes:
        setattr(files, name, deadly(getattr(files, name)))
    return files


class Meeting(DeadlyTransport):
    """Lets something happen just before or just after the first stock update."""

    def __init__(self, before: Callable[[], Any] | None = None, after: Callable[[], Any] | None = None) -> None:
        super().__init__(lambda *_: False)
        self.meetings = {"before": before, "after": after}

    async def send(self, method: str, url: str, **options: Any) -> Any:
        if not url.endswith("/stocks"):
            return await super().send(method, url, **options)
        await self._meet("before")
        answer = await super().send(method, url, **options)
        await self._meet("after")
        return answer

    async def _meet(self, when: str) -> None:
        if meeting := self.meetings.pop(when, None):
            await asyncio.to_thread(meeting)


class Refusing(DeadlyTransport):
    """A zDirect that refuses every request with this EAN as a whole."""

    def __init__(self, wrong: str) -> None:
        super().__init__(lambda *_: False)
        self.wrong = wrong
        self.sizes: list[int] = []

    async def send(self, method: str, url: str, **options: Any) -> Any:
        if url.endswith("/stocks"):
            items = json.loads(options["body"])["items"]
            self.sizes.append(len(items))
            if any(item["ean"] == self.wrong for item in items):
                options["body"] = b"{}"
        return await super().send(method, url, **options)


class StockWorld:
    """One merchant's stock."""

    def __init__(self, emulator: EmulatorServer, root: Path) -> None:
        self.emulator = emulator
        self.root = root
        self.clock = EmulatedTime(emulator)
        self.limiter = MemoryRateLimiter(self.clock)
        self.merchant_id = emulator.merchant_ids[0]
        self.fs: LocalFileSystem = LocalFileSystem()
        self.environment = "production"
        self.assumptions: dict[str, Any] = {}
        self.start = datetime.fromisoformat(NOW) - timedelta(hours=1)

    @property
    def channels(self) -> list[str]:
        """The live ones."""
        found = self.emulator.reference("sales_channels", self.merchant_id)
        return sorted(channel["sales_channel_id"].lower() for channel in found if channel["live"])

    def write(self, name: str, rows: Iterable[Mapping[str, Any]] | str) -> str:
        """A file of the inbox; its path."""
        path = self.root / "_inbox" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not isinstance(rows, str):
            rows = list(rows)
            header = list(dict.fromkeys(column for row in rows for column in row))
            lines = [",".join(header), *(",".join(str(row.get(column, "")) for column in header) for row in rows)]
            rows = "\n".join(lines) + "\n"
        path.write_text(rows)
        return str(path)

    def feed(self, name: str, quantities: Mapping[int, Any]) -> None:
        """A file of the inbox with quantities by number of the article."""
        self.write(name, [{"ean": ean(number), "quantity": quantity} for number, quantity in quantities.items()])

    def job(self, feed: str = "stock.csv", *, run: str = "a", minutes: float | None = 0, **changes: Any) -> Any:
        """:param minutes: after 07:00 of the feed's figures; None: as the file says."""
        path = str(self.root / "_inbox" / feed)
        at = None if minutes is None else self.start + timedelta(minutes=minutes)
        if mapping := changes.pop("mapping", None):
            mapping = TableFile(self.fs, mapping, mapping, "mapping_path", MAPPING_COLUMNS, ("merchant_sku", "ean"))
        fs, root = base_paths.storage.open(self.root)
        return StockUpdateJob(
            place=Place(fs, root, self.root.as_uri(), self.merchant_id, self.environment),
            feed=FeedFiles(self.fs, path, path, at),
            mapping=mapping,
            run=run * 24,
            label=f"run-{run}",
            **{"sales_channel_ids": tuple(self.channels[:2]), **changes},
        )

    def client(self, transport: Transport | None = None) -> ZDirectClient:
        config = config_of(self.emulator, environment=self.environment, assumptions=Assumptions(self.assumptions))
        policy = RetryPolicy(jitter=lambda: 0.0)
        return ZDirectClient(config, clock=self.clock, limiter=self.limiter, transport=transport, policy=policy)

    async def update(self, job: StockUpdateJob, transport: Transport | None = None) -> dict[str, Any] | None:
        async with self.client(transport) as client:
            return await update_stocks(job, client, self.clock)

    def run(self, job: StockUpdateJob, transport: Transport | None = None) -> dict[str, Any]:
        """Once, in a process of its own."""
        result = asyncio.run(self.update(job, transport))
        assert result is not None
        return result

    def run_as_task(self, job: StockUpdateJob, transport: Transport | None = None) -> dict[str, Any]:
        """With the waits that a task makes."""
        for _ in range(20):
            try:
                return self.run(job, transport)
            except ZDirectRetriableError as error:
                asyncio.run(self.clock.sleep(error.retry_after))
        raise AssertionError("it fails again and again")

    def levels(self) -> dict[tuple[str, str], int]:
        return self.emulator.stock_levels(self.merchant_id)

    def posts(self) -> list[Any]:
        return [request for request in self.emulator.requests if request.path.endswith("/stocks")]

    def busiest_minute(self) -> tuple[int, int]:
        """Most requests and most updates that were answered in one minute, wherever it begins."""
        counts = Counter(update["time"] for update in self.emulator.stock_updates(self.merchant_id))
        minutes = [[at for at in counts if start <= at < start + timedelta(minutes=1)] for start in counts]
        return max(map(len, minutes)), max(sum(counts[at] for at in minute) for minute in minutes)

    def results(self, columns: str = "sales_channel_id, ean, quantity, outcome", table: str = "stock_updates") -> Any:
        """The published rows, by DuckDB."""
        if not list(self.root.glob(f"{table}/**/*.parquet")):
            return []
        files = f"{self.root}/{table}/merchant_id={self.merchant_id}/**/*.parquet"
        return duckdb.sql(f"SELECT {columns} FROM read_parquet('{files}') ORDER BY ALL").fetchall()

    def rejected(self) -> list[tuple[str, str]]:
        """Where and why, of what was rejected."""
        if not list(self.root.glob("_rejected/**/*.gz")):
            return []
        files = f"{self.root}/_rejected/stock_updates/**/*.jsonl.gz"
        query = f"SELECT \"where\", reason FROM read_json('{files}', format='newline_delimited') ORDER BY ALL"
        return duckdb.sql(query).fetchall()

    def write_manifest(self, start: str, end: str, *, environment: str = "production", **filters: str) -> Path:
        """That the orders of a window were extracted."""
        folder = self.root / f"_manifests/orders/merchant_id={self.merchant_id}/date=2026-03-10"
        folder.mkdir(parents=True, exist_ok=True)
        span = {name: datetime.fromisoformat(at).isoformat() for name, at in (("from", start), ("to", end))}
        path = folder / f"{start}_{end}.json"
        facts = {"finished_at": span["to"], "rejected": 0, "rejected_file": None}
        path.write_text(json.dumps({"window": span, "environment": environment, "filters": filters, **facts}))
        return path

    def write_orders(self, *orders: Mapping[str, Any], known_until: str = "20260310T075500Z") -> None:
        """Published orders: each with ``lines``, a list of (external id, status)."""
        tables: dict[str, list[dict[str, Any]]] = {"orders": [], "order_items": [], "order_lines": []}
        for number, order in enumerate(orders):
            order_id = f"00000000-0000-4000-8000-{number:012d}"
            at = order.get("at", self.start)
            common = {"order_id": order_id, "order_date": at, "modified_at": order.get("modified", at)}
            if order.get("published", True):
                kind, status = order.get("type", "PartnerFulfilled"), order.get("status", "approved")
                tables["orders"].append({**common, "order_type": kind, "status": status, "created_at": at})
            for line, (external_id, status) in enumerate(order["lines"]):
                item = {**common, "order_item_id": f"{order_id}-i{line}"}
                tables["order_items"].append({**item, "external_id": external_id})
                tables["order_lines"].append({**item, "order_line_id": f"{order_id}-l{line}", "status": status})
        for name, rows in tables.items():
            path = self.root / f"{name}_current" / f"merchant_id={self.merchant_id}" / "date=2026-03-10"
            path.mkdir(parents=True, exist_ok=True)
            if rows:
                pq.write_table(pa.Table.from_pylist(rows), path / "20260310T000000Z_20260310T080000Z-ab.parquet")
        self.write_manifest("20260303T000000Z", known_until)
