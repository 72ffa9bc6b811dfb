# SPDX-License-Identifier: Apache-2.0
"""Where rows belong: under which date, and whether in the window of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from airflow_provider_zdirect.datasets.table import Dataset
from airflow_provider_zdirect.publish.same_row import Numbers
from airflow_provider_zdirect.windows import Window
from airflow_provider_zdirect.words import counted

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1) // timedelta(microseconds=1)
"""Microseconds."""

Mask: TypeAlias = NDArray[np.bool_]
Times: TypeAlias = pa.ChunkedArray
RowFilter: TypeAlias = Callable[[Times], pa.ChunkedArray]
"""From the times that place rows in a window to a mask of those to publish."""

DayPart: TypeAlias = tuple[date, bool]
"""A date, and whether rows are of the run's window: what is published together."""


def placed_rows(table: pa.Table, dataset: Dataset, window: Window) -> Iterator[tuple[DayPart, pa.Table]]:
    """The rows of each date and side of the window.

    :param dataset: whose records are published once each.
    """
    own = within(table.column(dataset.once.placed_by), window).to_numpy()
    parts = integers(table.column(dataset.once.time_field)) // DAY * 2 + own
    for number in np.unique(parts).tolist():
        mask = parts == number
        rows = table if mask.all() else table.filter(pa.array(mask))
        yield (date_of(number >> 1), bool(number & 1)), rows


def integers(column: pa.ChunkedArray) -> Numbers:
    """Whole numbers, or times as microseconds since 1970."""
    if column.null_count:
        raise ValueError(
            f"a column that places or identifies rows has {counted(column.null_count, 'row')} without a value"
        )
    found: Numbers = column.cast(pa.int64()).to_numpy()
    return found


def within(times: Times, window: Window) -> pa.ChunkedArray:
    """Which of the times lie in the window."""
    return pc.and_(
        pc.greater_equal(times, pa.scalar(window.start, times.type)), pc.less(times, pa.scalar(window.end, times.type))
    )


def everything(times: Times) -> pa.ChunkedArray:
    """All of them."""
    return pa.chunked_array([pa.repeat(True, len(times))])


def date_of(day: int) -> date:
    """From days since 1970."""
    return EPOCH.date() + timedelta(days=day)


def instant_of(microseconds: int) -> datetime:
    """From microseconds since 1970."""
    return EPOCH + timedelta(microseconds=microseconds)
