"""From a feed to zDirect: which levels have to be sent, sending them, and the books. Safe to kill and to repeat.

What is sent are absolute levels, so sending one twice changes nothing. What matters is the order: an older feed must
not replace a newer one. Each level has a version: of when the feed is, then until when the subtracted orders are known.
A newer feed that says the same as what zDirect has is not sent, but its version is written down like a level that was.
A run that is killed, or meets another one, keeps to these rules (:mod:`.sent_log`):

1. *Announce, send, record.* A batch is written down before its request, and what became of it after the answer.
2. *Look before*: what a newer version was announced for is not sent. What zDirect has taken in this version is not sent
   again.
3. *Look after*: if a newer version of a pair was announced meanwhile, its request may have come first. So the newer
   level is sent once more. Whoever announces after this look also sends after it.
4. *Doubt*: who finds traces of a run that died between 1 and 3 sends the newest level of those pairs again.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from airflow_provider_zdirect.client import ZDirectClient
from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.datasets.rate import Rate
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
from airflow_provider_zdirect.stocks.answer import outcomes
from airflow_provider_zdirect.stocks.channels import live_channels
from airflow_provider_zdirect.stocks.feed import BadRow, Feed, Place, SkuMapping
from airflow_provider_zdirect.stocks.level import AGAIN, REJECTED, TAKEN, Level, Pair, Sent
from airflow_provider_zdirect.stocks.open_orders import OpenOrders, PublishedOrders
from airflow_provider_zdirect.stocks.results import UPDATES, StockTables
from airflow_provider_zdirect.stocks.sent_log import Batch, SentLog
from airflow_provider_zdirect.stocks.update_job import (
    MAX_ATTEMPTS,
    SHOWN,
    StockUpdateJob,
    StockUpdateResult,
    count_outcomes,
    what_came_to_nothing,
)
from airflow_provider_zdirect.stocks.update_pace import UpdatePace
from airflow_provider_zdirect.stocks.wanted import Wanted, needs_channels, wanted_levels
from airflow_provider_zdirect.storage.layout import Layout
from airflow_provider_zdirect.windows import subject

log = logging.getLogger(__name__)

BATCH = 1_000
"""Updates in one request (zDirect docs, *Updating Stock Levels*)."""

REQUESTS = Rate(60, 60)
SCOPE = "products/stock/write"

RETRY_PAUSE = 20.0
"""Seconds before failed updates are sent again, times the number of attempts."""

LONGEST_STAY = 120.0
"""Seconds of a wait for the rate limit for which the worker slot is kept; two full batches need half of it."""

RETRY_AFTER = 300.0
MAX_HALVES = 30
"""How often a run halves a batch that is refused as a whole; one wrong update is found by ten."""

MAX_ROUNDS = 20
"""Of sending again what others have made doubtful, for one attempt."""


async def update_stocks(
    job: StockUpdateJob, client: ZDirectClient, clock: Clock | None = None, pace: UpdatePace | None = None
) -> StockUpdateResult | None:
    """Send what zDirect does not have yet; safe to repeat and to run beside any other.

    :returns: None if there is no feed.
    :raises ZDirectConfigurationError: if the feed or the mapping cannot be read, or there is no sales channel; nothing
        was sent.
    :raises ZDirectDataError: if the orders that are to be subtracted are too old; nothing was sent.
    :raises RejectedRecordsError: if more came to nothing than ``max_rejected``; everything else was sent, unless open
        pieces of more articles than that are of an unknown EAN: then nothing was.
    :raises ZDirectRetriableError: if the rest can be sent later.
    """
    return await _Updating(job, client, clock or SystemClock(), pace).run()


@dataclass(frozen=True)
class _Plan:
    """What was found out before the first update."""

    feed: Feed
    wanted: Wanted
    orders: OpenOrders | None
    channels: int
    bad: list[BadRow]
    rejected_uri: str | None


class _Updating:
    def __init__(self, job: StockUpdateJob, client: ZDirectClient, clock: Clock, pace: UpdatePace | None) -> None:
        self.job = job
        self.client = client
        self.clock = clock
        config = client.config
        self.pace = pace or UpdatePace(f"{config.address} {config.client_id} stock updates", config.rate_share)
        self.what = f"Stock of merchant {job.merchant_id}"
        self.log = SentLog(job.store, job.merchant_id, job.run, f"{job.environment} {config.address}")
        self.tables = StockTables(job.store, job.merchant_id, job.environment, job.format)
        self.updates = 0
        self.halves = 0

    async def run(self) -> StockUpdateResult | None:
        plan = await self._plan()
        if plan is None:
            return None
        await asyncio.to_thread(self.log.refresh)
        own = self.log.own()
        self.started_at = own[0].started_at if own else self.clock.now()
        levels = plan.wanted.levels
        due = await self._all_due(levels)
        log.info(
            "%s: %d rows, %d pairs, %d of them to send.",
            subject("stock updates", self.job.merchant_id, full_id=True), plan.feed.count, len(levels), len(due),
        )  # fmt: skip
        try:
            await self._send_all(due, levels)
        except ZDirectError:
            # What was sent is told even if the rest was not; a retry adds to it.
            await asyncio.to_thread(self._publish)
            raise
        result = self._result(plan, await asyncio.to_thread(self._publish))
        failure = self._judged(result, plan.bad)
        # A retry that may mend it goes on with these books.
        await asyncio.to_thread(self._close_books, [] if isinstance(failure, ServerError) else self.log.own())
        if failure is not None:
            raise failure
        return result

    # What is to be sent

    async def _plan(self) -> _Plan | None:
        files = await asyncio.to_thread(self.job.feed.find)
        if not files:
            return None
        now = self.clock.now()
        mapping = await asyncio.to_thread(SkuMapping.read, self.job.mapping) if self.job.mapping else None
        feed = await asyncio.to_thread(self.job.feed.read, files, mapping, now)
        orders = await asyncio.to_thread(self._open_orders, mapping, now, min(feed.times.values()))
        channels: tuple[str, ...] = ()
        if needs_channels(feed):
            channels = self.job.sales_channel_ids or await live_channels(self.client, self.job.merchant_id)
        since_feed = self.job.orders is not None and self.job.orders.since_feed
        wanted = wanted_levels(feed, channels, orders.pieces if orders else None, since_feed=since_feed)
        if wanted.below_zero:
            log.warning(
                "%s: of %d EANs more is ordered than the feed has; their level is 0: %s.",
                self.what, len(wanted.below_zero), ", ".join(wanted.below_zero[:SHOWN]),
            )  # fmt: skip
        unmapped = _unmapped(orders)
        bad = [*wanted.bad, *unmapped]
        uri = await asyncio.to_thread(self._keep_bad, feed, bad)
        if len(unmapped) > self.job.max_rejected:
            raise RejectedRecordsError(
                f"{self.what}: open orders have {len(unmapped)} articles that are neither EANs nor in the mapping "
                f"({uri}). Their pieces would not be subtracted, and be sold again. That is more than "
                f"max_rejected={self.job.max_rejected}. Nothing was sent.",
                remedy="Add them to the mapping file (mapping_path).",
            )
        return _Plan(feed, wanted, orders, len(channels), bad, uri)

    def _open_orders(self, mapping: SkuMapping | None, now: datetime, feed_time: datetime) -> OpenOrders | None:
        job = self.job
        if job.orders is None:
            return None
        published = PublishedOrders(job.store, job.merchant_id, job.base_uri, job.environment)
        return published.open_pieces(job.orders, mapping, now, feed_time)

    def _keep_bad(self, feed: Feed, bad: list[BadRow]) -> str | None:
        """Write what was put aside, in place of what a former try of this run has."""
        day = max(feed.times.values()).date()
        folder = f"_rejected/{Layout(UPDATES, self.job.merchant_id).published(day)}"
        path = f"{folder}/{self.job.run}.jsonl.gz"
        if not bad:
            self.job.store.delete(path)
            return None
        lines = b"".join(_line(row) for row in bad)
        self.job.store.write(path, gzip.compress(lines, mtime=0))
        for row in bad[:SHOWN]:
            log.warning("%s, %s: %s.", self.what, row.place, row.reason)
        more = f"and {len(bad) - SHOWN} more; " if len(bad) > SHOWN else ""
        log.warning("%s: %s%d rows were put aside, see %s.", self.what, more, len(bad), self.job.uri(path))
        return self.job.uri(path)

    async def _all_due(self, levels: dict[Pair, Level]) -> dict[Pair, Level]:
        """What has to be sent; of what has not, newer versions are written down."""
        due = {pair: sent for pair, level in levels.items() if (sent := self._due(pair, level))}
        same = {pair: level for pair, level in levels.items() if pair not in due and self._is_newer(pair, level)}
        if same:
            await asyncio.to_thread(self.log.confirm, same)
            # Who has looked before that, and sends something older, may not look again.
            await asyncio.to_thread(self.log.refresh)
            due |= {pair: sent for pair, level in same.items() if (sent := self._due(pair, level))}
        return due

    def _is_newer(self, pair: Pair, level: Level) -> bool:
        newest = self.log.newest(pair)
        return newest is not None and newest.outcome in TAKEN and newest.level.version < level.version

    def _due(self, pair: Pair, level: Level) -> Level | None:
        """What has to be sent of a pair: its newest level, if zDirect may not have it."""
        newest = self.log.newest(pair)
        if newest is None:
            return level
        if newest.level.version > level.version:
            return newest.level if self.log.is_doubtful(pair) else None
        is_ours = self._is_ours(newest)
        is_known = newest.outcome in TAKEN or (is_ours and newest.outcome == REJECTED)
        if not is_known or newest.level.quantity != level.quantity or self.log.is_doubtful(pair):
            return level
        if self.job.full_sync and not is_ours:
            return level
        after = self.job.resend_after
        return level if after is not None and self.clock.now() - newest.sent_at >= after else None

    def _is_ours(self, sent: Sent) -> bool:
        """Whether this run has sent it, in this try or a former one."""
        return sent.run == self.job.run and sent.sent_at >= self.started_at

    def _count_left(self, levels: dict[Pair, Level], rows: list[dict[str, Any]]) -> dict[str, int]:
        """How many pairs this run did not send, and why.

        :param rows: what it did send.
        """
        sent = {(row["sales_channel_id"], row["ean"]) for row in rows}
        counts = {"unchanged": 0, "outdated": 0}
        for pair, level in levels.items():
            newest = self.log.newest(pair)
            if newest is None or pair in sent:
                continue
            is_newer = newest.level.version > level.version and newest.level.quantity != level.quantity
            counts["outdated" if is_newer else "unchanged"] += 1
        return counts

    # Sending it

    async def _send_all(self, due: dict[Pair, Level], levels: dict[Pair, Level]) -> None:
        attempt = 0
        for _ in range(MAX_ROUNDS):
            again: set[Pair] = set()
            for batch in _batches(due, BATCH):
                again |= await self._send(batch, levels)
            if not again:
                return
            failed = any((newest := self.log.newest(pair)) and newest.outcome in AGAIN for pair in again)
            if failed:
                attempt += 1
                if attempt >= MAX_ATTEMPTS:
                    again = {pair for pair in again if self.log.is_older(pair)}
                else:
                    log.info("%s: sending %d updates again in %.0f s.", self.what, len(again), RETRY_PAUSE * attempt)
                    await self.clock.sleep(RETRY_PAUSE * attempt)
            due = {pair: newest.level for pair in sorted(again) if (newest := self.log.newest(pair))}
        raise ServerError(
            f"{self.what}: {len(due)} levels were sent in other versions all the time, by other runs.",
            remedy="Let the retry do it; run fewer stock tasks of a merchant at once.",
            retry_after=RETRY_AFTER,
        )

    async def _send(self, due: dict[Pair, Level], levels: dict[Pair, Level]) -> set[Pair]:
        """Send one batch; the pairs that have to be sent again."""
        stayed = 0.0
        while True:
            wait = await self.pace.acquire(len(due), self.clock.now().timestamp(), max_wait=LONGEST_STAY)
            if wait:
                await self.clock.sleep(wait)
            await asyncio.to_thread(self.log.refresh)
            due = self._still_due(due, levels)
            if not due:
                return set()
            try:
                return await self._post(due)
            except RateLimitedError as error:
                stayed += error.retry_after
                if stayed > LONGEST_STAY:
                    raise
                await self.clock.sleep(error.retry_after)
            except BadRequestError as error:
                self.halves += 1
                log.warning("%s: a batch of %d updates was refused: %s", self.what, len(due), error.message)
                again: set[Pair] = set()
                for half in _batches(due, (len(due) + 1) // 2):
                    again |= await self._send(half, levels)
                return again

    def _still_due(self, due: dict[Pair, Level], levels: dict[Pair, Level]) -> dict[Pair, Level]:
        """Without those of which a newer version was announced since; that run sends them."""
        left = {}
        for pair, level in due.items():
            newest = self.log.newest(pair)
            if newest is None or newest.level.version <= level.version:
                left[pair] = level
            elif self.log.is_older(pair):
                left[pair] = newest.level
        return left

    async def _post(self, due: dict[Pair, Level]) -> set[Pair]:
        now = self.clock.now()
        items = [Sent(pair, level, now, self.job.run, attempts=1 + self._attempts(pair)) for pair, level in due.items()]
        batch = await asyncio.to_thread(self.log.announce, items, self.job.label, self.started_at, now)
        what = f"{self.what}, {len(due)} updates"
        try:
            reply = await self.client.request(
                "POST",
                f"/merchants/{self.job.merchant_id}/stocks",
                rate=REQUESTS,
                json={"items": [_as_item(item) for item in batch.items]},
                endpoint="stocks",
                scope=SCOPE,
                what=what,
                expected=frozenset({200, 207}),
            )
        except (
            RateLimitedError,
            AuthenticationError,
            PermissionDeniedError,
            NotFoundError,
            ZDirectConfigurationError,
        ):
            # zDirect said, or nobody asked it: nothing of it was carried out.
            await asyncio.to_thread(self.log.withdraw, batch)
            raise
        except BadRequestError as error:
            if len(due) > 1 and self.halves < MAX_HALVES:
                await asyncio.to_thread(self.log.withdraw, batch)
                raise
            description = str(error.title or error.message)[:500]
            answered = [
                replace(item, outcome=REJECTED, code=error.status, description=description) for item in batch.items
            ]
        else:
            answered = outcomes(batch.items, reply.content, what=what)
        self.updates += len(due)
        await asyncio.to_thread(self.log.record, batch, answered)
        await asyncio.to_thread(self.log.refresh)
        return {item.pair for item in answered if item.outcome in AGAIN or self.log.is_older(item.pair)}

    def _attempts(self, pair: Pair) -> int:
        newest = self.log.newest(pair)
        return newest.attempts if newest is not None and self._is_ours(newest) else 0

    # The books

    def _publish(self) -> list[dict[str, Any]]:
        own = self.log.own()
        return self.tables.publish(own) if own else []

    def _close_books(self, closed: list[Batch]) -> None:
        """Publish what zDirect has now, and the results of runs that nobody will finish; put together what they sent.

        :param closed: of this run.
        """
        for batches in self.log.abandoned(self.clock.now()).values():
            self.tables.publish(batches)
            closed = [*closed, *batches]
        self.tables.publish_current(self.log.taken(), self.clock.now())
        # Last: as long as a batch is there, a retry knows what this run has done.
        self.log.put_together(closed)

    def _result(self, plan: _Plan, rows: list[dict[str, Any]]) -> StockUpdateResult:
        return StockUpdateResult(
            merchant_id=self.job.merchant_id,
            uri=self.job.uri(Layout(UPDATES, self.job.merchant_id).merchant),
            feed_time=max(plan.feed.times.values(), default=None),
            rows=plan.feed.count,
            rejected=len(plan.bad),
            rejected_uri=plan.rejected_uri,
            superseded=plan.wanted.superseded,
            sales_channels=plan.channels,
            pairs=len(plan.wanted.levels),
            updates=self.updates,
            open_pieces=plan.wanted.subtracted if plan.orders else None,
            below_zero=len(plan.wanted.below_zero),
            **self._count_left(plan.wanted.levels, rows),
            **count_outcomes(rows),
        )

    def _judged(self, result: StockUpdateResult, bad: list[BadRow]) -> ZDirectError | None:
        log.info(
            "%s: %d updates sent; %d pairs accepted, %d pending, %d rejected, %d failed; %d rows put aside -> %s",
            subject("stock updates", self.job.merchant_id), result.updates, result.accepted, result.pending,
            result.refused, result.failed, result.rejected, result.uri,
        )  # fmt: skip
        if result.came_to_nothing <= self.job.max_rejected:
            return None
        said = (
            f"{self.what}: {what_came_to_nothing(result, bad)}. "
            f"That is more than max_rejected={self.job.max_rejected}. All others were sent."
        )
        remedy = "Correct the feed, the mapping or the articles; the next run sends what is missing."
        if result.failed:
            return ServerError(
                said, remedy=f"A retry of the task sends those again that failed. {remedy}", retry_after=RETRY_AFTER
            )
        return RejectedRecordsError(said, remedy=remedy)


def _batches(due: dict[Pair, Level], size: int) -> Iterable[dict[Pair, Level]]:
    pairs = list(due)
    for start in range(0, len(pairs), size):
        yield {pair: due[pair] for pair in pairs[start : start + size]}


def _as_item(item: Sent) -> dict[str, Any]:
    return {"sales_channel_id": item.pair[0], "ean": item.pair[1], "quantity": item.level.quantity}


def _unmapped(orders: OpenOrders | None) -> list[BadRow]:
    return [
        BadRow(
            Place("order_lines_current", "open orders"),
            f"{pieces} open pieces of {called[:60]!r}, which is neither an EAN nor in the mapping: not subtracted",
            {"external_id": called, "open_pieces": pieces},
        )
        for called, pieces in sorted((orders.unmapped if orders else {}).items())
    ]


def _line(row: BadRow) -> bytes:
    content = {"reason": row.reason, "file": row.place.file, "where": row.place.row, "row": dict(row.row)}
    return json.dumps(content, default=str, ensure_ascii=False).encode() + b"\n"
