"""Extracting one window of one dataset and merchant to object storage: the whole way, without Airflow.

window -> planned requests -> pages -> validated rows -> staged files -> published files -> manifest
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from dataclasses import replace
from datetime import datetime
from typing import Any

import pyarrow as pa

from airflow_provider_zdirect import __version__
from airflow_provider_zdirect.client import ZDirectClient
from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.datasets.table import Dataset, get_dataset
from airflow_provider_zdirect.erasure.concurrent_extraction import ErasedMeanwhile
from airflow_provider_zdirect.exceptions import ConcurrentRunError, RejectedRecordsError, RetentionError
from airflow_provider_zdirect.pipeline.empty_reports import judge_empty_reports
from airflow_provider_zdirect.pipeline.fetch import WindowFetcher
from airflow_provider_zdirect.pipeline.job import ExtractJob
from airflow_provider_zdirect.pipeline.manifest import ExtractResult, Manifest, count_changes
from airflow_provider_zdirect.pipeline.plan import Reach, plan_requests
from airflow_provider_zdirect.pipeline.progress import report_result
from airflow_provider_zdirect.pipeline.staging import PageStager
from airflow_provider_zdirect.publish.abandoned import remove_abandoned
from airflow_provider_zdirect.publish.day import DayReplacer
from airflow_provider_zdirect.publish.day_changes import published_changes
from airflow_provider_zdirect.publish.environment import claim_place
from airflow_provider_zdirect.publish.files import PublishedFile
from airflow_provider_zdirect.publish.merge import Merged, RowMerger
from airflow_provider_zdirect.publish.rejected import publish_rejected
from airflow_provider_zdirect.publish.window import announce, publishable
from airflow_provider_zdirect.reports.calendar import REPORTS
from airflow_provider_zdirect.storage.checkpoint import Checkpoint, Progress
from airflow_provider_zdirect.storage.object_store import naming_base_path
from airflow_provider_zdirect.windows import Window, refuse_future

__all__ = ["ExtractJob", "ExtractResult", "extract"]

log = logging.getLogger(__name__)


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
        self.place = job.place
        self.store = job.place.store
        self.layout = job.place.layout(job.dataset.name)
        self.run_key = job.resume_key or uuid.uuid4().hex
        self.changes: list[dict[str, Any]] = []
        self.empty_because: dict[str, str | None] = {}
        self.checkpoint = Checkpoint(self.store, self.layout.staging(job.window, self.run_key), self._fingerprint())
        self.erased = ErasedMeanwhile(self.dataset, self.place.merchant_id, self.checkpoint, job.what)

    async def run(self) -> ExtractResult:
        refuse_future(self.job.window, self.clock.now())
        progress = self._resume_or_begin()
        if not self.dataset.publish.by_day:
            announce(self.store, self.layout, self.window)
        stager = PageStager(self.job, self.window, self.checkpoint, self.clock, self.erased.ledger)
        fetcher = WindowFetcher(self.requests, self.client, progress, stager)
        await fetcher.fetch()
        if self.dataset.name in REPORTS:
            self.empty_because = await judge_empty_reports(fetcher, self.requests, self.clock)
        # To the operating system, with what the pages took: publishing has needs of its own.
        pa.default_memory_pool().release_unused()
        # In a thread, because runs that meet wait for each other, and the event loop is the caller's.
        try:
            return await asyncio.to_thread(self._publish, progress)
        except FileNotFoundError as error:
            raise ConcurrentRunError(
                f"{self.job.what}: a staged file is gone ({error}). Another attempt at this window has cleared up, or "
                "somebody has deleted it.",
                remedy="No action needed: the task retries, and fetches what is missing.",
                retry_after=self.dataset.endpoint.refetch_delay,
            ) from error

    def _resume_or_begin(self) -> Progress:
        """The progress of an earlier attempt, and its reach; else a new reach, and no progress yet."""
        now = self.clock.now()
        try:
            self._plan(reach := Reach.of(self.job, now))
        except RetentionError:
            # The edge of retention moves on; an earlier attempt may have fetched all while it was still there.
            if (progress := self.checkpoint.load(now)) is None:
                raise
        else:
            claim_place(self.place)
            progress = self.checkpoint.load(now)
            if progress is None:
                progress = Progress(now.isoformat(), reach.as_json())
                with naming_base_path(self.place.uri):
                    self.checkpoint.begin(progress)
        self._plan(Reach.from_json(progress.plan))
        return progress

    def _plan(self, reach: Reach) -> None:
        job = self.job
        self.reach = reach
        self.window = Window(reach.start, job.window.end)
        asked = self.window.extended_back(reach.overlap)
        self.requests = plan_requests(self.dataset, asked, job.timezone, job.filters)

    def _publish(self, progress: Progress) -> ExtractResult:
        self.erased.refuse(progress)
        try:
            rejected_file = self._publish_rejected(progress)
            if self.dataset.publish.by_day:
                manifest = self._manifest(progress, self.dataset, self._replace_days(progress))
            else:
                manifest = self._merge(progress)
        finally:
            self.erased.erase_published(self.layout.rejected(self.job.window), self.clock.now())
        manifest = replace(
            manifest,
            rejected=progress.total("rejected"),
            rejected_file=rejected_file,
            repaired=progress.total("repaired"),
        )
        self._write(manifest)
        while (changes := self._all_changes()) != manifest.changes:
            # Another run has published meanwhile; the manifest that is written last has to name the changes of both.
            manifest = replace(manifest, changes=changes)
            self._write(manifest)
        self.checkpoint.discard()
        remove_abandoned(self.store, self.layout, self.clock.now())
        result = ExtractResult(self.place, manifest, tuple(self.changes))
        self._report(result)
        return result

    def _publish_rejected(self, progress: Progress) -> str | None:
        requests, lines = progress.requests.values(), b""
        for path in (path for request in requests for path in request.rejected_staged):
            with self.store.open(path) as file:
                lines += file.read()
        try:
            return publish_rejected(
                self.place,
                self.layout.rejected(self.job.window),
                lines,
                progress.total("rejected"),
                [reason for request in requests for reason in request.reasons],
                max_rejected=self.job.max_rejected,
                what=self.job.what,
            )
        except RejectedRecordsError:
            self.checkpoint.discard()
            raise

    def _merge(self, progress: Progress) -> Manifest:
        """Publish each record once; the dataset after its parts, so that whoever sees a record finds its parts."""
        wanted = publishable(self.store, self.layout, self.window, self.reach.overlap)

        def merge(dataset: Dataset, staged: list[str]) -> Merged:
            layout = self.place.layout(dataset.name)
            merged = RowMerger(self.store, layout, dataset, self.window, self.place.suffix).merge(staged, wanted)
            if latest := dataset.of_latest():
                merge(latest, staged)
            return merged

        requests, parts = progress.requests.values(), {}
        for name in self.dataset.answer.parts:
            merged = merge(get_dataset(name), [path for each in requests for path in each.parts_staged.get(name, ())])
            parts[name] = merged.records
            self._write(self._manifest(progress, get_dataset(name), merged))
        merged = merge(self.dataset, [path for each in requests for path in each.staged])
        return replace(self._manifest(progress, self.dataset, merged), parts=parts)

    def _replace_days(self, progress: Progress) -> Merged:
        replacer = DayReplacer(
            self.store,
            self.layout,
            self.dataset,
            self.job.timezone,
            self.place.suffix,
            self.run_key,
            self.clock.now(),
            by_nothing=self.job.replace_with_empty,
            # The sandbox answers with samples, whatever was asked for.
            only=self.job.filters if self.place.environment == "production" else {},
        )
        files: list[PublishedFile] = []
        new = 0
        for request in self.requests:
            fetched = progress.of(request.key)
            assert request.day is not None
            assert fetched.fetched_at is not None
            replaced = replacer.replace(request.day, fetched.staged, datetime.fromisoformat(fetched.fetched_at))
            files += replaced.files
            if replaced.change is not None:
                new += sum(file.rows for file in replaced.files)
                self.changes.append(replaced.change.as_dict())
        return Merged(sum(file.rows for file in files), new_records=new, files=files)

    def _manifest(self, progress: Progress, dataset: Dataset, merged: Merged) -> Manifest:
        return Manifest(
            dataset=dataset.name,
            merchant_id=self.place.merchant_id,
            environment=self.place.environment,
            path=self.dataset.endpoint.path,
            window=self.job.window,
            format=self.place.format,
            **vars(merged),
            started_at=progress.started_at,
            finished_at=self.clock.now().isoformat(),
            clipped=Window(self.job.window.start, self.window.start) if self.window != self.job.window else None,
            days={
                request.day.isoformat(): progress.of(request.key).fetched_at or ""
                for request in self.requests
                if request.day is not None
            },
            empty_because=self.empty_because,
            overlap_seconds=self.reach.overlap.total_seconds(),
            outside=progress.total("outside"),
            pages=progress.total("pages"),
            requests=progress.total("requests_sent"),
            bytes=progress.total("bytes_received"),
            changes=self._all_changes(),
            filters=dict(self.job.filters),
            personal_data=self.job.personal_data.label(self.dataset),
        )

    def _all_changes(self) -> list[dict[str, Any]]:
        """Those of earlier runs of the window's dates, and this one's."""
        days = {request.day for request in self.requests if request.day is not None}
        return [change.as_dict() for change in published_changes(self.store, self.layout, days)] if days else []

    def _write(self, manifest: Manifest) -> None:
        path = self.place.layout(manifest.dataset).manifest(manifest.window)
        self.store.write_json(path, manifest.as_json())

    def _report(self, result: ExtractResult) -> None:
        manifest, changes = result.manifest, count_changes(self.changes)
        # A date is replaced as a whole, but most of its rows may be as they were.
        new = changes["added"] if self.dataset.publish.by_day else manifest.new_records
        notes = [
            f"{manifest.records - new:,} were there already",
            f", {changes['changed']:,} of them with other values" if changes["changed"] else "",
            f"; {changes['removed']:,} are gone" if changes["removed"] else "",
        ]
        known = f" ({''.join(notes)})" if manifest.records > new or any(notes[1:]) else ""
        late = f", {manifest.late_records:,} late records of earlier windows" if manifest.late_records else ""
        report_result(self.job.what, f"{new:,} new of {manifest.records:,}{known}{late}", result)
        if manifest.outside:
            log.warning(
                "%s: %d records lie outside of what was asked for. They were published under their own time; see "
                "docs/exactly-once.md.",
                self.job.what, manifest.outside,
            )  # fmt: skip

    def _fingerprint(self) -> dict[str, Any]:
        return {
            "package_version": __version__,
            "dataset": self.dataset.name,
            "path": self.dataset.endpoint.path,
            "merchant_id": self.place.merchant_id,
            "environment": self.place.environment,
            "window": self.job.window.label,
            "overlap": self.job.overlap.total_seconds() if self.job.overlap is not None else None,
            "timezone": self.job.timezone,
            "filters": dict(self.job.filters),
            "personal_data": self.job.personal_data.label(self.dataset),
            "selection": repr(self.dataset.selection),
        }
