# SPDX-License-Identifier: Apache-2.0
"""The state of one emulator."""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_provider_zdirect.emulator import warehouse_stock
from airflow_provider_zdirect.emulator.catalog import merchant_id, stable_uuid
from airflow_provider_zdirect.emulator.channel_stock import ChannelStock
from airflow_provider_zdirect.emulator.clock import EmulatorClock
from airflow_provider_zdirect.emulator.customer_wishes import CustomerWishes
from airflow_provider_zdirect.emulator.faults import FaultPlan
from airflow_provider_zdirect.emulator.limits import Limiter, MinuteLimiter
from airflow_provider_zdirect.emulator.notice_book import NoticeBook
from airflow_provider_zdirect.emulator.options import Options
from airflow_provider_zdirect.emulator.order_book import OrderBook
from airflow_provider_zdirect.emulator.reference_book import ReferenceBook
from airflow_provider_zdirect.emulator.truth import LiquidationScript, Record, Timeline

REMEMBERED_REQUESTS = 100_000
MOST_MERCHANTS = 500
Callback = Callable[[int], object]


@dataclass(frozen=True)
class Settings:
    """What is fixed while the emulator runs.

    :param merchants: number of merchants that the client may read; one more exists that it may not.
    :param environment: ``production`` or ``sandbox``, which differ in rate limits and in what the inventory answers.
    """

    seed: int = 7
    merchants: int = 2
    client_id: str = "demo"
    client_secret: str = "demo-secret"  # noqa: S105 - the documented secret of the demo
    environment: str = "production"

    def __post_init__(self) -> None:
        if self.environment not in ("production", "sandbox"):
            raise ValueError("environment must be production or sandbox")
        if not 1 <= self.merchants <= MOST_MERCHANTS:
            raise ValueError(f"merchants must be a number from 1 to {MOST_MERCHANTS}")


@dataclass(frozen=True)
class LoggedRequest:
    """One request as it was answered; never with a secret or token.

    :param time: moment by the emulator's clock, which may stand still.
    :param elapsed: seconds on a scale that never does, to measure the pace of a client.
    :param status: status of the answer, ``None`` if there was none.
    :param fault: names of the actions that hit it, or an empty string.
    """

    time: datetime
    elapsed: float
    method: str
    path: str
    query: str
    status: int | None
    client_id: str | None
    flow_id: str
    fault: str

    def as_dict(self) -> dict[str, Any]:
        return {**vars(self), "time": self.time.isoformat()}


class TokenBook:
    """Issues opaque tokens as long as real ones, and remembers until when they are good."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._issued = 0
        self._expires_at: dict[str, int] = {}

    def issue(self, now: datetime, seconds: int) -> str:
        """A new token that lives for so many seconds."""
        self._issued += 1
        parts = [hashlib.sha256(f"{self._seed}/{self._issued}/{now}/{part}".encode()).hexdigest() for part in range(9)]
        token = f"{parts[0]}.{''.join(parts[1:8])}.{parts[8]}"
        self._expires_at[token] = int(now.timestamp()) + seconds
        return token

    def is_good(self, token: str, now: datetime) -> bool:
        return now.timestamp() < self._expires_at.get(token, 0)

    def revoke_all(self) -> int:
        """Make every token invalid; returns how many there were."""
        count = len(self._expires_at)
        self._expires_at.clear()
        return count


class Listeners:
    """Callbacks of tests, called for each admitted request in the thread that answers it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Part of a path, callback, and the numbers of the requests to come.
        self._listeners: list[tuple[str, Callback, Iterator[int]]] = []

    def add(self, path_part: str, callback: Callback) -> None:
        with self._lock:
            self._listeners.append((path_part, callback, itertools.count(1)))

    def notify(self, path: str) -> None:
        with self._lock:
            due = [(callback, next(numbers)) for part, callback, numbers in self._listeners if part in path]
        # Without the lock, since a callback may take long, or ask the emulator something.
        for callback, number in due:
            callback(number)


class EmulatorState:
    """Shared by all routes. Changed from the server's loop, its thread pool and the test that owns it."""

    def __init__(self, settings: Settings, options: Options, clock: EmulatorClock, faults: FaultPlan) -> None:
        self.settings = settings
        self.options = options
        self.clock = clock
        self.faults = faults
        self.merchant_ids = tuple(merchant_id(settings.seed, index) for index in range(settings.merchants))
        self.foreign_merchant_id = merchant_id(settings.seed, settings.merchants)
        self._flow_numbers = itertools.count(1)
        self.forget()

    def forget(self) -> None:
        """Start anew; settings, options, clock and faults stay."""
        seed, merchant_ids = self.settings.seed, (*self.merchant_ids, self.foreign_merchant_id)
        self.tokens = TokenBook(seed)
        self.limiter = Limiter(self.clock)
        self.stock_limiter = MinuteLimiter(self.clock)
        self.references = ReferenceBook(seed, merchant_ids)
        self.orders = OrderBook(seed, merchant_ids, self.clock, self.references, lambda: self.options)
        self.customer_wishes = CustomerWishes()
        self.stocks = ChannelStock(seed)
        self.listeners = Listeners()
        self.notices = NoticeBook(self.clock, lambda: self.options, self.timeline)
        self.script = LiquidationScript(seed)
        self.log: deque[LoggedRequest] = deque(maxlen=REMEMBERED_REQUESTS)

    def timeline(self) -> Timeline:
        merchant_ids, options = (*self.merchant_ids, self.foreign_merchant_id), self.options
        shared = {name: getattr(options, name) for name in Timeline.__annotations__ if name in Options.model_fields}
        return Timeline(self.settings.seed, merchant_ids, reports=options.report_calendar, **shared)

    def records(self, dataset: str, merchant_id: str, start: datetime, end: datetime) -> list[Record]:
        """Records with ``start <= event time < end``, visible or not; scripted ones in place of those of their days."""
        records = list(self.timeline().records(dataset, merchant_id, start, end))
        return self.script.over(records, merchant_id, start, end) if dataset == "liquidated_items" else records

    def stock_levels(self, merchant_id: str, at: datetime) -> dict[str, warehouse_stock.Level]:
        """The stock by EAN, articles without any included; ``()`` for all of them under ``inventory=zero``."""
        found = warehouse_stock.levels(self.settings.seed, merchant_id, warehouse_stock.hour_of(at))
        return dict.fromkeys(found, ()) if self.options.inventory == "zero" else found

    def reference(self, dataset: str, merchant_id: str) -> list[dict[str, Any]]:
        """Stock locations, sales channels or logistic centers as they are now and as they are sent."""
        return self.references.records(dataset, merchant_id, self.options.drift)

    def known_merchant(self, merchant_id: str) -> str:
        """:raises ValueError: if the merchant does not exist in this world."""
        if merchant_id not in (*self.merchant_ids, self.foreign_merchant_id):
            raise ValueError(f"merchant {merchant_id} does not exist in this world")
        return merchant_id

    def next_flow_id(self) -> str:
        return stable_uuid(self.settings.seed, "flow", next(self._flow_numbers))
