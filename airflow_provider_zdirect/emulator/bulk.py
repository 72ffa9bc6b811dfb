"""Very many received items of the first merchant, written in advance, so that serving them costs nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow_provider_zdirect.emulator.answers import ProblemError
from airflow_provider_zdirect.emulator.catalog import Article, articles, quality_label, warehouse_id
from airflow_provider_zdirect.emulator.records import rfc3339

CURSOR_PREFIX = "bulk-"
# No other dataset uses this number in its labels.
LABEL_DATASET = 3


@dataclass(frozen=True)
class BulkPlan:
    """So many items, evenly spread over ``[start, end)``, in pages of a fixed size.

    In bulk mode the parameters ``limit`` and ``zalando_advice_ids`` are ignored, and ``from`` and ``to`` matter
    only if they miss the whole range.
    """

    items: int
    page_size: int
    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.items < 1 or self.page_size < 1 or self.start >= self.end:
            raise ValueError("bulk mode needs items, a page size and a range of time")

    @classmethod
    def of_yesterday(cls, items: int, page_size: int, now: datetime) -> BulkPlan:
        """The last full UTC day before ``now``."""
        today = datetime(now.year, now.month, now.day, tzinfo=UTC)
        return cls(items, page_size, today - timedelta(days=1), today)

    @property
    def pages(self) -> int:
        return -(-self.items // self.page_size)


class BulkPages:
    """The pages on disk, each written when first needed."""

    def __init__(self, plan: BulkPlan, seed: int, merchant_id: str) -> None:
        self.plan = plan
        self.merchant_id = merchant_id
        self._seed = seed
        self._articles = articles(seed, merchant_id)
        self._step = (plan.end - plan.start) / plan.items
        self._hour = int(plan.start.timestamp()) // 3600
        self._directory = tempfile.TemporaryDirectory(prefix="zdirect-bulk-")

    def prepare(self) -> None:
        """Write all pages now."""
        for page in range(self.plan.pages):
            self._file(page)

    def answer(self, cursor: str | None, start: datetime, end: datetime) -> bytes:
        """The body of one answer."""
        if start >= self.plan.end or end <= self.plan.start:
            return b'{"received_items":[]}'
        return self._file(self._page(cursor)).read_bytes()

    def records(self, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
        """The same items as objects, with ``start <= received_timestamp < end``."""
        for number in range(self.plan.items):
            if start <= self.plan.start + number * self._step < end:
                yield self._item(number)

    def close(self) -> None:
        self._directory.cleanup()

    def _page(self, cursor: str | None) -> int:
        if cursor is None:
            return 0
        number = cursor.removeprefix(CURSOR_PREFIX)
        if number == cursor or not number.isdigit() or int(number) >= self.plan.pages:
            raise ProblemError(400, "cursor is invalid")
        return int(number)

    def _file(self, page: int) -> Path:
        path = Path(self._directory.name) / f"{page:06d}.json"
        if not path.exists():
            first = page * self.plan.page_size
            last = min(first + self.plan.page_size, self.plan.items)
            items = ",".join(self._json(number) for number in range(first, last))
            after = f',"next":"{CURSOR_PREFIX}{page + 1}"' if page + 1 < self.plan.pages else ""
            unfinished = path.with_suffix(".part")
            unfinished.write_text(f'{{"received_items":[{items}]{after}}}', encoding="utf-8")
            unfinished.rename(path)
        return path

    def _item(self, number: int) -> dict[str, Any]:
        article = self._article(number)
        return {
            "zalando_advice_id": f"{20_000_000 + number // 1000 % 70_000_000:08d}",
            "ean": article.ean,
            "quality_label": quality_label(self._seed, 0, LABEL_DATASET, self._hour + (number >> 20), number % 2**20),
            "location_id": warehouse_id(self._seed, 0),
            "received_timestamp": rfc3339(self.plan.start + number * self._step),
            "merchant_article_id": f"UPOS-{article.number}",
            "merchant_item_id": f"UPOS-{article.number}-{number}",
        }

    def _article(self, number: int) -> Article:
        return self._articles[number * 7919 % len(self._articles)]

    def _json(self, number: int) -> str:
        # No value needs escaping, and json.dumps would take most of the time.
        return "{" + ",".join(f'"{name}":"{value}"' for name, value in self._item(number).items()) + "}"
