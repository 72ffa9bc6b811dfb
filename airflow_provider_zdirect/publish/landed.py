# SPDX-License-Identifier: Apache-2.0
"""The windows that have landed: what their manifests say is complete."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from types import MappingProxyType
from typing import Annotated

import msgspec

from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.storage.damaged import naming_damaged
from airflow_provider_zdirect.storage.layout import named_window
from airflow_provider_zdirect.windows import Window

AT_ONCE = 32
"""Manifests that are read at the same time."""

Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class Span(msgspec.Struct, rename={"start": "from", "end": "to"}):
    """A window in a manifest."""

    start: Instant
    end: Instant

    @property
    def window(self) -> Window:
        """:raises WindowError: if it is zero-width or inverted."""
        return Window(self.start, self.end)


class Change(msgspec.Struct):
    """A publication of a date."""

    date: date


class Fetch(msgspec.Struct, kw_only=True):
    """What a manifest says about its fetch, and later manifests of the window repeat."""

    finished_at: Instant
    rejected: int
    rejected_file: str | None
    days: dict[date, Instant] = {}
    empty_because: dict[date, str | None] = {}
    changes: list[Change] = []


class EarlierFetch(Fetch):
    """What a manifest repeats from an earlier one."""

    covered: Span


class WindowManifest(Fetch):
    """What a manifest says about what has landed. Those of older versions have no ``covered_by``."""

    environment: str
    window: Span
    clipped: Span | None = None
    filters: dict[str, str] = {}
    covered_by: list[EarlierFetch] = []
    personal_data: str = "none"

    def fetches(self, only: Mapping[str, str] = MappingProxyType({})) -> list[tuple[Window, Fetch]]:
        """What was fetched completely: by earlier runs, and last by this one, unless its filters left some out.

        :param only: by field: the value of the records that have to be complete; empty: all records.
        :raises WindowError: if a window is zero-width or inverted.
        """
        found: list[tuple[Window, Fetch]] = [(each.covered.window, each) for each in self.covered_by]
        if self.filters.items() <= only.items():
            start = self.clipped.end if self.clipped else self.window.start
            found.append((Window(start, self.window.end), self))
        return found


def landed_windows(place: Place, dataset: str, only: Mapping[str, str]) -> Iterator[Window]:
    """Where all records with these values have landed; the latest first.

    :param only: value by field.
    :raises ZDirectConfigurationError: if a manifest is damaged.
    """
    store, folder = place.store, f"_manifests/{place.layout(dataset).merchant}"
    ends = {path: window.end for path in store.files_below(folder) if (window := named_window(path, ".json"))}
    paths = sorted(ends, key=ends.__getitem__, reverse=True)
    for first in range(0, len(paths), AT_ONCE):
        some = paths[first : first + AT_ONCE]
        with ThreadPoolExecutor(AT_ONCE) as readers:
            found = list(readers.map(store.read, some))
        for path, data in zip(some, found, strict=True):
            if data is None:
                continue
            with naming_damaged(store.full(path)):
                manifest = msgspec.json.decode(data, type=WindowManifest)
                fetches = manifest.fetches(only)
            if manifest.environment == place.environment:
                yield from (window for window, _ in fetches)
