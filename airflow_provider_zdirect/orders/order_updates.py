"""Updating many orders: looked at, written and looked at again together, so that the waits are made once for many.

Orders go through in batches. Of a batch, all are looked at; what is to be sent is noted; exports and tracking numbers
are sent; five seconds after the last of them all are looked at again; then the lines of those that show their numbers
are shipped. So 10,000 orders wait 50 times for five seconds, and not 14 hours. Single orders are read: zDirect
allows 2,000 of these requests a minute, and 40 of those for lists, which cannot be asked for certain orders.

An order of which a request failed, or that zDirect does not let be changed, is told, and the others go on; only where
that would be in vain (a refused token, a limit that is used up, failure after failure) no further orders are begun,
and those that were looked at are finished as far as that goes. A retry goes on from the journal, and takes the orders
that failed last.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from airflow_provider_zdirect.client import ZDirectClient
from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.datasets.assumptions import TRACKING_EFFECT
from airflow_provider_zdirect.exceptions import (
    FilterIgnoredError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    UpdatesPausedError,
    ZDirectError,
    ZDirectRetriableError,
)
from airflow_provider_zdirect.orders.at_once import MOST_AT_ONCE, for_each
from airflow_provider_zdirect.orders.line_flow import LineFlow
from airflow_provider_zdirect.orders.order_calls import READ, WRITE, OrderCalls
from airflow_provider_zdirect.orders.order_flow import CODES, OrderFlow, told
from airflow_provider_zdirect.orders.shipment_flow import ShipmentFlow
from airflow_provider_zdirect.orders.update_job import OrderUpdateJob, OrderUpdateResult, rejected
from airflow_provider_zdirect.orders.update_journal import UpdateJournal
from airflow_provider_zdirect.orders.update_results import (
    ALREADY,
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
from airflow_provider_zdirect.orders.update_rows import OrderUpdate
from airflow_provider_zdirect.storage.layout import FORMATS
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.windows import subject

log = logging.getLogger(__name__)

T = TypeVar("T")

BATCH = {"sandbox": 20, "production": 200}
"""Orders that are waited for together, and of which the journal knows together. In sandbox 40 requests a minute are
allowed, and what was looked at is to be finished before these are used up."""

SHIP_AFTER = 5.0
"""Seconds between tracking numbers and the status shipped (zDirect docs, *Orders*, preparing shipping)."""

LOOK_EVERY, LOOK_FOR, FEWEST_LOOKS = 5.0, 60.0, 3
"""Seconds, and how often at least, in which tracking numbers are waited for to be shown."""

IN_VAIN = 10
"""Failures of what was begun after the last success was, after which the rest is not tried."""


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
        self._calls = OrderCalls(client, job.merchant_id)
        self._others = {each: OrderCalls(client, each) for each in job.others}
        self._rules = replace(job.rules, look_for_effect=client.assumptions[TRACKING_EFFECT] == "look")
        self._store = ObjectStore(job.fs, job.root)
        self._journal = UpdateJournal(
            self._store, f"_staging/{DATASET}/merchant_id={job.merchant_id}/{job.run}-{job.digest[:16]}"
        )
        self._mark = f"_states/{DATASET}/merchant_id={job.merchant_id}/{job.task}.json"
        named = {name for row in job.wrong for name in (row.order_id, row.order_number) if name}
        self._wrong = frozenset(named)
        # Why no further orders are begun.
        self._stop: ZDirectError | None = None
        self._forbidden: ZDirectError | None = None
        # By number: why the order is not known; and what the search cannot say.
        self._errors: dict[str, ZDirectRetriableError] = {}
        self._unfindable: dict[str, ZDirectError] = {}
        # Those that are not settled.
        self._flows: dict[str, OrderFlow] = {}
        self._tracked_before: frozenset[str] = frozenset()

    async def carry_out(self) -> OrderUpdateResult:
        mark = self._store.read_json(self._mark)
        if mark is not None and mark["digest"] != self._job.digest:
            # From now on it is not known any more what is so, until all of this is.
            self._store.delete(self._mark)
        elif mark is not None and self._job.skip_applied:
            log.info(
                "%s: the same rows were applied on %s.", subject("order updates", self._job.merchant_id), mark["at"]
            )
            return OrderUpdateResult(
                self._job.merchant_id,
                mark["rows"],
                mark["orders"],
                mark["uri"],
                requests=0,
                of_others=mark.get("of_others", 0),
                applied_before=True,
            )
        self._journal.open()
        self._tracked_before = frozenset(order_id for order_id, _, what in self._journal.sent if what in CODES)
        before = len(self._journal.settled) + len(self._journal.numbers)
        await self._find_numbers()
        orders = self._by_order()
        todo = [order_id for order_id in orders if order_id not in self._journal.settled]
        todo.sort(key=self._journal.failed.__contains__)
        for start in range(0, len(todo), self._batch):
            if self._stop is None:
                await self._update({order_id: orders[order_id] for order_id in todo[start : start + self._batch]})
                what = subject("order updates", self._job.merchant_id)
                log.info("%s: %d of %d orders settled.", what, len(self._journal.settled), len(orders))
        self._journal.note_failed(order_id for order_id, flow in self._flows.items() if flow.error)
        if isinstance(self._stop, RateLimitedError):
            self._pause(self._stop, len(orders), before)
        return self._conclude(orders)

    # Which orders

    async def _find_numbers(self) -> None:
        """Which order has a number: one request each, of which 400 are allowed a minute."""
        numbers = {update.order_number for update in self._job.updates if update.order_number}
        todo = sorted(numbers - self._journal.numbers.keys())
        for start in range(0, len(todo), self._batch):
            found: dict[str, list[str]] = {}

            async def find(number: str, found: dict[str, list[str]] = found) -> None:
                try:
                    found[number] = await self._calls.find(number)
                except FilterIgnoredError as error:
                    self._unfindable[number] = error

            if self._stop is None:
                await self._each(todo[start : start + self._batch], find, self._errors.__setitem__)
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

    @property
    def _batch(self) -> int:
        return BATCH[self._client.config.environment]

    async def _update(self, orders: Mapping[str, Sequence[OrderUpdate]]) -> None:
        """Each step for those that took the one before."""
        flows = [self._flow(order_id, updates) for order_id, updates in orders.items()]
        self._flows.update({flow.order_id: flow for flow in flows})
        looked = await self._step(flows, lambda flow: flow.look())
        if self._others:
            looked = await self._step(looked, self._leave_to_others)
        self._journal.about_to_send((sent for flow in looked for sent in flow.to_send()), self._clock.now())
        prepared = await self._step(looked, lambda flow: flow.prepare())
        shown = await self._wait_for_effect(prepared)

        async def finish(flow: OrderFlow) -> None:
            await flow.finish()
            flow.is_finished = True

        await self._step(shown, finish)
        settled = [flow for flow in flows if flow.is_finished]
        self._journal.settle({flow.order_id: self._by_this_run(flow.results()) for flow in settled})
        for flow in settled:
            del self._flows[flow.order_id]

    def _flow(self, order_id: str, updates: Sequence[OrderUpdate]) -> OrderFlow:
        in_parcels = self._rules.split_shipments and any(update.shipment for update in updates)
        kind = ShipmentFlow if in_parcels else LineFlow
        return kind(self._calls, self._rules, self._clock, order_id, updates, self._wrong)

    async def _leave_to_others(self, flow: OrderFlow) -> None:
        """Leave the order, if its rows do not say whose it is, and it is another merchant's."""
        if not flow.may_be_of_another:
            return
        if flow.owner in self._others or (flow.is_missing and await self._another_has(flow.order_id)):
            flow.leave()

    async def _another_has(self, order_id: str) -> bool:
        for calls in self._others.values():
            with contextlib.suppress(NotFoundError):
                await calls.get(order_id)
                return True
        return False

    async def _wait_for_effect(self, flows: Sequence[OrderFlow]) -> list[OrderFlow]:
        """Those whose tracking numbers have taken effect."""
        started, looks = self._clock.now(), 0
        left = list(flows)
        while waiting := [flow for flow in left if flow.waits]:
            await self._clock.sleep(SHIP_AFTER if looks == 0 else LOOK_EVERY)
            looked = await self._step(waiting, lambda flow: flow.look_again())
            left = [flow for flow in left if flow not in waiting or flow in looked]
            looks += 1
            if looks >= FEWEST_LOOKS and self._clock.now() - started >= timedelta(seconds=LOOK_FOR):
                for flow in looked:
                    if flow.waits:
                        flow.expire()
        if looks == 0 and any(flow.order_id in self._tracked_before for flow in left):
            # An earlier try sent them, perhaps just before it was killed.
            await self._clock.sleep(SHIP_AFTER)
        return left

    async def _step(self, flows: Sequence[OrderFlow], step: Callable[[OrderFlow], Awaitable[None]]) -> list[OrderFlow]:
        """Those that took the step, and are not finished by it."""
        took: list[OrderFlow] = []

        async def one(flow: OrderFlow) -> None:
            try:
                await step(flow)
            except (NotFoundError, PermissionDeniedError) as error:
                flow.give_up(error)
                if isinstance(error, PermissionDeniedError):
                    self._forbidden = error
                if any(map(self._calls.may_not, (READ, WRITE))):
                    raise
            else:
                took.append(flow)

        def failed(flow: OrderFlow, error: ZDirectRetriableError) -> None:
            flow.error = error

        await self._each([flow for flow in flows if flow.error is None], one, failed)
        return took

    async def _each(
        self,
        items: Iterable[T],
        step: Callable[[T], Awaitable[None]],
        failed: Callable[[T, ZDirectRetriableError], object],
    ) -> None:
        """Take the step for all, some at once, until that would be in vain."""
        stop: ZDirectError | None = None
        begun = last_success = 0
        failures: list[int] = []

        async def one(item: T) -> None:
            nonlocal stop, begun, last_success
            if stop is not None:
                return
            begun += 1
            mine = begun
            try:
                await step(item)
            except ZDirectError as error:
                if isinstance(error, ZDirectRetriableError) and not isinstance(error, RateLimitedError):
                    failed(item, error)
                    failures.append(mine)
                    if sum(place > last_success for place in failures) < IN_VAIN:
                        return
                stop = stop or error
                self._stop = self._stop or error
            else:
                last_success = max(last_success, mine)

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
        if self._stop is None and self._calls.may_not(READ, at_least=1):
            self._stop = self._forbidden
        file = ResultFile(self._store, job.merchant_id, job.run, job.environment, FORMATS[job.format])
        results = keep_done(self._results(orders), file.read())
        if results:
            file.publish(results, now)
        left = [order_id for order_id, told_of in self._journal.settled.items() if not told_of]
        result = OrderUpdateResult(
            merchant_id=job.merchant_id,
            rows={outcome: outcomes_by_row(results)[outcome] for outcome in OUTCOMES},
            orders=len(orders) - len(left),
            of_others=sum(len(orders[order_id]) for order_id in left),
            uri=f"{job.base_uri.rstrip('/')}/{DATASET}/merchant_id={job.merchant_id}",
            requests=self._client.stats.requests,
            results=tuple(results),
        )
        told_rows = ", ".join(f"{count} {outcome}" for outcome, count in result.rows.items() if count) or "none"
        others = f"; {result.of_others} rows of other merchants are left out" if result.of_others else ""
        what = subject("order updates", job.merchant_id)
        log.info("%s: %d orders, rows: %s%s -> %s", what, result.orders, told_rows, others, result.uri)
        self._raise_retriable(result)
        # What follows is no matter of time: the next try looks at everything anew.
        self._journal.delete()
        if self._stop is not None:
            raise self._stop
        if job.max_failed is not None and result.failed > job.max_failed:
            raise rejected(job, result)
        if result.failed:
            # Nobody will say again what came to nothing, so it is not to be skipped.
            return result
        mark = {
            "digest": job.digest,
            "at": now.isoformat(),
            "rows": result.rows,
            "orders": result.orders,
            "uri": result.uri,
            "of_others": result.of_others,
        }
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
        if (unfindable := self._unfindable.get(number)) is not None:
            return RowResult(update.row, None, ROW, REFUSED, number, reason=told(unfindable))
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
