"""This package without Airflow: one window or one state of one dataset, from requests to files and manifest."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import fsspec
from measured import measured

from airflow_provider_zdirect.client import ClientConfig, MemoryRateLimiter, ZDirectClient
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.pipeline.extract import ExtractJob, extract
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.windows import Window


class Hurried:
    """A clock for the rate limiter only: whoever sleeps on it is at once where the time has come.

    What zDirect allows in a minute says nothing about what the package costs.
    """

    ahead = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    async def sleep(self, seconds: float) -> None:
        self.ahead += timedelta(seconds=seconds)
        await asyncio.sleep(0)


async def run(task: Mapping[str, Any]) -> dict[str, Any]:
    root = f"{task['folder']}/data"
    place = Place(fsspec.filesystem("file"), root, f"file://{root}", task["merchant_id"], environment="production")
    window = Window(*map(datetime.fromisoformat, (task["from"], task["to"]))) if task["from"] else None
    job = ExtractJob(
        place, get_dataset(task["dataset"]), window, max_rejected=task.get("max_rejected", 0), resume_key="a"
    )
    config = ClientConfig("demo", "demo-secret", base_url=task["url"])
    async with ZDirectClient(config, limiter=MemoryRateLimiter(Hurried())) as client:
        result = (await extract(job, client)).as_dict()
    return {name: result[name] for name in ("records", "rejected", "requests") if name in result}


if __name__ == "__main__":
    measured(lambda task: asyncio.run(run(task)), "pyarrow", "msgspec", "pydantic", "httpx")
