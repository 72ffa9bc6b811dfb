# SPDX-License-Identifier: Apache-2.0
"""The orders of one emulator: those of its world and those that tests add, with all changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_zdirect.emulator.clock import EmulatorClock
from airflow_provider_zdirect.emulator.made_orders import Amount, OrderMaker
from airflow_provider_zdirect.emulator.options import Options
from airflow_provider_zdirect.emulator.order import Order
from airflow_provider_zdirect.emulator.reference_book import LOGISTIC_CENTERS, SALES_CHANNELS, ReferenceBook


class OrderBook:
    """Mutable; whoever reads or writes an order holds the lock."""

    def __init__(
        self,
        seed: int,
        merchant_ids: tuple[str, ...],
        clock: EmulatorClock,
        references: ReferenceBook,
        options: Callable[[], Options],
    ) -> None:
        self.lock = threading.RLock()
        self._seed, self._merchant_ids, self._clock = seed, merchant_ids, clock
        self._references, self._options = references, options
        self._orders: dict[str, dict[str, Order]] = {}
        self._makers: dict[str, OrderMaker] = {}
        self._waiting: dict[str, Order] = {}
        self._added = 0

    def of_merchant(self, merchant_id: str) -> dict[str, Order]:
        """The orders by id as of now; those of the world are made at first use."""
        with self.lock:
            if merchant_id not in self._orders:
                options = self._options()
                made = self._maker(merchant_id).seeded(self._clock.now(), options.orders_per_day, options.order_days)
                self._orders[merchant_id] = {order.id: order for order in made}
            self._settle()
            return self._orders[merchant_id]

    def find(self, order_id: str) -> Order | None:
        """An order as of now, of whatever merchant."""
        with self.lock:
            # Those whose orders are made already first.
            for merchant_id in sorted(self._merchant_ids, key=lambda id: id not in self._orders):
                found = self.of_merchant(merchant_id).get(order_id)
                if found:
                    return found
        return None

    def known(self, order_id: str) -> Order:
        """:raises ValueError: if there is no such order."""
        found = self.find(order_id.lower())
        if found is None:
            raise ValueError(f"order {order_id} is unknown")
        return found

    def add(
        self,
        merchant_id: str,
        count: int,
        start: datetime,
        step: timedelta,
        items: Amount,
        lines: Amount,
        attributes: Mapping[str, Any],
    ) -> list[str]:
        """More orders, each some time after the one before; their ids."""
        with self.lock:
            orders, maker, added = self.of_merchant(merchant_id), self._maker(merchant_id), []
            for number in range(count):
                order = maker.added(self._added, start + step * number, items, lines, attributes)
                orders[order.id] = order
                added.append(order.id)
                self._added += 1
            return added

    def wait(self, order: Order, due: datetime, numbers: dict[str, str]) -> None:
        """Tracking numbers that take effect later."""
        with self.lock:
            order.pending.append((due, numbers))
            self._waiting[order.id] = order
            self._settle()

    def _settle(self) -> None:
        now, first_counts = self._clock.now(), self._options().first_tracking_counts
        for order in list(self._waiting.values()):
            if not order.settle(now, first_counts):
                del self._waiting[order.id]

    def _maker(self, merchant_id: str) -> OrderMaker:
        if merchant_id not in self._makers:
            channels = self._references.records(SALES_CHANNELS, merchant_id, drift=0)
            centers = self._references.records(LOGISTIC_CENTERS, merchant_id, drift=0)
            live = [channel for channel in channels if channel.get("live")] or channels
            self._makers[merchant_id] = OrderMaker(self._seed, merchant_id, live, centers)
        return self._makers[merchant_id]
