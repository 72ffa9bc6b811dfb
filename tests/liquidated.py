"""Liquidated items as DuckDB reads them and as the emulator has them, and re-fetches as Airflow would run them."""

from __future__ import annotations

import gzip
import json
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import real_time
from emulated_time import EmulatedTime
from outlet_events import OutletEvents

from airflow_provider_zdirect.airflow_sdk import TaskDeferred
from airflow_provider_zdirect.assets import changed_alias, dataset_asset
from airflow_provider_zdirect.datasets.arrow import column_of
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.operators.liquidation import ZDirectLiquidationRefetchOperator

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
START = datetime(2026, 11, 10, tzinfo=UTC)
END = START + DAY
PASS = END + 48 * HOUR
DATASET = "liquidated_items"
FIELDS = (
    "merchant_name",
    "merchant_id",
    "purchase_order_number",
    "shipping_notice_number",
    "ean",
    "sku_simple",
    "quantity",
    "stock_location_id",
    "liquidation_date",
    "reporting_date",
    "average_price_per_item",
    "total_price",
)


def published(root: Path, *, merchant_id: str = "*", day: date | str = "*") -> Counter[str]:
    """Every published row, by DuckDB: independent of the code under test."""
    pattern = f"{DATASET}/merchant_id={merchant_id}/date={day}/*.parquet"
    if not list(root.glob(pattern)):
        return Counter()
    found = duckdb.sql(
        f"SELECT {', '.join(f'{column_of(name)}::VARCHAR' for name in FIELDS)} "
        f"FROM read_parquet('{root}/{pattern}', hive_partitioning = false)"
    )
    return multiset(dict(zip(FIELDS, row, strict=True)) for row in found.fetchall())


def multiset(rows: Iterable[dict[str, Any]]) -> Counter[str]:
    return Counter(json.dumps([_plain(name, row[name]) for name in FIELDS]) for row in rows)


def truth(emulator: EmulatorServer, merchant_id: str, start: datetime, end: datetime) -> Counter[str]:
    """The rows as they are in the end."""
    return multiset(emulator.truth(DATASET, merchant_id, start, end))


def files(root: Path) -> dict[str, bytes]:
    """Data, former data and changes: everything that a re-fetch without a change must leave alone."""
    folders = (DATASET, f"_revisions/{DATASET}", f"_changes/{DATASET}")
    return {
        str(path.relative_to(root)): path.read_bytes()
        for folder in folders
        for path in sorted((root / folder).rglob("*"))
        if path.is_file()
    }


def changes_in(uri: str) -> list[dict[str, Any]]:
    """The lines of a file under ``_changes/``."""
    lines = gzip.decompress(Path(uri.removeprefix("file://")).read_bytes()).splitlines()
    return [json.loads(line) for line in lines]


def asked(emulator: EmulatorServer) -> list[str]:
    """Queries of the requests for liquidated items that were answered, oldest first."""
    return [
        request.query for request in emulator.requests if "liquidated-items" in request.path and request.status == 200
    ]


@dataclass(frozen=True)
class Day:
    """One day of one merchant, and tasks that fetch it again.

    :param start: its midnight.
    :param root: the base path.
    """

    emulator: EmulatorServer
    root: Path
    start: datetime

    @property
    def end(self) -> datetime:
        return self.start + DAY

    @property
    def merchant_id(self) -> str:
        return self.emulator.merchant_ids[0]

    def refetch(self, run_id: str = "a_run", **arguments: Any) -> Run:
        values = {
            "task_id": "refetch",
            "base_path": self.root.as_uri(),
            "merchant_id": self.merchant_id,
            "window_from": self.start.isoformat(),
            "window_to": self.end.isoformat(),
        }
        return Run(ZDirectLiquidationRefetchOperator(**values | arguments), self.emulator, run_id)

    def script(self, *rows: tuple[str, dict[str, Any], float, float | None]) -> None:
        """The day's rows: purchase order, other fields, hours after the day's end from which and until which it is
        seen."""
        self.emulator.script_liquidated(
            self.merchant_id,
            self.start.date(),
            [
                (
                    {"purchase_order_number": order, **fields},
                    self.end + since * HOUR,
                    None if until is None else self.end + until * HOUR,
                )
                for order, fields, since, until in rows
            ],
        )

    def truth(self) -> Counter[str]:
        return truth(self.emulator, self.merchant_id, self.start, self.end)


@dataclass
class Run:
    """A task instance of the operator, as Airflow runs it: from deferral to deferral.

    :param waits: for every deferral, its moment by the emulator's clock.
    """

    task: ZDirectLiquidationRefetchOperator
    emulator: EmulatorServer
    run_id: str = "a_run"
    outlet_events: OutletEvents = field(default_factory=OutletEvents)
    waits: list[datetime] = field(default_factory=list)
    result: dict[str, Any] | None = None
    _next: tuple[str, dict[str, Any]] = ("execute", {})

    def __post_init__(self) -> None:
        self.task.clock = EmulatedTime(self.emulator)

    @property
    def events(self) -> list[dict[str, Any]]:
        everywhere = dataset_asset(DATASET)
        return [extra for asset, extra in self.outlet_events[changed_alias(DATASET)].added if asset == everywhere]

    @property
    def due(self) -> datetime:
        return self.waits[-1]

    def go_on(self) -> dict[str, Any] | None:
        """Execute or resume; the result, or None if the task was deferred."""
        # A worker that takes the task up again has only what the deferral holds.
        method, arguments = self._next
        arguments = json.loads(json.dumps(arguments))
        context = {
            "ti": SimpleNamespace(dag_id="a_dag", run_id=self.run_id, task_id="refetch", map_index=-1),
            "outlet_events": self.outlet_events,
        }
        if method == "execute" and threading.current_thread() is not threading.main_thread():
            # On Airflow 2 execute() can be called in the main thread only; it does the same.
            method = "resume"
        before = self.emulator.clock.now()
        try:
            self.result = getattr(self.task, method)(context, **arguments)
        except TaskDeferred as deferred:
            self._next = (deferred.method_name, deferred.kwargs or {})
            wait = deferred.trigger.moment - real_time.now()
            self.waits.append(before + timedelta(seconds=round(wait.total_seconds())))
            return None
        return self.result

    def retry(self) -> dict[str, Any] | None:
        """Another try, from the beginning."""
        self._next = ("execute", {})
        return self.go_on()

    def finish(self) -> dict[str, Any]:
        """Go on until the end; while it is deferred time passes."""
        while self.go_on() is None:
            self.emulator.clock.set(max(self.due, self.emulator.clock.now()))
        assert self.result is not None
        return self.result


def _plain(name: str, value: Any) -> Any:
    if value is None:
        return None
    return round(float(value), 2) if name in ("quantity", "average_price_per_item", "total_price") else str(value)
