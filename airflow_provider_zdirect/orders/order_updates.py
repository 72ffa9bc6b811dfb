# SPDX-License-Identifier: Apache-2.0
"""Updating many orders in batches: the orders of a batch wait together.

All orders of a batch are read; the journal notes what is about to be sent; exports and tracking numbers are sent; five
seconds later all are read again; then the lines of orders that show their numbers are shipped. So 10,000 orders wait
50 times for five seconds instead of 14 hours.

If a request fails, or zDirect refuses a change, the order is reported and the others go on. Only if going on cannot
help (a refused token, a used-up limit, failure after failure), no further orders are begun, and those that were read
are finished as far as possible. A retry goes on from the journal, and takes the orders that failed last.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypedDict, TypeVar

import msgspec

from airflow_provider_zdirect.client import ZDirectClient
from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.exceptions import (
    FilterIgnoredError,
    NotFoundError,
    RateLimitedError,
    UpdatesPausedError,
    ZDirectError,
    ZDirectRetriableError,
)
from airflow_provider_zdirect.orders.few_at_once import for_each, raise_failures
from airflow_provider_zdirect.orders.order_calls import OrderCalls
from airflow_provider_zdirect.orders.order_flow import CODES, OrderFlow
from airflow_provider_zdirect.orders.row_parts import (
    ALREADY,
    DONE,
    FAILED,
    NOT_APPLIED,
    REFUSED,
    ROW,
    Key,
    Part,
    count_rows,
    untried,
)
from airflow_provider_zdirect.orders.shipment_flow import ShipmentFlow
from airflow_provider_zdirect.orders.update_job import DATASET, SCHEMA, OrderUpdateJob, OrderUpdateResult, rejected
from airflow_provider_zdirect.orders.update_journal import Note, UpdateJournal, run_folder
from airflow_provider_zdirect.orders.update_rows import OrderUpdate
from airflow_provider_zdirect.publish.abandoned import remove_abandoned
from airflow_provider_zdirect.publish.results import RunResults
from airflow_provider_zdirect.words import counted

log = logging.getLogger(__name__)

T = TypeVar("T")

BATCH = {"sandbox": 20, "production": 200}
"""Orders of a batch. Sandbox allows 40 requests a minute, and a batch should be finished before they are used up."""

SHIP_AFTER = 5.0
"""Seconds between tracking numbers and the status shipped (zDirect docs, *Orders*, preparing shipping)."""

CHECK_FOR, FEWEST_CHECKS = timedelta(minutes=1), 3
"""How long, and at least how often, the run looks whether zDirect shows tracking numbers."""


class _Summary(msgspec.Struct, forbid_unknown_fields=True):
    rows: dict[str, int]
    orders: int
    uri: str
    of_others: int = 0


class _Mark(TypedDict):
    """The file that says which rows the task applied last."""

    digest: str
    at: str
    result: _Summary


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
        self._subject = job.place.subject("order updates")
        self._calls = OrderCalls(client, self._merchant_id)
        self._mark = f"_states/{job.place.layout(DATASET).merchant}/{job.task}.json"
        self._file = RunResults(job.place, DATASET, SCHEMA, job.run)
        self._flows: dict[str, OrderFlow] = {}
        # The results of rows that do not name exactly one order.
        self._without_order: list[Part] = []
        # By order number, why its order could not be found.
        self._unknown: dict[str, ZDirectError] = {}
        # Why no further orders are begun.
        self._end: ZDirectError | None = None

    async def carry_out(self) -> OrderUpdateResult:
        try:
            result = self._applied_before() or await self._apply()
        except ZDirectRetriableError:
            raise
        except ZDirectError:
            # A retry would not help, so the next try reads everything again.
            self._store.delete_folder(run_folder(self._job.place, self._job.run))
            raise
        self._store.delete_folder(run_folder(self._job.place, self._job.run))
        remove_abandoned(self._store, self._job.place.layout(DATASET))
        return result

    def _applied_before(self) -> OrderUpdateResult | None:
        """The result of the task's last run, if it applied the same rows and need not do so again."""
        mark = self._store.read_json(self._mark, _Mark)
        if mark is None:
            return None
        if mark["digest"] != self._job.digest:
            # What was applied last is unknown until all of these rows are applied.
            self._store.delete(self._mark)
        elif self._job.skip_applied:
            log.info("%s: the same rows were applied on %s.", self._subject, mark["at"])
            return OrderUpdateResult(self._merchant_id, **mark["result"], requests=0, applied_before=True)
        return None

    async def _apply(self) -> OrderUpdateResult:
        self._journal = journal = UpdateJournal(self._job)
        self._tracked_before = {order_id for order_id, _, what in journal.sent if what in CODES}
        known = len(journal.settled) + len(journal.numbers)
        await self._find_numbers()
        self._find_orders()
        todo = [order_id for order_id in self._flows if order_id not in journal.settled]
        for batch in self._batches(sorted(todo, key=journal.failed.__contains__)):
            await self._update([self._flows[order_id] for order_id in batch])
            log.info("%s: %d of %s settled.", self._subject, len(journal.settled), counted(len(self._flows), "order"))
        failed = {order_id for order_id, flow in self._flows.items() if flow.error and not flow.is_settled}
        journal.add(Note(failed=sorted(failed - journal.failed)))
        if isinstance(self._end, RateLimitedError):
            raise self._paused(self._end, known) from self._end
        return self._conclude()

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

    def _find_orders(self) -> None:
        """Find the rows of each order, and how they are applied."""
        orders: dict[str, list[OrderUpdate]] = defaultdict(list)
        for update in self._job.updates:
            number = update.order_number
            found = [update.order_id] if update.order_id else self._journal.numbers.get(str(number))
            if found is not None and len(found) == 1:
                orders[found[0]].append(update)
                continue
            part = Part(update.row, ROW, order_number=number)
            if error := self._unknown.get(str(number)):
                part.settle(FAILED if isinstance(error, ZDirectRetriableError) else REFUSED, error)
            elif found is None:
                part.settle(FAILED, untried(self._end))
            elif found:
                part.settle(REFUSED, f"{len(found)} orders have that order_number: {', '.join(found[:5])}")
            else:
                part.settle(REFUSED, "no order has that number")
            self._without_order.append(part)
        others = {each: OrderCalls(self._client, each) for each in self._job.others}
        rules = replace(self._job.rules, look_for_effect=self._client.assumptions.tracking_effect == "look")
        wrong = frozenset(name for part in self._job.wrong for name in (part.order_id, part.order_number) if name)
        for order_id, rows in orders.items():
            in_parcels = rules.split_shipments and any(update.shipment for update in rows)
            kind = ShipmentFlow if in_parcels else OrderFlow
            self._flows[order_id] = kind(self._calls, others, rules, self._clock, wrong, order_id, rows)

    # A batch

    def _batches(self, items: Sequence[T]) -> Iterator[Sequence[T]]:
        size = BATCH[self._client.config.environment]
        for start in range(0, len(items), size):
            if self._end is None:
                yield items[start : start + size]

    async def _update(self, flows: Sequence[OrderFlow]) -> None:
        """Take each step for the orders that completed the one before."""
        left = await self._step(flows, lambda flow: flow.read())
        keys = [part.key for flow in left for part in flow.to_send()]
        self._journal.add(Note(sent=[(key, self._clock.now()) for key in keys if key not in self._journal.sent]))
        left = await self._step(left, lambda flow: flow.send_first())
        left = await self._wait_for_effect(left)
        await self._step(left, lambda flow: flow.finish())
        settled = [flow for flow in flows if flow.is_settled]
        self._journal.add(Note(settled={flow.order_id: flow.results() for flow in settled}))
        for flow in settled:
            flow.forget()

    async def _wait_for_effect(self, flows: list[OrderFlow]) -> list[OrderFlow]:
        """The orders whose tracking numbers have taken effect."""
        if any(flow.order_id in self._tracked_before for flow in flows):
            # An earlier try sent them, perhaps just before it was killed.
            await self._clock.sleep(SHIP_AFTER)
        started, checks = self._clock.now(), 0
        while waiting := [flow for flow in flows if flow.waits]:
            await self._clock.sleep(SHIP_AFTER)
            checked = await self._step(waiting, lambda flow: flow.check_effect())
            checks += 1
            if checks >= FEWEST_CHECKS and self._clock.now() - started >= CHECK_FOR:
                for flow in checked:
                    flow.expire()
            flows = [flow for flow in flows if flow not in waiting] + checked
        return flows

    async def _step(self, flows: Sequence[OrderFlow], step: Callable[[OrderFlow], Awaitable[None]]) -> list[OrderFlow]:
        """The orders that completed the step."""
        took: list[OrderFlow] = []

        async def one(flow: OrderFlow) -> None:
            try:
                await step(flow)
            except NotFoundError as error:
                flow.error = error
            else:
                took.append(flow)

        def failed(flow: OrderFlow, error: ZDirectError) -> None:
            flow.error = error

        await self._each([flow for flow in flows if flow.error is None], one, failed)
        return took

    async def _each(
        self, items: Iterable[T], step: Callable[[T], Awaitable[None]], failed: Callable[[T, ZDirectError], object]
    ) -> None:
        end = await for_each(items, step, failed, environment=self._client.config.environment)
        self._end = self._end or end

    # The end

    def _paused(self, error: RateLimitedError, known: int) -> UpdatesPausedError:
        settled = len(self._journal.settled)
        what = f"Orders of merchant {self._job.place.merchant}"
        message = f"{what}: {settled} of {len(self._flows)} are settled; the limit is used up."
        progress = settled + len(self._journal.numbers) - known
        return UpdatesPausedError(**{**vars(error), "message": message, "progress": progress})

    def _conclude(self) -> OrderUpdateResult:
        job = self._job
        now = self._clock.now()
        results = self._results()
        if results:
            self._file.publish([vars(part) for part in results], now)
        of_others = [order_id for order_id, parts in self._journal.settled.items() if not parts]
        summary: dict[str, Any] = {
            "rows": count_rows(results),
            "orders": len(self._flows) - len(of_others),
            "of_others": sum(len(self._flows[order_id].updates) for order_id in of_others),
            "uri": self._file.uri,
        }
        requests = self._client.stats.requests
        result = OrderUpdateResult(self._merchant_id, **summary, requests=requests, results=tuple(results))
        rows = ", ".join(f"{count} {outcome}" for outcome, count in result.rows.items() if count) or "none"
        others = counted(result.of_others, "row of another merchant is", "rows of other merchants are")
        left_out = f"; {others} left out" if result.of_others else ""
        orders = counted(result.orders, "order")
        log.info("%s: %s, rows: %s%s -> %s", self._subject, orders, rows, left_out, result.uri)
        raise_failures(
            self._end,
            [*(flow.error for flow in self._flows.values() if flow.error), *self._unknown.values()],
            f"Orders of merchant {job.place.merchant}: {result.rows[FAILED]} of "
            f"{counted(sum(result.rows.values()), 'row')} could not be settled",
            in_vain=all(part.what == ROW and part.outcome in NOT_APPLIED for part in results),
        )
        if job.max_failed is not None and result.failed > job.max_failed:
            raise rejected(job, result)
        if not result.failed:
            # Rows that were not applied must be tried again, and be reported again.
            self._store.write_json(self._mark, {"digest": job.digest, "at": now.isoformat(), "result": summary})
        return result

    def _results(self) -> list[Part]:
        """The parts of all rows, in the order of the rows."""
        results = [*self._job.wrong, *self._without_order]
        for order_id, flow in self._flows.items():
            settled = self._journal.settled
            results += settled[order_id] if order_id in settled else flow.results(self._end)
        done = self._done_before()
        return [
            replace(part, outcome=DONE, sent_at=done[part.key])
            if part.outcome == ALREADY and part.key in done
            else part
            for part in sorted(results, key=lambda part: part.row)
        ]

    def _done_before(self) -> dict[Key, datetime]:
        """What this run was about to send, or published as done before: if it is there now, it is done by this run."""
        done = [row for row in self._file.read() if row["outcome"] == DONE]
        published = {
            (row["order_id"], row["order_line_id"] or row["shipment"], row["what"]): row["sent_at"] for row in done
        }
        return {**published, **self._journal.sent}
