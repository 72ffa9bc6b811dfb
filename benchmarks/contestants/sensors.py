"""A triggerer in which many report sensors are due at once, and none of their reports is there.

Their requests follow one another as fast as zDirect's limit allows, which is the most that waiting can ever cost.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from measured import cpu_seconds, measured

from airflow_provider_zdirect.client.transport import Transport
from airflow_provider_zdirect.triggers.report import ZDirectReportReadyTrigger


def run(task: Mapping[str, Any]) -> dict[str, Any]:
    return asyncio.run(wait(**task))


async def wait(count: int, seconds: float, merchants: list[str]) -> dict[str, Any]:
    """What they take while they ask again and again."""
    sent, send = 0, Transport.send

    async def counted(*args: Any, **named: Any) -> Any:
        nonlocal sent
        sent += 1
        return await send(*args, **named)

    async def event_of(trigger: ZDirectReportReadyTrigger) -> list[Any]:
        return [event async for event in trigger.run()]

    Transport.send = counted  # type: ignore[method-assign]
    due = datetime.now(UTC)
    report_date, empty_from = (due - timedelta(days=1)).date().isoformat(), (due + timedelta(days=6)).isoformat()
    waiting = [
        asyncio.create_task(
            event_of(
                ZDirectReportReadyTrigger(
                    "zdirect_default",
                    "intra_community_movements",
                    merchants[number % len(merchants)],
                    report_date,
                    due.isoformat(),
                    empty_from,
                    120.0,
                )
            )
        )
        for number in range(count)
    ]
    # Until the client is made and the token is there.
    await asyncio.sleep(5)
    before, cpu, started = sent, cpu_seconds(), time.monotonic()
    await asyncio.sleep(seconds)
    taken = {"seconds": time.monotonic() - started, "cpu": cpu_seconds() - cpu, "requests": sent - before}
    if done := [task.result() for task in waiting if task.done()]:
        raise RuntimeError(f"A sensor did not wait: {done[0]}")
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    return taken


if __name__ == "__main__":
    measured(run)
