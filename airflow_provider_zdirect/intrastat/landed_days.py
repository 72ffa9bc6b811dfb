"""Which days of a month have a published report, by the manifests of the runs that fetched them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from airflow_provider_zdirect.intrastat.selection import Month
from airflow_provider_zdirect.report_calendar import EMPTY_IS_CERTAIN_AFTER, DueCalendar
from airflow_provider_zdirect.storage.layout import Layout
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.windows import Window


@dataclass(frozen=True)
class LandedDay:
    """A day whose report was fetched and published.

    :param fetched: when the last page of the report came, in the latest of them.
    :param has_file: whether that run named a file of the day; a report without movements may have none.
    :param environment: ``production`` or ``sandbox``.
    :param rejected: invalid records that this run put aside, for all of its days together.
    :param manifest: path of its manifest.
    """

    day: date
    fetched: datetime
    has_file: bool
    environment: str
    rejected: int
    manifest: str

    @property
    def is_certain(self) -> bool:
        """Whether an empty report counts, because it must have been made when it was fetched."""
        return self.fetched >= DueCalendar().due(self.day) + EMPTY_IS_CERTAIN_AFTER


def landed_days(store: ObjectStore, layout: Layout, month: Month) -> dict[date, LandedDay]:
    """The days of the month that have a published report, in order.

    One listing, and only manifests are read whose window comes near the month: a window's own time zone is not known
    from its name, so a day on either side counts as near.
    """
    folder = f"_manifests/{layout.dataset}/merchant_id={layout.merchant_id}"
    near = [path for path in store.files_below(folder) if _is_near(path, month.widest)]
    wanted = set(month.days)
    landed: dict[date, LandedDay] = {}
    for path in near:
        manifest = store.read_json(path)
        if manifest is None:
            continue
        for day in wanted.intersection(map(date.fromisoformat, manifest["days"])):
            found = _landed(layout, day, manifest, path)
            if day not in landed or landed[day].fetched < found.fetched:
                landed[day] = found
    return dict(sorted(landed.items()))


def _is_near(path: str, span: Window) -> bool:
    name = path.rpartition("/")[2]
    if not name.endswith(".json"):
        return False
    try:
        return Window.from_label(name.removesuffix(".json")).intersects(span)
    except ValueError:
        return False


def _landed(layout: Layout, day: date, manifest: dict[str, Any], path: str) -> LandedDay:
    folder = f"{layout.published(day)}/"
    return LandedDay(
        day=day,
        fetched=datetime.fromisoformat(manifest["days"][day.isoformat()]),
        has_file=any(file["path"].startswith(folder) for file in manifest["files"]),
        environment=manifest["environment"],
        rejected=manifest["rejected"],
        manifest=path,
    )
