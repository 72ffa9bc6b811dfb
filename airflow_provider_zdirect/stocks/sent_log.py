"""What was sent, by whom, and what became of it: small objects beside the data, which any number of runs write at once.

    <base>/_sent/stock_updates/merchant_id=<id>/<run>-<sent at>-<random>.json    one batch
    <base>/_sent/stock_updates/merchant_id=<id>/levels-<random>.parquet         what older batches came to, and levels
                                                                                that newer feeds have confirmed

A batch is written before its request, without outcomes, and once more after the answer. So nothing can be at zDirect
that is not in here, whenever a process dies. All objects together tell, of each sales channel and EAN, the newest
level (by its version, not by when it was sent) and what became of it: whatever order they are read in, and however
often the same is in several of them. That is why batches can be put together to ``levels`` and deleted without any
lock: first the new object is written, then those are deleted that are in it.

A pair is *doubtful* if zDirect may have another level than the newest one: somebody has sent an older one after it, or
shortly before it, and requests may overtake each other on their way.

A level that a newer feed repeats is not sent, but *confirmed*: its newer version is written down, since a feed between
the two must not replace it. A confirmation is kept beside what was sent, and holds as long as that is the same level:
who sends another one, and has not seen the confirmation, makes the pair doubtful.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

import pyarrow as pa

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.stocks.level import CONFIRMED, TAKEN, Level, Pair, Sent
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import parquet_bytes, parquet_table

SLACK = timedelta(minutes=15)
"""A request that its sender never heard of again may have come so much later; the longest that a client waits."""

ABANDONED = timedelta(days=1)
"""After that nobody retries a run; others finish its books."""

MAX_LOOKS = 10
_INSTANT = pa.timestamp("us", "UTC")
_LEVELS = pa.schema(
    [
        ("sales_channel_id", pa.string()),
        ("ean", pa.string()),
        ("quantity", pa.int64()),
        ("feed_time", _INSTANT),
        ("orders_time", _INSTANT),
        ("sent_at", _INSTANT),
        ("run", pa.string()),
        ("outcome", pa.string()),
        ("status", pa.string()),
        ("code", pa.int64()),
        ("description", pa.string()),
        ("attempts", pa.int64()),
    ]
)


@dataclass(frozen=True)
class Batch:
    """One request.

    :param name: of its object.
    :param run: key of the run that sent it.
    :param label: the run as people name it.
    :param started_at: when that run began to send; tells its passes apart.
    :param address: of the zDirect that it was sent to.
    """

    name: str
    run: str
    label: str
    started_at: datetime
    sent_at: datetime
    items: tuple[Sent, ...]
    address: str = ""

    @property
    def is_open(self) -> bool:
        return any(item.outcome is None for item in self.items)

    def as_json(self) -> dict[str, Any]:
        return {
            "run": self.run,
            "label": self.label,
            "started_at": self.started_at.isoformat(),
            "sent_at": self.sent_at.isoformat(),
            "address": self.address,
            "items": [
                [
                    *item.pair,
                    item.level.quantity,
                    item.level.feed_time.isoformat(),
                    item.level.orders_time and item.level.orders_time.isoformat(),
                    item.outcome,
                    item.status,
                    item.code,
                    item.description,
                    item.attempts,
                ]
                for item in self.items
            ],
        }

    @classmethod
    def of_json(cls, name: str, content: dict[str, Any]) -> Batch:
        run, sent_at = content["run"], datetime.fromisoformat(content["sent_at"])
        items = tuple(
            Sent(
                (row[0], row[1]),
                Level(row[2], datetime.fromisoformat(row[3]), row[4] and datetime.fromisoformat(row[4])),
                sent_at,
                run,
                *row[5:],
            )
            for row in content["items"]
        )
        started_at = datetime.fromisoformat(content["started_at"])
        return cls(name, run, content["label"], started_at, sent_at, items, content.get("address", ""))


@dataclass
class Fold:
    """The newest of each pair: of what was taken, of what was not, and of what was confirmed."""

    taken: dict[Pair, Sent] = field(default_factory=dict)
    other: dict[Pair, Sent] = field(default_factory=dict)
    confirmed: dict[Pair, Sent] = field(default_factory=dict)
    _known: dict[Pair, Sent] = field(default_factory=dict)

    def add(self, items: Iterable[Sent]) -> None:
        for item in items:
            kept = self.taken if item.outcome in TAKEN else self.confirmed if item.outcome == CONFIRMED else self.other
            known = kept.get(item.pair)
            if known is None or known.order < item.order:
                kept[item.pair] = item
                self._known.pop(item.pair, None)

    def newest(self, pair: Pair) -> Sent | None:
        """The newest level; its outcome is None if it was confirmed, and another one was sent."""
        if pair not in self.confirmed:
            return self._sent(pair)
        if pair in self._known:
            return self._known[pair]
        sent, confirmed = self._sent(pair), self.confirmed[pair]
        if sent is None or confirmed.level.version <= sent.level.version:
            return sent
        newest = replace(sent, level=confirmed.level, run=confirmed.run)
        if sent.outcome not in TAKEN or sent.level.quantity != confirmed.level.quantity:
            newest = replace(confirmed, outcome=None)
        self._known[pair] = newest
        return newest

    def is_contradicted(self, pair: Pair) -> bool:
        """Whether the newest level was confirmed only, and zDirect may have another one."""
        newest = self.newest(pair) if pair in self.confirmed else None
        return newest is not None and newest.outcome is None and newest is not self.other.get(pair)

    def _sent(self, pair: Pair) -> Sent | None:
        taken, other = self.taken.get(pair), self.other.get(pair)
        if taken is None or other is None:
            return taken or other
        return taken if taken.order >= other.order else other

    def items(self) -> Iterator[Sent]:
        """All that still says something."""
        yield from self.taken.values()
        for pair, item in self.other.items():
            if self._sent(pair) is item:
                yield item
        for pair, item in self.confirmed.items():
            sent = self._sent(pair)
            if sent is None or sent.level.version < item.level.version:
                yield item


class SentLog:
    """The log of one merchant, as far as it was read.

    :param run: key of the run that reads it.
    :param address: of the zDirect that it sends to.
    """

    def __init__(self, store: ObjectStore, merchant_id: str, run: str, address: str) -> None:
        self._store = store
        self._address = address
        self._folder = f"_sent/stock_updates/merchant_id={merchant_id}"
        self._run = run
        self._batches: dict[str, Batch] = {}
        self._levels: dict[str, list[Sent]] = {}
        self._fold = Fold()
        self._last: dict[Pair, dict[str, Sent]] = {}

    def refresh(self) -> None:
        """Read what has come since the last time.

        :raises ZDirectConfigurationError: if it is the log of another zDirect, which has other levels.
        """
        for look in range(MAX_LOOKS):
            try:
                self._read()
            except FileNotFoundError:
                # Put together by another run between our listing and our reading; then we look again.
                if look == MAX_LOOKS - 1:
                    raise
            else:
                return

    def _read(self) -> None:
        names = [path.rpartition("/")[2] for path in self._store.files(self._folder)]
        batches = {name: self._batches[name] for name in names if name in self._batches}
        levels = {name: self._levels[name] for name in names if name in self._levels}
        for name in names:
            if name.startswith("levels-") and name not in levels:
                table = parquet_table(self._bytes(name))
                self._check((table.schema.metadata or {}).get(b"address", b"").decode())
                levels[name] = _sent_of(table)
                self._fold.add(levels[name])
            elif name.endswith(".json") and (name not in batches or batches[name].is_open):
                batches[name] = Batch.of_json(name, json.loads(self._bytes(name)))
                self._check(batches[name].address)
                self._fold.add(batches[name].items)
                self._note(batches[name])
        if self._batches.keys() - batches.keys():
            self._last = {}
            for batch in batches.values():
                self._note(batch)
        self._batches, self._levels = batches, levels

    def _note(self, batch: Batch) -> None:
        """Remember what each run has sent last of each pair, and zDirect may have."""
        for item in batch.items:
            if item.outcome is None or item.outcome in TAKEN:
                last = self._last.setdefault(item.pair, {})
                if item.run not in last or last[item.run].sent_at <= item.sent_at:
                    last[item.run] = item

    def _check(self, address: str) -> None:
        if address != self._address:
            raise ZDirectConfigurationError(
                f"{self._store.full(self._folder)} tells what {address or 'another zDirect'} has, and this run sends "
                f"to {self._address}. Nothing was sent.",
                remedy="Give each environment a base_path of its own. If it is the same zDirect under another address, "
                "delete that folder, and run once with full_sync.",
            )

    def _bytes(self, name: str) -> bytes:
        data = self._store.read(f"{self._folder}/{name}")
        if data is None:
            raise FileNotFoundError(name)
        return data

    def newest(self, pair: Pair) -> Sent | None:
        """The newest level that anybody has sent or is sending."""
        return self._fold.newest(pair)

    def taken(self) -> list[Sent]:
        """The newest level of each pair that zDirect has taken."""
        newest = ((item, self.newest(pair)) for pair, item in self._fold.taken.items())
        return [new if new is not None and new.outcome in TAKEN else item for item, new in newest]

    def is_older(self, pair: Pair) -> bool:
        """Whether the last level that this run has sent is older than the newest one, and so may be in its place."""
        last = self._last[pair].get(self._run) if pair in self._last else None
        newest = self.newest(pair) if last is not None else None
        return newest is not None and last is not None and _is_older(last, newest)

    def is_doubtful(self, pair: Pair) -> bool:
        """Whether zDirect may have another level than the newest one, as far as this run has to care."""
        if self._fold.is_contradicted(pair) or self.is_older(pair):
            return True
        last = self._last.get(pair)
        newest = self.newest(pair) if last is not None else None
        return newest is not None and last is not None and any(_may_replace(item, newest) for item in last.values())

    def own(self) -> list[Batch]:
        """This run's batches, in the order in which they were sent."""
        return sorted((batch for batch in self._batches.values() if batch.run == self._run), key=lambda b: b.sent_at)

    def abandoned(self, now: datetime) -> dict[str, list[Batch]]:
        """The batches of runs that nobody will finish, by run."""
        found: dict[str, list[Batch]] = {}
        for batch in self._batches.values():
            if batch.run != self._run:
                found.setdefault(batch.run, []).append(batch)
        return {
            run: sorted(batches, key=lambda batch: batch.sent_at)
            for run, batches in found.items()
            if max(batch.sent_at for batch in batches) < now - ABANDONED
        }

    def announce(self, items: list[Sent], label: str, started_at: datetime, now: datetime) -> Batch:
        """Write down a batch before its request."""
        # After all that is known to have been sent, whatever the clocks of others say.
        known = (self.newest(item.pair) for item in items)
        before = [batch.sent_at for batch in self.own()] + [item.sent_at for item in known if item is not None]
        sent_at = max([now.astimezone(UTC), *(time + timedelta(microseconds=1) for time in before)])
        name = f"{self._run}-{sent_at.strftime('%Y%m%dT%H%M%S.%fZ')}-{uuid.uuid4().hex[:8]}.json"
        stamped = tuple(replace(item, sent_at=sent_at, run=self._run) for item in items)
        batch = Batch(name, self._run, label, started_at, sent_at, stamped, self._address)
        self._write(batch)
        self._batches[batch.name] = batch
        return batch

    def record(self, batch: Batch, answered: list[Sent]) -> Batch:
        """Write down what became of it."""
        done = replace(batch, items=tuple(answered))
        self._write(done)
        self._batches[batch.name] = done
        self._fold.add(done.items)
        self._note(done)
        return done

    def confirm(self, levels: Mapping[Pair, Level]) -> None:
        """Write down newer versions of levels that zDirect has taken."""
        known = ((level, self.newest(pair)) for pair, level in levels.items())
        items = [
            replace(item, level=level, run=self._run, outcome=CONFIRMED) for level, item in known if item is not None
        ]
        self._write_levels(items)

    def withdraw(self, batch: Batch) -> None:
        """Forget a batch of which it is certain that it was not carried out."""
        self._store.delete(f"{self._folder}/{batch.name}")
        del self._batches[batch.name]

    def _write(self, batch: Batch) -> None:
        self._store.write(f"{self._folder}/{batch.name}", json.dumps(batch.as_json()).encode())

    def put_together(self, batches: Iterable[Batch]) -> None:
        """Make one object of these batches and of those that were made before, and delete them."""
        self.refresh()
        gone = {batch.name for batch in batches} & self._batches.keys()
        fold = Fold()
        for items in self._levels.values():
            fold.add(items)
        for name in gone:
            fold.add(self._batches[name].items)
        for name in gone:
            fold.add(self._doubts(self._batches[name]))
        if not gone and len(self._levels) < 2:
            return
        # What this run has confirmed, and looked after: nobody can have sent another level without seeing it.
        own = [item.pair for item in fold.confirmed.values() if item.run == self._run]
        settled = [fold.newest(pair) for pair in own if not self.is_doubtful(pair)]
        fold.add(item for item in settled if item is not None and item.outcome in TAKEN)
        self._write_levels(fold.items())
        for name in [*gone, *self._levels]:
            self._store.delete(f"{self._folder}/{name}")

    def _write_levels(self, items: Iterable[Sent]) -> None:
        table = _table(items).replace_schema_metadata({"address": self._address})
        self._store.write(f"{self._folder}/levels-{uuid.uuid4().hex}.parquet", parquet_bytes(table))

    def _doubts(self, batch: Batch) -> Iterator[Sent]:
        """What remains of another run's batch when it is gone: pairs whose newest level has to be sent again."""
        for item in batch.items if batch.run != self._run else ():
            newest = self.newest(item.pair)
            if (
                newest is not None
                and self._last.get(item.pair, {}).get(item.run) is item
                and _may_replace(item, newest)
            ):
                at = max(item.sent_at, newest.sent_at) + timedelta(microseconds=1)
                yield replace(newest, sent_at=at, outcome=None, status=None, code=None, description=None)


