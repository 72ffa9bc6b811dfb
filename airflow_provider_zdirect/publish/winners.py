# SPDX-License-Identifier: Apache-2.0
"""Which row of each record is published, and which published files are outdated by that.

The winner is the row with the greatest version, then the one that was fetched last, then the greatest hash; of equal
ones the one that is published, then the first. But a published row with the content of the winner stays, so that
nothing is written twice. If two published files hold a record, both are rewritten: a run must not drop a record from
one file because of another that it does not own.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.publish.key_columns import KeyColumns, KeyRows
from airflow_provider_zdirect.publish.placed_rows import DayPart, Mask, date_of, instant_of
from airflow_provider_zdirect.publish.same_row import Numbers, codes


@dataclass
class Winners:
    """Of all rows of all files, which win.

    :param rows: a mask of all rows.
    :param count: of the rows that win, by file.
    :param places: where they belong, by file.
    :param outdated: published files that have to be rewritten.
    :param records: how many records the fetched answers hold of the window itself.
    :param first: time of the earliest of these, and ``last`` of the latest.
    :param holders: how many of these are in each file.
    :param miscounted: how many rows that win are of the window without being one of these, or the other way round, by
        file.
    :param new: how many records no published file holds yet: of the window, and of others.
    """

    rows: Mask
    count: Numbers
    holders: Numbers
    miscounted: Numbers
    places: dict[int, set[DayPart]] = field(default_factory=lambda: defaultdict(set))
    outdated: set[int] = field(default_factory=set)
    records: int = 0
    first: datetime | None = None
    last: datetime | None = None
    new: tuple[int, int] = (0, 0)


def find_winners(keys: KeyColumns) -> Winners:
    """The winners among the rows of all files that were added."""
    files = len(keys.ends)
    count, holders, miscounted = np.zeros((3, files), np.int64)
    winners = Winners(np.zeros(keys.rows, np.bool_), count, holders, miscounted)
    for rows in keys.stretches():
        if len(rows.number):
            _add(winners, rows, files)
    return winners


def decide(rows: KeyRows) -> tuple[Mask, Mask, Numbers]:
    """Masks of the rows that win, and of those whose record is in several published files; the number of the record.

    Nearly all records are alone at their time, or were published before and are as they were: these have the time and
    the content in common. Only what identifies the others is compared.
    """
    record = rows.near
    wins, contested = _uncontested(record, rows)
    if len(contested):
        record = record.copy()
        near = pa.array(record[contested]).cast(pa.string())
        text = pc.binary_join_element_wise(near, rows.text.take(pa.array(contested)), "\x1f")
        record[contested] = int(record.max()) + 1 + codes(text)
        wins, contested = _uncontested(record, rows)
    shared = np.zeros_like(wins)
    if len(contested):
        _decide_contested(rows, record, contested, wins, shared)
    return wins, shared, record


def _uncontested(record: Numbers, rows: KeyRows) -> tuple[Mask, Numbers]:
    """A mask of the rows that win beyond doubt, and the numbers of those whose record has others."""
    records = int(record.max()) + 1
    fetched, held = np.flatnonzero(~rows.held), np.flatnonzero(rows.held)
    times_fetched = np.bincount(record[fetched], minlength=records)
    times_held = np.bincount(record[held], minlength=records)
    single = times_fetched + times_held == 1
    of_fetched, of_held = np.zeros(records, np.int64), np.zeros(records, np.int64)
    of_fetched[record[fetched]], of_held[record[held]] = rows.content[fetched], rows.content[held]
    known = (times_fetched == 1) & (times_held == 1) & (of_fetched == of_held)
    return single[record] | (known[record] & rows.held), np.flatnonzero(~(single | known)[record])


def _decide_contested(rows: KeyRows, record: Numbers, contested: Numbers, wins: Mask, shared: Mask) -> None:
    """Enter in the masks the rows of records that have several."""
    by = (-contested, *(each[contested] for each in (rows.held, rows.content, rows.fetched, rows.version, record)))
    order = contested[np.lexsort(by)]
    key, held, content = record[order], rows.held[order], rows.content[order]
    greatest = np.flatnonzero(np.append(key[1:] != key[:-1], True))
    group = np.repeat(np.arange(len(greatest)), np.diff(greatest, prepend=-1))
    files = int(rows.source.max()) + 1
    pairs = np.unique(group[held] * files + rows.source[order][held])
    holders = np.bincount(pairs // files, minlength=len(greatest))[group]
    stays = np.flatnonzero(held & (holders == 1) & (content == content[greatest][group]))
    winner = greatest.copy()
    winner[group[stays]] = stays
    wins[order[winner]] = True
    shared[order[held & (holders > 1)]] = True


def _add(winners: Winners, rows: KeyRows, files: int) -> None:
    """Add what is decided of some rows, which are all rows of their records."""
    wins, shared, record = decide(rows)
    winners.rows[rows.number[wins]] = True
    winners.count += np.bincount(rows.source[wins], minlength=files)
    places = pa.table({"source": rows.source[wins], "day": rows.day[wins], "own": rows.own[wins]})
    for place in places.group_by(places.column_names, use_threads=False).aggregate([]).to_pylist():
        winners.places[place["source"]].add((date_of(place["day"]), place["own"]))
    winners.outdated.update(np.unique(rows.source[rows.held & (shared | ~wins)]).tolist())

    of_window = np.zeros(int(record.max()) + 1, np.bool_)
    is_held = np.zeros_like(of_window)
    asked = ~rows.held & rows.own
    of_window[record[asked]], is_held[record[rows.held]] = True, True
    counts = of_window[record]
    winners.holders += np.bincount(rows.source[wins & counts], minlength=files)
    winners.miscounted += np.bincount(rows.source[wins & (counts != rows.own)], minlength=files)
    winners.records += int(of_window.sum())
    if asked.any():
        times = rows.time[asked]
        first, last = instant_of(int(times.min())), instant_of(int(times.max()))
        winners.first = min(winners.first or first, first)
        winners.last = max(winners.last or last, last)
    new = wins & ~is_held[record]
    own, others = winners.new
    winners.new = own + int((new & rows.own).sum()), others + int((new & ~rows.own).sum())
