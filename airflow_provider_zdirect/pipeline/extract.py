# SPDX-License-Identifier: Apache-2.0
"""Extracting a window or a present state of one dataset and merchant to object storage, without Airflow.

job -> planned requests -> pages -> validated rows -> staged files -> published files -> manifest

Nothing is published before the last page has come. A retry of a window goes on where the last try ended; one of a
present state asks anew, because pages of two states must not mix.
"""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_zdirect import __version__
from airflow_provider_zdirect.client import ZDirectClient
from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.datasets.publication import History, Once
from airflow_provider_zdirect.exceptions import ConcurrentRunError, RetentionError
from airflow_provider_zdirect.pipeline.empty_reports import judge_empty_reports
from airflow_provider_zdirect.pipeline.fetch import Fetcher
from airflow_provider_zdirect.pipeline.job import ExtractJob
from airflow_provider_zdirect.pipeline.manifest import ExtractResult, count_changes
from airflow_provider_zdirect.pipeline.plan import Reach
from airflow_provider_zdirect.pipeline.progress import report_window
from airflow_provider_zdirect.pipeline.run import Run
from airflow_provider_zdirect.publish.abandoned import remove_abandoned
from airflow_provider_zdirect.publish.announced import announce
from airflow_provider_zdirect.publish.environment import claim_environment
from airflow_provider_zdirect.publish.rounds import LaterObservation
from airflow_provider_zdirect.reports.calendar import REPORTS
from airflow_provider_zdirect.storage.checkpoint import Checkpoint, Progress
from airflow_provider_zdirect.storage.damaged import naming_damaged
from airflow_provider_zdirect.storage.layout import moment
from airflow_provider_zdirect.storage.object_store import naming_base_path
from airflow_provider_zdirect.storage.scratch import scratch_folder
from airflow_provider_zdirect.windows import MAX_CLOCK_SKEW

if TYPE_CHECKING:
    from airflow_provider_zdirect.pipeline.publish_states import KnownState

__all__ = ["ExtractJob", "ExtractResult", "extract"]

log = logging.getLogger(__name__)

MAX_OBSERVATIONS = 5
_DICE = random.SystemRandom()


async def extract(job: ExtractJob, client: ZDirectClient, clock: Clock | None = None) -> ExtractResult:
    """Fetch a window or a present state and publish it; safe to repeat, and to run beside any other.

    As soon as there are rows, Arrow uses the system's memory pool, and glibc gives freed blocks of 4 MiB or more back,
    in the whole process.

    :raises WindowError: if the window ends in the future or starts before what zDirect keeps.
    :raises EmptyAnswerError: if no record came, and that must not replace what is published.
    :raises RejectedRecordsError: if more records are invalid than ``max_rejected``; nothing is published then.
    :raises ZDirectError: see :mod:`airflow_provider_zdirect.exceptions`.
    """
    job, clock = replace(job, dataset=job.dataset.assuming(client.assumptions)), clock or SystemClock()
    for number in range(MAX_OBSERVATIONS):
        with scratch_folder() as scratch:
            run = await _begin(replace(job, place=replace(job.place, copies={})), clock, Path(scratch))
            try:
                return await _fetch_and_publish(run, client)
            except BaseException as error:
                if not job.dataset.has_windows:
                    # No other try goes on with it, nor after a timeout, which is not an Exception in Airflow.
                    run.checkpoint.discard()
                if not isinstance(error, LaterObservation):
                    raise
                _check_clock(run, error)
        log.info("%s: another run has published a later state; asking again.", job.what)
        # Runs that met must not meet again.
        await clock.sleep(_DICE.uniform(0, 2.0**number))
    raise ConcurrentRunError(
        f"{job.what}: other runs published later states, {MAX_OBSERVATIONS} times in a row.",
        remedy="No action needed: the task retries. Run fewer of them at once.",
        retry_after=job.dataset.endpoint.refetch_delay,
    )


