"""The log of sent levels: small objects beside the data, which any number of runs write at once.

    <base>/_sent/stock_updates/merchant_id=<id>/<run>-<sent at>-<random>.parquet    one batch
    <base>/_sent/stock_updates/merchant_id=<id>/levels-<random>.parquet             older batches in one, confirmations

A batch is written before its request, without outcomes, and once more after the answer. So nothing can be at zDirect
that is not in the log, whenever a process dies. Of each sales channel and EAN two rows count: the newest (by its
version, not by when it was sent), and the newest that zDirect has taken. They are the same in whatever order the
objects are read, and however often a row is in several of them. That is why batches can be compacted to ``levels``
without any lock: first the new object is written, then those are deleted that are in it.

A pair is *doubtful* if zDirect may have another level than the newest one: another run has sent an older one after it,
or shortly before it, and requests may overtake each other on their way.

A level that a newer feed repeats is not sent, but *confirmed*: its newer version is written down, since a feed between
the two must not replace it. If another run has sent a different level without seeing the confirmation, what zDirect has
taken differs from what was confirmed, and the pair is doubtful.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.publish.read import read_published
from airflow_provider_zdirect.stocks.level import CONFIRMED, REJECTED, TAKEN, Level, Pair, Sent
from airflow_provider_zdirect.stocks.sent_rows import as_table, of_table
from airflow_provider_zdirect.storage.row_files import parquet_bytes, parquet_table

SLACK = timedelta(minutes=15)
"""A request of which its sender never heard again may have arrived this much later: the longest that a client waits."""

ABANDONED = timedelta(days=1)
"""After that a run is not retried any more; others publish its results and compact its batches."""

_LEVELS = "levels-"
_META = b"zdirect"


@dataclass(frozen=True)
class Batch:
    """An object of the log.

    :param run: key of the run that sent it; blank for ``levels``.
    :param label: the run as people name it.
    :param started_at: when that run began to send; distinguishes its passes.
    :param address: of the zDirect that it was sent to.
    :param items: of a batch: sent with one request.
    """

    name: str
    run: str
    label: str
    started_at: datetime
    address: str
    items: tuple[Sent, ...]

    @property
    def is_open(self) -> bool:
        return self.run != "" and any(item.outcome is None for item in self.items)

    @property
    def sent_at(self) -> datetime:
        return self.items[0].sent_at

    def as_bytes(self) -> bytes:
        meta = [self.run, self.label, self.started_at.isoformat(), self.address]
        return parquet_bytes(as_table(self.items).replace_schema_metadata({_META: json.dumps(meta)}))

    @classmethod
    def of_bytes(cls, name: str, data: bytes) -> Batch:
        table = parquet_table(data)
        run, label, started_at, address = json.loads((table.schema.metadata or {})[_META])
        return cls(name, run, label, datetime.fromisoformat(started_at), address, tuple(of_table(table)))


class Newest:
    """The newest of each pair, and the newest that zDirect has taken."""

    def __init__(self) -> None:
        self.all: dict[Pair, Sent] = {}
        self.taken: dict[Pair, Sent] = {}

    def add(self, items: Iterable[Sent]) -> None:
        for item in items:
            for kept in (self.all, self.taken) if item.outcome in TAKEN else (self.all,):
                known = kept.get(item.pair)
                if known is None or known.order < item.order:
                    kept[item.pair] = item

    def items(self) -> Iterator[Sent]:
        yield from self.taken.values()
        yield from (item for pair, item in self.all.items() if item is not self.taken.get(pair))


class SentLog:
    """The log of one merchant, as far as it was read.

    :param run: key of the run that reads it.
    :param address: of the zDirect that it sends to.
    """

    def __init__(self, place: Place, run: str, address: str) -> None:
        self._place = place
        self._store = place.store
        self._folder = f"_sent/{place.layout('stock_updates').merchant}"
        self._run = run
        self._address = address
        self._batches: dict[str, Batch] = {}
        self._newest = Newest()
        self._last: dict[Pair, dict[str, Sent]] = {}

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
        if self._batches.keys() - set(names):
            self._batches = {name: self._batches[name] for name in names}
            self._last = {}
            for batch in self._batches.values():
                self._note_last(batch)

    def _add(self, batch: Batch) -> None:
        if batch.address != self._address:
            raise ZDirectConfigurationError(
                f"{self._store.full(self._folder)} records what {batch.address} has, and this run sends to "
                f"{self._address}. Nothing was sent.",
                remedy="Give each environment a base_path of its own. If it is the same zDirect under another address, "
                "delete that folder, and run once with full_sync.",
            )
        self._batches[batch.name] = batch
        self._newest.add(batch.items)
        self._note_last(batch)

    def _note_last(self, batch: Batch) -> None:
        """Remember what each run has sent last of each pair, unless zDirect does not have it."""
        for item in batch.items if batch.run else ():
            if item.outcome != REJECTED:
                last = self._last.setdefault(item.pair, {})
                if item.run not in last or last[item.run].sent_at <= item.sent_at:
                    last[item.run] = item

    def newest(self, pair: Pair) -> Sent | None:
        """The newest level that any run has sent, is sending or has confirmed."""
        return self._newest.all.get(pair)

    def taken(self) -> Iterator[Sent]:
        """The newest level of each pair that zDirect has taken, with the version that was confirmed last."""
        for pair, item in self._newest.taken.items():
            newest = self._newest.all[pair]
            is_confirmed = newest.outcome == CONFIRMED and newest.level.quantity == item.level.quantity
            yield replace(item, level=newest.level, run=newest.run) if is_confirmed else item

    def is_older(self, pair: Pair) -> bool:
        """Whether the last level that this run has sent is older than the newest one, and may have replaced it."""
        last, newest = self._last.get(pair, {}).get(self._run), self.newest(pair)
        return last is not None and newest is not None and last.is_older(newest)

    def is_unanswered(self, pair: Pair) -> bool:
        """Whether it is not known what zDirect did with the last level that this run has sent.

        It is sent again even if another run has sent it since: each update of a run ends with an outcome.
        """
        last = self._last.get(pair, {}).get(self._run)
        return last is not None and last.outcome not in TAKEN

    def is_doubtful(self, pair: Pair) -> bool:
        """Whether zDirect may have another level than the newest one, as far as this run has to care."""
        newest = self.newest(pair)
        if newest is None:
            return False
        taken = self._newest.taken.get(pair)
        if newest.outcome == CONFIRMED and (taken is None or taken.level.quantity != newest.level.quantity):
            return True
        others = self._last.get(pair, {}).values()
        return self.is_older(pair) or any(_may_replace(item, newest) for item in others)

    def own(self) -> list[Batch]:
        """This run's batches, in the order in which they were sent."""
        return self._by_run().get(self._run, [])

    def abandoned(self, now: datetime) -> list[list[Batch]]:
        """The batches of runs that will not be retried any more, by run."""
        found = (batches for run, batches in self._by_run().items() if run != self._run)
        return [batches for batches in found if batches[-1].sent_at < now - ABANDONED]

    def _by_run(self) -> dict[str, list[Batch]]:
        found: dict[str, list[Batch]] = {}
        batches = (batch for batch in self._batches.values() if batch.run)
        for batch in sorted(batches, key=lambda batch: batch.sent_at):
            found.setdefault(batch.run, []).append(batch)
        return found

    def announce(self, items: list[Sent], label: str, started_at: datetime, now: datetime) -> Batch:
        """Write down a batch before its request."""
        # After all that is known to have been sent, whatever the clocks of others say.
        known = (self.newest(item.pair) for item in items)
        before = [batch.sent_at for batch in self.own()] + [item.sent_at for item in known if item is not None]
        sent_at = max([now.astimezone(UTC), *(time + timedelta(microseconds=1) for time in before)])
        name = f"{self._run}-{sent_at.strftime('%Y%m%dT%H%M%S.%fZ')}-{uuid.uuid4().hex[:8]}.parquet"
        stamped = tuple(replace(item, sent_at=sent_at, run=self._run) for item in items)
        batch = Batch(name, self._run, label, started_at, self._address, stamped)
        self._write(batch)
        self._batches[name] = batch
        return batch

    def record(self, batch: Batch, answered: list[Sent]) -> None:
        """Write down its outcomes."""
        done = replace(batch, items=tuple(answered))
        self._write(done)
        self._add(done)

    def withdraw(self, batch: Batch) -> None:
        """Forget a batch of which it is certain that it was not carried out."""
        self._store.delete(f"{self._folder}/{batch.name}")
        del self._batches[batch.name]

    def confirm(self, levels: Mapping[Pair, Level]) -> None:
        """Write down newer versions of levels that zDirect has taken."""
        newest = self._newest.all
        self._write_levels(
            replace(newest[pair], level=level, run=self._run, outcome=CONFIRMED) for pair, level in levels.items()
        )

    def compact(self, batches: Iterable[Batch]) -> None:
        """Make one object of these batches and of all levels, and delete them."""
        self.refresh()
        names = {batch.name for batch in batches}
        gone = [batch for batch in self._batches.values() if batch.name in names]
        levels = [batch for batch in self._batches.values() if not batch.run]
        if not gone and len(levels) < 2:
            return
        newest = Newest()
        for batch in [*gone, *levels]:
            newest.add(batch.items)
        for batch in gone:
            newest.add(self._doubts(batch))
        # A level and its confirmation become one row. Of this run only, which has looked again since: no other
        # run can have sent a different level without seeing the confirmation.
        newest.add(item for item in self.taken() if item.run == self._run and not self.is_doubtful(item.pair))
        self._write_levels(newest.items())
        for batch in [*gone, *levels]:
            self._store.delete(f"{self._folder}/{batch.name}")

    def _doubts(self, batch: Batch) -> Iterator[Sent]:
        """What remains of another run's batch when it is gone: pairs whose newest level has to be sent again."""
        for item in batch.items if batch.run != self._run else ():
            newest = self._newest.all[item.pair]
            if self._last.get(item.pair, {}).get(item.run) is item and _may_replace(item, newest):
                at = max(item.sent_at, newest.sent_at) + timedelta(microseconds=1)
                yield replace(newest, sent_at=at, outcome=None, status=None, code=None, description=None)

    def _write(self, batch: Batch) -> None:
        self._store.write(f"{self._folder}/{batch.name}", batch.as_bytes())

    def _write_levels(self, items: Iterable[Sent]) -> None:
        name = f"{_LEVELS}{uuid.uuid4().hex}.parquet"
        self._write(Batch(name, "", "", datetime.min.replace(tzinfo=UTC), self._address, tuple(items)))


def _may_replace(item: Sent, newest: Sent) -> bool:
    """Whether an older level, the last that another run has sent, may have come after the newest one.

    Its run mends that, unless it has died.
    """
    return item.run != newest.run and item.is_older(newest) and newest.sent_at <= item.sent_at + SLACK
