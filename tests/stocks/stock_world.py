"""An emulator whose clock is the client's, feeds for it, and processes that can be killed at any request and write."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from emulated_time import EmulatedTime
from fsspec.implementations.local import LocalFileSystem

from airflow_provider_zdirect.client import ClientConfig, MemoryRateLimiter, RetryPolicy, Timeouts, Transport
from airflow_provider_zdirect.client.client import ZDirectClient
from airflow_provider_zdirect.datasets.assumptions import Assumptions
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import ZDirectRetriableError
from airflow_provider_zdirect.merchant_files.ean import ean13
from airflow_provider_zdirect.merchant_files.tables import TableFile
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.stocks.feed import MAPPING_COLUMNS, FeedFiles
from airflow_provider_zdirect.stocks.stock_updates import update_stocks
from airflow_provider_zdirect.stocks.update_pace import UpdatePace
from airflow_provider_zdirect.stocks.update_plan import StockUpdateJob

NOW = "2026-03-10T08:00:00+00:00"


def stock_emulator() -> EmulatorServer:
    return EmulatorServer(seed=7, now=NOW, notice_days=0, order_days=0)


def ean(number: int) -> str:
    return ean13(f"40{number:010d}")


class Killed(BaseException):
    """The process is gone."""


class DeadlyTransport(Transport):
    """Sends until the moment of death.

    :param dies: is asked after every request: what is there then is what is there before the next request or write.
    """

    def __init__(self, dies: Callable[[], bool]) -> None:
        super().__init__(Timeouts(10, 10, 10))
        self._dies = dies

    async def send(self, *arguments: Any, **options: Any) -> Any:
        answer = await super().send(*arguments, **options)
        if self._dies():
            raise Killed
        return answer


class DeadlyFiles(LocalFileSystem):
    """A disk that is gone after any change."""

    cachable = False
    dies: Callable[[], bool] = staticmethod(lambda: False)  # type: ignore[assignment]

    def _changing(self, change: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        done = change(*arguments, **options)
        if self.dies():
            raise Killed
        return done

    def mv(self, *arguments: Any, **options: Any) -> Any:
        return self._changing(super().mv, *arguments, **options)

    def rm_file(self, *arguments: Any, **options: Any) -> Any:
        return self._changing(super().rm_file, *arguments, **options)


class StockWorld:
    """One merchant's stock."""

    def __init__(self, emulator: EmulatorServer, root: Path) -> None:
        self.emulator = emulator
        self.root = root
        self.clock = EmulatedTime(emulator)
        self.limiter = MemoryRateLimiter(self.clock)
        self.merchant_id = emulator.merchant_ids[0]
        self.pace = UpdatePace("test", 0.9, root.parent / f"{root.name}-pace")
        self.fs: LocalFileSystem = LocalFileSystem()
        self.environment = "production"
        self.assumptions: dict[str, Any] = {}

    @property
    def channels(self) -> list[str]:
        """The live ones."""
        found = self.emulator.reference("sales_channels", self.merchant_id)
        return sorted(channel["sales_channel_id"].lower() for channel in found if channel["live"])

    def write(self, name: str, rows: Iterable[Mapping[str, Any]] | str) -> str:
        """A file of the inbox; its path."""
        path = self.root / "_inbox" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(rows, str):
            path.write_text(rows)
            return str(path)
        rows = list(rows)
        header = list(dict.fromkeys(column for row in rows for column in row))
        lines = [",".join(header), *(",".join(str(row.get(column, "")) for column in header) for row in rows)]
        path.write_text("\n".join(lines) + "\n")
        return str(path)

    def job(self, feed: str = "stock.csv", *, run: str = "a" * 24, minutes: float | None = 0, **changes: Any) -> Any:
        """:param minutes: after 08:00 of the feed's figures; None: as the file says."""
        path = feed if feed.startswith("/") else str(self.root / "_inbox" / feed)
        at = None if minutes is None else self.start + timedelta(minutes=minutes)
        mapping = changes.pop("mapping", None)
        if isinstance(mapping, str):
            mapping = TableFile(self.fs, mapping, mapping, "mapping_path", MAPPING_COLUMNS, ("merchant_sku", "ean"))
        changes.setdefault("sales_channel_ids", tuple(self.channels[:2]))
        return StockUpdateJob(
            place=Place(
                changes.pop("fs", self.fs), str(self.root), self.root.as_uri(), self.merchant_id, self.environment
            ),
            feed=FeedFiles(self.fs, path, path, at),
            mapping=mapping,
            run=run,
            label=f"run-{run[:1]}",
            **changes,
        )

    @property
    def start(self) -> datetime:
        return datetime.fromisoformat(NOW) - timedelta(hours=1)

    def client(self, transport: Transport | None = None) -> ZDirectClient:
        settings = self.emulator.state.settings
        config = ClientConfig(
            settings.client_id,
            settings.client_secret,
            base_url=self.emulator.url,
            environment=self.environment,
            assumptions=Assumptions(self.assumptions),
        )
        policy = RetryPolicy(jitter=lambda: 0.0)
        return ZDirectClient(config, clock=self.clock, limiter=self.limiter, transport=transport, policy=policy)

    async def update(self, job: StockUpdateJob, transport: Transport | None = None) -> dict[str, Any] | None:
        async with self.client(transport) as client:
            return await update_stocks(job, client, self.clock, self.pace)

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
        updates = self.emulator.stock_updates(self.merchant_id)
        counts = Counter(update["time"] for update in updates)
        times = sorted(counts)
        minute = timedelta(minutes=1)
        return (
            max(sum(1 for at in times if start <= at < start + minute) for start in times),
            max(sum(counts[at] for at in times if start <= at < start + minute) for start in times),
        )

    def results(self, columns: str = "sales_channel_id, ean, quantity, outcome", table: str = "stock_updates") -> Any:
        """The published rows, by DuckDB."""
        files = f"{self.root}/{table}/merchant_id={self.merchant_id}/**/*.parquet"
        if not list(self.root.glob(f"{table}/**/*.parquet")):
            return []
        return duckdb.sql(f"SELECT {columns} FROM read_parquet('{files}') ORDER BY ALL").fetchall()

    def rejected(self) -> list[tuple[str, str]]:
        """Where and why, of what was rejected."""
        files = f"{self.root}/_rejected/stock_updates/**/*.jsonl.gz"
        if not list(self.root.glob("_rejected/**/*.gz")):
            return []
        query = f"SELECT \"where\", reason FROM read_json('{files}', format='newline_delimited') ORDER BY ALL"
        return duckdb.sql(query).fetchall()


