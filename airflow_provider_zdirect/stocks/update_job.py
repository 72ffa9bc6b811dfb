"""Which stock levels to send, and the result, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_zdirect.merchant_files.tables import TableFile
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.stocks.feed import BadRow, FeedFiles
from airflow_provider_zdirect.stocks.open_orders import OrdersWanted

MAX_ATTEMPTS = 4
"""How often an update that failed is sent in one run."""

SHOWN = 5
"""Rows that an error names."""


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
class StockUpdateResult:
    """Counts of a run; small enough for XCom.

    :param rows: of the feed.
    :param rejected: rows that were rejected, and articles of open orders without an EAN.
    :param superseded: rows of which a newer file has other ones.
    :param pairs: sales channels and EANs that the feed asks for.
    :param unchanged: pairs whose level zDirect has already.
    :param outdated: pairs of which a newer feed was sent.
    :param sent: pairs that this run has sent, each once: the sum of the next four.
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
        return {**self.__dict__, "feed_time": self.feed_time.isoformat() if self.feed_time else None}

    @property
    def not_applied(self) -> int:
        """Rows and updates that zDirect does not have because of an error."""
        return self.rejected + self.refused + self.failed

    def describe_not_applied(self, bad: Sequence[BadRow]) -> str:
        """For the error; the first of the bad rows with their reasons."""
        parts = []
        if bad:
            shown = "; ".join(f"{row.source}: {row.reason}" for row in bad[:SHOWN])
            more = f"; and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
            parts.append(f"{len(bad)} rows were rejected ({self.rejected_uri}): {shown}{more}")
        where = f"({self.uri}, column outcome)"
        if self.refused:
            parts.append(f"zDirect rejected {self.refused} updates {where}")
        if self.failed:
            parts.append(f"{self.failed} updates failed {MAX_ATTEMPTS} times {where}")
        return ". ".join(parts)


def count_outcomes(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many of the published rows have which outcome."""
    outcomes = [row["outcome"] for row in rows]
    return {
        "sent": len(rows),
        "accepted": outcomes.count("accepted"),
        "pending": outcomes.count("pending"),
        "refused": outcomes.count("rejected"),
        "failed": sum(outcome not in ("accepted", "pending", "rejected") for outcome in outcomes),
    }
