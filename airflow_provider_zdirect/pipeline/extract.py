"""Extracting one window of one dataset and merchant to object storage: the whole way, without Airflow.

window -> planned requests -> pages -> validated rows -> staged files -> published files -> manifest
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from airflow_provider_zdirect.client import ZDirectClient
from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.datasets.table import Dataset, KeptDays, WindowKind, get_dataset
from airflow_provider_zdirect.erasure.meanwhile import ErasedMeanwhile
from airflow_provider_zdirect.exceptions import (
    ConcurrentRunError,
    RejectedRecordsError,
    RetentionError,
)
from airflow_provider_zdirect.pipeline.fetch import WindowFetcher
from airflow_provider_zdirect.pipeline.job import ExtractJob, ExtractResult
from airflow_provider_zdirect.pipeline.manifest import Manifest
from airflow_provider_zdirect.pipeline.plan import PlannedRequest, plan_requests
from airflow_provider_zdirect.publish.abandoned import remove_abandoned
from airflow_provider_zdirect.publish.day import DayReplacer
from airflow_provider_zdirect.publish.day_changes import published_changes
from airflow_provider_zdirect.publish.environment import claim_environment
from airflow_provider_zdirect.publish.merge import Merged, RowMerger
from airflow_provider_zdirect.publish.row_index import AnsweredRecords, NewRecords
from airflow_provider_zdirect.publish.window import WindowPublisher
from airflow_provider_zdirect.publish.window_marks import WindowMarks
from airflow_provider_zdirect.reports.calendar import DAY, REPORTS, is_long_due, why_empty
from airflow_provider_zdirect.reports.wait import later_report
from airflow_provider_zdirect.storage.checkpoint import Checkpoint, Progress
from airflow_provider_zdirect.storage.layout import FORMATS, Layout
from airflow_provider_zdirect.storage.object_store import ObjectStore, naming_base_path
from airflow_provider_zdirect.windows import Window, refuse_future, subject, within_retention

__all__ = ["ExtractJob", "ExtractResult", "extract"]

log = logging.getLogger(__name__)

RETENTION_MARGIN = timedelta(minutes=5)
"""Kept off the far end of what zDirect keeps, since that moves on while requests are under way."""


async def extract(job: ExtractJob, client: ZDirectClient, clock: Clock | None = None) -> ExtractResult:
    """Fetch a window and publish it; safe to repeat, to resume and to run beside any other.

    Arrow uses the system's memory pool from then on, in the whole process.

    :raises WindowError: if the window ends in the future or starts before what zDirect keeps.
    :raises EmptyAnswerError: if no record came for a date of which some are published; these are left then.
    :raises RejectedRecordsError: if more records are invalid than ``max_rejected``; nothing is published then.
    :raises ZDirectError: see :mod:`airflow_provider_zdirect.exceptions`.
    """
    # Arrow's own pool keeps tens of MB of what was freed; the system's leaves them to the next page.
    pa.set_memory_pool(pa.system_memory_pool())
    job = replace(job, dataset=job.dataset.assuming(client.assumptions))
    return await _Extraction(job, client, clock or SystemClock()).run()


class _Extraction:
    def __init__(self, job: ExtractJob, client: ZDirectClient, clock: Clock) -> None:
        self.job = job
        self.client = client
        self.clock = clock
        self.dataset = job.dataset
        self.store = ObjectStore(job.fs, job.root)
        self.layout = Layout(job.dataset.name, job.merchant_id)
        self.run_key = job.resume_key or uuid.uuid4().hex
        self.changes: list[dict[str, Any]] = []
        self.empty_because: dict[str, str | None] = {}
        self.checkpoint = Checkpoint(self.store, self.layout.staging(job.window, self.run_key), self._fingerprint())
        what = f"{self.dataset.name} of merchant {job.merchant_id}, window {job.window}"
        self.erased = ErasedMeanwhile.of(self.dataset, job.merchant_id, self.checkpoint, what)

    async def run(self) -> ExtractResult:
        refuse_future(self.job.window, self.clock.now())
        progress = self._take_up_or_begin()
        publishers = {dataset.name: self._publisher(dataset) for dataset in self._published_by_window()}
        for publisher in publishers.values():
            publisher.announce()
        fetcher = WindowFetcher(
            self.dataset,
            self.job.merchant_id,
            self.job.environment,
            self.plan,
            self.client,
            self.checkpoint,
            progress,
            self.clock,
            self.job.accept_outside,
            self.job.filters,
            self.job.personal_data,
            self.erased.ledger,
        )
        await fetcher.fetch()
        if self.dataset.name in REPORTS:
            await self._judge_empty_reports(fetcher, progress)
        # To the operating system, with what the pages took: publishing has needs of its own.
        pa.default_memory_pool().release_unused()
        # In a thread, because runs that meet wait for each other, and the event loop is the caller's.
        try:
            return await asyncio.to_thread(self._publish, progress, publishers)
        except FileNotFoundError as error:
            raise ConcurrentRunError(
                f"{self.dataset.name} of merchant {self.job.merchant_id}, window {self.job.window}: a staged file is "
                f"gone ({error}). Another attempt at this window has cleared up, or somebody has deleted it.",
                remedy="Let the retry fetch what is missing.",
                retry_after=self.dataset.refetch_delay,
            ) from error

    async def _judge_empty_reports(self, fetcher: WindowFetcher, progress: Progress) -> None:
        """Find out which empty reports are certain to be empty, and say why."""
        for request in self.plan.requests:
            if not progress.of(request.key).is_empty:
                continue
            because = await self._why_empty(fetcher, progress, request)
            # It may have been fetched again, and hold movements now.
            if not progress.of(request.key).is_empty:
                continue
            self.empty_because[request.key] = because
            what = f"{self.dataset.name} of merchant {self.job.merchant_id}, report of {request.day}"
            if because is None:
                log.warning(
                    "%s: empty, and there is no report of a later date, so it may not have been made yet. The day is "
                    "not complete; fetch it again later.",
                    what,
                )
            else:
                log.info("%s: empty, because %s.", what, because)

    async def _why_empty(self, fetcher: WindowFetcher, progress: Progress, request: PlannedRequest) -> str | None:
        """Why the report is certain to be empty; None if it is not.

        What a later report makes certain is fetched again before.
        """
        fetched = progress.of(request.key)
        assert request.day is not None
        assert fetched.fetched_at is not None
        if is_long_due(request.day, datetime.fromisoformat(fetched.fetched_at)):
            return why_empty(None)
        last = self.clock.now().date() - DAY
        later = await later_report(self.client, self.dataset, self.job.merchant_id, request.day, last)
        fetcher.count_traffic(fetched)
        if later is None:
            return None
        # It may have been made between the two answers.
        await fetcher.fetch_again(request)
        return why_empty(later)

    def _published_by_window(self) -> list[Dataset]:
        """What the window publishes: the dataset last, so that whose records are there has its parts there too."""
        if self.dataset.window is WindowKind.DATE:
            return []
        parts = self.dataset.resources.parts if self.dataset.resources else ()
        return [*(get_dataset(part.dataset) for part in parts), self.dataset]

    def _publish(self, progress: Progress, publishers: Mapping[str, WindowPublisher]) -> ExtractResult:
        self.erased.refuse(progress)
        if not all(publisher.is_announced() for publisher in publishers.values()):
            self.checkpoint.discard()
            raise ConcurrentRunError(
                f"{self.dataset.name} of merchant {self.job.merchant_id}, window {self.job.window}: its mark under "
                "_windows is gone, so other runs may have left its late records alone. This attempt stood still for a "
                "day, or somebody has deleted the mark.",
                remedy="Let the retry fetch the window anew.",
                retry_after=self.dataset.refetch_delay,
            )
        try:
            rejected, rejected_path = self._keep_rejected(progress)
            if rejected > self.job.max_rejected:
                self.checkpoint.discard()
                for publisher in publishers.values():
                    publisher.withdraw()
                raise self._too_many_rejected(rejected, rejected_path, progress)
            parts = {}
            for name, publisher in publishers.items():
                merged = publisher.publish(_staged(progress, None if name == self.dataset.name else name))
                if name != self.dataset.name:
                    parts[name] = merged.answered.count
                    part = self._manifest(progress, merged, get_dataset(name))
                    self.store.write_json(Layout(name, self.job.merchant_id).manifest(self.job.window), part.as_json())
            if not publishers:
                merged = self._replace_days(progress)
        finally:
            self.erased.erase_published(self.layout.rejected(self.job.window), self.clock.now())
        manifest = replace(
            self._manifest(progress, merged, self.dataset),
            rejected=rejected,
            rejected_file=rejected_path,
            parts=parts,
            repaired=progress.total("repaired"),
        )
        manifest_path = self.layout.manifest(self.job.window)
        self.store.write_json(manifest_path, manifest.as_json())
        while (changes := self._all_changes()) != manifest.changes:
            # Another run has published meanwhile; of the two manifests the one that is written last is to tell both.
            manifest = replace(manifest, changes=changes)
            self.store.write_json(manifest_path, manifest.as_json())
        self.checkpoint.discard()
        marks = [publisher.marks for publisher in publishers.values()]
        remove_abandoned(self.store, self.layout, self.clock.now(), marks)
        self._report(manifest)
        return self._result(manifest, manifest_path)

    def _take_up_or_begin(self) -> Progress:
        """The progress of an earlier attempt, and its plan; else a new plan, and none yet."""
        now = self.clock.now()
        try:
            self._set_plan(plan := self._new_plan(now))
        except RetentionError:
            # The edge of retention moves on; an earlier attempt may have fetched all while it was still there.
            if (progress := self.checkpoint.load(now)) is None:
                raise
        else:
            with naming_base_path(self.job.base_uri):
                claim_environment(self.store, self.job.environment, self.job.base_uri)
            progress = self.checkpoint.load(now)
            if progress is None:
                progress = Progress(now.isoformat(), plan)
                with naming_base_path(self.job.base_uri):
                    self.checkpoint.begin(progress)
        self._set_plan(progress.plan)
        return progress

    def _new_plan(self, now: datetime) -> dict[str, Any]:
        """What depends on the present time, JSON-able: where the window starts, and how far to look back."""
        earliest = self._earliest(now)
        window, _ = within_retention(self.job.window, earliest, clip=self.job.clip_to_retention)
        overlap = self.dataset.overlap if self.job.overlap is None else self.job.overlap
        # Looking back is a precaution, so it stops at the retention's edge without further ado.
        overlap = min(overlap, max(window.start - earliest, timedelta(0)))
        return {"from": window.start.isoformat(), "overlap": overlap.total_seconds()}

    def _set_plan(self, plan: dict[str, Any]) -> None:
        start = datetime.fromisoformat(plan["from"])
        self.window = Window(start, self.job.window.end)
        self.clipped = Window(self.job.window.start, start) if start > self.job.window.start else None
        overlap = timedelta(seconds=plan["overlap"])
        self.plan = plan_requests(self.dataset, self.window, overlap, self.job.timezone, self.job.filters)

    def _earliest(self, now: datetime) -> datetime:
        retention = self.dataset.retention
        assert retention is not None
        if not isinstance(retention, KeptDays):
            return retention.earliest(now)
        earliest = retention.earliest(now + RETENTION_MARGIN)
        if self.dataset.window is WindowKind.DATE:
            # Dates are counted as dates, so that the one of 100 days ago is asked for all day long. Unconfirmed; should
            # zDirect answer without records, DayReplacer leaves what was published.
            zone = ZoneInfo(self.job.timezone)
            return Window.of_day(max(earliest.date(), earliest.astimezone(zone).date()), self.job.timezone).start
        return earliest

    def _publisher(self, dataset: Dataset) -> WindowPublisher:
        def merger(row: Dataset) -> RowMerger:
            layout = Layout(row.name, self.job.merchant_id)
            return RowMerger(self.store, layout, row, self.window, FORMATS[self.job.format])

        marks = WindowMarks(self.store, Layout(dataset.name, self.job.merchant_id))
        latest = dataset.of_latest()
        return WindowPublisher(merger(dataset), marks, self.plan.looked_back, merger(latest) if latest else None)

    def _replace_days(self, progress: Progress) -> Merged:
        replacer = DayReplacer(
            self.store,
            self.layout,
            self.dataset,
            self.job.timezone,
            FORMATS[self.job.format],
            self.run_key,
            self.clock.now(),
            by_nothing=self.job.replace_with_empty,
            # The sandbox answers with samples, whatever was asked for.
            only=self.job.filters if self.job.environment == "production" else {},
        )
        files, new = [], NewRecords()
        for request in self.plan.requests:
            fetched = progress.of(request.key)
            assert request.day is not None
            assert fetched.fetched_at is not None
            replaced = replacer.replace(request.day, fetched.staged, datetime.fromisoformat(fetched.fetched_at))
            files += replaced.files
            if replaced.change is not None:
                new += NewRecords(in_window=sum(file.rows for file in replaced.files))
                self.changes.append(replaced.change.as_dict())
        return Merged(AnsweredRecords(sum(file.rows for file in files), None, None), files, new)

    def _keep_rejected(self, progress: Progress) -> tuple[int, str | None]:
        """Write the invalid records beside the data; how many, and where."""
        path = self.layout.rejected(self.job.window)
        staged = [path for request in progress.requests.values() for path in request.rejected_staged]
        if not staged:
            self.store.delete(path)
            return 0, None
        # gzip members one after the other are one gzip file.
        parts = [self.store.read(part) for part in staged]
        if None in parts:
            raise FileNotFoundError(staged[parts.index(None)])
        self.store.write(path, b"".join(part for part in parts if part is not None))
        return progress.total("rejected"), path

    def _too_many_rejected(self, rejected: int, path: str | None, progress: Progress) -> RejectedRecordsError:
        reasons = [reason for request in progress.requests.values() for reason in request.reasons][:3]
        return RejectedRecordsError(
            f"{self.dataset.name} of merchant {self.job.merchant_id}, window {self.job.window}: {rejected} invalid "
            f"records, and max_rejected is {self.job.max_rejected}; nothing was published. "
            f"Reasons: {' | '.join(reasons)}.",
            remedy=f"Look at {self._uri(path or '')}; to publish the valid records all the same, raise max_rejected "
            "and clear the task.",
        )

    def _manifest(self, progress: Progress, merged: Merged, dataset: Dataset) -> Manifest:
        looked_back = self.plan.looked_back
        return Manifest(
            dataset=dataset.name,
            merchant_id=self.job.merchant_id,
            environment=self.job.environment,
            path=self.dataset.path,
            window=self.job.window,
            clipped=self.clipped,
            days={
                request.day.isoformat(): progress.of(request.key).fetched_at or ""
                for request in self.plan.requests
                if request.day is not None
            },
            overlap_seconds=looked_back.duration.total_seconds() if looked_back else 0.0,
            format=self.job.format,
            records=merged.answered.count,
            new_records=merged.new.in_window,
            late_records=merged.new.outside,
            rejected=0,
            outside=progress.total("outside"),
            pages=progress.total("pages"),
            requests=progress.total("requests_sent"),
            bytes=progress.total("bytes_received"),
            first=merged.answered.first,
            last=merged.answered.last,
            started_at=progress.started_at,
            finished_at=self.clock.now().isoformat(),
            files=sorted(merged.files, key=lambda file: file.path),
            late_files=sorted(merged.files_outside, key=lambda file: file.path),
            changes=self._all_changes(),
            filters=dict(self.job.filters),
            personal_data=self.job.personal_data.told(self.dataset),
            empty_because=self.empty_because,
        )

    def _all_changes(self) -> list[dict[str, Any]]:
        """Those of earlier runs of the window's dates, and this one's."""
        days = {request.day for request in self.plan.requests if request.day is not None}
        return [change.as_dict() for change in published_changes(self.store, self.layout, days)] if days else []

    def _result(self, manifest: Manifest, manifest_path: str) -> ExtractResult:
        return ExtractResult(
            dataset=self.dataset.name,
            merchant_id=self.job.merchant_id,
            window=self.job.window,
            uri=self._uri(f"{self.dataset.name}/merchant_id={self.job.merchant_id}"),
            manifest=self._uri(manifest_path),
            records=manifest.records,
            new_records=manifest.new_records,
            late_records=manifest.late_records,
            rejected=manifest.rejected,
            rejected_uri=self._uri(manifest.rejected_file) if manifest.rejected_file else None,
            pages=manifest.pages,
            requests=manifest.requests,
            files=tuple(self._uri(file.path) for file in manifest.files),
            changes=tuple(self.changes),
            parts=manifest.parts,
            repaired=manifest.repaired,
        )

    def _report(self, manifest: Manifest) -> None:
        what = subject(manifest.dataset, manifest.merchant_id, manifest.window)
        changes = {kind: sum(change[kind] for change in self.changes) for kind in ("added", "removed", "changed")}
        # A date is replaced as a whole, but most of its rows may be as they were.
        new = changes["added"] if self.dataset.window is WindowKind.DATE else manifest.new_records
        there = f"{manifest.records - new:,} were there already"
        notes = [
            f", {changes['changed']:,} of them with other values" if changes["changed"] else "",
            f"; {changes['removed']:,} are gone" if changes["removed"] else "",
        ]
        log.info(
            "%s: %s new of %s%s, %d rejected%s; %d pages, %d requests -> %s",
            what,
            f"{new:,}",
            f"{manifest.records:,}",
            f" ({there}{''.join(notes)})" if manifest.records > new or any(notes) else "",
            manifest.rejected,
            f"; {manifest.late_records:,} late ones of earlier windows" if manifest.late_records else "",
            manifest.pages,
            manifest.requests,
            self._uri(self.layout.merchant),
        )
        if manifest.repaired:
            log.warning(
                "%s: %d records came with damaged texts; U+FFFD stands for what was damaged.", what, manifest.repaired
            )
        if manifest.outside:
            log.warning(
                "%s: %d records lie outside of what was asked for. They were published under their own time; see "
                "docs/exactly-once.md.",
                what,
                manifest.outside,
            )

    def _fingerprint(self) -> dict[str, Any]:
        return {
            "dataset": self.dataset.name,
            "path": self.dataset.path,
            "merchant_id": self.job.merchant_id,
            "environment": self.job.environment,
            "window": self.job.window.label,
            "overlap": self.job.overlap.total_seconds() if self.job.overlap is not None else None,
            "timezone": self.job.timezone,
            "filters": dict(self.job.filters),
            "personal_data": self.job.personal_data.told(self.dataset),
            "to_inclusive": self.dataset.to_inclusive,
        }

    def _uri(self, path: str) -> str:
        return f"{self.job.base_uri.rstrip('/')}/{path}"


def _staged(progress: Progress, part: str | None) -> list[str]:
    """Paths of the staged records, or of those of a part."""
    requests = progress.requests.values()
    return [path for request in requests for path in (request.parts_staged.get(part, []) if part else request.staged)]
