"""Where rows belong: under which date, and whether in the window of a run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.datasets.table import Dataset
from airflow_provider_zdirect.windows import Window

Times: TypeAlias = pa.ChunkedArray

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def placed_rows(table: pa.Table, dataset: Dataset, window: Window) -> Iterator[tuple[date, bool, pa.Table]]:
    """The rows by date (UTC) and by whether they belong to the window.

    :param dataset: whose records are published once each.
    """
    own = within(table.column(dataset.once.placed_by), window)
    days = days_of(table.column(dataset.publish.time_field))
    for number in pc.unique(days).to_pylist():
        on_day = pc.equal(days, number)
        for is_own, mask in ((True, pc.and_(on_day, own)), (False, pc.and_not(on_day, own))):
            if count := pc.sum(mask).as_py():
                day = EPOCH.date() + timedelta(days=number)
                yield day, is_own, table if count == table.num_rows else table.filter(mask)


def within(times: Times, window: Window) -> pa.ChunkedArray:
    """Which of the times lie in the window."""
    return pc.and_(
        pc.greater_equal(times, pa.scalar(window.start, times.type)), pc.less(times, pa.scalar(window.end, times.type))
    )


def days_of(times: Times) -> pa.ChunkedArray:
    """The days since 1970-01-01, in UTC."""
    return times.cast(pa.date32()).cast(pa.int32())
