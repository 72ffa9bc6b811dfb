"""Histories of windows under a base path, written as runs leave them, without any run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from airflow_provider_zdirect.coverage.report import CoverageReport, measure_coverage
from airflow_provider_zdirect.coverage.rows import Row, Scope
from airflow_provider_zdirect.pipeline.cover import with_earlier
from airflow_provider_zdirect.pipeline.manifest import Manifest
from airflow_provider_zdirect.publish.announced import announce
from airflow_provider_zdirect.storage.layout import Layout
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.windows import Window

MERCHANT = "01924c48-49bb-40c2-9c32-ab582e6db6f4"
OTHER = "0a7bd8c1-0000-4fc0-8cd9-86e454e6dfa3"
NOW = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)
EMULATED_NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
"""When real runs begin."""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def at(text: str) -> datetime:
    """``11-20 07:30`` of 2026, in UTC."""
    return datetime.strptime(f"2026-{text}", "%Y-%m-%d %H:%M").replace(tzinfo=UTC)


def window(start: str, end: str) -> Window:
    return Window(at(start), at(end))


@dataclass
class Base:
    """A base path."""

    root: Path

    @property
    def store(self) -> ObjectStore:
        return ObjectStore(LocalFileSystem(), str(self.root))

    def announce(self, dataset: str, window: Window, merchant_id: str = MERCHANT) -> None:
        announce(self.store, Layout(dataset, merchant_id), window)

    def land(self, dataset: str, window: Window, merchant_id: str = MERCHANT, **facts: Any) -> str:
        """Write the manifest of a window; its path.

        :param facts: fields of the manifest.
        """
        manifest = Manifest(dataset, merchant_id, "production", "/path", window, "parquet", window.end.isoformat())
        manifest = replace(manifest, **{"finished_at": (window.end + HOUR).isoformat(), **facts})
        path = Layout(dataset, merchant_id).manifest(window)
        self.store.write_json(path, manifest.as_json())
        return path

    def run(self, dataset: str, window: Window, start: datetime | None, **facts: Any) -> dict[str, Any]:
        """Write the manifest that a run of a window writes, with what earlier ones have covered; what it says.

        :param start: the run covers the window from there on; None: it has filters.
        """
        path = Layout(dataset, MERCHANT).manifest(window)
        own = Window(start, window.end) if start else None
        known = with_earlier(own, self.store, path, facts.get("environment", "production"))
        is_clipped = start is not None and start > window.start
        self.land(
            dataset,
            window,
            filters={} if start else {"order_type": "PartnerFulfilled"},
            clipped=Window(window.start, start) if is_clipped else None,
            **vars(known),
            **facts,
        )
        return self.store.read_json(path)

    def land_days(self, dataset: str, *days: date, zone: str = "UTC", uncertain: bool = False, **facts: Any) -> str:
        """The same of consecutive dates, fetched at noon of the day after, unless ``facts`` say otherwise."""
        window = Window(Window.of_day(days[0], zone).start, Window.of_day(days[-1], zone).end)
        fetched_at = facts.pop("fetched_at", window.end + 12 * HOUR).isoformat()
        return self.land(
            dataset,
            window,
            days={day.isoformat(): fetched_at for day in days},
            empty_because={day.isoformat(): None for day in days} if uncertain else {},
            **facts,
        )

    def measure(self, now: datetime = NOW, merchants: Any = (MERCHANT,), **options: Any) -> CoverageReport:
        arguments = ("datasets", "environment", "keeps_index", "name_of")
        names = {name: options.pop(name) for name in arguments if name in options}
        return measure_coverage(
            self.store,
            f"file://{self.root}",
            dict.fromkeys(merchants) if isinstance(merchants, tuple) else merchants,
            Scope(now, **options),
            **{"environment": "production", "conn_id": "zdirect_default", **names},
        )

    def row(self, dataset: str, now: datetime = NOW, **options: Any) -> Row:
        (row,) = self.measure(now, datasets=(dataset,), **options).rows
        return row


def gaps_of(row: Row) -> list[tuple[str, str, str]]:
    """From, to and status of each gap."""
    return [(f"{gap.window.start:%m-%d %H:%M}", f"{gap.window.end:%m-%d %H:%M}", gap.status.value) for gap in row.gaps]
