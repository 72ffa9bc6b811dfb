"""What the deployment has to do: 20 backfill runs at once, beside 100 sensors; and what must come out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
from cluster import BACKFILLED, MERCHANTS, Cluster

HOURS, REPORT_DAYS, ORDER_DAYS = 6, 4, 10
SENSORS = 2 * MERCHANTS
OPTIONS = {
    # Of each day as late as can be, so that the sensors wait.
    "report_time": "23:59",
    "empty_reports": 0,
    # With some pages per task, the 40 requests a minute for orders are what three hosts compete for.
    "orders_per_day": 60,
    "order_days": ORDER_DAYS + 2,
    "orders_page_limit": 20,
}
FAULTS = [
    {"match": {"path": "^/(zfs|merchants)", "every": every}, "action": action}
    for every, action in (
        (29, {"status": 429, "headers": {"Retry-After": "2"}}),
        (31, {"reset": True}),
        (37, {"cut_body": True}),
        (41, {"malformed_json": True}),
        (67, {"status": 500}),
    )
]
"""About one request in eight is hit."""

Rows = Counter[tuple[str, ...]]


@dataclass(frozen=True)
class Table:
    """A published table, and what identifies its rows.

    :param time: the column that places a row in the backfilled time.
    """

    name: str
    key: tuple[str, ...]
    time: str
    start: datetime
    end: datetime

    def published(self, mirror: str) -> Rows:
        """Merchant and key of each row in all files."""
        keys = ", ".join(f"CAST({column} AS VARCHAR)" for column in self.key)
        found = duckdb.execute(
            f"SELECT merchant_id, {keys}, strftime({self.time} AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M:%S.%f') "
            "FROM read_parquet(?, hive_partitioning = true, hive_types_autocast = false, union_by_name = true)",
            [f"{mirror}/{self.name}/**/*.parquet"],
        )
        return Counter(tuple(row) for row in found.fetchall())

    def rows(self, merchant_id: str, records: Iterable[dict[str, Any]]) -> Rows:
        """The same of records as the emulator knows them, those of another time left out."""
        placed = ((datetime.fromisoformat(record[self.time]).replace(tzinfo=UTC), record) for record in records)
        return Counter(
            (merchant_id, *(str(record[column]) for column in self.key), f"{at:%Y-%m-%d %H:%M:%S.%f}")
            for at, record in placed
            if self.start <= at < self.end
        )


@dataclass
class Load:
    """The work, and the time that it is about."""

    cluster: Cluster
    now: datetime
    tables: list[Table] = field(init=False)

    def __post_init__(self) -> None:
        hour = self.now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)
        day = self.now.replace(hour=0, minute=0, second=0, microsecond=0)
        hours, reports = (
            (hour - timedelta(hours=HOURS), hour),
            (day - timedelta(days=REPORT_DAYS + 3), day - timedelta(days=3)),
        )
        orders = (day - timedelta(days=ORDER_DAYS), day)
        self.tables = [
            Table("received_items", ("quality_label",), "received_timestamp", *hours),
            Table("returned_items", ("quality_label",), "consumed_timestamp", *hours),
            Table("cross_border_movements", ("movement_id",), "report_date", *reports),
            Table("orders", ("order_id",), "modified_at", *orders),
        ]

    def begin(self) -> None:
        """Three backfills of 20 runs together, and the run with the sensors."""
        cluster = self.cluster
        cluster.emulator("/_emulator/faults", FAULTS, method="PUT")
        items, _, reports, orders = self.tables
        hour, day = timedelta(hours=1), timedelta(days=1)
        for dag_id, table, step, params in (
            ("zdirect_stock_movements", items, hour, {}),
            ("zdirect_cross_border_daily", reports, day, {}),
            ("zdirect_backfill", orders, day, {"dataset": "orders"}),
        ):
            cluster.unpause(dag_id)
            runs = (table.end - table.start) // step
            cluster.backfill(dag_id, table.start, table.end - step, max_active_runs=runs, params=params)
        cluster.unpause("distributed_sensors")
        # Of the day before the one in which the run ends: its report must not be there before its time.
        report_date = self.now + timedelta(minutes=30) - timedelta(days=1)
        conf = {"report_date": f"{report_date:%Y-%m-%d}"}
        cluster.api("/dags/distributed_sensors/dagRuns", {"logical_date": None, "conf": conf})

    def publish_reports(self) -> None:
        """Let the reports be there that the sensors wait for.

        Without faults from then on: a sensor that met one would ask again two minutes later.
        """
        self.cluster.emulator("/_emulator/faults", [], method="PUT")
        self.cluster.emulator("/_emulator/options", {"report_time": "00:00"}, method="PATCH")

    def truth(self) -> dict[str, Rows]:
        return {
            table.name: sum((self._truth(table, each) for each in self._merchants()), Rows()) for table in self.tables
        }

    def published(self) -> dict[str, Rows]:
        self.cluster.bucket.download()
        return {table.name: table.published(str(self.cluster.bucket.mirror)) for table in self.tables}

    def _truth(self, table: Table, merchant_id: str) -> Rows:
        if table.name == "orders":
            return table.rows(
                merchant_id, self.cluster.emulator(f"/_emulator/orders?merchant_id={merchant_id}")["orders"]
            )
        query = f"merchant_id={merchant_id}&from={table.start:%Y-%m-%dT%H:%M:%SZ}&to={table.end:%Y-%m-%dT%H:%M:%SZ}"
        return table.rows(merchant_id, self.cluster.emulator(f"/_emulator/truth/{table.name}?{query}")["records"])

    def _merchants(self) -> tuple[str, ...]:
        return self.cluster.merchants[:BACKFILLED]
