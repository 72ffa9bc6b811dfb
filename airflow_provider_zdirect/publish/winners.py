"""Which row of each record is published, and which published files are outdated by that.

The winner is the row with the greatest version, then the one that was fetched last, then the greatest hash; of equal
ones the one that is published, then the first. But a published row with the content of the winner stays, so that
nothing is written twice. If two published files hold a record, both are written anew: a run must not drop a record from
one file because of another that it does not own.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pyarrow as pa

from airflow_provider_zdirect.publish.key_columns import KeyColumns, KeyRows
from airflow_provider_zdirect.publish.placed_rows import DayPart, Mask, date_of, instant_of
from airflow_provider_zdirect.publish.same_row import Numbers


@dataclass
class Winners:
    """Of all rows of all files, which win.

    :param rows: a mask of all rows.
    :param count: of the rows that win, by file.
    :param places: where they belong, by file.
    :param outdated: published files that have to be written anew.
    :param records: how many records the fetched answers hold of the window itself.
    :param first: time of the earliest of these, and ``last`` of the latest.
    :param holders: how many of these are in each file.
    :param new: how many records no published file holds yet: of the window, and of others.
    """

    rows: Mask
    count: Numbers
    holders: Numbers
    places: dict[int, set[DayPart]] = field(default_factory=lambda: defaultdict(set))
    outdated: set[int] = field(default_factory=set)
    records: int = 0
    first: datetime | None = None
    last: datetime | None = None
    new: tuple[int, int] = (0, 0)


def find_winners(keys: KeyColumns) -> Winners:
    """The winners among the rows of all files that were added."""
    files = len(keys.ends)
    winners = Winners(np.zeros(keys.rows, np.bool_), np.zeros(files, np.int64), np.zeros(files, np.int64))
    for rows in keys.stretches():
        if len(rows.number):
            _add(winners, rows, files)
    return winners


def decide(rows: KeyRows) -> tuple[Mask, Mask]:
    """Masks of the rows that win, and of those whose record is in several published files."""
    records = int(rows.key.max()) + 1
    fetched, held = np.flatnonzero(~rows.held), np.flatnonzero(rows.held)
    times_fetched = np.bincount(rows.key[fetched], minlength=records)
    times_held = np.bincount(rows.key[held], minlength=records)
    single = times_fetched + times_held == 1
    # Nearly all others were published before and are as they were.
    of_fetched, of_held = np.zeros(records, np.int64), np.zeros(records, np.int64)
    of_fetched[rows.key[fetched]], of_held[rows.key[held]] = rows.content[fetched], rows.content[held]
    known = (times_fetched == 1) & (times_held == 1) & (of_fetched == of_held)
    wins = single[rows.key] | (known[rows.key] & rows.held)
    shared = np.zeros_like(wins)
    contested = np.flatnonzero(~(single | known)[rows.key])
    if len(contested):
        _decide_contested(rows, contested, wins, shared)
    return wins, shared


def _decide_contested(rows: KeyRows, contested: Numbers, wins: Mask, shared: Mask) -> None:
    """Enter in the masks the rows of records that have several."""
    by = (-contested, *(each[contested] for each in (rows.held, rows.content, rows.fetched, rows.version, rows.key)))
    order = contested[np.lexsort(by)]
    key, held, content = rows.key[order], rows.held[order], rows.content[order]
    greatest = np.flatnonzero(np.append(key[1:] != key[:-1], True))
    record = np.repeat(np.arange(len(greatest)), np.diff(greatest, prepend=-1))
    files = int(rows.source.max()) + 1
    pairs = np.unique(record[held] * files + rows.source[order][held])
    holders = np.bincount(pairs // files, minlength=len(greatest))[record]
    stays = np.flatnonzero(held & (holders == 1) & (content == content[greatest][record]))
    winner = greatest.copy()
    winner[record[stays]] = stays
    wins[order[winner]] = True
    shared[order[held & (holders > 1)]] = True


def _add(winners: Winners, rows: KeyRows, files: int) -> None:
    """Add what is decided of some rows, which are all rows of their records."""
    wins, shared = decide(rows)
    winners.rows[rows.number[wins]] = True
    winners.count += np.bincount(rows.source[wins], minlength=files)
    places = pa.table({"source": rows.source[wins], "day": rows.day[wins], "own": rows.own[wins]})
    for place in places.group_by(places.column_names, use_threads=False).aggregate([]).to_pylist():
        winners.places[place["source"]].add((date_of(place["day"]), place["own"]))
    winners.outdated.update(np.unique(rows.source[rows.held & (shared | ~wins)]).tolist())

    of_window = np.zeros(int(rows.key.max()) + 1, np.bool_)
    is_held = np.zeros_like(of_window)
    asked = ~rows.held & rows.own
    of_window[rows.key[asked]], is_held[rows.key[rows.held]] = True, True
    winners.holders += np.bincount(rows.source[wins & of_window[rows.key]], minlength=files)
    winners.records += int(of_window.sum())
    if asked.any():
        times = rows.time[asked]
        first, last = instant_of(int(times.min())), instant_of(int(times.max()))
        winners.first = min(winners.first or first, first)
        winners.last = max(winners.last or last, last)
    new = wins & ~is_held[rows.key]
    own, others = winners.new
    winners.new = own + int((new & rows.own).sum()), others + int((new & ~rows.own).sum())
