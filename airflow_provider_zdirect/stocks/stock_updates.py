# SPDX-License-Identifier: Apache-2.0
"""From a feed to zDirect: which levels have to be sent, sending them, and publishing the results.

What is sent are absolute levels, so sending one twice changes nothing. What matters is the order: an older feed must
not replace a newer one. Each level has a version: the feed's time, then until when the subtracted orders are known.
A newer feed with the level that zDirect has is not sent, but its version is written down like a level that was.
A run that is killed, or meets another one, keeps to these rules (:mod:`.sent_log`):

1. *Announce, send, record.* A batch is written down before its request, and its outcomes after the answer.
2. *Look before*: a level of which a newer version was announced is not sent. Neither is one that zDirect has taken in
   this version.
3. *Look after*: if a newer version of a pair was announced meanwhile, its request may have come first. So the newer
   level is sent once more. Whoever announces after this look also sends after it.
4. *Doubt*: a run that finds traces of one that died between 1 and 3 sends the newest level of those pairs again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from airflow_provider_zdirect.client import ZDirectClient
from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.datasets.endpoint import Rate
from airflow_provider_zdirect.exceptions import (
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    RejectedRecordsError,
    ServerError,
    ZDirectConfigurationError,
    ZDirectError,
)
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.stocks.answer import outcomes
from airflow_provider_zdirect.stocks.level import (
    ACCEPTED,
    AGAIN,
    PAIRS,
    PENDING,
    REJECTED,
    Levels,
    Pair,
    as_table,
    levels_of,
)
from airflow_provider_zdirect.stocks.log_rows import pair_keys
from airflow_provider_zdirect.stocks.results import UPDATES, publish_current, publish_run
from airflow_provider_zdirect.stocks.sent_log import SentLog
from airflow_provider_zdirect.stocks.update_plan import SHOWN, StockUpdateJob, UpdatePlan, make_plan
from airflow_provider_zdirect.words import counted

log = logging.getLogger(__name__)

BATCH = 250
"""Updates in one request; zDirect takes 1,000."""

A_MINUTE = 1_700
"""Updates. zDirect takes 60 requests and 2,000 updates a minute, whichever is reached first, counted anew at the start
of the next minute (zDirect docs, *Updating Stock Levels*). So many, evenly spaced, and one batch more are less than
2,000 in any 61 seconds, wherever they begin: it does not matter whose clock says when a minute starts, nor how long a
request is on its way."""

SCOPE = "products/stock/write"

MAX_ATTEMPTS = 4
"""How often an update that failed is sent in one run."""

RETRY_PAUSE = 20.0
"""Seconds before failed updates are sent again, times the number of attempts."""

RETRY_AFTER = 300.0
MAX_HALVES = 30
"""How often a run halves a batch that is refused as a whole; one wrong update is found by ten."""

MAX_ROUNDS = 20
"""Of sending again what others have made doubtful, for one attempt."""

NOT_CARRIED_OUT = (
    RateLimitedError,
    AuthenticationError,
    PermissionDeniedError,
    NotFoundError,
    BadRequestError,
    ZDirectConfigurationError,
)
"""The request did not get there, or zDirect says that it changed nothing."""


async def update_stocks(
    job: StockUpdateJob, client: ZDirectClient, clock: Clock | None = None
) -> dict[str, Any] | None:
    """Send what zDirect does not have yet; safe to repeat and to run beside any other.

    :returns: None if there is no feed; else counts, small enough for XCom: ``rows`` of the feed; ``rejected`` rows and
        articles of open orders without an EAN (at ``rejected_uri``); ``superseded`` rows of which a newer file has
        others; ``pairs`` of sales channel and EAN; of these ``unchanged`` (zDirect has the level already), ``outdated``
        (a newer feed was sent) and ``sent``, which is the sum of ``accepted``, ``pending``, ``refused`` and ``failed``
        (after all attempts); ``updates`` that this attempt sent, repeated ones included; ``open_pieces`` that were
        subtracted; ``below_zero``: EANs of which more is ordered than the feed has, so that their level is 0.
    :raises ZDirectConfigurationError: if the feed or the mapping cannot be read, or there is no sales channel; nothing
        was sent.
    :raises ZDirectDataError: if the orders that are to be subtracted are too old; nothing was sent.
    :raises RejectedRecordsError: if more was rejected than ``max_rejected``; everything else was sent, unless
        open pieces of more articles than that are of an unknown EAN: then nothing was.
    :raises ZDirectRetriableError: if the rest can be sent later.
    """
    # Arrow's own pool keeps what was freed.
    pa.set_memory_pool(pa.system_memory_pool())
    clock = clock or SystemClock()
    plan = await make_plan(job, client, clock.now())
    if plan is None:
        return None
    address = f"{job.place.environment} {client.config.address}"
    sent = await asyncio.to_thread(SentLog, job.place, job.run, job.label, address, clock.now())
    return await _Updating(job, plan, client, clock, sent).run()


@dataclass
class _Updating:
    """A run.

    :param updates: that it has sent, repeated ones included.
    :param halves: how often it has halved a batch.
    """

    job: StockUpdateJob
    plan: UpdatePlan
    client: ZDirectClient
    clock: Clock
    log: SentLog
    updates: int = 0
    halves: int = 0

    @property
    def place(self) -> Place:
        return self.job.place

    @property
    def what(self) -> str:
        return f"Stock of merchant {self.place.merchant}"

    async def run(self) -> dict[str, Any]:
        due = await self._all_due()
        log.info(
            "%s: %s, %s, %d of them to send.",
            self.place.subject("stock updates", full_id=True),
            counted(self.plan.counts["rows"], "row"), counted(self.plan.levels.num_rows, "pair"), len(due),
        )  # fmt: skip
        try:
            await self._send_all(due)
        except ZDirectError:
            # What was sent is published even if the rest was not; a retry adds to it.
            await asyncio.to_thread(publish_run, self.place, self.log.own())
            raise
        result = self._result(await asyncio.to_thread(publish_run, self.place, self.log.own()))
        failure = self._failure(result)
        # A retry that may mend it goes on with the batches of this run.
        await asyncio.to_thread(self._close, keeps_own=isinstance(failure, ServerError))
        if failure is not None:
            raise failure
        return result

    # What is to be sent

    async def _all_due(self) -> Levels:
        """What has to be sent; of what zDirect has already, newer versions are confirmed."""
        now, after = self.clock.now(), self.job.resend_after
        resent_before = None if after is None else now - after
        due, same = self.log.due(self.plan.levels, full_sync=self.job.full_sync, resent_before=resent_before)
        if same.num_rows:
            changed = levels_of(await asyncio.to_thread(self.log.confirm, same, now))
            self.log.watch(changed)
            due |= changed
        return due

    # Sending it

    async def _send_all(self, due: Levels) -> None:
        attempt = 0
        for _ in range(MAX_ROUNDS):
            again: set[Pair] = set()
            for batch in _batches(due, BATCH):
                again |= await self._send(batch)
            if not again:
                return
            if any((newest := self.log.newest(pair)) and newest.outcome in AGAIN for pair in again):
                attempt += 1
                if attempt >= MAX_ATTEMPTS:
                    again = {pair for pair in again if self.log.is_older(pair)}
                else:
                    pause, updates = RETRY_PAUSE * attempt, counted(len(again), "update")
                    log.info("%s: sending %s again in %.0f s.", self.what, updates, pause)
                    await self.clock.sleep(pause)
            due = {pair: newest for pair in sorted(again) if (newest := self.log.newest(pair))}
        raise ServerError(
            f"{self.what}: other runs kept sending other versions of {counted(len(due), 'level')}.",
            remedy="No action needed: the task retries. Run fewer stock tasks of a merchant at once.",
            retry_after=RETRY_AFTER,
        )

    async def _send(self, due: Levels) -> set[Pair]:
        """Send one batch; the pairs that have to be sent again."""
        await asyncio.to_thread(self.log.refresh)
        due = self._still_due(due)
        if not due:
            return set()
        try:
            return await self._post(due)
        except BadRequestError as error:
            self.halves += 1
            log.warning("%s: a batch of %s was refused: %s", self.what, counted(len(due), "update"), error.message)
            again: set[Pair] = set()
            for half in _batches(due, (len(due) + 1) // 2):
                again |= await self._send(half)
            return again

    def _still_due(self, due: Levels) -> Levels:
        """Without those of which a newer version was announced since; that run sends them."""
        left = {}
        for pair, level in due.items():
            newest = self.log.newest(pair)
            if newest is None or newest.version <= level.version:
                left[pair] = level
            elif self.log.is_older(pair):
                left[pair] = newest
        return left

    async def _post(self, due: Levels) -> set[Pair]:
        batch = await asyncio.to_thread(self.log.announce, due.values(), self.clock.now())
        what = f"{self.what}, {counted(len(due), 'update')}"
        try:
            reply = await self.client.request(
                "POST",
                f"/merchants/{self.place.merchant_id}/stocks",
                rate=rate_of(len(due)),
                json={
                    "items": [
                        {"sales_channel_id": item.sales_channel_id, "ean": item.ean, "quantity": item.quantity}
                        for item in batch.items
                    ]
                },
                endpoint="stocks",
                scope=SCOPE,
                what=what,
                expected=frozenset({200, 207}),
            )
        except NOT_CARRIED_OUT as error:
            if not isinstance(error, BadRequestError) or (len(due) > 1 and self.halves < MAX_HALVES):
                await asyncio.to_thread(self.log.withdraw, batch)
                raise
            description = str(error.title or error.message)[:500]
            answered = [
                replace(item, outcome=REJECTED, code=error.status, description=description) for item in batch.items
            ]
        else:
            answered = outcomes(batch.items, reply.content, what=what)
        self.updates += len(due)
        await asyncio.to_thread(self.log.record, batch, as_table(answered))
        return {item.pair for item in answered if item.outcome in AGAIN or self.log.is_older(item.pair)}

    # Afterwards

    def _close(self, *, keeps_own: bool) -> None:
        """Publish what zDirect has now, and the results of abandoned runs; compact what they sent."""
        closed = [] if keeps_own else self.log.own()
        for batches in self.log.abandoned(self.clock.now()):
            publish_run(self.place, batches)
            closed = [*closed, *batches]
        publish_current(self.place, self.log.taken(), self.clock.now())
        # Last: as long as a batch is there, a retry knows what this run has done.
        self.log.compact(closed)

    def _result(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """:param rows: what this run has sent."""
        found = Counter(row["outcome"] for row in rows)
        counts = {"accepted": found[ACCEPTED], "pending": found[PENDING], "refused": found[REJECTED]}
        wanted_pairs, sent_pairs = pair_keys(self.plan.levels, pa.Table.from_pylist(rows, schema=PAIRS))
        is_known, is_outdated = self.log.outdated(self.plan.levels)
        is_left = is_known & ~np.isin(wanted_pairs, sent_pairs)
        outdated = int((is_left & is_outdated).sum())
        return {
            "merchant_id": self.place.merchant_id,
            "uri": self.place.data_uri(UPDATES),
            **self.plan.counts,
            "unchanged": int(is_left.sum()) - outdated,
            "outdated": outdated,
            "sent": len(rows),
            **counts,
            "failed": len(rows) - sum(counts.values()),
            "updates": self.updates,
        }

    def _failure(self, result: dict[str, Any]) -> ZDirectError | None:
        """The error if too many rows and updates were not applied."""
        rejected, refused, failed = (result[name] for name in ("rejected", "refused", "failed"))
        log.info(
            "%s: %s sent; %s accepted, %d pending, %d rejected, %d failed; %s rejected -> %s",
            self.place.subject("stock updates"),
            counted(result["updates"], "update"),
            counted(result["accepted"], "pair"),
            result["pending"],
            refused,
            failed,
            counted(rejected, "row"),
            result["uri"],
        )
        if rejected + refused + failed <= self.job.max_rejected:
            return None
        parts, where = [], f"({result['uri']}, column outcome)"
        if rejected:
            shown = "; ".join(f"{row.source}: {row.reason}" for row in self.plan.bad[:SHOWN])
            more = f"; and {rejected - SHOWN} more" if rejected > SHOWN else ""
            parts.append(
                f"{counted(rejected, 'row was', 'rows were')} rejected ({result['rejected_uri']}): {shown}{more}"
            )
        if refused:
            parts.append(f"zDirect rejected {counted(refused, 'update')} {where}")
        if failed:
            parts.append(f"{counted(failed, 'update')} failed {MAX_ATTEMPTS} times {where}")
        message = (
            f"{self.what}: {'. '.join(parts)}. That is more than max_rejected={self.job.max_rejected}. "
            "All others were sent."
        )
        remedy = "Correct the feed, the mapping or the articles; the next run sends what is missing."
        if failed:
            remedy = f"A retry of the task sends those again that failed. {remedy}"
            return ServerError(message, remedy=remedy, retry_after=RETRY_AFTER)
        return RejectedRecordsError(message, remedy=remedy)


def rate_of(updates: int) -> Rate:
    """At which requests with so many updates may be sent."""
    return Rate(min(60, A_MINUTE / updates), 60)


def _batches(due: Levels, size: int) -> Iterator[Levels]:
    pairs = list(due)
    for start in range(0, len(pairs), size):
        yield {pair: due[pair] for pair in pairs[start : start + size]}
