"""The whole way from the emulator to files, for tests: one base path, one emulator, many runs."""

from __future__ import annotations

import asyncio
import glob
import gzip
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import base_paths
import duckdb
from clocks import FakeClock
from own_emulator import config_of

from airflow_provider_zdirect.client import MemoryRateLimiter, MemoryTokenStore, ZDirectClient
from airflow_provider_zdirect.datasets.assumptions import Assumptions
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.pipeline.extract import ExtractJob, ExtractResult, extract
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.windows import Window


@dataclass
class Extraction:
    """Runs windows as tasks would, each with a client of its own."""

    emulator: EmulatorServer
    root: Path
    environment: str = "production"
    tokens: MemoryTokenStore = field(default_factory=MemoryTokenStore)
    assumptions: dict[str, Any] = field(default_factory=dict)

    @property
    def merchant_id(self) -> str:
        return self.emulator.merchant_ids[0]

    def clock(self) -> FakeClock:
        return FakeClock(self.emulator.clock.now())

    def client(self) -> ZDirectClient:
        clock = self.clock()
        config = config_of(self.emulator, environment=self.environment, assumptions=Assumptions(self.assumptions))
        return ZDirectClient(config, tokens=self.tokens, clock=clock, limiter=MemoryRateLimiter(clock))

    def place(self, merchant_id: str, format: str) -> Place:
        fs, root = base_paths.storage.open(self.root)
        return Place(fs, root, f"file://{self.root}", merchant_id, self.environment, format)

    def job(
        self,
        dataset: str,
        window: Window | None = None,
        *,
        variant: str | None = None,
        path: str | None = None,
        **options: Any,
    ) -> ExtractJob:
        return ExtractJob(
            dataset=get_dataset(dataset, variant, path),
            window=window,
            place=self.place(options.pop("merchant_id", self.merchant_id), options.pop("format", "parquet")),
            resume_key=options.pop("resume_key", "task"),
            **options,
        )

    async def extract(self, dataset: str, window: Window | None = None, **options: Any) -> ExtractResult:
        async with self.client() as client:
            return await extract(self.job(dataset, window, **options), client, clock=self.clock())

    def run(self, dataset: str, window: Window | None = None, **options: Any) -> ExtractResult:
        return asyncio.run(self.extract(dataset, window, **options))

    def fault(self, path: str, action: dict[str, Any], **others: Any) -> Any:
        """Let the emulator answer requests otherwise.

        :param others: of the fault and of what it matches: ``times``, ``nth``, ``every``, ``query``.
        """
        times = {name: others.pop(name) for name in ("times",) if name in others}
        return self.emulator.faults.add({"match": {"path": path, **others}, "action": action, **times})

    def published(self, dataset: str, columns: str = "*") -> list[dict[str, Any]]:
        """Every published row, as the API named and wrote its fields.

        :param columns: those of Parquet files that are read; of many rows all take long.
        """
        rows: list[dict[str, Any]] = []
        if list((self.root / dataset).rglob("*.parquet")):
            root = glob.escape(str(self.root))
            found = duckdb.sql(
                f"SELECT {columns} FROM read_parquet('{root}/{dataset}/**/*.parquet', hive_partitioning = false, "
                "union_by_name = true)"
            )
            rows += [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]
        for path in (self.root / dataset).rglob("*.jsonl.gz"):
            rows += [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
        return [{column.removeprefix("api_"): value for column, value in row.items()} for row in rows]

    def keys(self, dataset: str) -> list[tuple[str, datetime]]:
        """Label and time of every published row, sorted."""
        field_name = get_dataset(dataset).publish.time_field
        return sorted((row["quality_label"], _instant(row[field_name])) for row in self.published(dataset))

    def truth(self, dataset: str, window: Window, merchant_id: str | None = None) -> list[tuple[str, datetime]]:
        """Label and time of every record that the emulator has for the window, sorted."""
        field_name = get_dataset(dataset).publish.time_field
        records = self.emulator.truth(dataset, merchant_id or self.merchant_id, window.start, window.end)
        return sorted((record["quality_label"], _instant(record[field_name])) for record in records)

    def manifest(self, result: ExtractResult) -> dict[str, Any]:
        return json.loads(Path(result.as_dict()["manifest"].removeprefix("file://")).read_text())

    def paths(self, kind: str) -> list[Path]:
        return sorted(path for path in (self.root / kind).rglob("*") if path.is_file())

    def requests(self, part: str) -> list[dict[str, str]]:
        """Queries of the answered requests whose path holds ``part``, oldest first."""
        answered = (request for request in self.emulator.requests if part in request.path and request.status == 200)
        return [dict(parse_qsl(request.query)) for request in answered]


def hourly(first: datetime, count: int) -> list[Window]:
    return [Window(first + timedelta(hours=n), first + timedelta(hours=n + 1)) for n in range(count)]


def whole(windows: list[Window]) -> Window:
    return Window(min(window.start for window in windows), max(window.end for window in windows))


def _instant(value: str | datetime) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value