async def _begin(job: ExtractJob, clock: Clock, scratch: Path) -> Run:
    """A new run, or one that goes on with what an earlier try has fetched, and with its reach."""
    now = clock.now()
    resume_key = job.resume_key if job.dataset.has_windows else None
    key = resume_key or uuid.uuid4().hex
    folder = job.place.layout(job.dataset.name).staging(job.window or moment(now), key)
    checkpoint = Checkpoint(job.place.store, folder, _fingerprint(job), scratch)

    async def head() -> Any:
        return await asyncio.to_thread(checkpoint.head) if resume_key else None

    try:
        reach = Reach.of(job, now)
        reach.requests(job)
    except RetentionError:
        # The edge of retention moves on; an earlier try may have fetched all while it was still there.
        progress = checkpoint.load(await head(), now)
        if progress is None:
            raise
    else:
        claim = asyncio.to_thread(claim_environment, job.place.store, job.place.environment, job.place.uri)
        with naming_base_path(job.place.uri, job.place.storage):
            # At the same time, but nothing is changed in a base path of another environment.
            _, found = await asyncio.gather(claim, head())
            progress = checkpoint.load(found, now) or Progress(now.isoformat(), reach.as_json())
    with naming_damaged(job.place.store.full(folder)):
        planned = Reach.from_json(progress.plan)
    return Run(job, clock, key, planned, checkpoint, progress)


async def _fetch_and_publish(run: Run, client: ZDirectClient) -> ExtractResult:
    publish, known = run.dataset.publish, None
    if isinstance(publish, History):
        from airflow_provider_zdirect.pipeline.publish_states import KnownState

        known = KnownState(run)
    # Whether the base path can be written to and deleted from shows here, before the first request.
    if isinstance(publish, Once):
        with naming_base_path(run.place.uri, run.place.storage):
            await asyncio.gather(
                asyncio.to_thread(announce, run.store, run.layout, run.window),
                # Object stores refuse this even if there is nothing to delete.
                asyncio.to_thread(run.store.delete, f"_staging/_tmp/{run.key}"),
            )
    else:
        run.store.check_writable(run.place.uri, run.place.storage)
    known_as = await asyncio.to_thread(known.etag) if known else None
    fetcher = Fetcher(run, client, known_as)
    await fetcher.fetch()
    if run.dataset.name in REPORTS:
        run.empty_because = await judge_empty_reports(fetcher)
    # In a thread, because runs that meet wait for each other, and the event loop is the caller's.
    try:
        return await asyncio.to_thread(_publish, run, known)
    except FileNotFoundError as error:
        raise ConcurrentRunError(
            f"{run.job.what}: a staged file is gone ({error}). Another attempt at this window has cleared up, or "
            "somebody has deleted it.",
            remedy="No action needed: the task retries, and fetches what is missing.",
            retry_after=run.dataset.endpoint.refetch_delay,
        ) from error


def _publish(run: Run, known: KnownState | None) -> ExtractResult:
    if isinstance(run.dataset.publish, Once) and not run.progress.has_staged:
        result = _publish_nothing(run)
    else:
        # Imported here, as in staging.
        from airflow_provider_zdirect.pipeline.publish import publish

        result = publish(run, known)
    if run.is_complete and not run.progress.total("rejected"):
        # Those of earlier runs: this one has fetched the records again, and they are valid now.
        run.store.delete(run.rejected_path)
    run.checkpoint.discard()
    remove_abandoned(run.store, run.layout)
    return result


def _publish_nothing(run: Run) -> ExtractResult:
    """Write the manifests of a window in which nothing happened."""
    manifest = run.manifest(None)
    parts = tuple(map(manifest.of_part, run.dataset.answer.parts))
    for part in parts:
        run.write(part)
    manifest = replace(manifest, parts={part.dataset: 0 for part in parts})
    run.write(manifest)
    return report_window(run.job.what, ExtractResult(run.place, manifest, count_changes(()), parts), 0)


def _check_clock(run: Run, later: LaterObservation) -> None:
    """Raise ConcurrentRunError if the later state is of a time to come: asking again does not help."""
    now = run.clock.now()
    if later.at > now + MAX_CLOCK_SKEW:
        raise ConcurrentRunError(
            f"{run.job.what}: the published history has a state of {later.at.isoformat()}, and it is "
            f"{now.isoformat(timespec='seconds')} by the clock here; a changed state cannot be put behind it. "
            "Nothing was published.",
            remedy="Set the clocks of the workers: one was ahead, or this one is behind. What has changed is "
            "recorded by the first run after that time; until then, runs fail only if something has changed.",
            retry_after=run.dataset.endpoint.refetch_delay,
        ) from later


def _fingerprint(job: ExtractJob) -> dict[str, Any]:
    return {
        "package_version": __version__,
        "dataset": job.dataset.name,
        "path": job.dataset.endpoint.path,
        "merchant_id": job.place.merchant_id,
        "environment": job.place.environment,
        "window": job.window.label if job.window else None,
        "overlap": job.overlap.total_seconds() if job.overlap is not None else None,
        "timezone": job.timezone,
        "filters": dict(job.filters),
        "personal_data": job.personal_data.label(job.dataset),
        "selection": repr(job.dataset.selection),
    }
