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
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.publish.read import read_published
from airflow_provider_zdirect.stocks.level import REJECTED, TAKEN, Level, Pair, Sent, as_table, of_table
from airflow_provider_zdirect.storage.row_files import parquet_bytes, parquet_table

SLACK = timedelta(minutes=15)
"""A request of which its sender never heard again may have arrived this much later: the longest that a client waits."""

ABANDONED = timedelta(days=1)
"""After that a run is not retried any more; others publish its results and compact its batches."""

_META = b"zdirect"


@dataclass(frozen=True)
class Batch:
    """An object of the log.

    :param run: key of the run that sent it; blank for ``levels``.
    :param label: the run as people name it.
    :param started_at: when that run began to send; distinguishes its passes.
    :param sent_at: when it was announced.
    :param address: of the zDirect that it was sent to.
    :param items: of a batch: sent with one request.
    """

    name: str
    run: str
    label: str
    started_at: datetime
    sent_at: datetime
    address: str
    items: tuple[Sent, ...]

    @property
    def is_open(self) -> bool:
        return self.run != "" and any(item.outcome is None for item in self.items)

    def as_bytes(self) -> bytes:
        meta = [self.run, self.label, self.started_at.isoformat(), self.sent_at.isoformat(), self.address]
        return parquet_bytes(as_table(self.items).replace_schema_metadata({_META: json.dumps(meta)}))

    @classmethod
    def of_bytes(cls, name: str, data: bytes) -> Batch:
        table = parquet_table(data)
        run, label, started_at, sent_at, address = json.loads(table.schema.metadata[_META])
        began, sent = datetime.fromisoformat(started_at), datetime.fromisoformat(sent_at)
        return cls(name, run, label, began, sent, address, of_table(table))


