# SPDX-License-Identifier: Apache-2.0
"""The windows that runs fetch: each run announces its own before its first request (:mod:`.late_records`)."""

from __future__ import annotations

from airflow_provider_zdirect.storage.layout import Layout, named_window
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.windows import Window

ANNOUNCED = ".announced"


def announce(store: ObjectStore, layout: Layout, window: Window) -> None:
    """Let other runs know that the window is fetched; to be called before its first request."""
    for day in window.utc_dates():
        store.write(f"{layout.announced(day)}/{window.label}{ANNOUNCED}", b"")


def announced_windows(store: ObjectStore, layout: Layout, span: Window) -> list[Window]:
    """All windows that were announced and touch ``span``."""
    names = {path.rpartition("/")[2] for day in span.utc_dates() for path in store.files(layout.announced(day))}
    windows = (named_window(name, ANNOUNCED) for name in sorted(names))
    return [window for window in windows if window and window.intersects(span)]