def _is_older(item: Sent, newest: Sent) -> bool:
    return item.level.version < newest.level.version and item.level.quantity != newest.level.quantity


def _may_replace(item: Sent, newest: Sent) -> bool:
    """Whether an older level, the last that another run has sent, may have come after the newest one.

    Its run mends that, unless it has died.
    """
    return item.run != newest.run and _is_older(item, newest) and newest.sent_at <= item.sent_at + SLACK


def _sent_of(table: pa.Table) -> list[Sent]:
    columns = [_values(table[name]) for name in _LEVELS.names]
    return [
        Sent((channel, ean), Level(quantity, feed_time, orders_time), *more)
        for channel, ean, quantity, feed_time, orders_time, *more in zip(*columns, strict=True)
    ]


def _table(items: Iterable[Sent]) -> pa.Table:
    return levels_table(items, _LEVELS)


def levels_table(items: Iterable[Sent], schema: pa.Schema, **lineage: str) -> pa.Table:
    """The levels by columns, sorted by sales channel and EAN.

    :param lineage: columns that have one value.
    """
    items = sorted(items, key=lambda item: item.pair)
    columns = [
        pa.repeat(pa.scalar(lineage[column.name], column.type), len(items))
        if column.name in lineage
        else _column(map(_CELLS[column.name], items), column.type)
        for column in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _values(column: pa.ChunkedArray) -> list[Any]:
    """Each value of a column, equal ones as one object: there may be a million rows, and few times."""
    encoded = column.combine_chunks().dictionary_encode()
    values = encoded.dictionary.to_pylist()
    return [None if at is None else values[at] for at in encoded.indices.to_pylist()]


def _column(values: Iterable[Any], kind: pa.DataType) -> pa.Array:
    """The opposite: each value that there is is converted once."""
    places: dict[Any, int] = {}
    at = [places.setdefault(value, len(places)) for value in values]
    return pa.array(list(places), kind).take(pa.array(at, pa.int32()))


_CELLS: Mapping[str, Callable[[Sent], Any]] = {
    "sales_channel_id": lambda item: item.pair[0],
    "ean": lambda item: item.pair[1],
    "quantity": lambda item: item.level.quantity,
    "feed_time": lambda item: item.level.feed_time,
    "orders_time": lambda item: item.level.orders_time,
    **{name: attrgetter(name) for name in ("sent_at", "run", "outcome", "status", "code", "description", "attempts")},
}


def as_row(item: Sent) -> dict[str, Any]:
    """A level with what became of it, by the names of the published columns."""
    return {name: cell(item) for name, cell in _CELLS.items()}
