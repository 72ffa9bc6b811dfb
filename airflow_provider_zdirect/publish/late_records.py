# SPDX-License-Identifier: Apache-2.0
"""Late records: whoever finds them publishes them.

A run asks for more than its window: it looks back by the overlap for records that became visible late. These belong to
other windows, and are published with its own, at once; merging leaves out what is published already. Only records of
a time that no run has asked for are left alone, so that no date holds a few stray rows.

Each run announces its window before its first request. A window that is not announced when this run has fetched
everything will be fetched later, and then these records are visible: its own run finds them.
"""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.publish.announced import announced_windows
from airflow_provider_zdirect.publish.placed_rows import RowFilter, Times, everything, within
from airflow_provider_zdirect.storage.layout import Layout
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.windows import Window


def publishable(store: ObjectStore, layout: Layout, window: Window, overlap: timedelta) -> RowFilter:
    """Which of the fetched rows are published; to be called after the last page has come.

    :param overlap: how long before the window was asked for as well.
    """
    if not overlap:
        return everything
    looked_back = Window(window.start - overlap, window.start)
    announced = announced_windows(store, layout, looked_back)

    def wanted(times: Times) -> pa.ChunkedArray:
        # Rows outside of all that was asked for are the server's choice; they are published too.
        mask = pc.invert(within(times, looked_back))
        for each in announced:
            mask = pc.or_(mask, within(times, each))
        return mask

    return wanted
