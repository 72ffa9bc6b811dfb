"""The same step for many things, some of them at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")

MOST_AT_ONCE = {"sandbox": 6, "production": 16}
"""Requests under way at the same time. In sandbox they are 1.7 s apart, and none may wait for more than 30 s."""


async def for_each(items: Iterable[T], step: Callable[[T], Awaitable[None]], most: int) -> None:
    """Take the step for all of them.

    :raises Exception: the first that a step raises; no other step goes on then.
    """
    free = asyncio.Semaphore(most)

    async def one(item: T) -> None:
        async with free:
            await step(item)

    tasks = [asyncio.ensure_future(one(item)) for item in items]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
