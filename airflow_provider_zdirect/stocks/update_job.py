"""Which stock levels to send, and what came of it, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fsspec import AbstractFileSystem

from airflow_provider_zdirect.client import checked_merchant_id
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.merchant_files.tables import TableFile
from airflow_provider_zdirect.stocks.feed import BadRow, FeedFiles
from airflow_provider_zdirect.stocks.open_orders import OrdersWanted
from airflow_provider_zdirect.storage.layout import FORMATS
from airflow_provider_zdirect.storage.object_store import ObjectStore

MAX_ATTEMPTS = 4
"""How often an update that failed is sent in one run."""

SHOWN = 5
"""Rows that an error names."""


@dataclass(frozen=True)
class StockUpdateJob:
    """One merchant's stock.

    :param fs: filesystem of the base path.
    :param root: the base path as ``fs`` names it.
    :param base_uri: the base path as people name it.
    :param environment: ``production`` or ``sandbox``, for the lineage columns.
    :param feed: where the merchant's figures are.
    :param mapping: a file with ``merchant_sku`` and ``ean``; None: there are EANs only.
    :param sales_channel_ids: for the rows that name none; empty: all that are live.
    :param orders: which open orders are subtracted; None: none.
    :param full_sync: send also what zDirect has taken already.
    :param resend_after: send a level again that was taken longer ago; None: never.
    :param max_rejected: rows and updates that may come to nothing before the run fails.
    :param run: attempts with the same key continue one another; two that run at the same time need different keys.
    :param label: the run, as the results name it.
    :raises ZDirectConfigurationError: if a value is not usable.
    """

    merchant_id: str
    fs: AbstractFileSystem
    root: str
    base_uri: str
    environment: str
    feed: FeedFiles
    run: str
    label: str
    mapping: TableFile | None = None
    sales_channel_ids: tuple[str, ...] = ()
    orders: OrdersWanted | None = None
    full_sync: bool = False
    resend_after: timedelta | None = None
    max_rejected: int = 0
    format: str = "parquet"

    def __post_init__(self) -> None:
        object.__setattr__(self, "merchant_id", checked_merchant_id(self.merchant_id))
        if self.format not in FORMATS:
            raise ZDirectConfigurationError(
                f"format={self.format!r} is not a format.", remedy=f"Use one of: {', '.join(FORMATS)}."
            )

    @property
    def store(self) -> ObjectStore:
        return ObjectStore(self.fs, self.root)

    def uri(self, path: str) -> str:
        return f"{self.base_uri.rstrip('/')}/{path}"


@dataclass(frozen=True)
class StockUpdateResult:
    """What came of it; small enough for XCom.

    :param rows: of the feed.
    :param rejected: rows that were put aside, and articles of open orders without an EAN.
    :param superseded: rows of which a newer file says something else.
    :param pairs: sales channels and EANs that the feed asks for.
    :param unchanged: pairs of which zDirect has this level already.
    :param outdated: pairs of which a newer feed was sent.
    :param sent: pairs that this run has sent, each once: the sum of the next five.
    :param failed: after all attempts, the last of which failed or had no answer for the pair.
    :param updates: updates that this attempt has sent, those that were repeated included.
    :param open_pieces: pieces of open orders that were subtracted.
    :param below_zero: EANs of which more is ordered than the feed has; their level is 0.
    """

    merchant_id: str
    uri: str
    feed_time: datetime | None
    rows: int
    rejected: int
    rejected_uri: str | None
    superseded: int
    sales_channels: int
    pairs: int
    unchanged: int
    outdated: int
    sent: int
    accepted: int
    pending: int
    refused: int
    failed: int
    updates: int
    open_pieces: int | None
    below_zero: int

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        feed_time = self.feed_time.isoformat() if self.feed_time else None
        return {**self.__dict__, "feed_time": feed_time}

    @property
    def came_to_nothing(self) -> int:
        return self.rejected + self.refused + self.failed


def what_came_to_nothing(result: StockUpdateResult, bad: Sequence[BadRow]) -> str:
    """What of it came to nothing, for the error; the first of the bad rows with their reasons."""
    parts = []
    if bad:
        shown = "; ".join(f"{row.place}: {row.reason}" for row in bad[:SHOWN])
        more = f"; and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        parts.append(f"{len(bad)} rows were put aside ({result.rejected_uri}): {shown}{more}")
    where = f"({result.uri}, column outcome)"
    if result.refused:
        parts.append(f"zDirect rejected {result.refused} updates {where}")
    if result.failed:
        parts.append(f"{result.failed} updates failed {MAX_ATTEMPTS} times {where}")
    return ". ".join(parts)


def count_outcomes(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many of the results are what."""
    outcomes = [row["outcome"] for row in rows]
    return {
        "sent": len(rows),
        "accepted": outcomes.count("accepted"),
        "pending": outcomes.count("pending"),
        "refused": outcomes.count("rejected"),
        "failed": sum(outcome not in ("accepted", "pending", "rejected") for outcome in outcomes),
    }
