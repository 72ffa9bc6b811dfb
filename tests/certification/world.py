"""One dataset of one merchant, as every case meets it: what is asked for, what must then be published, and a task."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from emulated_time import EmulatedTime
from own_emulator import config_of
from state_extraction import StateExtraction

from airflow_provider_zdirect.client import MemoryRateLimiter, RateLimiter, ZDirectClient
from airflow_provider_zdirect.datasets.assumptions import Assumptions
from airflow_provider_zdirect.datasets.dataset import Dataset
from airflow_provider_zdirect.datasets.paging import TimeWalk
from airflow_provider_zdirect.datasets.publication import Days, History
from airflow_provider_zdirect.datasets.table import DATASETS, get_dataset
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import ZDirectError, ZDirectRetriableError
from airflow_provider_zdirect.pipeline.extract import ExtractJob, ExtractResult
from airflow_provider_zdirect.windows import Window

NOW = datetime(2026, 11, 20, 19, tzinfo=UTC)
SECRET = "planted-secret-6a1f"
HOURS = Window(NOW - timedelta(hours=7), NOW - timedelta(hours=4))
DAYS = Window(datetime(2026, 11, 10, tzinfo=UTC), datetime(2026, 11, 13, tzinfo=UTC))
PAGE = 4
"""Records on a page, so that few records need several."""

EXTRACTABLE = tuple(name for name, dataset in DATASETS.items() if dataset.part_of is None)

Row = tuple[str, ...]
"""The table, and what a published row and a record of the emulator have in common."""

COMPARED: dict[str, tuple[str, ...]] = {
    "received_items": ("quality_label", "received_timestamp", "ean", "zalando_advice_id"),
    "returned_items": ("quality_label", "consumed_timestamp", "ean", "zalando_shipment_number"),
    "liquidated_items": ("liquidation_date", "ean", "quantity", "purchase_order_number", "shipping_notice_number"),
    "intra_community_movements": ("report_date", "transaction_date", "ean", "quantity", "order_number"),
    "cross_border_movements": ("report_date", "movement_id", "ean"),
    "item_quantity_snapshots": ("ean", "stock_location_id", "offerable", "non_offerable"),
    "item_quantities": ("ean", "stock_location_id", "offerable", "non_offerable"),
    "stock_locations": ("id", "name"),
    "sales_channels": ("sales_channel_id", "country_code"),
    "logistic_centers": ("logistic_center_id", "name"),
    "shipping_notices": ("shipping_notice_id", "zalando_advice_id"),
    "tours": ("zalando_advice_id", "tour_number"),
    "orders": ("order_id", "modified_at", "order_number"),
    "order_items": ("order_item_id", "order_id", "article_id"),
    "order_lines": ("order_line_id", "order_item_id", "status"),
    "announced_returns": ("announced_return_id", "return_registered_at"),
    "order_deletion_requests": ("order_id", "order_number"),
}


def certified_emulator() -> EmulatorServer:
    """A small world, held to the documented rate limits; its time moves only when somebody waits."""
    return EmulatorServer(
        seed=7,
        now=NOW,
        client_id="certified-app",
        client_secret=SECRET,
        volume=0.4,
        late_share=0,
        empty_reports=0,
        icm_page_size=2,
        notices_page_size=10,
        notice_days=1,
        order_days=0,
        most_eans=2,
    )


class SkewedTime(EmulatedTime):
    """The clock of a worker that is ahead of zDirect, or behind it."""

    def __init__(self, emulator: EmulatorServer, ahead: timedelta) -> None:
        super().__init__(emulator)
        self._ahead = ahead

    def now(self) -> datetime:
        return super().now() + self._ahead


@dataclass
class Outcome:
    """What became of a task: the error of each failed try, and what the last one published, if it succeeded."""

    errors: list[ZDirectError] = field(default_factory=list)
    result: ExtractResult | None = None


@dataclass
class World(StateExtraction):
    """:param settings: of the client, beside its app and address."""

    dataset: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    ahead: timedelta = timedelta(0)
    page: int = PAGE
    limiter: RateLimiter | None = None

    def __post_init__(self) -> None:
        # Tries of a task share it, as all processes of a host do.
        self.limiter = self.limiter or MemoryRateLimiter(self.clock())

    @classmethod
    def of(cls, emulator: EmulatorServer, root: Path, dataset: str) -> World:
        emulator.reset()
        world = cls(emulator, root, dataset=dataset)
        if dataset in ("orders", "announced_returns", "order_deletion_requests"):
            orders = emulator.add_orders(
                world.merchant_id, 11, start=HOURS.start, step_seconds=900, items=1, lines=2, customer_number="K1"
            )
            for number, order_id in enumerate(orders):
                emulator.announce_return(order_id, at=HOURS.start + timedelta(minutes=15 * number))
            emulator.request_deletion(world.merchant_id, "K1")
        return world

    @property
    def row(self) -> Dataset:
        return get_dataset(self.dataset)

    @property
    def window(self) -> Window | None:
        """What is asked for: three hours, or three days; None: a present state."""
        if not self.row.has_windows:
            return None
        return DAYS if self.is_by_day else HOURS

    @property
    def is_by_day(self) -> bool:
        return isinstance(self.row.publish, Days)

    @property
    def path(self) -> str:
        """The endpoint, as a pattern."""
        return f"^{re.escape(self.row.endpoint.path_of(self.merchant_id))}$"

    @property
    def filters(self) -> dict[str, str]:
        """Stock and tours are asked for a few articles and deliveries, with several requests."""
        if self.dataset == "item_quantities":
            return {"ean": ",".join(sorted({ean for ean, _ in self.emulator.quantities(self.merchant_id, NOW)})[:5])}
        if self.dataset == "tours":
            return {"zalando_advice_id": ",".join(self._advices())}
        return {}

    def _advices(self) -> list[str]:
        return sorted({tour["zalando_advice_id"] for tour in self.emulator.tours(self.merchant_id)})[:4]

    # What a task does.

    def clock(self) -> EmulatedTime:
        return SkewedTime(self.emulator, self.ahead)

    def client(self) -> ZDirectClient:
        assumed = {"eans_per_request": 2} if self.dataset == "item_quantities" else {}
        options = {"environment": self.environment, "assumptions": Assumptions(assumed), **self.settings}
        config = replace(config_of(self.emulator), **options)
        return ZDirectClient(config, tokens=self.tokens, clock=self.clock(), limiter=self.limiter)

    def job(self, dataset: str, window: Window | None = None, **options: Any) -> ExtractJob:
        job = super().job(dataset, window, **{"filters": self.filters, **options})
        paging = job.dataset.paging
        if isinstance(paging, TimeWalk):
            return replace(job, dataset=job.dataset.but(paging={"size": self.page, "smallest": self.page}))
        if getattr(paging, "limit", None):
            return replace(job, dataset=job.dataset.but(paging={"limit": self.page}))
        return job

    def fetch(self, window: Window | None = None, **options: Any) -> ExtractResult:
        """One try."""
        return self.run(self.dataset, window or self.window, **options)

    def task(self, fetch: Callable[..., ExtractResult] | None = None, *, tries: int = 4, **options: Any) -> Outcome:
        """What Airflow makes of it: a retriable error is waited for, and the task is tried again."""
        outcome = Outcome()
        while len(outcome.errors) < tries and outcome.result is None:
            try:
                outcome.result = (fetch or self.fetch)(**options)
            except ZDirectError as error:
                outcome.errors.append(error)
                if not isinstance(error, ZDirectRetriableError):
                    break
                self.emulator.clock.advance(error.retry_after)
        return outcome

    # What must be, and what is.

    def expected(self, window: Window | None = None, merchant_id: str | None = None) -> Counter[Row]:
        """The rows of every table that must be published, by what the emulator knows."""
        return Counter(self._expected(window or self.window, merchant_id or self.merchant_id))

    def _expected(self, window: Window | None, merchant: str) -> Iterator[Row]:
        emulator, name = self.emulator, self.dataset
        if name == "orders":
            for order in emulator.orders(merchant):
                if not window or window.start <= datetime.fromisoformat(order["modified_at"]) < window.end:
                    items = [{**item, "order_id": order["order_id"]} for item in order["items"]]
                    yield from self._keys("orders", [order])
                    yield from self._keys("order_items", items)
                    yield from self._keys("order_lines", [line for item in items for line in item["lines"]])
            return
        if name.startswith("item_quantit"):
            wanted = set(self.filters.get("ean", "").split(",")) - {""}
            now = emulator.clock.now()
            made = now.replace(hour=22, minute=0) - timedelta(days=now.hour < 22)
            levels = emulator.quantities(merchant, now if name == "item_quantities" else made)
            yield from (
                (name, *key, *map(str, level)) for key, level in levels.items() if key[0] in wanted or not wanted
            )
            return
        if name in ("stock_locations", "sales_channels", "logistic_centers"):
            records = emulator.reference(name, merchant)
        elif name == "shipping_notices":
            records = [{**notice, "shipping_notice_id": notice["id"]} for notice in emulator.notices(merchant)]
        elif name == "tours":
            advices = self._advices()
            records = [tour for tour in emulator.tours(merchant) if tour["zalando_advice_id"] in advices]
        elif name == "announced_returns":
            records = [
                each
                for each in emulator.announced_returns(merchant)
                if not window or window.start <= datetime.fromisoformat(each["return_registered_at"]) < window.end
            ]
        elif name == "order_deletion_requests":
            records = emulator.orders(merchant)
        else:
            assert window
            records = emulator.truth(name, merchant, window.start, window.end)
        yield from self._keys(name, records)

    def _keys(self, name: str, records: list[dict[str, Any]]) -> Iterator[Row]:
        keys = [tuple(_text(record[field], field) for field in COMPARED[name]) for record in records]
        yield from ((table, *key) for table in _tables(name) for key in keys)

    def rows(self) -> Counter[Row]:
        """The rows of every table as they are published."""
        found: Counter[Row] = Counter()
        for name in (self.dataset, *self.row.answer.parts):
            for table in _tables(name):
                rows = self.published(table)
                if name == "item_quantities":
                    # Each observation is published; the present one is the last.
                    last = max((row["observed_at"] for row in rows), default=None)
                    rows = [row for row in rows if row["observed_at"] == last]
                for row in rows:
                    row = {**row, **(row.get("quantities_by_state") or {})}
                    found[(table, *(_text(row[field], field) for field in COMPARED[name]))] += 1
        return found

    def files(self) -> dict[Path, int]:
        """Every published file, with when it was written."""
        tables = [table for name in (self.dataset, *self.row.answer.parts) for table in _tables(name)]
        return {path: path.stat().st_mtime_ns for table in tables for path in self.paths(table)}

    def token(self) -> str:
        """The shared access token; empty before there is one."""
        token = asyncio.run(self.tokens.load())
        return token.access_token if token else ""


def _tables(name: str) -> list[str]:
    dataset = DATASETS[name]
    has_latest = dataset.of_latest() is not None or isinstance(dataset.publish, History)
    return [name, f"{name}_current"] if has_latest else [name]


def _text(value: Any, field: str) -> str:
    """Times and numbers in one spelling."""
    if isinstance(value, str) and field.endswith(("_timestamp", "_at")):
        value = datetime.fromisoformat(value)
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)
