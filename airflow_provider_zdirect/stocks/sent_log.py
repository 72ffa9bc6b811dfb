# SPDX-License-Identifier: Apache-2.0
"""The log of sent levels: small objects beside the data, which any number of runs write at once.

    <base>/_sent/stock_updates/merchant_id=<id>/<run>-<sent at>-<random>.parquet    one batch
    <base>/_sent/stock_updates/merchant_id=<id>/levels-<random>.parquet             what ended runs have left, in one

A batch is written before its request, without outcomes, and once more after the answer. So nothing can be at zDirect
that is not in the log, whenever a process dies. Of each pair of sales channel and EAN, three things count: the newest
level (by its version, not by when it was sent), the newest that zDirect has taken, and what each run that has not ended
sent last. They are the same in whatever order the objects are read, and however often a row is in several of them.
That is why batches can be compacted to ``levels`` without any lock: first the new object is written, then those are
deleted that are in it.

A pair is *doubtful* if zDirect may have another level than the newest one: a run that has not ended has sent an older
one after it, or shortly before it, and requests may overtake each other on their way.

A level that a newer feed repeats is not sent, but *confirmed*: it is announced like any other, since a feed between the
two must not replace it; and if zDirect still has the same level then, that takes the place of an answer.

There may be a million pairs, most of which zDirect has as they are wanted. That is found in columns (:mod:`.log_rows`);
the others are *watched*: what counts of them is known pair by pair while they are sent.
"""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from operator import attrgetter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.publish.placed_rows import Mask
from airflow_provider_zdirect.publish.read import read_published
from airflow_provider_zdirect.publish.same_row import Numbers
from airflow_provider_zdirect.stocks.level import (
    ANSWERED,
    COLUMNS,
    NEVER,
    REJECTED,
    SCHEMA,
    TAKEN,
    TEXTS,
    Level,
    Pair,
    Sent,
    as_table,
    levels_of,
    of_table,
)
from airflow_provider_zdirect.stocks.log_rows import (
    coded,
    compared_versions,
    ended,
    is_rejected,
    is_taken,
    is_unsettled,
    log_table,
    microseconds,
    newest_rows,
    of_pairs,
    pair_keys,
    times,
)
from airflow_provider_zdirect.storage.damaged import naming_damaged
from airflow_provider_zdirect.storage.row_files import parquet_bytes

SLACK = timedelta(minutes=15)
"""A request of which its sender never heard again may have arrived this much later: the longest that a client waits."""

ABANDONED = timedelta(days=1)
"""After that a run is not retried any more; others publish its results and compact its batches."""

STANDING = [name for name in SCHEMA.names if name not in ("sales_channel_id", "ean", "attempts")]

_META = b"zdirect"


@dataclass(frozen=True)
class Batch:
    """An object of the log.

    :param run: key of the run that sent it; blank for ``levels``.
    :param label: the run as people name it.
    :param started_at: when that run began to send; distinguishes its passes.
    :param sent_at: when it was announced.
    :param address: of the zDirect that it was sent to.
    :param rows: of a batch: sent with one request; in the order of ``SCHEMA``.
    """

    name: str
    run: str
    label: str
    started_at: datetime
    sent_at: datetime
    address: str
    rows: pa.Table

    @property
    def items(self) -> tuple[Sent, ...]:
        return of_table(self.rows)

    @property
    def is_open(self) -> bool:
        return self.run != "" and self.rows["outcome"].null_count > 0

    def as_bytes(self) -> bytes:
        meta = [self.run, self.label, self.started_at.isoformat(), self.sent_at.isoformat(), self.address]
        return parquet_bytes(self.rows.replace_schema_metadata({_META: json.dumps(meta)}))

    @classmethod
    def of_bytes(cls, name: str, data: bytes) -> Batch:
        """:raises ValueError: and others of :data:`.DAMAGED`, if it is damaged."""
        try:
            table = pq.ParquetFile(io.BytesIO(data), read_dictionary=TEXTS).read(use_threads=False)
        except OSError as error:
            raise ValueError(str(error)) from None
        run, label, started_at, sent_at, address = json.loads(table.schema.metadata[_META])
        began, sent = datetime.fromisoformat(started_at), datetime.fromisoformat(sent_at)
        return cls(name, run, label, began, sent, address, table.replace_schema_metadata().cast(SCHEMA))


