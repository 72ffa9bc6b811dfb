"""From the rows of a feed to the levels that zDirect is to have: one per sales channel and EAN. Pure functions.

* A row without a sales channel is for all of them; one with a sales channel is for that one only, and comes before the
  row for all.
* If several files have the same EAN (and sales channel), the newest file counts; the rows of older ones are superseded.
* In one file it must be there once. A repetition of the same quantity is rejected, and the first row counts; if the
  quantities differ, or one of them is not valid, it is unknown which is right: all of them are rejected.
* A row that is rejected because of its quantity is not replaced by a row for all sales channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from airflow_provider_zdirect.datasets.arrow import INSTANT
from airflow_provider_zdirect.merchant_files.plain_rows import Flags
from airflow_provider_zdirect.publish.placed_rows import EPOCH
from airflow_provider_zdirect.stocks.feed import Feed, FeedRow, rows_of
from airflow_provider_zdirect.stocks.level import LEVELS, Level, as_table
from airflow_provider_zdirect.stocks.log_rows import coded, pair_keys


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

    :param levels: one for each pair of sales channel and EAN.
    :param bad: rejected rows.
    :param superseded: rows whose EAN is in a newer file too.
    :param subtracted: open pieces by EAN.
    :param below_zero: EANs of which more is ordered than the feed has.
    """

    levels: pa.Table = field(default_factory=LEVELS.empty_table)
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
    channels = list(dict.fromkeys(channels))
    known_until = open_pieces.known_until if open_pieces else None
    is_simple = _are_simple(feed, open_pieces.pieces if open_pieces else ())
    files = list(feed.times)
    rows = [*rows_of(feed.plain.filter(~is_simple)), *feed.rows]
    rows.sort(key=lambda row: (files.index(row.file), int(row.where.rpartition(" ")[2])))
    groups: dict[tuple[str, str | None], list[FeedRow]] = {}
    for row in rows:
        groups.setdefault((row.ean, row.channel), []).append(row)
    levels: list[Level] = []
    for (ean, own), group in groups.items():
        feed_time = max(feed.times[row.file] for row in group)
        rows = [row for row in group if feed.times[row.file] == feed_time]
        wanted.superseded += len(group) - len(rows)
        quantity = _agreed(rows, wanted)
        targets = [own] if own else [channel for channel in channels if (ean, channel) not in groups]
        if quantity is None or not targets:
            continue
        if open_pieces is not None:
            wanted.subtracted[ean] = open_pieces.of(ean, feed_time)
            quantity -= wanted.subtracted[ean]
            if quantity < 0:
                wanted.below_zero.add(ean)
        levels += [Level(channel, ean, max(0, quantity), feed_time, known_until) for channel in targets]
    simple = _simple_levels(feed.plain.filter(is_simple), channels, feed.times, known_until)
    wanted.levels = pa.concat_tables([*simple, as_table(levels, LEVELS)]).unify_dictionaries()
    return wanted


def _are_simple(feed: Feed, ordered: Iterable[str]) -> Flags:
    """Which plain rows say all there is to say of their EAN, alone or with rows for other sales channels.

    :param ordered: EANs from which something may have to be subtracted.
    """
    (pairs,) = pair_keys(feed.plain)
    eans = feed.plain["ean"].cast(pa.int64()).to_numpy()
    is_for_all = coded(feed.plain["sales_channel_id"], lambda channel: not channel) > 0
    order = np.argsort(pairs, kind="stable")
    repeated = order[1:][pairs[order[1:]] == pairs[order[:-1]]]
    both = np.intersect1d(eans[is_for_all], eans[~is_for_all])
    others = np.array([int(ean) for ean in (*ordered, *(row.ean for row in feed.rows))], dtype=np.int64)
    return ~np.isin(eans, np.concatenate([eans[repeated], both, others]))


def _simple_levels(
    rows: pa.Table, channels: Iterable[str], times: Mapping[str, datetime], known_until: datetime | None
) -> Iterator[pa.Table]:
    """The levels of plain rows: those with a sales channel first."""
    is_for_all = coded(rows["sales_channel_id"], lambda channel: not channel) > 0
    own, for_all = rows.filter(~is_for_all), rows.filter(is_for_all)
    for channel, table in [(None, own), *((channel, for_all) for channel in channels)]:
        feed_times = coded(table["file"], lambda file: (times[file or ""] - EPOCH) // timedelta(microseconds=1))
        columns = {
            "sales_channel_id": pa.repeat(channel, table.num_rows).dictionary_encode()
            if channel
            else table["sales_channel_id"],
            "ean": table["ean"],
            "quantity": table["quantity"],
            "feed_time": pa.array(feed_times).cast(INSTANT),
            "orders_time": pa.repeat(pa.scalar(known_until, INSTANT), table.num_rows),
        }
        yield pa.table(columns, schema=LEVELS)


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
