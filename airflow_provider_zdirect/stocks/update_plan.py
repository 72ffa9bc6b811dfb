# SPDX-License-Identifier: Apache-2.0
"""What a run has to send, found out before its first update: feed, mapping, open orders, sales channels."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from airflow_provider_zdirect.client import ZDirectClient
from airflow_provider_zdirect.exceptions import RejectedRecordsError
from airflow_provider_zdirect.merchant_files.tables import TableFile
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.stocks.channels import live_channels
from airflow_provider_zdirect.stocks.feed import FeedFiles, FeedRow, SkuMapping
from airflow_provider_zdirect.stocks.open_orders import OrdersWanted, open_orders
from airflow_provider_zdirect.stocks.results import UPDATES
from airflow_provider_zdirect.stocks.wanted_levels import OpenPieces, wanted_levels
from airflow_provider_zdirect.words import counted

log = logging.getLogger(__name__)

SHOWN = 5
"""Rows that a log line or an error names."""


@dataclass(frozen=True)
class StockUpdateJob:
    """One merchant's stock.

    :param feed: where the merchant's figures are.
    :param run: attempts with the same key continue one another; two that run at the same time need different keys.
    :param label: the run, as the results name it.
    :param mapping: a file with ``merchant_sku`` and ``ean``; None: there are EANs only.
    :param sales_channel_ids: for the rows that name none; empty: all that are live.
    :param orders: which open orders are subtracted; None: none.
    :param full_sync: send also what zDirect has taken already.
    :param resend_after: send a level again that was taken longer ago; None: never.
    :param max_rejected: rows and updates that may be rejected or fail before the run fails.
    """

    place: Place
    feed: FeedFiles
    run: str
    label: str
    mapping: TableFile | None = None
    sales_channel_ids: tuple[str, ...] = ()
    orders: OrdersWanted | None = None
    full_sync: bool = False
    resend_after: timedelta | None = None
    max_rejected: int = 0


@dataclass(frozen=True)
class UpdatePlan:
    """The levels that zDirect is to have.

    :param levels: a row for each pair of sales channel and EAN.
    :param bad: rows of the feed and articles of open orders that were rejected.
    :param counts: of all this, for the result.
    """

    levels: pa.Table
    bad: Sequence[FeedRow]
    counts: dict[str, Any]


async def make_plan(job: StockUpdateJob, client: ZDirectClient, now: datetime) -> UpdatePlan | None:
    """Read everything; None if there is no feed."""
    what = f"Stock of merchant {job.place.merchant}"
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
    if "" in feed.rows["sales_channel_id"].unique().to_pylist():
        channels = job.sales_channel_ids or await live_channels(client, job.place.merchant_id)
    wanted = wanted_levels(feed, channels, orders)
    if wanted.below_zero:
        log.warning(
            "%s: of %s more is ordered than the feed has, so the level is 0: %s.",
            what, counted(len(wanted.below_zero), "EAN"), ", ".join(sorted(wanted.below_zero)[:SHOWN]),
        )  # fmt: skip
    unmapped = _unmapped(orders) if orders else []
    bad, feed_time = wanted.bad + unmapped, max(feed.times.values())
    uri = await asyncio.to_thread(_keep_bad, job, feed_time, bad, what)
    if len(unmapped) > job.max_rejected:
        raise RejectedRecordsError(
            f"{what}: open orders have {counted(len(unmapped), 'article')} with neither an EAN nor an entry in the "
            f"mapping ({uri}). "
            "Their pieces would not be subtracted, and be sold again. That is more than "
            f"max_rejected={job.max_rejected}. Nothing was sent.",
            remedy="Add them to the mapping file (mapping_path).",
        )
    counts = {
        "feed_time": feed_time.isoformat(),
        "rows": feed.count,
        "rejected": len(bad),
        "rejected_uri": uri,
        "superseded": wanted.superseded,
        "sales_channels": len(channels),
        "pairs": wanted.levels.num_rows,
        "open_pieces": sum(wanted.subtracted.values()) if orders else None,
        "below_zero": len(wanted.below_zero),
    }
    return UpdatePlan(wanted.levels, bad, counts)


def _unmapped(orders: OpenPieces) -> list[FeedRow]:
    return [
        FeedRow(
            "order_lines_current",
            "open orders",
            f"{counted(pieces, 'open piece')} of {called[:60]!r}, which is neither an EAN nor in the "
            "mapping: not subtracted",
            {"external_id": called, "open_pieces": pieces},
        )
        for called, pieces in sorted(orders.unmapped.items())
    ]


def _keep_bad(job: StockUpdateJob, feed_time: datetime, bad: Sequence[FeedRow], what: str) -> str | None:
    """Write what was rejected, in place of what a former try of this run has; where it is."""
    path = f"_rejected/{job.place.layout(UPDATES).published(feed_time.date())}/{job.run}.jsonl.gz"
    if not bad:
        job.place.store.delete(path)
        return None
    job.place.store.write(path, gzip.compress(b"".join(map(_line, bad)), mtime=0))
    for row in bad[:SHOWN]:
        log.warning("%s, %s: %s.", what, row.source, row.reason)
    more = f"and {len(bad) - SHOWN} more; " if len(bad) > SHOWN else ""
    count = counted(len(bad), "row was", "rows were")
    log.warning("%s: %s%s rejected, see %s.", what, more, count, job.place.uri_of(path))
    return job.place.uri_of(path)


def _line(row: FeedRow) -> bytes:
    content = {"reason": row.reason, "file": row.file, "where": row.where, "row": dict(row.content or {})}
    return json.dumps(content, default=str, ensure_ascii=False).encode() + b"\n"
