"""From the rows of a feed to the levels that zDirect is to have: one per sales channel and EAN. Pure functions.

* A row without a sales channel is for all of them; one with a sales channel is for that one only, and comes before the
  row for all.
* If several files have the same EAN (and sales channel), the newest file counts; the rows of older ones are superseded.
* In one file it must be there once. A repetition of the same quantity is rejected, and the first row counts; if the
  quantities differ, or one of them is not valid, it is unknown which is right: all of them are rejected.
* A row that is rejected because of its quantity is not replaced by a row for all sales channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from airflow_provider_zdirect.stocks.feed import Feed, FeedRow
from airflow_provider_zdirect.stocks.level import Level, Pair


class Piece(NamedTuple):
    """One piece that a customer has ordered.

    :param shipped_at: None: it is in the warehouse.
    """

    ordered_at: datetime
    shipped_at: datetime | None = None


@dataclass(frozen=True)
class OpenPieces:
    """Pieces that customers have ordered and that are not shipped, or were not when the feed was made.

    :param pieces: by EAN.
    :param known_until: until when orders are known.
    :param since_feed: only what was ordered after the feed was made counts.
    :param unmapped: open pieces by what the order calls the article, where that is not a known EAN.
    """

    pieces: Mapping[str, Sequence[Piece]]
    known_until: datetime
    since_feed: bool = False
    unmapped: Mapping[str, int] = field(default_factory=dict)

    def of(self, ean: str, feed_time: datetime) -> int:
        """Pieces of the EAN that a feed of that time has, and that are not for sale."""
        return sum(
            (piece.shipped_at is None or piece.shipped_at > feed_time)
            and (not self.since_feed or piece.ordered_at >= feed_time)
            for piece in self.pieces.get(ean, ())
        )


@dataclass
class Wanted:
    """What zDirect is to have.

    :param bad: rejected rows.
    :param superseded: rows whose EAN is in a newer file too.
    :param subtracted: open pieces by EAN.
    :param below_zero: EANs of which more is ordered than the feed has.
    """

    levels: dict[Pair, Level] = field(default_factory=dict)
    bad: list[FeedRow] = field(default_factory=list)
    superseded: int = 0
    subtracted: dict[str, int] = field(default_factory=dict)
    below_zero: set[str] = field(default_factory=set)


def wanted_levels(feed: Feed, channels: Iterable[str], open_pieces: OpenPieces | None = None) -> Wanted:
    """The levels that the feed asks for.

    :param channels: sales channels of the rows that name none.
    :param open_pieces: what is subtracted from each level, which is 0 at least.
    """
    wanted = Wanted(bad=list(feed.bad))
    groups: dict[tuple[str, str | None], list[FeedRow]] = {}
    for row in feed.rows:
        groups.setdefault((row.ean, row.channel), []).append(row)
    for (ean, own), group in groups.items():
        feed_time = max(feed.times[row.file] for row in group)
        rows = [row for row in group if feed.times[row.file] == feed_time]
        wanted.superseded += len(group) - len(rows)
        quantity = _agreed(rows, wanted)
        targets = [own] if own else [channel for channel in channels if (ean, channel) not in groups]
        if quantity is None or not targets:
            continue
        known_until = None
        if open_pieces is not None:
            known_until = open_pieces.known_until
            wanted.subtracted[ean] = open_pieces.of(ean, feed_time)
            quantity -= wanted.subtracted[ean]
            if quantity < 0:
                wanted.below_zero.add(ean)
        for channel in targets:
            wanted.levels[channel, ean] = Level(channel, ean, max(0, quantity), feed_time, known_until)
    return wanted


def _agreed(rows: Sequence[FeedRow], wanted: Wanted) -> int | None:
    """The quantity of rows with the same EAN and sales channel; None if it is not valid, or they contradict it."""
    first, *others = rows
    if any(row.quantity != first.quantity for row in others):
        wanted.bad += [_contradicting(row, rows) for row in rows]
        return None
    wanted.bad += [_rejected(row, f"EAN {row.ean} was in {first.source} already") for row in others]
    if first.quantity is None:
        wanted.bad.append(first)
    return first.quantity


def _contradicting(row: FeedRow, rows: Sequence[FeedRow]) -> FeedRow:
    other = next(other for other in rows if other.quantity != row.quantity)
    said = "no quantity" if other.quantity is None else f"quantity {other.quantity}"
    return _rejected(
        row, f"EAN {row.ean} has quantity {row.quantity} here and {said} in {other.source}; none of them is sent"
    )


def _rejected(row: FeedRow, reason: str) -> FeedRow:
    content = row.content or {"ean": row.ean, "quantity": row.quantity, "sales_channel_id": row.channel}
    return replace(row, reason=row.reason or reason, content=content)
