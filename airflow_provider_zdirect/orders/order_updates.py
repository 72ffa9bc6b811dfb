"""Updating many orders in batches: the orders of a batch wait together.

All orders of a batch are read; the journal notes what is about to be sent; exports and tracking numbers are sent; five
seconds later all are read again; then the lines of orders that show their numbers are shipped. So 10,000 orders wait
50 times for five seconds instead of 14 hours. Orders are read one by one: zDirect allows 2,000 of these requests a
minute, but 40 of those for lists, which cannot select orders by id.

If a request fails, or zDirect refuses a change, the order is reported and the others go on. Only if going on is in vain
(a refused token, a used-up limit, failure after failure), no further orders are begun, and those that were read are
finished as far as possible. A retry goes on from the journal, and takes the orders that failed last.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

from airflow_provider_zdirect.client import ZDirectClient
from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.exceptions import (
    FilterIgnoredError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    UpdatesPausedError,
    ZDirectError,
    ZDirectRetriableError,
)
from airflow_provider_zdirect.orders.few_at_once import for_each, retry_all
from airflow_provider_zdirect.orders.line_flow import LineFlow
from airflow_provider_zdirect.orders.order_calls import OrderCalls
from airflow_provider_zdirect.orders.order_flow import CODES, OrderFlow
from airflow_provider_zdirect.orders.shipment_flow import ShipmentFlow
from airflow_provider_zdirect.orders.update_job import OrderUpdateJob, OrderUpdateResult, rejected
from airflow_provider_zdirect.orders.update_journal import Note, UpdateJournal
from airflow_provider_zdirect.orders.update_results import (
    ALREADY,
    DATASET,
    DONE,
    FAILED,
    NOT_APPLIED,
    REFUSED,
    ROW,
    SCHEMA,
    RowResult,
    count_rows,
    keep_done,
    reason_of,
    short_reason,
)
from airflow_provider_zdirect.orders.update_rows import OrderUpdate
from airflow_provider_zdirect.publish.results import RunResults
from airflow_provider_zdirect.storage.journal import Journal
from airflow_provider_zdirect.windows import subject

log = logging.getLogger(__name__)

T = TypeVar("T")

BATCH = {"sandbox": 20, "production": 200}
"""Orders of a batch. Sandbox allows 40 requests a minute, and a batch should be finished before they are used up."""

SHIP_AFTER = 5.0
"""Seconds between tracking numbers and the status shipped (zDirect docs, *Orders*, preparing shipping)."""

CHECK_FOR, FEWEST_CHECKS = timedelta(minutes=1), 3
"""How long, and at least how often, the run looks whether zDirect shows tracking numbers."""


async def update_orders(job: OrderUpdateJob, client: ZDirectClient, clock: Clock | None = None) -> OrderUpdateResult:
    """Apply the updates that are not applied yet, and publish the outcome of each row.

    :raises UpdatesPausedError: if a rate limit leaves no room for longer than a request waits; run it again later.
    :raises ZDirectRetriableError: if requests failed that may work later. Here and below, everything else was tried,
        and the results are published.
    :raises RejectedUpdatesError: if more than ``max_failed`` rows were refused, in conflict or failed.
    :raises ZDirectFatalError: if the app may not update these orders at all.
    """
    return await _Run(job, client, clock or SystemClock()).carry_out()


class _Run:
    def __init__(self, job: OrderUpdateJob, client: ZDirectClient, clock: Clock) -> None:
        self._job = job
        self._client = client
        self._clock = clock
        self._store = job.place.store
        self._merchant_id = job.place.merchant_id
        self._subject = subject("order updates", self._merchant_id)
        self._calls = OrderCalls(client, self._merchant_id)
        self._others = {each: OrderCalls(client, each) for each in job.others}
        self._rules = replace(job.rules, look_for_effect=client.assumptions.tracking_effect == "look")
        self._mark = f"_states/{job.place.layout(DATASET).merchant}/{job.task}.json"
        self._wrong = frozenset(name for row in job.wrong for name in (row.order_id, row.order_number) if name)
        # Why no further orders are begun.
        self._end: ZDirectError | None = None
        self._forbidden: ZDirectError | None = None
        # By order number, why its order could not be found.
        self._unknown: dict[str, ZDirectError] = {}
        # Begun and not settled.
        self._flows: dict[str, OrderFlow] = {}

    async def carry_out(self) -> OrderUpdateResult:
        if (before := self._applied_before()) is not None:
            return before
        job = self._job
        folder = f"{job.place.layout(DATASET).staged}/{job.run}-{job.digest[:16]}"
        self._journal = UpdateJournal(Journal(self._store, folder))
        self._tracked_before = {order_id for order_id, _, what in self._journal.sent if what in CODES}
        known = len(self._journal.settled) + len(self._journal.numbers)
        await self._find_numbers()
        orders = self._by_order()
        todo = [order_id for order_id in orders if order_id not in self._journal.settled]
        todo.sort(key=self._journal.failed.__contains__)
        for batch in self._batches(todo):
            await self._update({order_id: orders[order_id] for order_id in batch})
            log.info("%s: %d of %d orders settled.", self._subject, len(self._journal.settled), len(orders))
        failed = {order_id for order_id, flow in self._flows.items() if flow.error}
        self._journal.add(Note(failed=sorted(failed - self._journal.failed)))
        if isinstance(self._end, RateLimitedError):
            raise self._paused(self._end, len(orders), known) from self._end
        return self._conclude(orders)

    def _applied_before(self) -> OrderUpdateResult | None:
        """The result of the task's last run, if it applied the same rows and need not do so again."""
        mark = self._store.read_json(self._mark)
        if mark is None:
            return None
        if mark["digest"] != self._job.digest:
            # What was applied last is unknown until all of these rows are applied.
            self._store.delete(self._mark)
        elif self._job.skip_applied:
            log.info("%s: the same rows were applied on %s.", self._subject, mark["at"])
            return OrderUpdateResult(self._merchant_id, **mark["result"], requests=0, applied_before=True)
        return None

    # Which orders

    async def _find_numbers(self) -> None:
        """Find the orders that rows name by number, with one request each."""
        numbers = {update.order_number for update in self._job.updates if update.order_number}
        found: dict[str, list[str]] = {}

        async def find(number: str) -> None:
            try:
                found[number] = await self._calls.find(number)
            except FilterIgnoredError as error:
                self._unknown[number] = error

        for batch in self._batches(sorted(numbers - self._journal.numbers.keys())):
            await self._each(batch, find, self._unknown.__setitem__)
            self._journal.add(Note(numbers={number: found[number] for number in batch if number in found}))

    def _by_order(self) -> dict[str, list[OrderUpdate]]:
        """The rows of each order that was found."""
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

    def _batches(self, items: Sequence[T]) -> Iterator[Sequence[T]]:
        size = BATCH[self._client.config.environment]
        for start in range(0, len(items), size):
            if self._end is None:
                yield items[start : start + size]

    async def _update(self, orders: Mapping[str, Sequence[OrderUpdate]]) -> None:
        """Take each step for the orders that completed the one before."""
        flows = [self._flow(order_id, updates) for order_id, updates in orders.items()]
        left = await self._step(flows, lambda flow: flow.read())
        if self._others:
            left = await self._step(left, lambda flow: flow.leave_to(self._others))
        new = [sent for flow in left for sent in flow.to_send() if sent not in self._journal.sent]
        self._journal.add(Note(sent=[(sent, self._clock.now()) for sent in new]))
        left = await self._step(left, lambda flow: flow.send_first())
        left = await self._wait_for_effect(left)

        async def finish(flow: OrderFlow) -> None:
            await flow.finish()
            flow.is_finished = True

        await self._step(left, finish)
        settled = [flow for flow in flows if flow.is_finished]
        self._journal.add(Note(settled={flow.order_id: self._by_this_run(flow.results()) for flow in settled}))
        self._flows.update({flow.order_id: flow for flow in flows if not flow.is_finished})

    def _flow(self, order_id: str, updates: Sequence[OrderUpdate]) -> OrderFlow:
        in_parcels = self._rules.split_shipments and any(update.shipment for update in updates)
        kind = ShipmentFlow if in_parcels else LineFlow
        return kind(self._calls, self._rules, self._clock, order_id, updates, self._wrong)

    async def _wait_for_effect(self, flows: Sequence[OrderFlow]) -> list[OrderFlow]:
        """The orders whose tracking numbers have taken effect."""
        started, checks = self._clock.now(), 0
        left = list(flows)
        while waiting := [flow for flow in left if flow.waits]:
            await self._clock.sleep(SHIP_AFTER)
            checked = await self._step(waiting, lambda flow: flow.check_effect())
            left = [flow for flow in left if flow not in waiting or flow in checked]
            checks += 1
            if checks >= FEWEST_CHECKS and self._clock.now() - started >= CHECK_FOR:
                for flow in checked:
                    if flow.waits:
                        flow.expire()
        if checks == 0 and any(flow.order_id in self._tracked_before for flow in left):
            # An earlier try sent them, perhaps just before it was killed.
            await self._clock.sleep(SHIP_AFTER)
        return left

    async def _step(self, flows: Sequence[OrderFlow], step: Callable[[OrderFlow], Awaitable[None]]) -> list[OrderFlow]:
        """The orders that completed the step, and are not finished by it."""
        took: list[OrderFlow] = []

        async def one(flow: OrderFlow) -> None:
            try:
                await step(flow)
            except NotFoundError as error:
                flow.give_up(error)
            else:
                took.append(flow)

        def failed(flow: OrderFlow, error: ZDirectError) -> None:
            if isinstance(error, PermissionDeniedError):
                flow.give_up(error)
            else:
                flow.error = error

        await self._each([flow for flow in flows if flow.error is None], one, failed)
        return took

    async def _each(
        self, items: Iterable[T], step: Callable[[T], Awaitable[None]], failed: Callable[[T, ZDirectError], object]
    ) -> None:
        def one_failed(item: T, error: ZDirectError) -> None:
            if isinstance(error, PermissionDeniedError):
                self._forbidden = error
            failed(item, error)

        end = await for_each(items, step, one_failed, environment=self._client.config.environment)
        self._end = self._end or end

    # The end

    def _paused(self, error: RateLimitedError, orders: int, known: int) -> UpdatesPausedError:
        settled = len(self._journal.settled)
        message = f"Orders of merchant {self._merchant_id}: {settled} of {orders} are settled; the limit is used up."
        progress = settled + len(self._journal.numbers) - known
        return UpdatesPausedError(**{**vars(error), "message": message, "progress": progress})

    def _conclude(self, orders: Mapping[str, Sequence[OrderUpdate]]) -> OrderUpdateResult:
        job = self._job
        now = self._clock.now()
        file = RunResults(job.place, DATASET, SCHEMA, job.run)
        results = keep_done(self._results(orders), map(RowResult.of, file.read()))
        if self._end is None and all(one.what == ROW and one.outcome in NOT_APPLIED for one in results):
            # No order could be read.
            self._end = self._forbidden
        if results:
            file.publish([vars(result) for result in results], now)
        others = [order_id for order_id, rows in self._journal.settled.items() if not rows]
        summary: dict[str, Any] = {
            "rows": count_rows(results),
            "orders": len(orders) - len(others),
            "of_others": sum(len(orders[order_id]) for order_id in others),
            "uri": file.uri,
        }
        requests = self._client.stats.requests
        result = OrderUpdateResult(self._merchant_id, **summary, requests=requests, results=tuple(results))
        rows = ", ".join(f"{count} {outcome}" for outcome, count in result.rows.items() if count) or "none"
        left_out = f"; {result.of_others} rows of other merchants are left out" if result.of_others else ""
        log.info("%s: %d orders, rows: %s%s -> %s", self._subject, result.orders, rows, left_out, result.uri)
        errors = [self._end, *(flow.error for flow in self._flows.values()), *self._unknown.values()]
        if self._end is None or isinstance(self._end, ZDirectRetriableError):
            failed = f"{result.rows[FAILED]} of {sum(result.rows.values())} rows could not be settled"
            retry_all(errors, f"Orders of merchant {self._merchant_id}: {failed}")
        # A retry would not help from here on, so the next try reads everything again.
        self._journal.delete()
        if self._end is not None:
            raise self._end
        if job.max_failed is not None and result.failed > job.max_failed:
            raise rejected(job, result)
        if not result.failed:
            # Rows that were not applied must be tried again, and be reported again.
            self._store.write_json(self._mark, {"digest": job.digest, "at": now.isoformat(), "result": summary})
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
        """Results in which what an earlier try was about to send, and is there now, is done."""
        return [
            replace(result, outcome=DONE, sent_at=sent_at)
            if result.outcome == ALREADY
            and (sent_at := self._journal.sent.get((result.order_id or "", result.place, result.what)))
            else result
            for result in results
        ]

    def _untried(self, update: OrderUpdate, order_id: str | None) -> RowResult:
        reason = f"not tried, because: {reason_of(self._end)}" if self._end else "not tried"
        return RowResult(update.row, order_id, ROW, FAILED, update.order_number, reason=short_reason(reason))

    def _unfound(self, update: OrderUpdate) -> RowResult | None:
        """The result of a row whose number does not name exactly one order."""
        number = update.order_number
        if number is None:
            return None
        if (error := self._unknown.get(number)) is not None:
            outcome = FAILED if isinstance(error, ZDirectRetriableError) else REFUSED
            return RowResult(update.row, None, ROW, outcome, number, status_code=error.status, reason=reason_of(error))
        if number not in self._journal.numbers:
            return self._untried(update, None)
        order_ids = self._journal.numbers[number]
        if len(order_ids) == 1:
            return None
        shown = ", ".join(order_ids[:5])
        reason = f"{len(order_ids)} orders have that order_number: {shown}" if order_ids else "no order has that number"
        return RowResult(update.row, None, ROW, REFUSED, number, reason=short_reason(reason))