class Known:
    """What counts of some pairs: the newest level, and the last of each run."""

    def __init__(self) -> None:
        self.newest: dict[Pair, Sent] = {}
        self.last: dict[Pair, dict[str, Sent]] = {}

    def add(self, items: Iterable[Sent]) -> None:
        for item in items:
            if item.pair not in self.newest or self.newest[item.pair].order < item.order:
                self.newest[item.pair] = item
            # Not what has ended, was not sent, or does not change what zDirect has.
            if item.run and item.attempts and item.outcome != REJECTED:
                last = self.last.setdefault(item.pair, {})
                if item.run not in last or last[item.run].sent_at <= item.sent_at:
                    last[item.run] = item


class SentLog:
    """The log of one merchant, as far as it was read.

    :param run: key of the run that reads it.
    :param label: the run as people name it.
    :param address: of the zDirect that it sends to.
    :param now: when the run began, if it has not sent anything yet.
    """

    def __init__(self, place: Place, run: str, label: str, address: str, now: datetime) -> None:
        self._place = place
        self._store = place.store
        self._folder = f"_sent/{place.layout('stock_updates').merchant}"
        self._run = run
        self._label = label
        self._address = address
        self._batches: dict[str, Batch] = {}
        self._known = Known()
        self._watched: set[Pair] = set()
        self.refresh()
        own = self.own()
        self._started_at = own[0].started_at if own else now

    def refresh(self, written: str = "") -> None:
        """Read what was added since the last time.

        :param written: a batch of this run that is known as it is.
        :raises ZDirectConfigurationError: if it is the log of another zDirect, which has other levels.
        :raises ConcurrentRunError: if other runs keep compacting it.
        """
        read_published(f"Sent stock levels of merchant {self._place.merchant}", lambda: self._read(written))

    def _read(self, written: str) -> None:
        names = [path.rpartition("/")[2] for path in self._store.files(self._folder)]
        for name in names:
            if name not in self._batches or (self._batches[name].is_open and name != written):
                if (data := self._store.read(f"{self._folder}/{name}")) is None:
                    raise FileNotFoundError(name)
                with naming_damaged(f"{self._store.full(self._folder)}/{name}"):
                    batch = Batch.of_bytes(name, data)
                self._add(batch)
        if len(names) < len(self._batches):
            self._batches = {name: self._batches[name] for name in names}

    def _add(self, batch: Batch) -> None:
        if batch.address != self._address:
            raise ZDirectConfigurationError(
                f"{self._store.full(self._folder)} records what {batch.address} has, and this run sends to "
                f"{self._address}. Nothing was sent.",
                remedy="Give each environment a base_path of its own. If it is the same zDirect under another address, "
                "delete that folder, and run once with full_sync.",
            )
        self._batches[batch.name] = batch
        if self._watched:
            rows = batch.rows
            if rows.num_rows > len(self._watched):
                rows = of_pairs(rows, self._watched)
            self._known.add(item for item in of_table(rows) if item.pair in self._watched)

    @property
    def rows(self) -> pa.Table:
        """Those of all batches."""
        tables = [SCHEMA.empty_table(), *(batch.rows for batch in self._batches.values())]
        return pa.concat_tables(tables).unify_dictionaries()

    def watch(self, pairs: Iterable[Pair]) -> None:
        """Know these pairs one by one from now on."""
        if unknown := set(pairs) - self._watched:
            self._watched |= unknown
            self._known.add(of_table(of_pairs(self.rows, unknown)))

    def due(
        self, levels: pa.Table, *, full_sync: bool, resent_before: datetime | None
    ) -> tuple[dict[Pair, Level], pa.Table]:
        """Which of these levels have to be sent, each as its newest version: those that zDirect may not have.

        :param full_sync: what this run has not sent has to be.
        :param resent_before: what was sent until then has to be.
        :returns: also those that zDirect has taken already, of an older version.
        """
        known, order, is_same, is_open = self._standing(levels)
        sent_at = times(known, "sent_at")
        is_ours = (coded(known["run"], lambda run: run == self._run) > 0) & (sent_at >= microseconds(self._started_at))
        has_taken = is_taken(known)
        is_there = is_same & (has_taken | (is_ours & is_rejected(known)))
        if full_sync:
            is_there &= is_ours
        if resent_before is not None:
            is_there &= sent_at > microseconds(resent_before)
        opened = levels_of(levels.filter(is_open))
        self.watch(opened)
        doubtful = {
            pair: max(level, self._known.newest[pair], key=attrgetter("version"))
            for pair, level in opened.items()
            if self.is_doubtful(pair) or self.is_unanswered(pair)
        }
        is_certain = np.ones(levels.num_rows, dtype=bool)
        is_certain[is_open] = [pair not in doubtful for pair in opened]
        due = levels_of(levels.filter(is_certain & (order >= 0) & ~is_there)) | doubtful
        self.watch(due)
        return due, levels.filter(is_certain & (order > 0) & is_there & has_taken)

    def outdated(self, levels: pa.Table) -> tuple[Mask, Mask]:
        """Of which of these levels the log has a pair; and of which of them another level of a newer version."""
        known, order, is_same, _ = self._standing(levels)
        found = known["feed_time"].is_valid().to_numpy()
        return found, found & ~is_same & (order < 0)

    def newest(self, pair: Pair) -> Sent | None:
        """The newest level of a watched pair that any run has sent, is sending or has confirmed."""
        return self._known.newest.get(pair)

    def taken(self) -> pa.Table:
        """The newest level of each pair that zDirect has taken, by sales channel and EAN."""
        rows = self.rows.select([name for name, _ in COLUMNS])
        return rows.take(pa.array(newest_rows(rows, only_taken=True)))

    def is_ours(self, sent: Sent) -> bool:
        """Whether this run has sent it, in this try or a former one."""
        return sent.run == self._run and sent.sent_at >= self._started_at

    def is_older(self, pair: Pair) -> bool:
        """Whether the last level that this run has sent is older than the newest one, and may have replaced it."""
        last, newest = self._own_last(pair), self.newest(pair)
        return last is not None and newest is not None and last.is_older(newest)

    def is_unanswered(self, pair: Pair) -> bool:
        """Whether it is not known what zDirect did with the last level that this run has sent.

        It is sent again even if another run has sent it since: each update of a run ends with an outcome.
        """
        last = self._own_last(pair)
        return last is not None and last.outcome not in TAKEN

    def is_doubtful(self, pair: Pair) -> bool:
        """Whether zDirect may have another level than the newest one, as far as this run has to care."""
        newest, last = self.newest(pair), self._known.last.get(pair, {})
        return newest is not None and (self.is_older(pair) or any(_may_replace(item, newest) for item in last.values()))

    def _own_last(self, pair: Pair) -> Sent | None:
        return self._known.last.get(pair, {}).get(self._run)

    def own(self) -> list[Batch]:
        """This run's batches, in the order in which they were sent."""
        return self._of(self._run)

    def abandoned(self, now: datetime) -> list[list[Batch]]:
        """The batches of runs that will not be retried any more, by run."""
        runs = {batch.run for batch in self._batches.values()} - {"", self._run}
        return [batches for run in sorted(runs) if (batches := self._of(run))[-1].sent_at < now - ABANDONED]

    def _of(self, run: str) -> list[Batch]:
        return sorted((batch for batch in self._batches.values() if batch.run == run), key=lambda each: each.sent_at)

    def announce(self, levels: Iterable[Level], now: datetime) -> Batch:
        """Write down a batch before its request."""
        levels = list(levels)
        self.watch(level.pair for level in levels)
        known = {level.pair: item for level in levels if (item := self.newest(level.pair)) is not None}
        sent_at = self._next_time(now, [item.sent_at for item in known.values()])
        attempts = {pair: item.attempts for pair, item in known.items() if self.is_ours(item)}
        items = [Sent.of(level, sent_at, self._run, attempts=1 + attempts.get(level.pair, 0)) for level in levels]
        return self._announce(as_table(items), sent_at)

    def _next_time(self, now: datetime, known: Iterable[datetime]) -> datetime:
        """After all that is known to have been sent, whatever the clocks of others say."""
        before = [*(batch.sent_at for batch in self.own()), *known]
        return max([now.astimezone(UTC), *(time + timedelta(microseconds=1) for time in before)])

    def _announce(self, rows: pa.Table, sent_at: datetime) -> Batch:
        name = f"{self._run}-{sent_at.strftime('%Y%m%dT%H%M%S.%fZ')}-{uuid.uuid4().hex[:8]}.parquet"
        batch = Batch(name, self._run, self._label, self._started_at, sent_at, self._address, rows)
        self._write(batch)
        self._batches[name] = batch
        return batch

    def record(self, batch: Batch, answered: pa.Table) -> None:
        """Write down its outcomes, and read what others have announced meanwhile."""
        done = replace(batch, rows=answered)
        self._write(done)
        self._add(done)
        self.refresh()

    def withdraw(self, batch: Batch) -> None:
        """Forget a batch of which it is certain that it was not carried out."""
        self._store.delete(f"{self._folder}/{batch.name}")
        del self._batches[batch.name]

    def confirm(self, levels: pa.Table, now: datetime) -> pa.Table:
        """Write down newer versions of levels that zDirect has taken.

        :returns: the levels that it may not have any more.
        """
        sent_at = self._next_time(now, self._standing(levels)[0]["sent_at"].unique().drop_null().to_pylist())
        batch = self._announce(log_table(levels, sent_at=sent_at, attempts=0, run=self._run), sent_at)
        # A run that has looked before that, and sends something older, may not look again.
        self._add(batch)
        self.refresh(written=batch.name)
        before, _, is_same, is_open = self._standing(levels, only_taken=True)
        opened = levels_of(levels.filter(is_open))
        self.watch(opened)
        is_same[is_open] &= np.array([not self.is_doubtful(pair) for pair in opened], dtype=bool)
        self.record(batch, log_table(batch.rows, before.select(ANSWERED)).filter(is_same))
        return levels.filter(~is_same)

    def compact(self, batches: Iterable[Batch]) -> None:
        """Make one object of these batches and of all levels, and delete them: their runs have ended."""
        self.refresh()
        names = {batch.name for batch in batches}
        levels = [batch for batch in self._batches.values() if not batch.run]
        gone = [batch for batch in self._batches.values() if batch.name in names]
        if not gone and len(levels) < 2:
            return
        rows = pa.concat_tables([batch.rows for batch in [*levels, *gone]]).unify_dictionaries()
        # What died without looking again keeps its pair doubtful, until that is sent again.
        unsettled = of_table(rows.filter(is_unsettled(rows)))
        self.watch(item.pair for item in unsettled)
        last = Known()
        last.add(unsettled)
        doubts = [item for of_pair in last.last.values() for item in of_pair.values()]
        doubtful = as_table(item for item in doubts if _may_replace(item, self._known.newest[item.pair]))
        name = f"levels-{uuid.uuid4().hex}.parquet"
        left = pa.concat_tables([ended(rows), doubtful]).unify_dictionaries()
        self._write(Batch(name, "", "", NEVER, NEVER, self._address, left))
        for batch in [*levels, *gone]:
            self._store.delete(f"{self._folder}/{batch.name}")

    def _standing(self, levels: pa.Table, *, only_taken: bool = False) -> tuple[pa.Table, Numbers, Mask, Mask]:
        """The newest row of each level's pair, null if there is none, with what is in it beside the pair.

        :returns: these rows; how the level's version compares to the row's; whether they have the same quantity;
            whether a run that has not ended has sent one of the pair.
        """
        rows = self.rows
        newest = newest_rows(rows, only_taken=only_taken)
        wanted, keys = pair_keys(levels, rows)
        at = np.searchsorted(keys[newest], wanted)
        found, of_found = np.append(newest, -1)[at], np.append(keys[newest], -1)[at]
        known = rows.select(STANDING).take(pa.array(found, mask=of_found != wanted))
        is_same = levels["quantity"].to_numpy() == known["quantity"].to_numpy()
        return known, compared_versions(levels, known), is_same, np.isin(wanted, keys[is_unsettled(rows)])

    def _write(self, batch: Batch) -> None:
        self._store.write(f"{self._folder}/{batch.name}", batch.as_bytes())


def _may_replace(item: Sent, newest: Sent) -> bool:
    """Whether an older level, the last that another run has sent, may have come after the newest one.

    Its run mends that, unless it has died.
    """
    return item.run != newest.run and item.is_older(newest) and newest.sent_at <= item.sent_at + SLACK