class Known:
    """What counts of each pair: the newest level, the newest that zDirect has taken, and the last of each run."""

    def __init__(self) -> None:
        self.newest: dict[Pair, Sent] = {}
        self.taken: dict[Pair, Sent] = {}
        self.last: dict[Pair, dict[str, Sent]] = {}

    def add(self, items: Iterable[Sent]) -> None:
        for item in items:
            for kept in (self.newest, self.taken) if item.outcome in TAKEN else (self.newest,):
                known = kept.get(item.pair)
                if known is None or known.order < item.order:
                    kept[item.pair] = item
            # Not what has ended, was not sent, or does not change what zDirect has.
            if item.run and item.attempts and item.outcome != REJECTED:
                last = self.last.setdefault(item.pair, {})
                if item.run not in last or last[item.run].sent_at <= item.sent_at:
                    last[item.run] = item

    def ended(self) -> Iterator[Sent]:
        """What is left of runs that have ended."""
        for pair, newest in self.newest.items():
            yield replace(newest, run="")
            if (taken := self.taken.get(pair, newest)) is not newest:
                yield replace(taken, run="")


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
        self.refresh()
        own = self.own()
        self._started_at = own[0].started_at if own else now

    def refresh(self) -> None:
        """Read what was added since the last time.

        :raises ZDirectConfigurationError: if it is the log of another zDirect, which has other levels.
        :raises ConcurrentRunError: if other runs keep compacting it.
        """
        read_published(f"Sent stock levels of merchant {self._place.merchant_id}", self._read)

    def _read(self) -> None:
        names = [path.rpartition("/")[2] for path in self._store.files(self._folder)]
        for name in names:
            if name not in self._batches or self._batches[name].is_open:
                if (data := self._store.read(f"{self._folder}/{name}")) is None:
                    raise FileNotFoundError(name)
                self._add(Batch.of_bytes(name, data))
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
        self._known.add(batch.items)

    def newest(self, pair: Pair) -> Sent | None:
        """The newest level that any run has sent, is sending or has confirmed."""
        return self._known.newest.get(pair)

    def taken(self) -> Iterable[Sent]:
        """The newest level of each pair that zDirect has taken."""
        return self._known.taken.values()

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

    def announce(self, levels: Iterable[Level], now: datetime, *, sends: bool = True) -> Batch:
        """Write down a batch before its request.

        :param sends: whether there will be one; False: the levels are to be confirmed.
        """
        levels = list(levels)
        # After all that is known to have been sent, whatever the clocks of others say.
        known = {level.pair: item for level in levels if (item := self.newest(level.pair)) is not None}
        before = [batch.sent_at for batch in self.own()] + [item.sent_at for item in known.values()]
        sent_at = max([now.astimezone(UTC), *(time + timedelta(microseconds=1) for time in before)])
        name = f"{self._run}-{sent_at.strftime('%Y%m%dT%H%M%S.%fZ')}-{uuid.uuid4().hex[:8]}.parquet"
        attempts = {pair: item.attempts for pair, item in known.items() if self.is_ours(item)}
        items = tuple(
            Sent.of(level, sent_at, self._run, attempts=1 + attempts.get(level.pair, 0) if sends else 0)
            for level in levels
        )
        batch = Batch(name, self._run, self._label, self._started_at, sent_at, self._address, items)
        self._write(batch)
        self._batches[name] = batch
        return batch

    def record(self, batch: Batch, answered: Iterable[Sent]) -> None:
        """Write down its outcomes, and read what others have announced meanwhile."""
        done = replace(batch, items=tuple(answered))
        self._write(done)
        self._add(done)
        self.refresh()

    def withdraw(self, batch: Batch) -> None:
        """Forget a batch of which it is certain that it was not carried out."""
        self._store.delete(f"{self._folder}/{batch.name}")
        del self._batches[batch.name]

    def confirm(self, levels: Iterable[Level], now: datetime) -> set[Pair]:
        """Write down newer versions of levels that zDirect has taken; the pairs of which it still has these levels."""
        batch = self.announce(levels, now, sends=False)
        # A run that has looked before that, and sends something older, may not look again.
        self.refresh()
        confirmed = [done for item in batch.items if (done := self._confirmed(item))]
        self.record(batch, confirmed)
        return {item.pair for item in confirmed}

    def _confirmed(self, item: Sent) -> Sent | None:
        taken = self._known.taken[item.pair]
        if taken.quantity != item.quantity or self.is_doubtful(item.pair):
            return None
        return replace(taken, feed_time=item.feed_time, orders_time=item.orders_time, run=item.run, attempts=0)

    def compact(self, batches: Iterable[Batch]) -> None:
        """Make one object of these batches and of all levels, and delete them: their runs have ended."""
        self.refresh()
        names = {batch.name for batch in batches}
        levels = [batch for batch in self._batches.values() if not batch.run]
        gone = [batch for batch in self._batches.values() if batch.name in names]
        if not gone and len(levels) < 2:
            return
        left = Known()
        for batch in [*levels, *gone]:
            left.add(batch.items)
        # What died without looking again keeps its pair doubtful, until that is sent again.
        doubts = (item for last in left.last.values() for item in last.values())
        items = [*left.ended(), *(item for item in doubts if _may_replace(item, self._known.newest[item.pair]))]
        never = datetime.min.replace(tzinfo=UTC)
        name = f"levels-{uuid.uuid4().hex}.parquet"
        self._write(Batch(name, "", "", never, never, self._address, tuple(items)))
        for batch in [*levels, *gone]:
            self._store.delete(f"{self._folder}/{batch.name}")

    def _write(self, batch: Batch) -> None:
        self._store.write(f"{self._folder}/{batch.name}", batch.as_bytes())


def _may_replace(item: Sent, newest: Sent) -> bool:
    """Whether an older level, the last that another run has sent, may have come after the newest one.

    Its run mends that, unless it has died.
    """
    return item.run != newest.run and item.is_older(newest) and newest.sent_at <= item.sent_at + SLACK
