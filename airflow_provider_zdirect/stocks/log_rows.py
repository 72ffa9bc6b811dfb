"""Rows of the log as columns: which of them count, found for all pairs at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pyarrow as pa

from airflow_provider_zdirect.merchant_files.plain_rows import Flags, Numbers
from airflow_provider_zdirect.stocks.level import REJECTED, SCHEMA, TAKEN, Pair

_EANS = 10**13
_NEVER = np.iinfo(np.int64).min


def pair_keys(*tables: pa.Table) -> list[Numbers]:
    """A number for each row's pair: the same in all tables, and in the order of sales channel and EAN."""
    channels: set[str] = set()
    for table in tables:
        for chunk in table["sales_channel_id"].chunks:
            channels.update((chunk.dictionary if isinstance(chunk, pa.DictionaryArray) else chunk.unique()).to_pylist())
    ranks = {channel: rank for rank, channel in enumerate(sorted(channels))}
    return [
        coded(table["sales_channel_id"], lambda channel: ranks.get(channel or "", -1)) * _EANS
        + table["ean"].cast(pa.int64()).to_numpy()
        for table in tables
    ]


def is_taken(rows: pa.Table) -> Flags:
    """Whether zDirect has taken the row's level."""
    return coded(rows["outcome"], lambda outcome: outcome in TAKEN) > 0


def is_unsettled(rows: pa.Table) -> Flags:
    """Whether a run that has not ended has sent the row's level, which may have changed what zDirect has."""
    is_sent: Flags = (rows["attempts"].to_numpy() > 0) & (coded(rows["run"], bool) > 0)
    is_sent &= coded(rows["outcome"], lambda outcome: outcome == REJECTED) == 0
    return is_sent


def newest_rows(rows: pa.Table, keys: Numbers, among: Flags | None = None) -> Numbers:
    """The number of each pair's newest row (:attr:`.Sent.order`), in the order of the pairs.

    :param keys: of the rows.
    :param among: which rows count.
    """
    answered = rows["outcome"].is_valid().to_numpy()
    order = np.lexsort((answered, *(times(rows, name) for name in ("sent_at", "orders_time", "feed_time")), keys))
    if among is not None:
        order = order[among[order]]
    is_last = np.ones(len(order), dtype=bool)
    is_last[:-1] = keys[order[1:]] != keys[order[:-1]]
    return order[is_last]


def ended(rows: pa.Table) -> pa.Table:
    """What is left when the runs have ended: the newest row of each pair, and the newest that zDirect has taken."""
    (keys,) = pair_keys(rows)
    left = np.unique(np.concatenate([newest_rows(rows, keys), newest_rows(rows, keys, is_taken(rows))]))
    runs = pa.repeat(pa.scalar("", SCHEMA.field("run").type), len(left))
    return rows.take(pa.array(left)).set_column(SCHEMA.get_field_index("run"), SCHEMA.field("run"), runs)


def of_pairs(rows: pa.Table, pairs: Iterable[Pair]) -> pa.Table:
    """The rows of these pairs."""
    channels, eans = zip(*pairs, strict=True)
    wanted, keys = pair_keys(pa.table({"sales_channel_id": channels, "ean": eans}), rows)
    return rows.filter(np.isin(keys, wanted))


def find(wanted: Numbers, keys: Numbers, rows: Numbers) -> Numbers:
    """For each wanted pair, that of ``rows`` which is its own; -1 if there is none.

    :param rows: of different pairs, in their order.
    :param keys: of all rows.
    """
    if not len(rows):
        return np.full(len(wanted), -1)
    at = np.minimum(np.searchsorted(keys[rows], wanted), len(rows) - 1)
    return np.where(keys[rows[at]] == wanted, rows[at], -1)


def times(rows: pa.Table, name: str) -> Numbers:
    """Microseconds; what is null is before all others."""
    microseconds: Numbers = rows[name].cast(pa.int64()).fill_null(_NEVER).to_numpy()
    return microseconds


def compared_versions(one: pa.Table, other: pa.Table) -> Numbers:
    """-1, 0 or 1 for each row of ``one`` whose version is older than, equal to or newer than that of the other row."""
    feed, orders = (np.sign(_difference(one, other, name)) for name in ("feed_time", "orders_time"))
    return np.where(feed != 0, feed, orders)


def _difference(one: pa.Table, other: pa.Table, name: str) -> Numbers:
    first, second = times(one, name), times(other, name)
    return (first > second).astype(np.int64) - (first < second)


def coded(column: pa.ChunkedArray, number: Callable[[str | None], int]) -> Numbers:
    """A number for each text of a column with few different ones."""
    parts = [np.empty(0, np.int64)]
    for chunk in column.chunks:
        encoded = chunk if isinstance(chunk, pa.DictionaryArray) else chunk.dictionary_encode()
        texts = encoded.dictionary.to_pylist() + [None] * bool(encoded.null_count)
        numbers = np.array([number(text) for text in texts], dtype=np.int64)
        parts.append(numbers[encoded.indices.fill_null(len(texts) - 1).to_numpy(zero_copy_only=False)])
    return np.concatenate(parts)