def write_manifest(world: StockWorld, start: str, end: str, *, environment: str = "production", **filters: str) -> Path:
    """That the orders of a window were extracted."""
    folder = world.root / f"_manifests/orders/merchant_id={world.merchant_id}/date=2026-03-10"
    folder.mkdir(parents=True, exist_ok=True)
    span = {name: datetime.fromisoformat(at).isoformat() for name, at in (("from", start), ("to", end))}
    path = folder / f"{start}_{end}.json"
    path.write_text(json.dumps({"window": span, "environment": environment, "filters": filters}))
    return path


def write_orders(
    world: StockWorld, orders: Iterable[Mapping[str, Any]], *, known_until: str = "20260310T075500Z"
) -> None:
    """Published orders: each with ``lines``, a list of (external id, status)."""
    tables: dict[str, list[dict[str, Any]]] = {"orders": [], "order_items": [], "order_lines": []}
    for number, order in enumerate(orders):
        order_id = f"00000000-0000-4000-8000-{number:012d}"
        at = order.get("at", world.start)
        common = {"order_date": at, "modified_at": order.get("modified", at)}
        if order.get("published", True):
            tables["orders"].append(
                {
                    "order_id": order_id,
                    "order_type": order.get("type", "PartnerFulfilled"),
                    "status": order.get("status", "approved"),
                    "created_at": at,
                    **common,
                }
            )
        for line, (external_id, status) in enumerate(order["lines"]):
            item_id = f"{order_id}-i{line}"
            tables["order_items"].append({"order_item_id": item_id, "external_id": external_id, **common})
            tables["order_lines"].append(
                {
                    "order_line_id": f"{order_id}-l{line}",
                    "order_item_id": item_id,
                    "order_id": order_id,
                    "status": status,
                    **common,
                }
            )
    for name, rows in tables.items():
        path = world.root / f"{name}_current" / f"merchant_id={world.merchant_id}" / "date=2026-03-10"
        path.mkdir(parents=True, exist_ok=True)
        if rows:
            pq.write_table(pa.Table.from_pylist(rows), path / "20260310T000000Z_20260310T080000Z-ab.parquet")
    write_manifest(world, "20260303T000000Z", known_until)
