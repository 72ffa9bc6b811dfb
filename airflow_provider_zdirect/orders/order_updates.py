"""Updating many orders: looked at, written and looked at again together, so that the waits are made once for many.

Orders go through in batches. Of a batch, all are looked at; what is to be sent is noted; exports and tracking numbers
are sent; five seconds after the last of them all are looked at again; then the lines of those that show their numbers
are shipped. So 10,000 orders wait 50 times for five seconds, and not 14 hours. Single orders are read: zDirect
allows 2,000 of these requests a minute, and 40 of those for lists, which cannot be asked for certain orders.

An order of which a request failed is left for the retry, and the others go on; only where that would be in vain (a
refused token, a limit that is used up, failure after failure) the rest is not tried. A retry goes on from the journal.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar

from fsspec import AbstractFileSystem

from airflow_provider_zdirect.client import ZDirectClient
from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.exceptions import (
    RateLimitedError,
    RejectedUpdatesError,
    UpdatesPausedError,
    ZDirectError,
    ZDirectRetriableError,
)
from airflow_provider_zdirect.orders.at_once import MOST_AT_ONCE, for_each
from airflow_provider_zdirect.orders.line_flow import LineFlow
from airflow_provider_zdirect.orders.order_calls import OrderCalls
from airflow_provider_zdirect.orders.order_flow import OrderFlow, UpdateRules, told
from airflow_provider_zdirect.orders.shipment_flow import ShipmentFlow
from airflow_provider_zdirect.orders.update_journal import UpdateJournal
from airflow_provider_zdirect.orders.update_options import LOOK, UpdateOptions
from airflow_provider_zdirect.orders.update_results import (
    ALREADY,
    CONFLICT,
    DATASET,
    DONE,
    FAILED,
    OUTCOMES,
    REFUSED,
    ROW,
    ResultFile,
    RowResult,
    keep_done,
    outcomes_by_row,
    short_reason,
)
from airflow_provider_zdirect.orders.update_rows import OrderUpdate, WrongRow, fingerprint_text
from airflow_provider_zdirect.storage.layout import FORMATS
from airflow_provider_zdirect.storage.object_store import ObjectStore

log = logging.getLogger(__name__)

T = TypeVar("T")

BATCH = 200
"""Orders that are waited for together, and of which the journal knows together."""

SHIP_AFTER = 5.0
"""Seconds between tracking numbers and the status shipped (zDirect docs, *Orders*, preparing shipping)."""

LOOK_EVERY, LOOK_FOR, FEWEST_LOOKS = 5.0, 60.0, 3
"""Seconds, and how often at least, in which tracking numbers are waited for to be shown."""

IN_VAIN = 10
"""Failures without any success between them, after which the rest is not tried."""

SHOWN = 10


@dataclass(frozen=True)
class OrderUpdateJob:
    """Updates of one merchant's orders.

    :param fs: the filesystem; :param root: the base path as ``fs`` names it; :param base_uri: as people name it.
    :param run: the same with every try of the same task run, and of no other.
    :param wrong: rows of which nothing could be made; they are told in the results.
    :param max_failed: rows that may be refused, in conflict or failed before that is an error; None: any number.
    :param skip_applied: do nothing if the same rows were applied before by the same rules, by whatever run.
    """

    merchant_id: str
    updates: Sequence[OrderUpdate]
    fs: AbstractFileSystem
    root: str
    base_uri: str
    run: str
    wrong: Sequence[WrongRow] = ()
    rules: UpdateRules = field(default_factory=UpdateRules)
    options: UpdateOptions = field(default_factory=UpdateOptions)
    max_failed: int | None = 0
    skip_applied: bool = False
    format: str = "parquet"
    environment: str = "production"

    @property
    def digest(self) -> str:
        """What is asked for, in short."""
        parts = (
            self.merchant_id,
            self.environment,
            repr(self.rules),
            repr(self.options),
            fingerprint_text([*self.updates, *self.wrong]),
        )
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class OrderUpdateResult:
    """What became of a job.

    :param rows: how many came to each outcome; of what a row wants, the worst counts.
    :param orders: how many orders the rows name.
    :param uri: where the results are.
    :param applied_before: the same had been applied, so nothing was done; the rest is what was told then.
    :param results: in the order of the rows; empty if ``applied_before``.
    """

    merchant_id: str
    rows: Mapping[str, int]
    orders: int
    uri: str
    requests: int
    applied_before: bool = False
    results: tuple[RowResult, ...] = field(default=(), repr=False)

    @property
    def failed(self) -> int:
        """Rows that are neither done nor were so already."""
        return sum(self.rows[outcome] for outcome in (REFUSED, CONFLICT, FAILED))

    def as_dict(self) -> dict[str, Any]:
        """Small, for XCom."""
        return {
            "merchant_id": self.merchant_id,
            "rows": sum(self.rows.values()),
            **{outcome: self.rows[outcome] for outcome in OUTCOMES},
            "orders": self.orders,
            "uri": self.uri,
            "requests": self.requests,
            "applied_before": self.applied_before,
        }


async def update_orders(job: OrderUpdateJob, client: ZDirectClient, clock: Clock | None = None) -> OrderUpdateResult:
    """Carry out the updates, as far as that has not happened already, and publish what became of each row.

    :raises UpdatesPausedError: if a rate limit leaves no room for longer than a request waits; run it again then.
    :raises ZDirectRetriableError: if requests failed that may work later; everything else was tried, and the results
        are published.
    :raises RejectedUpdatesError: if more than ``max_failed`` rows were refused, in conflict or failed; likewise.
    :raises ZDirectFatalError: if the app may not update these orders at all; likewise.
    """
    return await _Run(job, client, clock or SystemClock()).carry_out()


class _Run:
    def __init__(self, job: OrderUpdateJob, client: ZDirectClient, clock: Clock) -> None:
        self._job = job
        self._client = client
        self._clock = clock
        self._calls = OrderCalls(client, job.merchant_id, job.options)
        self._rules = replace(job.rules, look_for_effect=job.options.tracking_effect == LOOK)
        self._store = ObjectStore(job.fs, job.root)
        self._journal = UpdateJournal(
            self._store, f"_staging/{DATASET}/merchant_id={job.merchant_id}/{job.run}-{job.digest[:16]}"
        )
        self._mark = f"_states/{DATASET}/merchant_id={job.merchant_id}/{job.digest}.json"
        # Why the rest is not tried.
        self._stop: ZDirectError | None = None
        self._failures_in_a_row = 0
        self._errors: dict[str, ZDirectRetriableError] = {}
        self._flows: dict[str, OrderFlow] = {}

    async def carry_out(self) -> OrderUpdateResult:
        if self._job.skip_applied and (mark := self._store.read_json(self._mark)) is not None:
            log.info("Orders of merchant %s: the same rows were applied on %s.", self._job.merchant_id, mark["at"])
            return OrderUpdateResult(
                self._job.merchant_id, mark["rows"], mark["orders"], mark["uri"], requests=0, applied_before=True
            )
        self._journal.open()
        before = len(self._journal.settled) + len(self._journal.numbers)
        await self._find_numbers()
        orders = self._by_order()
        todo = [order_id for order_id in orders if order_id not in self._journal.settled]
        for start in range(0, len(todo), BATCH):
            if self._stop is None:
                await self._update({order_id: orders[order_id] for order_id in todo[start : start + BATCH]})
                log.info(
                    "Orders of merchant %s: %d of %d settled.",
                    self._job.merchant_id,
                    len(self._journal.settled),
                    len(orders),
                )
        if isinstance(self._stop, RateLimitedError):
            self._pause(self._stop, len(orders), before)
        return self._conclude(orders)

    # Which orders

    async def _find_numbers(self) -> None:
        """Which order has a number: one request each, of which 400 are allowed a minute."""
        numbers = {update.order_number for update in self._job.updates if update.order_number}
        todo = sorted(numbers - self._journal.numbers.keys())
        for start in range(0, len(todo), BATCH):
            found: dict[str, list[str]] = {}

            async def find(number: str, found: dict[str, list[str]] = found) -> None:
                found[number] = await self._calls.find(number)

            await self._each(todo[start : start + BATCH], find, self._errors.__setitem__)
            self._journal.found(found)

    def _by_order(self) -> dict[str, list[OrderUpdate]]:
        """The rows of every order that is known."""
        orders: dict[str, list[OrderUpdate]] = {}
        for update in self._job.updates:
            order_id = update.order_id
            if update.order_number:
                found = self._journal.numbers.get(update.order_number, [])
                order_id = found[0] if len(found) == 1 else None
            if order_id is not None:
                orders.setdefault(order_id, []).append(update)
        return orders

    # A batch

    async def _update(self, orders: Mapping[str, Sequence[OrderUpdate]]) -> None:
        flows = [self._flow(order_id, updates) for order_id, updates in orders.items()]
        self._flows.update({flow.order_id: flow for flow in flows})
        await self._step(flows, lambda flow: flow.look())
        self._journal.about_to_send(
            (sent for flow in flows if flow.error is None for sent in flow.to_send()), self._clock.now()
        )
        await self._step(flows, lambda flow: flow.prepare())
        await self._wait_for_effect(flows)

        async def finish(flow: OrderFlow) -> None:
            await flow.finish()
            flow.is_finished = True

        await self._step(flows, finish)
        self._journal.settle({flow.order_id: self._by_this_run(flow.results()) for flow in flows if flow.is_finished})

    def _flow(self, order_id: str, updates: Sequence[OrderUpdate]) -> OrderFlow:
        in_parcels = self._rules.split_shipments and any(update.shipment for update in updates)
        kind = ShipmentFlow if in_parcels else LineFlow
        return kind(self._calls, self._rules, self._clock, order_id, updates)

    async def _wait_for_effect(self, flows: Sequence[OrderFlow]) -> None:
        started, looks = self._clock.now(), 0
        while waiting := [flow for flow in flows if flow.waits and flow.error is None]:
            if self._stop is not None:
                return
            await self._clock.sleep(SHIP_AFTER if looks == 0 else LOOK_EVERY)
            await self._step(waiting, lambda flow: flow.look_again())
            looks += 1
            if looks >= FEWEST_LOOKS and self._clock.now() - started >= timedelta(seconds=LOOK_FOR):
                for flow in waiting:
                    if flow.waits and flow.error is None:
                        flow.expire()

    async def _step(self, flows: Sequence[OrderFlow], step: Callable[[OrderFlow], Awaitable[None]]) -> None:
        def failed(flow: OrderFlow, error: ZDirectRetriableError) -> None:
            flow.error = error

        await self._each([flow for flow in flows if flow.error is None], step, failed)

    async def _each(
        self,
        items: Iterable[T],
        step: Callable[[T], Awaitable[None]],
        failed: Callable[[T, ZDirectRetriableError], object],
    ) -> None:
        """Take the step for all, some at once, until that would be in vain."""

        async def one(item: T) -> None:
            if self._stop is not None:
                return
            try:
                await step(item)
            except RateLimitedError as error:
                self._stop = self._stop or error
            except ZDirectRetriableError as error:
                failed(item, error)
                self._failures_in_a_row += 1
                if self._failures_in_a_row >= IN_VAIN:
                    self._stop = self._stop or error
            except ZDirectError as error:
                self._stop = self._stop or error
            else:
                self._failures_in_a_row = 0

        await for_each(items, one, MOST_AT_ONCE[self._client.config.environment])

    # The end

    def _pause(self, error: RateLimitedError, orders: int, before: int) -> None:
        settled = len(self._journal.settled)
        progress = settled + len(self._journal.numbers) - before
        raise UpdatesPausedError(
            f"Orders of merchant {self._job.merchant_id}: {settled} of {orders} are settled, and the rate limit leaves "
            "no room.",
            remedy=error.remedy,
            status=error.status,
            path=error.path,
            flow_id=error.flow_id,
            retry_after=error.retry_after,
            progress=progress,
        ) from error

    def _conclude(self, orders: Mapping[str, Sequence[OrderUpdate]]) -> OrderUpdateResult:
        job = self._job
        now = self._clock.now()
        file = ResultFile(self._store, job.merchant_id, job.run, job.environment, FORMATS[job.format])
        results = keep_done(self._results(orders), file.read())
        if results:
            file.publish(results, now)
        result = OrderUpdateResult(
            merchant_id=job.merchant_id,
            rows={outcome: outcomes_by_row(results)[outcome] for outcome in OUTCOMES},
            orders=len(orders),
            uri=f"{job.base_uri.rstrip('/')}/{DATASET}/merchant_id={job.merchant_id}",
            requests=self._client.stats.requests,
            results=tuple(results),
        )
        told_rows = ", ".join(f"{count} {outcome}" for outcome, count in result.rows.items() if count) or "none"
        log.info("Orders of merchant %s: %d orders; rows: %s.", job.merchant_id, result.orders, told_rows)
        self._raise_retriable(result)
        # What follows is no matter of time: the next try looks at everything anew.
        self._journal.delete()
        if self._stop is not None:
            raise self._stop
        if job.max_failed is not None and result.failed > job.max_failed:
            raise _rejected(job, result)
        mark = {"at": now.isoformat(), "rows": result.rows, "orders": result.orders, "uri": result.uri}
        self._store.write_json(self._mark, mark)
        return result

    def _results(self, orders: Mapping[str, Sequence[OrderUpdate]]) -> list[RowResult]:
        found = [
            RowResult(row.row, row.order_id, ROW, REFUSED, row.order_number, reason=short_reason(row.what))
            for row in self._job.wrong
        ]
        for order_id, updates in orders.items():
            if order_id in self._journal.settled:
                found += self._journal.settled[order_id]
            elif order_id in self._flows:
                found += self._by_this_run(self._flows[order_id].results())
            else:
                found += [self._untried(update, order_id) for update in updates]
        found += [result for update in self._job.updates if (result := self._unfound(update))]
        return sorted(found, key=lambda result: (result.row is None, result.row or 0))

    def _by_this_run(self, results: Iterable[RowResult]) -> list[RowResult]:
        """What is found done, and an earlier try was about to send, was done by it."""
        return [
            replace(result, outcome=DONE, sent_at=sent_at)
            if result.outcome == ALREADY
            and (sent_at := self._journal.sent.get((result.order_id or "", result.place, result.what)))
            else result
            for result in results
        ]

    def _untried(self, update: OrderUpdate, order_id: str | None) -> RowResult:
        reason = f"not tried, because: {told(self._stop)}" if self._stop else "not tried"
        return RowResult(update.row, order_id, ROW, FAILED, update.order_number, reason=short_reason(reason))

    def _unfound(self, update: OrderUpdate) -> RowResult | None:
        """The result of a row whose number is not that of one order."""
        number = update.order_number
        if number is None:
            return None
        if number not in self._journal.numbers:
            if (error := self._errors.get(number)) is None:
                return self._untried(update, None)
            return RowResult(update.row, None, ROW, FAILED, number, status_code=error.status, reason=told(error))
        order_ids = self._journal.numbers[number]
        if len(order_ids) == 1:
            return None
        shown = ", ".join(order_ids[:5])
        reason = f"{len(order_ids)} orders have that order_number: {shown}" if order_ids else "no order has that number"
        return RowResult(update.row, None, ROW, REFUSED, number, reason=short_reason(reason))

    def _raise_retriable(self, result: OrderUpdateResult) -> None:
        errors = [flow.error for flow in self._flows.values() if flow.error] + list(self._errors.values())
        if isinstance(self._stop, ZDirectRetriableError):
            errors.insert(0, self._stop)
        if not errors or (self._stop is not None and self._stop not in errors):
            return
        first = errors[0]
        raise type(first)(
            f"Orders of merchant {self._job.merchant_id}: {result.rows[FAILED]} of {sum(result.rows.values())} rows "
            f"could not be settled, the first because: {first.message}",
            remedy=first.remedy,
            status=first.status,
            path=first.path,
            flow_id=first.flow_id,
            title=first.title,
            retry_after=max(error.retry_after for error in errors),
        ) from first


def _rejected(job: OrderUpdateJob, result: OrderUpdateResult) -> RejectedUpdatesError:
    bad = [one for one in result.results if one.outcome in (REFUSED, CONFLICT, FAILED)]
    shown = "; ".join(
        f"row {one.row}, {'order ' + (one.order_id or one.order_number or '?')}: {one.what} {one.outcome}, {one.reason}"
        for one in bad[:SHOWN]
    )
    more = f"; and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
    return RejectedUpdatesError(
        f"Orders of merchant {job.merchant_id}: {result.failed} of {sum(result.rows.values())} rows were not applied, "
        f"{job.max_failed} may be. {shown}{more}.",
        remedy="Correct these rows and run the task again; the others were tried, and are left alone then. All "
        f"results: {result.uri}.",
    )
