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

from airflow_provider_zdirect.stocks.feed import BadRow, Feed, FeedRow
from airflow_provider_zdirect.stocks.level import Level, Pair

_Key = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class Piece:
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
    :param below_zero: EANs of which more is ordered than the feed has.
    :param subtracted: open pieces that were subtracted, each EAN counted once; None if orders do not count.
    """

    levels: dict[Pair, Level] = field(default_factory=dict)
    bad: list[BadRow] = field(default_factory=list)
    superseded: int = 0
    below_zero: list[str] = field(default_factory=list)
    subtracted: int | None = None


def wanted_levels(feed: Feed, channels: Iterable[str], open_pieces: OpenPieces | None = None) -> Wanted:
    """The levels that the feed asks for.

    :param channels: sales channels of the rows that name none.
    :param open_pieces: what is subtracted from each level, which is 0 at least.
    """
    wanted = Wanted(bad=list(feed.bad))
    rows = _one_each(feed.rows, wanted)
    below: set[str] = set()
    subtracted: dict[str, int] = {}

    def put(pair: Pair, row: FeedRow) -> None:
        assert row.quantity is not None
        left, known_until = row.quantity, None
        if open_pieces is not None:
            known_until = open_pieces.known_until
            pieces = open_pieces.of(row.ean, row.feed_time)
            subtracted[row.ean] = pieces
            left -= pieces
            if left < 0:
                below.add(row.ean)
        wanted.levels[pair] = Level(max(0, left), row.feed_time, known_until)

    own = {(row.channel, row.ean) for (_, channel), row in rows.items() if channel is not None}
    everywhere = list(dict.fromkeys(channels))
    for row in rows.values():
        if row.quantity is None:
            continue
        if row.channel is not None:
            put((row.channel, row.ean), row)
            continue
        for channel in everywhere:
            if (channel, row.ean) not in own:
                put((channel, row.ean), row)
    wanted.below_zero = sorted(below)
    wanted.subtracted = None if open_pieces is None else sum(subtracted.values())
    return wanted


def _one_each(rows: Iterable[FeedRow], wanted: Wanted) -> dict[_Key, FeedRow]:
    """The row that counts of each EAN and sales channel; without a quantity where none does."""
    groups: dict[_Key, list[FeedRow]] = {}
    for row in rows:
        groups.setdefault((row.ean, row.channel), []).append(row)
    found: dict[_Key, FeedRow] = {}
    for key, group in groups.items():
        newest = max(row.feed_time for row in group)
        first, *others = [row for row in group if row.feed_time == newest]
        wanted.superseded += len(group) - 1 - len(others)
        found[key] = _agreed(first, others, wanted)
    return found


def _agreed(first: FeedRow, others: list[FeedRow], wanted: Wanted) -> FeedRow:
    if any(row.quantity != first.quantity for row in others):
        for row in (first, *others):
            wanted.bad.append(row.bad(_contradiction(row, first, others)))
        return replace(first, quantity=None)
    wanted.bad += [row.bad(f"EAN {row.ean} was in {first.source} already") for row in others]
    if first.quantity is None:
        wanted.bad.append(first.bad())
    return first


def _contradiction(row: FeedRow, first: FeedRow, others: list[FeedRow]) -> str:
    other = next(other for other in (first, *others) if other.quantity != row.quantity)
    said = "no quantity" if other.quantity is None else f"quantity {other.quantity}"
    return f"EAN {row.ean} has quantity {row.quantity} here and {said} in {other.source}; none of them is sent"
