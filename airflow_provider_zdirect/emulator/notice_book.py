"""The shipping notices of one emulator: those of its world, and what clients made of them."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import datetime

from airflow_provider_zdirect.emulator.notice import Notice
from airflow_provider_zdirect.emulator.seeded_notices import SeededNotices

# Above the advices of received items.
FIRST_ADVICE = 90_000_001
# Notices are listed in the order of their creation.
Key = tuple[datetime, str]


class NoticeBook:
    """Notices that clients created or changed, before those of the world."""

    def __init__(self) -> None:
        # Held by whoever reads a notice in order to write it.
        self.lock = threading.RLock()
        self._written: dict[str, Notice] = {}
        self._created = 0

    def find(self, world: SeededNotices, id: str, now: datetime) -> Notice | None:
        """The notice with all that is still to come, of whatever merchant."""
        with self.lock:
            notice = self._written.get(id) or world.find(id)
        return notice if notice and notice.created_at <= now else None

    def keys(self, world: SeededNotices, merchant_ids: Iterable[str], now: datetime) -> list[Key]:
        """Those of some merchants, in order."""
        merchant_ids = set(merchant_ids)
        with self.lock:
            keys = {n.id: n.created_at for n in self._written.values() if n.merchant_id in merchant_ids}
            for merchant_id in merchant_ids:
                for id, seed in world.of_merchant(merchant_id):
                    keys.setdefault(id, seed.created_at)
        return sorted((created_at, id) for id, created_at in keys.items() if created_at <= now)

    def write(self, notice: Notice) -> None:
        with self.lock:
            self._written[notice.id] = notice

    def next_advice_id(self) -> str:
        with self.lock:
            self._created += 1
            return str(FIRST_ADVICE + self._created - 1)

    def clear(self) -> None:
        with self.lock:
            self._written.clear()
            self._created = 0
