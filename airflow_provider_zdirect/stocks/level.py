# SPDX-License-Identifier: Apache-2.0
"""A stock level, and the outcome of sending it: as values, and as rows of the log and of the published tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from airflow_provider_zdirect.datasets.arrow import INSTANT

Pair = tuple[str, str]
"""Sales channel id and EAN: what zDirect keeps a level of (zDirect docs, *Updating Stock Levels*)."""

LARGEST = 2**31 - 1
"""zDirect's specification has quantities as int32."""

ACCEPTED, PENDING, REJECTED, FAILED, MISSING = "accepted", "pending", "rejected", "failed", "missing"
"""Outcomes of an update: in force; held by zDirect until the article is onboarded; refused; not processed; not in the
answer."""

TAKEN = frozenset({ACCEPTED, PENDING})
AGAIN = frozenset({FAILED, MISSING})
"""Outcomes that may be better the next time."""

Version = tuple[datetime, datetime]
NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Level:
    """How many pieces of an article are for sale in a sales channel.

    :param feed_time: of the merchant's own figure.
    :param orders_time: until when the subtracted orders are known; None if none are subtracted, which is older than any
        time: so orders count as soon as they are to be subtracted.
    """

    sales_channel_id: str
    ean: str
    quantity: int
    feed_time: datetime
    orders_time: datetime | None

    @property
    def pair(self) -> Pair:
        return self.sales_channel_id, self.ean

    @property
    def version(self) -> Version:
        """A level of an older version must never replace this one."""
        return self.feed_time, self.orders_time or NEVER

    def is_older(self, newest: Level) -> bool:
        """Whether it is of an older version, and another level."""
        return self.version < newest.version and self.quantity != newest.quantity


Levels = Mapping[Pair, Level]


@dataclass(frozen=True, slots=True)
class Sent(Level):
    """A level that was sent, or is about to be; or that was not, because zDirect has the same of an older version.

    :param sent_at: grows with each time that one run sends; of a level that was not sent: when that of the older
        version was.
    :param run: key of the run that answers for it; blank once that has ended.
    :param outcome: one of the above; None if it is not known.
    :param status: zDirect's own word, as are the code and the description.
    :param attempts: how often the run has sent the pair.
    """

    sent_at: datetime
    run: str
    outcome: str | None = None
    status: str | None = None
    code: int | None = None
    description: str | None = None
    attempts: int = 1

    @classmethod
    def of(cls, level: Level, sent_at: datetime, run: str, *, attempts: int) -> Sent:
        """As it is before its request."""
        values = (level.sales_channel_id, level.ean, level.quantity, level.feed_time, level.orders_time)
        return cls(*values, sent_at, run, attempts=attempts)

    @property
    def order(self) -> tuple[Version, datetime, bool]:
        """Of several, the greatest is what zDirect has in the end, if all runs keep to the rules."""
        return self.version, self.sent_at, self.outcome is not None


COLUMNS = [
    ("sales_channel_id", pa.string()),
    ("ean", pa.string()),
    ("quantity", pa.int64()),
    ("outcome", pa.string()),
    ("status", pa.string()),
    ("code", pa.int64()),
    ("description", pa.string()),
    ("feed_time", INSTANT),
    ("orders_time", INSTANT),
    ("sent_at", INSTANT),
]

ANSWERED = ("outcome", "status", "code", "description", "sent_at")
"""What is as it was before, of a level that was not sent."""
TEXTS = ("sales_channel_id", "outcome", "status", "description", "run")
"""Columns of the log with few different texts, each of which is in memory once."""
TEXT = pa.dictionary(pa.int32(), pa.string())
_FIELDS = [*COLUMNS, ("attempts", pa.int64()), ("run", pa.string())]
SCHEMA = pa.schema([(name, TEXT if name in TEXTS else kind) for name, kind in _FIELDS])
"""Of the log."""
LEVELS = pa.schema([SCHEMA.field(name) for name in Level.__dataclass_fields__])
"""Of levels that are wanted."""
PAIRS = pa.schema(list(LEVELS)[:2])


def as_table(items: Iterable[Sent]) -> pa.Table:
    items = list(items)
    return pa.table({name: [getattr(item, name) for item in items] for name in SCHEMA.names}, schema=SCHEMA)


def of_table(table: pa.Table) -> tuple[Sent, ...]:
    return tuple(Sent(*row) for row in _rows(table, Sent))


def levels_of(table: pa.Table) -> dict[Pair, Level]:
    return {(row[0], row[1]): Level(*row) for row in _rows(table, Level)}


def _rows(table: pa.Table, kind: type[Level]) -> Iterator[tuple[Any, ...]]:
    return zip(*(_values(table[name]) for name in kind.__dataclass_fields__), strict=True)


def _values(column: pa.ChunkedArray) -> list[Any]:
    """Each value of a column, equal ones as one object: there may be a million rows, and few times."""
    encoded = column.unify_dictionaries().combine_chunks()
    encoded = encoded if isinstance(encoded, pa.DictionaryArray) else encoded.dictionary_encode()
    values = encoded.dictionary.to_pylist()
    return [None if at is None else values[at] for at in encoded.indices.to_pylist()]
