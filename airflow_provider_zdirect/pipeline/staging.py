# SPDX-License-Identifier: Apache-2.0
"""Staging a page: what it says of itself is noted, and its records are staged as rows (:mod:`.staged_rows`)."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import TypeAdapter, ValidationError

from airflow_provider_zdirect.client import Page
from airflow_provider_zdirect.datasets.publication import Once
from airflow_provider_zdirect.datasets.record import Instant
from airflow_provider_zdirect.exceptions import ZDirectDataError
from airflow_provider_zdirect.pipeline.plan import PlannedRequest
from airflow_provider_zdirect.pipeline.run import Run
from airflow_provider_zdirect.storage.checkpoint import RequestProgress
from airflow_provider_zdirect.words import counted

TRY_AGAIN = "Clear the task to try again; if it persists, report it to Zalando's merchant support."


def stage_page(run: Run, request: PlannedRequest, done: RequestProgress, page: Page, answered_at: datetime) -> None:
    """Stage a page, and count it in ``done``.

    :param answered_at: when it came.
    :raises FilterIgnoredError: if the page cannot be an answer to the request.
    :raises ZDirectDataError: if it is of a snapshot, and has records and no time.
    """
    _note_answer(run, page)
    is_empty = not (page.records or page.rejected or any(page.parts.values()))
    if request.day or not (is_empty and isinstance(run.dataset.publish, Once)):
        # Imported here: an hour in which nothing happened needs neither Arrow nor numpy.
        from airflow_provider_zdirect.pipeline.staged_rows import stage_records

        stage_records(run, request, done, page, answered_at)
    done.pages += 1
    done.repaired += page.repaired
    done.cursor = page.next_cursor
    done.done = page.next_cursor is None
    done.fetched_at = answered_at.isoformat()


def _note_answer(run: Run, page: Page) -> None:
    key, time = run.dataset.answer.snapshot_time_key, page.snapshot_time
    is_first = not run.progress.total("pages")
    run.etag, run.unchanged = (page.etag, page.unchanged) if is_first else (None, False)
    if not is_first or key is None or (time is None and not page.records):
        return
    try:
        run.snapshot_time = TypeAdapter(Instant).validate_python(time).astimezone(UTC)
    except ValidationError:
        missing = f"the answer has {counted(len(page.records), 'record')} and no time ({key} is missing)"
        wrong = missing if time is None else f"{key}={time[:60]!r} is not a time with an offset"
        raise ZDirectDataError(f"{run.job.what}: {wrong}; nothing was published.", remedy=TRY_AGAIN) from None
