# SPDX-License-Identifier: Apache-2.0
"""Fetching what a run needs, page by page, into the staging folder.

While a page is validated, staged and entered in the checkpoint, the next one of its request comes in; the one after
that is requested only then. One page is staged at a time, and there is room in memory for the next ones of a few other
requests, or of some more if they are small.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime

from airflow_provider_zdirect.client import Page, ZDirectClient
from airflow_provider_zdirect.datasets.table import Dataset
from airflow_provider_zdirect.exceptions import (
    BadRequestError,
    CursorLoopError,
    TooManyRecordsError,
    ZDirectRetriableError,
)
from airflow_provider_zdirect.pipeline.merchant_records import MerchantRecords
from airflow_provider_zdirect.pipeline.plan import PlannedRequest
from airflow_provider_zdirect.pipeline.progress import ProgressLog
from airflow_provider_zdirect.pipeline.run import Run
from airflow_provider_zdirect.pipeline.staging import stage_page
from airflow_provider_zdirect.storage.checkpoint import RequestProgress
from airflow_provider_zdirect.words import counted

log = logging.getLogger(__name__)

REQUESTS_AT_ONCE = 8
"""Requests of one run that are under way at the same time, at most; the rate limit is kept besides."""

SMALL_IN_MEMORY, LARGE_IN_MEMORY = 16, 4
"""Requests that are under way or whose answer is not saved yet, at most."""

LARGE = 1 << 20
"""Bytes; answers are small up to that size."""

SLOW_ANSWER = 2.0
"""Seconds. As many requests as may be sent in that time use all of the rate limit, unless answers take longer; more
would only wait for it."""


class _Room:
    """Room in memory for the answers to some requests."""

    def __init__(self) -> None:
        self._places = LARGE_IN_MEMORY
        self._free = asyncio.Semaphore(self._places)
        self._to_close = 0

    def fit(self, size: int) -> None:
        """Have places for answers of ``size`` bytes: at once if there are more of them, else as they get free."""
        places = LARGE_IN_MEMORY if size > LARGE else SMALL_IN_MEMORY
        self._to_close += self._places - places
        self._places = places
        for _ in range(-self._to_close):
            self._free.release()
        self._to_close = max(self._to_close, 0)

    async def __aenter__(self) -> None:
        await self._free.acquire()

    async def __aexit__(self, *error: object) -> None:
        if self._to_close:
            self._to_close -= 1
        else:
            self._free.release()


@dataclass
class Fetcher:
    """Fetches the requests of a run that the checkpoint does not have yet.

    :param known_as: ETag of a former answer to the same single request.
    """

    run: Run
    client: ZDirectClient
    known_as: str | None = None

    def __post_init__(self) -> None:
        run, field = self.run, self.run.dataset.answer.merchant_field
        self._progress, self._dataset, self._merchant_id = run.progress, run.dataset, run.place.merchant_id
        self._log = ProgressLog(run.job.what, self._so_far, run.clock, run.job.note_progress)
        self._of_merchant = MerchantRecords(self.client, self._merchant_id, field) if field else None
        self._counted = (self.client.stats.requests, self.client.stats.bytes)
        self._one_page_at_a_time = asyncio.Lock()
        rate = run.dataset.endpoint.rate_limits.of(run.place.environment)
        useful = math.ceil(rate.limit / rate.period * SLOW_ANSWER)
        self._slots = asyncio.Semaphore(min(REQUESTS_AT_ONCE, useful))
        self._room = _Room()
        self._failures: list[Exception] = []

    async def fetch(self) -> None:
        """Fetch what is missing.

        :raises ZDirectError: the first failure; what was fetched until then is in the checkpoint.
        """
        when = self.run.job.window if self._dataset.has_windows else None
        what = self.run.place.subject(self._dataset.name, when, full_id=True)
        pages = self._progress.total("pages")
        so_far = f"{counted(pages, 'page')} with {counted(self._progress.total('records'), 'record')}"
        resumed = f"; resuming from {so_far}" if pages else ""
        self._log.started(f"{what}: {counted(len(self.run.requests), 'request')} planned{resumed}.")
        self.client.on_piece(self._log.received)
        missing = (request for request in self.run.requests if not self._progress.of(request.key).done)
        await asyncio.gather(*map(self._keeping_failure, missing))
        self._log.ended()
        if self._failures:
            # One that a retry cannot cure comes first.
            raise min(self._failures, key=lambda error: isinstance(error, ZDirectRetriableError))

    async def fetch_again(self, request: PlannedRequest) -> None:
        """Fetch a request again from its start; what was fetched of it before is dropped.

        :raises ZDirectError: if that fails.
        """
        self._forget(request)
        await self._fetch_request(request)

    def count_traffic(self, done: RequestProgress) -> None:
        """Add what was sent and received since the last count."""
        # What was sent since the last page goes to this one; only the sum is ever reported.
        requests, received = self.client.stats.requests, self.client.stats.bytes
        done.requests_sent += requests - self._counted[0]
        done.bytes_received += received - self._counted[1]
        self._counted = (requests, received)

    def _so_far(self) -> str:
        done = sum(self._progress.of(request.key).done for request in self.run.requests)
        return (
            f"{done} of {counted(len(self.run.requests), 'request')} done, "
            f"{counted(self._progress.total('pages'), 'page')}, {counted(self._progress.total('records'), 'record')}"
        )

    def _what(self, request: PlannedRequest) -> str:
        return self.run.place.subject(self._dataset.name, request.day or request.span)

    async def _keeping_failure(self, request: PlannedRequest) -> None:
        try:
            await self._fetch_request(request)
        except Exception as error:
            if isinstance(error, CursorLoopError):
                # The next attempt has to start from the first page; from this cursor it could only fail again.
                self._forget(request)
                self.run.checkpoint.save(self._progress, request.key)
            self._failures.append(error)

    async def _fetch_request(self, request: PlannedRequest) -> None:
        """As it is, or, where zDirect says that this is too much at once, in halves or from a path that pages."""
        halves = request.halves(self._dataset)
        done = self._progress.of(request.key)
        if not done.too_many:
            try:
                await self._fetch_or_start_again(request, self._dataset)
                return
            except TooManyRecordsError:
                if not halves and self._dataset.when_too_many is None:
                    raise
                log.info("%s: too many records for one answer.", self._what(request))
                self._progress.of(request.key).too_many = True
                self.run.checkpoint.save(self._progress, request.key)
        if not halves:
            assert self._dataset.when_too_many is not None
            await self._fetch_or_start_again(request, self._dataset.when_too_many)
            return
        for half in halves:
            if not self._progress.of(half.key).done and not self._failures:
                await self._fetch_request(half)
        # Not saved: should a half's rows be gone when a retry looks, the half has to be fetched again.
        self._progress.of(request.key).done = all(self._progress.of(half.key).done for half in halves)

    async def _fetch_or_start_again(self, request: PlannedRequest, dataset: Dataset) -> None:
        if request.day is not None and self._progress.of(request.key).cursor is not None:
            # A report may have been made anew since; pages of two reports are neither.
            self._forget(request)
        resumed_at = self._progress.of(request.key).cursor
        try:
            await self._fetch_pages(request, dataset)
        except BadRequestError:
            if resumed_at is None or self._progress.of(request.key).cursor != resumed_at:
                raise
            log.warning("%s: zDirect refuses the cursor of the checkpoint; starting again.", self._what(request))
            self._forget(request)
            await self._fetch_pages(request, dataset)

    async def _fetch_pages(self, request: PlannedRequest, dataset: Dataset) -> None:
        async with self._room, AsyncExitStack() as slot:
            await slot.enter_async_context(self._slots)
            # After a failure nothing new is asked for, and what is under way still comes in and is kept.
            if self._failures:
                return
            done = self._progress.of(request.key)
            pages = self.client.pages(
                dataset,
                self._merchant_id,
                request.parameters,
                cursor=done.cursor,
                answered_at=self.run.answered_at,
                known_as=self.known_as,
            )
            coming: asyncio.Task[tuple[Page, datetime]] | None = asyncio.create_task(self._next(pages))
            try:
                while coming is not None:
                    (page, at), coming = await coming, None
                    self._room.fit(page.size)
                    if page.next_cursor is None:
                        await slot.aclose()
                    async with self._one_page_at_a_time:
                        if page.next_cursor is not None and not self._failures:
                            coming = asyncio.create_task(self._next(pages))
                        await self._stage(request, done, page, at)
                        is_last = all(self._progress.of(each.key).done for each in reversed(self.run.requests))
                    # Bound to the name, it would stay in memory beside the next two.
                    del page
                    # What the last answer holds is published next; to save it would take as long as to publish it.
                    if not is_last:
                        await asyncio.to_thread(self.run.checkpoint.save, self._progress, request.key)
            finally:
                if coming is not None:
                    coming.cancel()
                    # Its own failure, if it has one, is of no interest any more.
                    await asyncio.gather(coming, return_exceptions=True)
                await pages.aclose()

    async def _next(self, pages: AsyncGenerator[Page, None]) -> tuple[Page, datetime]:
        """The next page, and when it came: it may have to wait for another one to be staged."""
        return await anext(pages), self.run.clock.now()

    async def _stage(self, request: PlannedRequest, done: RequestProgress, page: Page, at: datetime) -> None:
        if self._of_merchant is not None:
            page, of_others = await self._of_merchant.of(page)
            done.of_others += of_others
        # In a thread: the connections of other requests must not starve while rows are written.
        staging = asyncio.create_task(asyncio.to_thread(stage_page, self.run, request, done, page, at))
        try:
            await asyncio.shield(staging)
        except asyncio.CancelledError:
            # A thread cannot be stopped, and the folder that it writes to is deleted after this.
            await asyncio.wait([staging])
            raise
        self.count_traffic(done)
        self._log.page()

    def _forget(self, request: PlannedRequest) -> None:
        """Forget what was fetched of a request; not that it is too large, nor what it has cost."""
        former = self._progress.of(request.key)
        self._progress.requests[request.key] = RequestProgress(
            too_many=former.too_many, requests_sent=former.requests_sent, bytes_received=former.bytes_received
        )
