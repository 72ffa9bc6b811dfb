# SPDX-License-Identifier: Apache-2.0
"""The passes over a window of liquidated items: when each is due, whether it was made, and what they changed.

In exceptional cases zDirect does not answer everything at first, and asks to fetch the same window again within the
next 48 hours (zDirect docs, Stock Movements, liquidated items). So a window is fetched once as soon as possible, and
once more at each of some moments after its end. Which of these fetches were made is read from the window's manifest,
and what they changed from what they left under ``_changes``, never from a bookmark.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from airflow_provider_zdirect.client import ZDirectClient
from airflow_provider_zdirect.clock import Clock
from airflow_provider_zdirect.datasets.table import Dataset
from airflow_provider_zdirect.exceptions import ConcurrentRunError, ZDirectConfigurationError
from airflow_provider_zdirect.pipeline.extract import ExtractJob, extract
from airflow_provider_zdirect.pipeline.manifest import count_changes, where
from airflow_provider_zdirect.publish.day_changes import COUNTS, published_changes
from airflow_provider_zdirect.storage.damaged import naming_damaged
from airflow_provider_zdirect.windows import MAX_CLOCK_SKEW, Window, moment_in_words
from airflow_provider_zdirect.words import counted

MAX_FETCHES = 3
DATES_NAMED = 31


@dataclass(frozen=True)
class Passes:
    """When a window is fetched again.

    :param moments: in order; at each the window is to be fetched once more.
    """

    moments: tuple[datetime, ...]

    @classmethod
    def after(cls, window: Window, delays: Sequence[timedelta], dataset: Dataset) -> Passes:
        """At these times after the window's end.

        :raises ZDirectConfigurationError: if zDirect will not keep the window until then.
        """
        kept = dataset.windows.retention
        if max(delays) >= window.start - kept.earliest(window.end):
            raise ZDirectConfigurationError(
                f"passes: the last pass over {window} is {max(delays)} after its end, and zDirect keeps "
                f"{dataset.name} for {kept}.",
                remedy="Choose passes sooner after the window's end, or shorter windows.",
            )
        return cls(tuple(sorted({window.end + delay for delay in delays})))

    def is_missing(self, fetched_at: datetime | None, now: datetime) -> bool:
        """Whether the window has to be fetched now.

        :param fetched_at: when it was fetched last; a time in the future, by a clock that was ahead, does not count.
        """
        if fetched_at is None or fetched_at > now + MAX_CLOCK_SKEW:
            return True
        return any(fetched_at < moment <= now for moment in self.moments)

    def next(self, fetched_at: datetime) -> datetime | None:
        """The first that a fetch at that time has not made; it may be due by now."""
        return next((moment for moment in self.moments if moment > fetched_at), None)

    def made_until(self, fetched_at: datetime) -> list[str]:
        """Those that a fetch at that time makes, as ISO text."""
        return [moment.isoformat() for moment in self.moments if moment <= fetched_at]


@dataclass(frozen=True)
class FetchedWindow:
    """What is known of a window that was fetched.

    :param fetched_at: when the last answer for each of its dates came; the earliest of these.
    :param changes: what the job itself has changed so far, by date and fetch, as in the manifest: also what earlier
        tries of it have, though they may have been killed before they wrote one.
    :param fetches: how often :func:`make_passes` has fetched it now.
    """

    job: ExtractJob
    window: Window
    fetched_at: datetime
    records: int
    rejected: int
    changes: tuple[dict[str, Any], ...]
    fetches: int = 0

    def as_dict(self, passes: Passes) -> dict[str, Any]:
        """JSON-able; ``changed_dates`` is cut, ``changed_date_count`` has the number."""
        window, place = self.window, self.job.place
        return {
            "dataset": self.job.dataset.name,
            "merchant_id": place.merchant_id,
            "window_from": window.start.isoformat(),
            "window_to": window.end.isoformat(),
            **where(place, self.job.dataset.name, window),
            "records": self.records,
            "rejected": self.rejected,
            "passes": passes.made_until(self.fetched_at),
            "fetched_at": self.fetched_at.isoformat(),
            "changed": bool(self.changes),
            "changes": count_changes(self.changes),
            "changed_dates": [
                {
                    **{name: change[name] for name in ("date", "fetched_at", *COUNTS)},
                    "file": place.uri_of(change["file"]) if change["file"] else None,
                }
                for change in self.changes[:DATES_NAMED]
            ],
            "changed_date_count": len({change["date"] for change in self.changes}),
        }

    def in_words(self, passes: Passes) -> str:
        """What was changed, or why the window was not fetched again, in one line."""
        fetched = moment_in_words(self.fetched_at)
        if self.changes:
            said = "; ".join(
                f"{each['date']}: {counted(each['added'], 'row')} added, {each['removed']} removed, "
                f"{each['changed']} changed"
                for each in self.changes[:DATES_NAMED]
            )
            said += f"; and {more} more" if (more := len(self.changes) - DATES_NAMED) > 0 else ""
        elif self.fetches:
            said = f"fetched again at {fetched}, nothing changed: {counted(self.records, 'record')}"
        else:
            due = ", ".join(map(moment_in_words, passes.moments))
            said = f"already fetched at {fetched}, after its last pass ({due}); no second fetch was due"
        return f"{self.job.what}: {said} -> {self.job.place.data_uri(self.job.dataset.name)}"


def fetched_window(job: ExtractJob) -> FetchedWindow | None:
    """What was fetched of the job's window; None if nothing was, or with other filters."""
    assert job.window is not None
    store, layout = job.place.store, job.place.layout(job.dataset.name)
    manifest = store.read_json(layout.manifest(job.window))
    with naming_damaged(store.full(layout.manifest(job.window))):
        if manifest is None or manifest.get("filters", {}) != dict(job.filters):
            return None
        days = {date.fromisoformat(day): datetime.fromisoformat(fetched) for day, fetched in manifest["days"].items()}
        fetched_at, records, rejected = min(days.values()), manifest["records"], manifest["rejected"]
    published = published_changes(store, layout, set(days))
    own = tuple(change.as_dict() for change in published if change.run == job.resume_key)
    return FetchedWindow(job, job.window, fetched_at, records, rejected, own)


async def make_passes(
    job: ExtractJob, passes: Passes, client: Callable[[], AbstractAsyncContextManager[ZDirectClient]], clock: Clock
) -> FetchedWindow:
    """Fetch and publish the window if a pass is missing that is due; safe to repeat.

    :param client: makes a client, if one is needed.
    :raises ZDirectError: as :func:`~.extract.extract`; what was published stays then.
    """
    for fetches in range(MAX_FETCHES):
        fetched = fetched_window(job)
        if fetched is not None and not passes.is_missing(fetched.fetched_at, clock.now()):
            return replace(fetched, fetches=fetches)
        # Twice, if this publishes first what an earlier try had fetched before the moment of the pass.
        async with client() as opened:
            await extract(job, opened, clock)
    raise ConcurrentRunError(
        f"{job.what}: fetched {MAX_FETCHES} times, and its manifest still names an earlier fetch. Another run of the "
        "window may be under way with other filters, or the clocks of the workers differ.",
        remedy="No action needed: the task retries. Give runs with other filters a base path of their own.",
        retry_after=job.dataset.endpoint.refetch_delay,
    )
