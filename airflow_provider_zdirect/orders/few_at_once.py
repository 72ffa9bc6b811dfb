# SPDX-License-Identifier: Apache-2.0
"""The same requests for many things, a few at a time, until going on cannot help."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
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


def raise_failures(end: ZDirectError | None, errors: Sequence[ZDirectError], what: str, *, in_vain: bool) -> None:
    """Raise an error that concerns the whole run, or the first that may pass, with the longest wait of all that may.

    :param end: what ended the run.
    :param errors: those of single items.
    :param what: how many things of which kind failed.
    :param in_vain: whether nothing could be done, so that a missing permission concerns the whole run.
    """
    if end is None and in_vain:
        end = next((error for error in errors if isinstance(error, PermissionDeniedError)), None)
    if end is not None and not isinstance(end, ZDirectRetriableError):
        raise end
    passing = [error for error in (end, *errors) if isinstance(error, ZDirectRetriableError)]
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
    left = iter(items)
    end: ZDirectError | None = None
    begun = last_success = 0
    failures: list[int] = []

    async def work() -> None:
        nonlocal end, begun, last_success, failures
        for item in left:
            begun += 1
            mine = begun
            try:
                await step(item)
            except ZDirectError as error:
                passes = isinstance(error, FAILURES) and not isinstance(error, RateLimitedError)
                if passes:
                    failed(item, error)
                # Of those that were begun after the last that succeeded: slow failures come together.
                failures = [place for place in (*failures, mine) if place > last_success]
                if not passes or len(failures) >= IN_VAIN:
                    end = end or error
            else:
                last_success = max(last_success, mine)
            if end is not None:
                return

    workers = [asyncio.ensure_future(work()) for _ in range(AT_ONCE[environment])]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return end
