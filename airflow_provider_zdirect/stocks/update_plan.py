"""What a run has to send, found out before its first update: feed, mapping, open orders, sales channels."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from dataclasses import dataclass
from datetime import datetime

from airflow_provider_zdirect.client import ZDirectClient
from airflow_provider_zdirect.exceptions import RejectedRecordsError
from airflow_provider_zdirect.stocks.channels import live_channels
from airflow_provider_zdirect.stocks.feed import BadRow, Feed, SkuMapping
from airflow_provider_zdirect.stocks.level import Level, Pair
from airflow_provider_zdirect.stocks.open_orders import OpenOrders, open_orders
from airflow_provider_zdirect.stocks.results import UPDATES
from airflow_provider_zdirect.stocks.update_job import SHOWN, StockUpdateJob
from airflow_provider_zdirect.stocks.wanted import Wanted, needs_channels, wanted_levels

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class UpdatePlan:
    """The levels that zDirect is to have.

    :param orders: None if none are subtracted.
    :param channels: how many sales channels there are; 0 if each row names its own.
    :param bad: rows of the feed and articles of open orders that were rejected.
    :param rejected_uri: where they are; None if there are none.
    """

    feed: Feed
    wanted: Wanted
    orders: OpenOrders | None
    channels: int
    bad: list[BadRow]
    rejected_uri: str | None

    @property
    def levels(self) -> dict[Pair, Level]:
        return self.wanted.levels


async def make_plan(job: StockUpdateJob, client: ZDirectClient, now: datetime) -> UpdatePlan | None:
    """Read everything; None if there is no feed."""
    what = f"Stock of merchant {job.place.merchant_id}"
    files = await asyncio.to_thread(job.feed.find)
    if not files:
        return None
    mapping = await asyncio.to_thread(SkuMapping.read, job.mapping) if job.mapping else None
    feed = await asyncio.to_thread(job.feed.read, files, mapping, now)
    orders = None
    if job.orders is not None:
        oldest = min(feed.times.values())
        orders = await asyncio.to_thread(open_orders, job.place, job.orders, mapping or SkuMapping(), now, oldest)
    channels: tuple[str, ...] = ()
    if needs_channels(feed):
        channels = job.sales_channel_ids or await live_channels(client, job.place.merchant_id)
    since_feed = job.orders is not None and job.orders.since_feed
    wanted = wanted_levels(feed, channels, orders.pieces if orders else None, since_feed=since_feed)
    if wanted.below_zero:
        log.warning(
            "%s: of %d EANs more is ordered than the feed has; their level is 0: %s.",
            what, len(wanted.below_zero), ", ".join(wanted.below_zero[:SHOWN]),
        )  # fmt: skip
    unmapped = _unmapped(orders)
    bad = [*wanted.bad, *unmapped]
    uri = await asyncio.to_thread(_keep_bad, job, max(feed.times.values()), bad, what)
    if len(unmapped) > job.max_rejected:
        raise RejectedRecordsError(
            f"{what}: open orders have {len(unmapped)} articles that are neither EANs nor in the mapping ({uri}). "
            "Their pieces would not be subtracted, and be sold again. That is more than "
            f"max_rejected={job.max_rejected}. Nothing was sent.",
            remedy="Add them to the mapping file (mapping_path).",
        )
    return UpdatePlan(feed, wanted, orders, len(channels), bad, uri)


def _unmapped(orders: OpenOrders | None) -> list[BadRow]:
    return [
        BadRow(
            "order_lines_current",
            "open orders",
            f"{pieces} open pieces of {called[:60]!r}, which is neither an EAN nor in the mapping: not subtracted",
            {"external_id": called, "open_pieces": pieces},
        )
        for called, pieces in sorted((orders.unmapped if orders else {}).items())
    ]


def _keep_bad(job: StockUpdateJob, feed_time: datetime, bad: list[BadRow], what: str) -> str | None:
    """Write what was rejected, in place of what a former try of this run has."""
    path = f"_rejected/{job.place.layout(UPDATES).published(feed_time.date())}/{job.run}.jsonl.gz"
    if not bad:
        job.place.store.delete(path)
        return None
    job.place.store.write(path, gzip.compress(b"".join(map(_line, bad)), mtime=0))
    for row in bad[:SHOWN]:
        log.warning("%s, %s: %s.", what, row.source, row.reason)
    more = f"and {len(bad) - SHOWN} more; " if len(bad) > SHOWN else ""
    log.warning("%s: %s%d rows were rejected, see %s.", what, more, len(bad), job.place.uri_of(path))
    return job.place.uri_of(path)


def _line(row: BadRow) -> bytes:
    content = {"reason": row.reason, "file": row.file, "where": row.where, "row": dict(row.row)}
    return json.dumps(content, default=str, ensure_ascii=False).encode() + b"\n"
