# SPDX-License-Identifier: Apache-2.0
"""What every published fetch of a date has changed, by the names of the files under ``_changes``.

Such a file is written before the data, so that no published change can lack it; it counts once the data are there,
among the published files of the date or those that were replaced.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from operator import attrgetter
from typing import Any

from airflow_provider_zdirect.storage.damaged import naming_damaged
from airflow_provider_zdirect.storage.layout import Layout, PublishedName, parse_fetched, text_of_fetched
from airflow_provider_zdirect.storage.object_store import ObjectStore

COUNTS = ("added", "removed", "changed")
_PATH = re.compile(
    r"^(?P<folder>.*/date=(?P<day>\d{4}-\d\d-\d\d))/(?P<fetched>[0-9T.]+Z)-(?P<first>first-)?"
    r"added(?P<added>\d+)-removed(?P<removed>\d+)-changed(?P<changed>\d+)-(?P<run>.+)\.jsonl\.gz$"
)


@dataclass(frozen=True)
class DayChange:
    """One publication of a date; its file has a line per row that differs, and none for the first publication.

    :param folder: of the file, for the ``day``.
    :param fetched: as in the name of the published file.
    :param run: who fetched.
    :param first: nothing of the date was published before.
    :param added: rows; of the first publication: all.
    """

    folder: str
    day: date
    fetched: datetime
    run: str
    first: bool
    added: int
    removed: int
    changed: int

    @property
    def file(self) -> str:
        """Its path, relative to the base path."""
        counts = f"{'first-' if self.first else ''}added{self.added}-removed{self.removed}-changed{self.changed}"
        return f"{self.folder}/{text_of_fetched(self.fetched)}-{counts}-{self.run}.jsonl.gz"

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, as in the manifest; ``file`` is None for the first publication."""
        return {
            "date": self.day.isoformat(),
            "fetched_at": self.fetched.isoformat(),
            "run": self.run,
            **{name: getattr(self, name) for name in COUNTS},
            "file": None if self.first else self.file,
        }


def published_changes(store: ObjectStore, layout: Layout, days: Collection[date]) -> list[DayChange]:
    """Every publication of these dates so far, dates in order."""
    found = [change for change in _named(store, store.files_below(layout.changes_of_all)) if change.day in days]
    # After the changes: what they belong to was published later than they were written.
    published = {
        (path.split("/")[-2], name.fetched)
        for folder in (layout.merchant, layout.revisions_of_all)
        for path in store.files_below(folder)
        if (name := PublishedName.parse(path))
    }
    counted = [change for change in found if (f"date={change.day}", change.fetched) in published]
    return sorted(counted, key=attrgetter("day", "fetched", "file"))


def changes_of(store: ObjectStore, layout: Layout, day: date, fetched: datetime, run: str) -> list[DayChange]:
    """What one run has kept of one fetch of a date: one file, or two if it was killed in between."""
    found = _named(store, store.files(layout.changes(day)))
    return [change for change in found if (change.fetched, change.run) == (fetched, run)]


def _named(store: ObjectStore, paths: Iterable[str]) -> list[DayChange]:
    """:raises ZDirectConfigurationError: if a name holds a date or time that does not exist; names the file."""
    found = []
    for match in filter(None, map(_PATH.match, paths)):
        with naming_damaged(store.full(match[0])):
            day, fetched = date.fromisoformat(match["day"]), parse_fetched(match["fetched"])
            counts = (int(match[name]) for name in COUNTS)
            found.append(DayChange(match["folder"], day, fetched, match["run"], match["first"] is not None, *counts))
    return found
