# SPDX-License-Identifier: Apache-2.0
"""What is known about the windows of a dataset: their manifests, and the windows that were only announced.

A year of hourly windows is thousands of small objects for each dataset and merchant. So they are listed, and only those
are read that have changed since the index (:mod:`.index`) was written.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from airflow_provider_zdirect.coverage.index import DayFacts, FetchFacts, WindowFacts, read_index, write_index
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.publish.landed import Fetch, WindowManifest
from airflow_provider_zdirect.storage.damaged import naming_damaged
from airflow_provider_zdirect.storage.layout import Layout, named_window, windows_folder
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.windows import Window

log = logging.getLogger(__name__)

READERS = 8
"""Manifests that are read at the same time."""

SECOND = len("20261122T100000")
"""Characters of a label down to the second."""

_MOMENT = r"\d{8}T\d{6}(\.\d+)?Z"
_NAME = re.compile(
    rf"^_\w+/\w+/merchant_id=(?P<merchant>[^/]+)/date=[^/]+/(?P<label>{_MOMENT}_{_MOMENT})\.(json|announced)$"
)


@dataclass(frozen=True)
class Facts:
    """What is known about a dataset of a merchant.

    :param windows: those with a manifest, in the covered days or up to a day before or after.
    :param started: likewise those that were announced, and have no manifest.
    :param first: the start of the earliest window, or None if there is no window.
    :param is_covered: whether any window is in the covered days, with a manifest or without.
    """

    windows: tuple[WindowFacts, ...] = ()
    started: tuple[Window, ...] = ()
    first: datetime | None = None
    is_covered: bool = False


def read_facts(
    store: ObjectStore, dataset: str, merchants: Collection[str], covered: Window, *, keeps_index: bool = True
) -> dict[str, Facts]:
    """What is known about a dataset, by merchant; merchants without any window are left out.

    A damaged manifest proves nothing: the log names it, and its window counts as missing.

    :param merchants: whose manifests are read; for other merchants, ``windows`` stays empty.
    :param covered: the covered days, in UTC; only manifests of windows near them are read.
    :param keeps_index: whether to write the index, if something has changed.
    """
    # Days of other time zones begin up to 14 hours earlier or later.
    span = Window(covered.start - timedelta(days=1), covered.end + timedelta(days=1))
    # Listed before the manifests, so that a run that ends in between has one.
    announced = _by_merchant(dict.fromkeys(store.files_below(windows_folder("windows", dataset)), ""))
    manifests = _by_merchant(store.versions_below(windows_folder("manifests", dataset)))
    found = {}
    for merchant_id in sorted(announced.keys() | manifests.keys()):
        landed, begun = manifests.get(merchant_id, {}), announced.get(merchant_id, {})
        windows: tuple[WindowFacts, ...] = ()
        if merchant_id in merchants:
            windows = _read_windows(store, Layout(dataset, merchant_id), landed, span, keeps_index)
        started = _windows(_near(begun.keys() - landed.keys(), span))
        known = [*landed, *begun]
        is_covered = any(window.intersects(covered) for window in _windows(_near(known, covered)))
        found[merchant_id] = Facts(windows, tuple(sorted(started)), _first(known), is_covered)
    return found


class _Object(NamedTuple):
    path: str
    version: str


def _by_merchant(versions: Mapping[str, str]) -> dict[str, dict[str, _Object]]:
    """By merchant: the object of each window, by the label of the window."""
    found: dict[str, dict[str, _Object]] = {}
    for path, version in versions.items():
        if match := _NAME.match(path):
            found.setdefault(match["merchant"], {})[match["label"]] = _Object(path, version)
    return found


def _near(labels: Iterable[str], span: Window) -> Iterator[str]:
    """The labels of windows that touch the span, to the second: compared as texts, which is faster than as times."""
    first, last = (at.strftime("%Y%m%dT%H%M%S") for at in (span.start, span.end))
    for label in labels:
        start, _, end = label.partition("_")
        if start[: len(last)] <= last and end[: len(first)] >= first:
            yield label


def _windows(labels: Iterable[str]) -> Iterator[Window]:
    return filter(None, (named_window(label, ending="") for label in labels))


def _first(labels: Collection[str]) -> datetime | None:
    # Compared as texts; only those that begin in the same second are compared as times.
    second = min(labels, default="")[:SECOND]
    return min(
        (window.start for window in _windows(label for label in labels if label[:SECOND] == second)), default=None
    )


def _read_windows(
    store: ObjectStore, layout: Layout, manifests: Mapping[str, _Object], span: Window, keeps_index: bool
) -> tuple[WindowFacts, ...]:
    known = read_index(store, layout)
    labels = sorted(_near(manifests, span))
    unknown = [label for label in labels if label not in known or known[label].version != manifests[label].version]
    with ThreadPoolExecutor(READERS) as readers:
        read = readers.map(lambda label: _read_manifest(store, *manifests[label]), unknown)
        found = dict(zip(unknown, read, strict=True))
    facts = {label: each for label, each in known.items() if label in manifests and label not in found}
    facts |= {label: each for label, each in found.items() if each is not None}
    if keeps_index and facts != known:
        write_index(store, layout, facts)
    return tuple(facts[label] for label in labels if label in facts)


def _read_manifest(store: ObjectStore, path: str, version: str) -> WindowFacts | None:
    """None if it is gone, or damaged."""
    data = store.read(path)
    if data is None:
        return None
    try:
        with naming_damaged(store.full(path)):
            return _facts(msgspec.json.decode(data, type=WindowManifest), version)
    except ZDirectConfigurationError as error:
        log.warning("%s: its window counts as missing until then. %s", path, error)
        return None


def _facts(manifest: WindowManifest, version: str) -> WindowFacts:
    """:raises WindowError: if a window is zero-width or inverted."""
    return WindowFacts(
        version=version,
        environment=manifest.environment,
        personal_data=manifest.personal_data,
        fetches=tuple(_fetch_facts(covered, fetch) for covered, fetch in manifest.fetches()),
    )


def _fetch_facts(covered: Window, fetch: Fetch) -> FetchFacts:
    published = [change.date for change in fetch.changes]
    return FetchFacts(
        span=(covered.start, covered.end),
        fetched_at=fetch.finished_at,
        rejected=fetch.rejected,
        rejected_file=fetch.rejected_file,
        days={
            day: DayFacts(
                fetched_at, fetch.empty_because.get(day, "records") is None, publications=published.count(day)
            )
            for day, fetched_at in fetch.days.items()
        },
    )
