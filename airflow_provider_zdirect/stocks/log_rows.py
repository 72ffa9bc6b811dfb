# SPDX-License-Identifier: Apache-2.0
"""Rows of the log as columns: which of them count, found for all pairs at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from airflow_provider_zdirect.publish.placed_rows import EPOCH, Mask, integers
from airflow_provider_zdirect.publish.same_row import Numbers
from airflow_provider_zdirect.stocks.level import PAIRS, REJECTED, SCHEMA, TAKEN, Pair

_EANS = 10**13
_NEVER = -(2**62)


def pair_keys(*tables: pa.Table) -> list[Numbers]:
    """A number for each row's pair: the same in all tables, and in the order of sales channel and EAN."""
    chunks = [chunk for table in tables for chunk in table["sales_channel_id"].chunks]
    channels = sorted({channel for chunk in chunks for channel in chunk.dictionary.to_pylist()})
    ranks = {channel: rank for rank, channel in enumerate(channels)}
    return [
        coded(table["sales_channel_id"], lambda channel: ranks.get(channel, -1)) * _EANS + integers(table["ean"])
        for table in tables
    ]


def is_taken(rows: pa.Table) -> Mask:
    """Whether zDirect has taken the row's level."""
    return coded(rows["outcome"], lambda outcome: outcome in TAKEN) > 0


def is_rejected(rows: pa.Table) -> Mask:
    """Whether zDirect has refused the row's level."""
    return coded(rows["outcome"], lambda outcome: outcome == REJECTED) > 0


def is_unsettled(rows: pa.Table) -> Mask:
    """Whether a run that has not ended has sent the row's level, which may have changed what zDirect has."""
    is_sent: Mask = (rows["attempts"].to_numpy() > 0) & (coded(rows["run"], bool) > 0)
    return is_sent & ~is_rejected(rows)


def newest_rows(rows: pa.Table, *, only_taken: bool = False) -> Numbers:
    """The number of each pair's newest row (:attr:`.Sent.order`), in the order of the pairs."""
    # To the operating system, with what was freed: sorting has needs of its own.
    pa.default_memory_pool().release_unused()
    (keys,) = pair_keys(rows)
    answered = rows["outcome"].is_valid().to_numpy()
    order: Numbers = np.lexsort(
        (answered, *(times(rows, name) for name in ("sent_at", "orders_time", "feed_time")), keys)
    )
    if only_taken:
        order = order[is_taken(rows)[order]]
    is_last = np.diff(keys[order], append=-1) != 0
    newest: Numbers = order[is_last]
    return newest


def ended(rows: pa.Table) -> pa.Table:
    """What is left when the runs have ended: the newest row of each pair, and the newest that zDirect has taken."""
    left = np.union1d(newest_rows(rows), newest_rows(rows, only_taken=True))
    return log_table(rows.drop_columns(["run"]).take(pa.array(left)), run="")


def log_table(*tables: pa.Table, **constants: Any) -> pa.Table:
    """Rows of the log from columns of these tables, each of the last that has it.

    :param constants: what all rows have in columns that no table has; others are null.
    """
    columns = {name: table[name] for table in tables for name in table.column_names}
    for field in SCHEMA:
        if field.name not in columns:
            constant = pa.scalar(constants.get(field.name), field.type)
            columns[field.name] = pa.repeat(constant, tables[0].num_rows)
    return pa.table(columns, schema=SCHEMA)


def of_pairs(rows: pa.Table, pairs: Iterable[Pair]) -> pa.Table:
    """The rows of these pairs."""
    wanted, keys = pair_keys(pa.Table.from_struct_array(pa.array(list(pairs), pa.struct(PAIRS))), rows)
    return rows.filter(np.isin(keys, wanted))


def times(rows: pa.Table, name: str) -> Numbers:
    """Microseconds; what is null is before all others."""
    return integers(rows[name].cast(pa.int64()).fill_null(_NEVER))


def microseconds(time: datetime) -> int:
    """As :func:`times` has them."""
    return (time - EPOCH) // timedelta(microseconds=1)


def compared_versions(one: pa.Table, other: pa.Table) -> Numbers:
    """-1, 0 or 1 for each row of ``one`` whose version is older than, equal to or newer than that of the other row."""
    feed, orders = (np.sign(times(one, name) - times(other, name)) for name in ("feed_time", "orders_time"))
    order: Numbers = np.where(feed, feed, orders)
    return order


def coded(column: pa.ChunkedArray, number: Callable[[str | None], int]) -> Numbers:
    """A number for each text of a dictionary column, None included."""
    parts = [np.empty(0, np.int64)]
    for chunk in column.chunks:
        numbers = np.array([number(text) for text in (*chunk.dictionary.to_pylist(), None)], dtype=np.int64)
        parts.append(numbers[chunk.indices.fill_null(-1).to_numpy(zero_copy_only=False)])
    return np.concatenate(parts)
