"""Fetching what a window needs, page by page, into the staging folder.

Every page is validated, staged and entered in the checkpoint before the next one is asked for.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import reduce
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.client import Page, ZDirectClient
from airflow_provider_zdirect.clock import Clock
from airflow_provider_zdirect.datasets.arrow import Lineage, arrow_schema
from airflow_provider_zdirect.datasets.personal_data import PersonalData
from airflow_provider_zdirect.datasets.rejected import Rejected
from airflow_provider_zdirect.datasets.table import Dataset, get_dataset
from airflow_provider_zdirect.erasure.ledger import ErasedPeople, ErasureLedger
from airflow_provider_zdirect.erasure.rows import line_without_erased, without_erased
from airflow_provider_zdirect.exceptions import (
    BadRequestError,
    CursorLoopError,
    FilterIgnoredError,
    TooManyRecordsError,
    ZDirectError,
    ZDirectRetriableError,
)
from airflow_provider_zdirect.pipeline.plan import PlannedRequest, RequestPlan
from airflow_provider_zdirect.pipeline.progress import ProgressLog
from airflow_provider_zdirect.pipeline.validate import take_valid
from airflow_provider_zdirect.storage.checkpoint import Checkpoint, Progress, RequestProgress
from airflow_provider_zdirect.storage.row_files import open_writer
from airflow_provider_zdirect.windows import subject

log = logging.getLogger(__name__)

REQUESTS_AT_ONCE = 4
"""Requests of one window that run at the same time, at most; the rate limit is kept besides."""

REASONS_KEPT = 5

_PossibleDates = tuple[str | None, date]
"""A field and the date that all rows have in it; no field: in any one."""

ERASED = PersonalData("drop")
"""How records of customers are treated who have to be forgotten."""

FILTER_REMEDY = (
    "Clear the task to try again; if it stays, report it to Zalando's merchant support. If the records are right, "
    "publish them with accept_outside=True."
)


@dataclass
class WindowFetcher:
    """Fetches the requests of one plan that the checkpoint does not have yet."""

    dataset: Dataset
    merchant_id: str
    environment: str
    plan: RequestPlan
    client: ZDirectClient
    checkpoint: Checkpoint
    progress: Progress
    clock: Clock
    accept_outside: bool = False
    filters: Mapping[str, str] = field(default_factory=dict)
    personal_data: PersonalData = field(default_factory=PersonalData)
    ledger: ErasureLedger | None = None
    _one_page_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)
    _failures: list[Exception] = field(default_factory=list)

    @property
    def _what(self) -> str:
        return f"{self.dataset.name} of merchant {self.merchant_id}"

    async def fetch(self) -> None:
        """Fetch what is missing.

        :raises ZDirectError: the first failure; what was fetched until then is in the checkpoint.
        """
        self._counted = (self.client.stats.requests, self.client.stats.bytes)
        self._log = ProgressLog(self._subject, self._so_far, self.clock)
        self._log.started(self._first_line())
        self.client.on_piece(self._log.received)
        slots = asyncio.Semaphore(REQUESTS_AT_ONCE)
        missing = (request for request in self.plan.requests if not self.progress.of(request.key).done)
        await asyncio.gather(*(self._in_turn(slots, request) for request in missing))
        if self._failures:
            raise min(self._failures, key=_rank)

    async def fetch_again(self, request: PlannedRequest) -> None:
        """Fetch a request anew, whatever there is of it.

        :raises ZDirectError: if that fails.
        """
        self._forget(request)
        await self._fetch_request(request)

    @property
    def _subject(self) -> str:
        return subject(self.dataset.name, self.merchant_id, self.plan.window)

    def _first_line(self) -> str:
        what = subject(self.dataset.name, self.merchant_id, self.plan.window, full_id=True)
        pages = self.progress.total("pages")
        there = f"; going on from a checkpoint with {pages} pages, {self.progress.total('records'):,} records"
        return f"{what}: {len(self.plan.requests)} requests planned{there if pages else ''}."

    def _so_far(self) -> str:
        done = sum(self.progress.of(request.key).done for request in self.plan.requests)
        return (
            f"{done} of {len(self.plan.requests)} requests done, {self.progress.total('pages')} pages, "
            f"{self.progress.total('records'):,} records"
        )

    async def _in_turn(self, slots: asyncio.Semaphore, request: PlannedRequest) -> None:
        async with slots:
            # After a failure nothing new is asked for, and what is under way still comes in and is kept.
            if self._failures:
                return
            try:
                await self._fetch_request(request)
            except CursorLoopError as error:
                # The next attempt is to start from the first page; from this cursor it could only fail again.
                self._forget(request)
                self.checkpoint.save(self.progress, request.key)
                self._failures.append(error)
            except Exception as error:
                self._failures.append(error)

    async def _fetch_request(self, request: PlannedRequest) -> None:
        """As it is, or, where zDirect says that this is too much at once, in halves or from a path that pages."""
        halves = request.halves(self.dataset)
        if not self.progress.of(request.key).too_many:
            try:
                await self._fetch_or_start_again(request, self.dataset)
            except TooManyRecordsError:
                if halves is None and self.dataset.when_too_many is None:
                    raise
                what = subject(self.dataset.name, self.merchant_id, request.day or request.span)
                log.info("%s: too many records for one answer.", what)
                self.progress.of(request.key).too_many = True
                self.checkpoint.save(self.progress, request.key)
        if self.progress.of(request.key).too_many:
            await self._fetch_otherwise(request, halves)

    async def _fetch_otherwise(self, request: PlannedRequest, halves: tuple[PlannedRequest, ...] | None) -> None:
        if halves is None:
            assert self.dataset.when_too_many is not None
            await self._fetch_or_start_again(request, self.dataset.when_too_many)
            return
        for half in halves:
            if not self.progress.of(half.key).done and not self._failures:
                await self._fetch_request(half)
        # Not saved: should a half's rows be gone when a retry looks, the half has to be fetched again.
        self.progress.of(request.key).done = all(self.progress.of(half.key).done for half in halves)

    def _forget(self, request: PlannedRequest) -> None:
        """Of what was fetched of a request; not that it is too large, nor what it has cost."""
        former = self.progress.of(request.key)
        self.progress.requests[request.key] = RequestProgress(
            too_many=former.too_many, requests_sent=former.requests_sent, bytes_received=former.bytes_received
        )

    async def _fetch_or_start_again(self, request: PlannedRequest, dataset: Dataset) -> None:
        if request.day is not None and self.progress.of(request.key).cursor is not None:
            # A report may have been made anew since; pages of two reports are neither.
            self._forget(request)
        resumed_at = self.progress.of(request.key).cursor
        try:
            await self._fetch_pages(request, dataset)
        except BadRequestError:
            if resumed_at is None or self.progress.of(request.key).cursor != resumed_at:
                raise
            what = subject(self.dataset.name, self.merchant_id, request.day or request.span)
            log.warning("%s: zDirect no longer takes the cursor of the checkpoint; starting again.", what)
            self._forget(request)
            await self._fetch_pages(request, dataset)

    async def _fetch_pages(self, request: PlannedRequest, dataset: Dataset) -> None:
        done = self.progress.of(request.key)
        pages = self.client.pages(dataset, self.merchant_id, request.parameters, cursor=done.cursor)
        async for page in pages:
            async with self._one_page_at_a_time:
                # In a thread: the connection of another request must not starve while rows are written.
                await asyncio.to_thread(self._stage, request, done, page)
                self._log.page()
            # Bound to the name, it would stay in memory beside the next one.
            del page
            if self._failures:
                return

    def _stage(self, request: PlannedRequest, done: RequestProgress, page: Page) -> None:
        self._check_echo(request, page)
        now = self.clock.now()
        lineage = Lineage(self.merchant_id, self.environment, self.plan.window.start, self.plan.window.end, now)
        dates = self._possible_dates(request)
        people = self.ledger.people_of(page.records, now) if self.ledger else None

        def check(table: pa.Table) -> None:
            nonlocal dates
            self._check_filters(table)
            done.outside += self._outside(request, table)
            dates = self._dates_left(request, table, dates)

        with tempfile.TemporaryDirectory(prefix="zdirect-") as scratch:
            rows, staged, rejected = self._stage_rows(self.dataset, page.records, lineage, scratch, people, check)
            rejected += [self._without_personal_data(bad) for bad in page.rejected]
            done.staged += staged
            for name, records in page.parts.items():
                _, staged, bad = self._stage_rows(get_dataset(name), records, lineage, scratch, people)
                done.parts_staged[name] = done.parts_staged.get(name, []) + staged
                rejected += [replace(each, reason=f"{name}: {each.reason}") for each in bad]
            if rejected:
                lines = Path(scratch) / "rejected.jsonl.gz"
                lines.write_bytes(gzip.compress(b"".join(_line(bad, people) for bad in rejected), mtime=0))
                done.rejected_staged.append(self.checkpoint.stage(lines, "jsonl.gz"))
        done.pages += 1
        done.records += rows
        done.rejected += len(rejected)
        done.repaired += page.repaired
        done.reasons = (done.reasons + [bad.reason for bad in rejected[:REASONS_KEPT]])[:REASONS_KEPT]
        done.cursor = page.next_cursor
        done.done = page.next_cursor is None
        done.fetched_at = now.isoformat()
        self.count_traffic(done)
        self.checkpoint.save(self.progress, request.key)

    def _stage_rows(
        self,
        dataset: Dataset,
        records: Sequence[msgspec.Raw],
        lineage: Lineage,
        scratch: str,
        people: ErasedPeople | None,
        check: Callable[[pa.Table], None] = lambda table: None,
    ) -> tuple[int, list[str], list[Rejected]]:
        """How many records are valid, the staged file with them, and the invalid ones."""
        local = Path(scratch) / f"{dataset.name}.parquet"
        writer = open_writer(local, arrow_schema(dataset.model), suffix="parquet")
        rows = 0

        def take(table: pa.Table) -> None:
            nonlocal rows
            check(table)
            rows += table.num_rows
            writer.write(without_erased(dataset, table, people) if people else table)

        treated = [
            (ERASED if people is not None and people.has_record(record) else self.personal_data).treat(dataset, record)
            for record in records
        ]
        rejected = take_valid(dataset.model, treated, lineage, take)
        writer.close()
        return rows, [self.checkpoint.stage(local, "parquet")] if rows else [], rejected

    def _without_personal_data(self, bad: Rejected) -> Rejected:
        return replace(bad, record=bytes(self.personal_data.treat(self.dataset, msgspec.Raw(bad.record))))

    def count_traffic(self, done: RequestProgress) -> None:
        """Add what was sent and received since the last count."""
        # What was sent since the last page goes to this one; only the sum is ever told.
        requests, received = self.client.stats.requests, self.client.stats.bytes
        done.requests_sent += requests - self._counted[0]
        done.bytes_received += received - self._counted[1]
        self._counted = (requests, received)

    def _check_echo(self, request: PlannedRequest, page: Page) -> None:
        """Raise FilterIgnoredError if the answer says that it is one to other dates."""
        if request.day is None:
            return
        asked = {name: request.parameters[name] for name in ("from", "to")}
        answered = {name: str(page.query.get(name) or value)[:10] for name, value in asked.items()}
        if answered != asked and self.environment == "production":
            raise FilterIgnoredError(
                f"{self._what}: asked for {asked['from']}, zDirect answered for {answered['from']} to "
                f"{answered['to']}; nothing was published.",
                remedy=FILTER_REMEDY,
            )

    def _check_filters(self, table: pa.Table) -> None:
        """Raise FilterIgnoredError if a row has another value than was asked for."""
        for name, value in self.filters.items():
            others = table.filter(_is(pc.not_equal, pc.utf8_lower(table.column(name)), value.lower()))
            if others.num_rows and self.environment == "production":
                raise FilterIgnoredError(
                    f"{self._what}: asked for {name}={value}, and {others.num_rows} of {table.num_rows} records have "
                    f"another, for example {others.column(name)[0]}. zDirect did not apply the filter; nothing was "
                    "published.",
                    remedy=f"Another name of the parameter may be the right one ({_filter_options(self.dataset)}).",
                )

    def _outside(self, request: PlannedRequest, table: pa.Table) -> int:
        """How many rows lie outside of what was asked for.

        :raises FilterIgnoredError: if there are any and it is certain that there must be none.
        """
        time_field = self.dataset.time_field
        if request.day is not None:
            outside = table.filter(self._contradicts(table, request.day))
        else:
            times = table.column(time_field)
            first, last = request.span.start - self.dataset.slack, request.span.end
            start, end = (pa.scalar(instant, times.type) for instant in (first, last))
            # Whether "to" is inclusive is unconfirmed, so a row at the very end is not outside.
            outside = table.filter(pc.or_(pc.less(times, start), pc.greater(times, end)))
        certain = self.dataset.filter_confirmed or request.day is not None
        if outside.num_rows and certain and not self.accept_outside and self.environment == "production":
            names = (name for name in (self.dataset.not_after, time_field, *self.dataset.dated_by) if name)
            example = next((value for name in names if (value := outside.column(name)[0]).is_valid), None)
            raise FilterIgnoredError(
                f"{self._what}: {outside.num_rows} of {table.num_rows} records lie outside of the requested "
                f"{request.day or request.span}, for example one of {example}. zDirect did not apply the time filter; "
                "nothing was published.",
                remedy=FILTER_REMEDY,
            )
        return outside.num_rows

    def _contradicts(self, table: pa.Table, day: date) -> pa.Array | pa.ChunkedArray:
        """Which rows cannot be an answer to that date."""
        # A day of grace where nobody says which date is meant, or in which time zone.
        grace = timedelta(days=1)
        if self.dataset.not_after is not None:
            return _is(pc.greater, table.column(self.dataset.not_after), day + grace)
        slack = timedelta(0) if self.dataset.filter_confirmed else grace
        contradicting = pa.repeat(bool(self.dataset.dated_by), table.num_rows)
        for name in self.dataset.dated_by:
            dates = table.column(name)
            off = pc.or_(_is(pc.less, dates, day - slack), _is(pc.greater, dates, day + slack))
            contradicting = pc.and_(contradicting, pc.or_(pc.is_null(dates), off))
        # A row without any date contradicts nothing.
        return pc.and_(contradicting, self._has_date(table)) if self.dataset.dated_by else contradicting

    def _possible_dates(self, request: PlannedRequest) -> frozenset[_PossibleDates]:
        """Where an answer may have its dates, if nobody says which date is meant, or in which time zone."""
        if request.day is None or self.dataset.filter_confirmed:
            return frozenset()
        shifts = (timedelta(days=-1), timedelta(days=1))
        shifted = {(name, request.day + shift) for name in self.dataset.dated_by for shift in shifts}
        return frozenset({(None, request.day), *shifted})

    def _dates_left(
        self, request: PlannedRequest, table: pa.Table, possible: frozenset[_PossibleDates]
    ) -> frozenset[_PossibleDates]:
        """Which of them can be said of these rows too.

        :raises FilterIgnoredError: if none: what was asked for and a day beside it are not one answer.
        """
        left = frozenset(dates for dates in possible if self._explains(table, *dates))
        if possible and not left and not self.accept_outside and self.environment == "production":
            raise FilterIgnoredError(
                f"{self._what}: asked for {request.day}, and the answer has records of that date and of one beside it. "
                "These would be published under two dates; nothing was published.",
                remedy=f"See whether the option `to` (api_options) is as zDirect has it. {FILTER_REMEDY}",
            )
        return left

    def _explains(self, table: pa.Table, name: str | None, day: date) -> bool:
        """Whether every row with a date has that one in that field, or, where it has none there, in another."""
        on_day = {other: _is(pc.equal, table.column(other), day) for other in self.dataset.dated_by}
        anywhere = reduce(pc.or_, on_day.values())
        fits = anywhere if name is None else pc.or_(on_day[name], pc.and_(pc.is_null(table.column(name)), anywhere))
        return bool(pc.all(pc.or_(fits, pc.invert(self._has_date(table)))).as_py())

    def _has_date(self, table: pa.Table) -> pa.ChunkedArray:
        return reduce(pc.or_, (pc.is_valid(table.column(name)) for name in self.dataset.dated_by))


def _is(compare: Callable[..., Any], values: pa.ChunkedArray, value: Any) -> pa.ChunkedArray:
    return pc.fill_null(compare(values, pa.scalar(value, values.type)), False)


def _line(bad: Rejected, people: ErasedPeople | None) -> bytes:
    line = bad.as_line()
    return line_without_erased(line, people) if people else line


def _filter_options(dataset: Dataset) -> str:
    names = [f"api_options {name}: {', '.join(option.choices)}" for name, option in dataset.options.items()]
    return "; ".join(name for name in names if "parameter" in name) or "there is none"


def _rank(error: Exception) -> int:
    """The error to report comes first: one that a retry cannot mend before one that it can."""
    if not isinstance(error, ZDirectError):
        return 0
    return 2 if isinstance(error, ZDirectRetriableError) else 1
