"""What the processes of a test do; a module of its own, because each of them imports it anew."""

from __future__ import annotations

import asyncio
import time
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

from airflow_provider_zdirect.client import ClientConfig, FileRateLimiter, FileTokenStore, Rate, ZDirectClient


def ask_who_the_app_is(url: str, directory: Path, start: Barrier, names: Queue[str]) -> None:
    async def main() -> None:
        config = ClientConfig("demo", "demo-secret", base_url=url)
        store = FileTokenStore(directory, config)
        limiter = FileRateLimiter(directory / "rates")
        async with ZDirectClient(config, tokens=store, limiter=limiter) as client:
            await asyncio.to_thread(start.wait, 240)
            names.put((await client.get("/auth/me", rate=Rate(100)))["client_id"])

    asyncio.run(main())


def send_five(directory: Path, start: Barrier, sent: Queue[float]) -> None:
    """Tells when it began and when it was let through."""

    async def main() -> None:
        limiter = FileRateLimiter(directory)
        start.wait(240)
        sent.put(time.monotonic())
        for _ in range(5):
            await limiter.acquire("orders", Rate(50), max_wait=60)
            sent.put(time.monotonic())

    asyncio.run(main())
