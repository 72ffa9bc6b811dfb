# SPDX-License-Identifier: Apache-2.0
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
from datetime import datetime
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from airflow_provider_zdirect.datasets.arrow import INSTANT
from airflow_provider_zdirect.publish.placed_rows import Mask, integers
from airflow_provider_zdirect.publish.same_row import Numbers
from airflow_provider_zdirect.stocks.feed import Feed, FeedRow
from airflow_provider_zdirect.stocks.level import LEVELS, PAIRS
from airflow_provider_zdirect.stocks.log_rows import coded, microseconds, pair_keys


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
    rows = feed.rows
    (pairs,) = pair_keys(rows)
    made = {file: microseconds(time) for file, time in feed.times.items()}
    feed_times = coded(rows["file"], lambda file: made.get(file or "", 0))
    quantities = rows["quantity"].fill_null(-1).to_numpy().copy()
    first = _first_of_pair(pairs, feed_times)
    is_newest = feed_times == feed_times[first]
    is_contradicted = np.isin(first, first[is_newest & (quantities != quantities[first])])
    is_first = first == np.arange(rows.num_rows)
    counts = is_first & ~is_contradicted & (quantities >= 0)
    rejected = _rejected(feed, np.flatnonzero(is_newest & ~counts), first, is_contradicted)
    wanted = Wanted(bad=[*feed.bad, *rejected], superseded=int((~is_newest).sum()))
    sources = _sources(rows, counts, dict.fromkeys(channels))
    if open_pieces is not None:
        _subtract(open_pieces, feed, np.unique(np.concatenate([at for _, at in sources])), quantities, wanted)
    known_until = pa.scalar(open_pieces.known_until if open_pieces else None, INSTANT)
    levels = []
    for ids, at in sources:
        columns = {
            "sales_channel_id": ids,
            "ean": rows["ean"].take(pa.array(at)),
            "quantity": quantities[at],
            "feed_time": pa.array(feed_times[at]).cast(INSTANT),
            "orders_time": pa.repeat(known_until, len(at)),
        }
        levels.append(pa.table(columns, schema=LEVELS))
    wanted.levels = pa.concat_tables(levels).unify_dictionaries()
    return wanted


def _first_of_pair(pairs: Numbers, feed_times: Numbers) -> Numbers:
    """For each row, the place of the first row of its pair in the newest file that has it."""
    order = np.lexsort((-feed_times, pairs))
    starts = np.flatnonzero(np.diff(pairs[order], prepend=-1))
    first = np.empty_like(order)
    first[order] = np.repeat(order[starts], np.diff(starts, append=len(order)))
    return first


def _sources(rows: pa.Table, counts: Mask, channels: Iterable[str]) -> list[tuple[pa.ChunkedArray | pa.Array, Numbers]]:
    """The places of the rows that count, with the sales channels that they are for: their own, or one after the other.

    :param channels: of the rows that name none, but for EANs of which a row names that channel.
    """
    eans = integers(rows["ean"])
    is_for_all = _is_for("", rows)
    own, for_all = np.flatnonzero(counts & ~is_for_all), np.flatnonzero(counts & is_for_all)
    sources = [(rows["sales_channel_id"].take(pa.array(own)), own)]
    for each in channels:
        at = for_all[~np.isin(eans[for_all], eans[_is_for(each, rows)])]
        sources.append((pa.repeat(pa.scalar(each, PAIRS.types[0]), len(at)), at))
    return sources


def _is_for(channel: str, rows: pa.Table) -> Mask:
    return coded(rows["sales_channel_id"], lambda named: named == channel) > 0


def _subtract(open_pieces: OpenPieces, feed: Feed, places: Numbers, quantities: Numbers, wanted: Wanted) -> None:
    """Subtract open pieces from the quantities of the rows at these places."""
    eans = integers(feed.rows["ean"])[places]
    places = places[np.isin(eans, np.array([int(ean) for ean in open_pieces.pieces], dtype=np.int64))]
    for at, row in zip(places.tolist(), feed.at(places), strict=True):
        pieces = wanted.subtracted[row.ean] = open_pieces.of(row.ean, feed.times[row.file])
        if pieces > quantities[at]:
            wanted.below_zero.add(row.ean)
        quantities[at] = max(0, quantities[at] - pieces)


def _rejected(feed: Feed, places: Numbers, first: Numbers, is_contradicted: Mask) -> Iterator[FeedRow]:
    """The rows at these places, with the reason.

    :param first: for each row of the feed, the place of the first one of its pair.
    :param is_contradicted: whether the rows of its pair have different quantities.
    """
    looked_at = np.union1d(places, first[places])
    rows = dict(zip(looked_at.tolist(), feed.at(looked_at), strict=True))
    pairs: dict[int, list[FeedRow]] = {}
    for at, row in rows.items():
        pairs.setdefault(int(first[at]), []).append(row)
    for at in places.tolist():
        row, of_pair = rows[at], pairs[int(first[at])]
        reason = f"EAN {row.ean} was in {of_pair[0].source} already"
        if is_contradicted[at]:
            other = next(other for other in of_pair if other.quantity != row.quantity)
            said = "no quantity" if other.quantity is None else f"quantity {other.quantity}"
            reason = (
                f"EAN {row.ean} has quantity {row.quantity} here and {said} in {other.source}; none of them is sent"
            )
        content = row.content or {"ean": row.ean, "quantity": row.quantity, "sales_channel_id": row.channel}
        yield replace(row, reason=row.reason or reason, content=content)
