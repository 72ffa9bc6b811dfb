# SPDX-License-Identifier: Apache-2.0
"""Publishing what a run has staged: rows, and invalid records beside them."""

from __future__ import annotations

import pyarrow as pa

from airflow_provider_zdirect.datasets.publication import Once
from airflow_provider_zdirect.erasure.concurrent_extraction import ErasedMeanwhile
from airflow_provider_zdirect.exceptions import RejectedRecordsError
from airflow_provider_zdirect.pipeline.manifest import ExtractResult
from airflow_provider_zdirect.pipeline.publish_states import KnownState, distinct_rows, publish_snapshot, record_state
from airflow_provider_zdirect.pipeline.publish_windows import publish_days, publish_once
from airflow_provider_zdirect.pipeline.run import Run
from airflow_provider_zdirect.pipeline.staged_rows import reject
from airflow_provider_zdirect.words import counted

REASONS_NAMED = 3


def publish(run: Run, known: KnownState | None) -> ExtractResult:
    """Publish what a run has staged.

    :param known: what is published so far, where a history is kept.
    :raises FileNotFoundError: if a staged file is gone.
    """
    # To the operating system, with what the pages took: publishing has needs of its own.
    pa.default_memory_pool().release_unused()
    erased = ErasedMeanwhile(run.ledger, run.checkpoint, run.job.what)
    erased.refuse(run.progress)
    try:
        if run.dataset.has_windows:
            manifest = run.manifest(_publish_rejected(run))
            return publish_once(run, manifest) if isinstance(run.dataset.publish, Once) else publish_days(run, manifest)
        rows, contradicted = distinct_rows(run)
        reject(run, run.progress.of(run.requests[0].key), contradicted)
        manifest = run.manifest(_publish_rejected(run))
        return record_state(run, manifest, rows, known) if known else publish_snapshot(run, manifest, rows)
    finally:
        erased.erase_published(run.rejected_path, run.clock.now())


def _publish_rejected(run: Run) -> str | None:
    """Write the invalid records beside the data; the path, or None if there are none.

    A complete run replaces those of earlier runs, because it has fetched these records again; any other adds its own.

    :raises RejectedRecordsError: if there are more than ``max_rejected``; they are written nevertheless.
    """
    requests, path, lines = run.progress.requests.values(), run.rejected_path, b""
    count, most = run.progress.total("rejected"), run.job.max_rejected
    if not count:
        return None
    for staged in (staged for request in requests for staged in request.rejected_staged):
        with run.store.open(staged) as file:
            lines += file.read()
    earlier = b"" if run.is_complete else run.store.read(path) or b""
    # A retry finds its own there. Gzip files, one after the other, are a gzip file again.
    if lines not in earlier:
        run.store.write(path, earlier + lines)
    if count > most:
        run.checkpoint.discard()
        reasons = dict.fromkeys(reason for request in requests for reason in request.reasons)
        raise RejectedRecordsError(
            f"{run.job.what}: {counted(count, 'invalid record')}, and max_rejected is {most}; nothing was published. "
            f"Reasons: {' | '.join(list(reasons)[:REASONS_NAMED])}.",
            remedy=f"Look at {run.place.uri_of(path)}; to publish the valid records anyway, run it again "
            "with a higher max_rejected.",
        )
    return path
