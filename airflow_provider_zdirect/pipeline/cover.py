# SPDX-License-Identifier: Apache-2.0
"""Which part of a window is complete: what this run has fetched of it, and what earlier runs have.

A run with ``filters``, or one whose window is clipped, replaces the manifest of the same window. It removes nothing
that earlier runs have published, so its manifest repeats what they have covered.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated, Any

import msgspec

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.windows import Window

log = logging.getLogger(__name__)

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
    """What coverage needs of a manifest. Those of older versions have no ``covered_by``."""

    environment: str
    window: Span
    clipped: Span | None = None
    filters: dict[str, str] = {}
    covered_by: list[EarlierFetch] = []
    personal_data: str = "none"

    def fetches(self) -> list[tuple[Window, Fetch]]:
        """What was fetched completely: by earlier runs, and last by this one, unless it had filters.

        :raises WindowError: if a window is zero-width or inverted.
        """
        found: list[tuple[Window, Fetch]] = [(each.covered.window, each) for each in self.covered_by]
        if not self.filters:
            start = self.clipped.end if self.clipped else self.window.start
            found.append((Window(start, self.window.end), self))
        return found


@dataclass(frozen=True)
class Cover:
    """What is covered of a window; both fields as in the manifest."""

    covered: Window | None
    covered_by: list[dict[str, Any]] = field(default_factory=list)

    @property
    def has_rejected(self) -> bool:
        """Whether an earlier run has rejected records that may still be missing."""
        return any(fetch["rejected"] for fetch in self.covered_by)


def with_earlier(own: Window | None, store: ObjectStore, path: str, environment: str) -> Cover:
    """What is covered after a run, by itself and by earlier ones.

    :param own: what the run covers by itself.
    :param path: of the window's manifest, which the earlier run has written, or already this one.
    :param environment: a manifest of another one does not count.
    """
    try:
        known = _known(store, path, environment)
    except ZDirectConfigurationError as error:
        log.warning("The manifest %s is replaced; what it covered counts as not covered: %s", path, error.message)
        known = []
    # All fetches reach to the end of the window, since only its front part is ever clipped.
    kept = [(covered, fetch) for covered, fetch in known if own is None or covered.start < own.start]
    covered = min([*(covered for covered, _ in kept), *([own] if own else [])], default=None)
    return Cover(covered, [fetch for _, fetch in kept])


def _known(store: ObjectStore, path: str, environment: str) -> list[tuple[Window, dict[str, Any]]]:
    """The fetches that a manifest names, as later manifests repeat them."""
    content = store.read_json(path, WindowManifest)
    if content is None or content["environment"] != environment:
        return []
    said = [
        *content.get("covered_by", ()),
        {name: content[name] for name in Fetch.__struct_fields__ if name in content},
    ]
    fetches = msgspec.convert(content, WindowManifest).fetches()
    return [
        (covered, {"covered": {"from": covered.start.isoformat(), "to": covered.end.isoformat()}, **each})
        for (covered, _), each in zip(fetches, said, strict=False)
    ]
