# SPDX-License-Identifier: Apache-2.0
"""Which days of a month have a published report, by the manifests of the runs that fetched them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from airflow_provider_zdirect.intrastat.selection import Month
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.reports.calendar import is_long_due
from airflow_provider_zdirect.storage.damaged import naming_damaged
from airflow_provider_zdirect.storage.layout import named_window
from airflow_provider_zdirect.windows import Window


@dataclass(frozen=True)
class LandedDay:
    """A day whose report was fetched and published.

    :param fetched: when the last page of the report came, in the latest of them.
    :param has_file: whether that run named a file of the day; a report without movements may have none.
    :param environment: ``production`` or ``sandbox``.
    :param rejected: invalid records that this run rejected, for all of its days together.
    :param empty_because: why the report is certain to be empty, if it is empty, and as far as that run knew.
    :param manifest: path of its manifest.
    """

    day: date
    fetched: datetime
    has_file: bool
    environment: str
    rejected: int
    empty_because: str | None
    manifest: str


def uncertain_days(landed: Mapping[date, LandedDay], empty: Collection[date]) -> tuple[date, ...]:
    """Those of the empty days whose report may not have been made yet when it was fetched."""
    with_movements = [landed[day] for day in landed if day not in empty]

    def is_certain(found: LandedDay) -> bool:
        # A later report that was fetched afterwards does not say that this one had been made before.
        return (
            found.empty_because is not None
            or is_long_due(found.day, found.fetched)
            or any(later.day > found.day and later.fetched <= found.fetched for later in with_movements)
        )

    return tuple(day for day in empty if not is_certain(landed[day]))


def landed_days(place: Place, month: Month) -> dict[date, LandedDay]:
    """The days of the month that have a published report, in order.

    One listing, and only manifests are read whose window comes near the month: a window's own time zone is not known
    from its name, so a day on either side counts as near.
    """
    store, layout = place.store, place.layout("intra_community_movements")
    landed: dict[date, LandedDay] = {}
    for path in store.files_below(f"_manifests/{layout.merchant}"):
        manifest: Any = store.read_json(path) if _is_near(path, month.widest) else None
        for day in month.days if manifest else ():
            with naming_damaged(store.full(path)):
                if (fetched := manifest["days"].get(day.isoformat())) is None:
                    continue
                found = LandedDay(
                    day=day,
                    fetched=datetime.fromisoformat(fetched),
                    has_file=any(file["path"].startswith(f"{layout.published(day)}/") for file in manifest["files"]),
                    environment=manifest["environment"],
                    rejected=manifest["rejected"],
                    empty_because=manifest["empty_because"].get(day.isoformat()),
                    manifest=path,
                )
                if day not in landed or landed[day].fetched < found.fetched:
                    landed[day] = found
    return dict(sorted(landed.items()))


def _is_near(path: str, span: Window) -> bool:
    window = named_window(path, ".json")
    return window is not None and window.intersects(span)
