"""A newer stock feed of which zDirect has every level already: what a task does every few minutes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import fsspec
from measured import measured

from airflow_provider_zdirect.client import ClientConfig, ZDirectClient
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.stocks.feed import FeedFiles
from airflow_provider_zdirect.stocks.stock_updates import update_stocks
from airflow_provider_zdirect.stocks.update_plan import StockUpdateJob


class Stopped:
    """The frozen clock of the emulator."""

    def __init__(self, now: str) -> None:
        self._now = datetime.fromisoformat(now)

    def now(self) -> datetime:
        return self._now

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(f"a run without changes waits {seconds} s")


async def run(task: Mapping[str, Any]) -> dict[str, Any]:
    fs, root, clock = fsspec.filesystem("file"), task["folder"], Stopped(task["now"])
    job = StockUpdateJob(
        place=Place(fs, root, f"file://{root}", task["merchant_id"], environment="production"),
        feed=FeedFiles(fs, task["feed"], task["feed"], clock.now()),
        mapping=None,
        run="b" * 24,
        label="run-b",
        sales_channel_ids=tuple(task["channels"]),
        max_rejected=task["max_rejected"],
    )
    async with ZDirectClient(ClientConfig("demo", "demo-secret", base_url=task["url"]), clock=clock) as client:
        result = await update_stocks(job, client, clock)
    assert result is not None
    return {name: result[name] for name in ("sent", "unchanged", "rejected")}


if __name__ == "__main__":
    measured(lambda task: asyncio.run(run(task)))
