"""The same requests for many things, a few at a time, until that is in vain."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from airflow_provider_zdirect.exceptions import (
    PermissionDeniedError,
    RateLimitedError,
    ZDirectError,
    ZDirectRetriableError,
)

T = TypeVar("T")

AT_ONCE = {"sandbox": 6, "production": 16}
"""Requests under way. In sandbox they are 1.7 s apart, and none may wait for more than 30 s."""

IN_VAIN = 10
"""Consecutive failures after which the run gives up."""


FAILURES = (ZDirectRetriableError, PermissionDeniedError)
"""Errors that may concern one item only: those that may pass, and a missing permission."""


def retry_all(errors: Iterable[ZDirectError | None], what: str) -> None:
    """Raise the first error that may pass, with the longest wait of all that may.

    :param what: how many things of which kind failed.
    """
    passing = [error for error in errors if isinstance(error, ZDirectRetriableError)]
    if passing:
        raise passing[0].with_message(
            f"{what}, the first because: {passing[0].message}", retry_after=max(each.retry_after for each in passing)
        ) from passing[0]


async def for_each(
    items: Iterable[T],
    step: Callable[[T], Awaitable[None]],
    failed: Callable[[T, ZDirectError], object],
    *,
    environment: str,
) -> ZDirectError | None:
    """Take the step for all items, until a rate limit, :data:`IN_VAIN` failures, or an error not of :data:`FAILURES`.

    :param failed: called with an item and its failure; the other items go on.
    :returns: the error that ended it; None if the step was taken for all.
    """
    free = asyncio.Semaphore(AT_ONCE[environment])
    end: ZDirectError | None = None
    begun = last_success = 0
    failed_at: list[int] = []

    async def one(item: T) -> None:
        nonlocal end, begun, last_success
        async with free:
            if end is not None:
                return
            begun += 1
            mine = begun
            try:
                await step(item)
            except ZDirectError as error:
                if isinstance(error, FAILURES) and not isinstance(error, RateLimitedError):
                    failed(item, error)
                    failed_at.append(mine)
                    # Of those that were begun after the last that succeeded: several are under way.
                    if sum(place > last_success for place in failed_at) < IN_VAIN:
                        return
                end = end or error
            else:
                last_success = max(last_success, mine)

    tasks = [asyncio.ensure_future(one(item)) for item in items]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return end
