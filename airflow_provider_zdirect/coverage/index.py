# SPDX-License-Identifier: Apache-2.0
"""What each manifest of a dataset contained when it was last read, so that it is read again only if it has changed.

    <base>/_reports/coverage/_index/<dataset>/merchant_id=<id>.json

It is safe to delete: the next measurement reads all manifests again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import date, datetime

import msgspec

from airflow_provider_zdirect.storage.layout import Layout
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.windows import Window

log = logging.getLogger(__name__)

FORMAT = 2


class DayFacts(msgspec.Struct, frozen=True, array_like=True):
    """What a manifest says about a date.

    :param fetched_at: when its last page arrived.
    :param is_uncertain: its report was empty, and may not have been made yet.
    :param publications: how often it had been published with changes.
    """

    fetched_at: datetime
    is_uncertain: bool
    publications: int


class FetchFacts(msgspec.Struct, frozen=True, array_like=True):
    """What a manifest says about a complete fetch.

    :param span: what was fetched, without the clipped part.
    :param fetched_at: when the run had published.
    :param days: where the endpoint is asked by date.
    """

    span: tuple[datetime, datetime]
    fetched_at: datetime
    rejected: int
    rejected_file: str | None
    days: dict[date, DayFacts]

    @property
    def covered(self) -> Window:
        return Window(*self.span)


class WindowFacts(msgspec.Struct, frozen=True, array_like=True):
    """What a manifest says about its window.

    :param version: of the object, as :meth:`.ObjectStore.versions_below` returns it.
    :param fetches: those that cover it, by its own run and by earlier ones; empty if all of them had filters.
    """

    version: str
    environment: str
    personal_data: str
    fetches: tuple[FetchFacts, ...]


class _Index(msgspec.Struct):
    """:param windows: by the label of the window."""

    format: int
    windows: dict[str, WindowFacts]


def index_path(layout: Layout) -> str:
    return f"_reports/coverage/_index/{layout.dataset}/merchant_id={layout.merchant_id}.json"


def read_index(store: ObjectStore, layout: Layout) -> dict[str, WindowFacts]:
    """The facts from the manifests, by the window's label; empty if there is no usable index."""
    data = store.read(index_path(layout))
    if data is None:
        return {}
    try:
        index = msgspec.json.decode(data, type=_Index)
    except ValueError as error:
        log.warning("The index %s is damaged (%s); all manifests are read again.", index_path(layout), error)
        return {}
    return index.windows if index.format == FORMAT else {}


def write_index(store: ObjectStore, layout: Layout, windows: Mapping[str, WindowFacts]) -> None:
    store.write(index_path(layout), msgspec.json.encode(_Index(FORMAT, dict(windows))))
