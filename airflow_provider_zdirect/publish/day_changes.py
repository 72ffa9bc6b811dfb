"""What every published fetch of a date has changed, by the names of the files under ``_changes``.

Such a file is written before the data, so that no published change can lack it; it counts once the data are there,
among the published files of the date or those that were replaced.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from airflow_provider_zdirect.storage.layout import ChangesName, Layout, PublishedName
from airflow_provider_zdirect.storage.object_store import ObjectStore


@dataclass(frozen=True)
class DayChange:
    """One publication of a date.

    :param file: relative to the base path; a line per row that differs, none for the first publication.
    """

    day: date
    name: ChangesName
    file: str

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, as in the manifest; ``file`` is None for the first publication."""
        return {
            "date": self.day.isoformat(),
            "fetched_at": self.name.fetched.isoformat(),
            "run": self.name.run,
            "added": self.name.added,
            "removed": self.name.removed,
            "changed": self.name.changed,
            "file": None if self.name.first else self.file,
        }


def published_changes(store: ObjectStore, layout: Layout, days: Collection[date]) -> list[DayChange]:
    """Every publication of these dates so far, dates in order."""
    found = [change for change in _below(store, layout) if change.day in days]
    # After the changes: what they belong to was published later than they were written.
    published = {
        (path.split("/")[-2], name.fetched)
        for folder in (layout.merchant, layout.revisions_of_all)
        for path in store.files_below(folder)
        if (name := PublishedName.parse(path))
    }
    counted = [change for change in found if (f"date={change.day}", change.name.fetched) in published]
    return sorted(counted, key=lambda change: (change.day, change.name.fetched, change.file))


def changes_of(store: ObjectStore, layout: Layout, day: date, fetched: datetime, run: str) -> list[DayChange]:
    """What one run has kept of one fetch of a date: one file, or two if it was killed in between."""
    named = {path: ChangesName.parse(path) for path in store.files(layout.changes(day))}
    return [
        DayChange(day, name, path)
        for path, name in named.items()
        if name and (name.fetched, name.run) == (fetched, run)
    ]


def _below(store: ObjectStore, layout: Layout) -> list[DayChange]:
    found = []
    for path in store.files_below(layout.changes_of_all):
        folder = path.split("/")[-2]
        if (name := ChangesName.parse(path)) and folder.startswith("date="):
            found.append(DayChange(date.fromisoformat(folder.removeprefix("date=")), name, path))
    return found
