"""Extracting the present state of one dataset and merchant to object storage: the whole way, without Airflow.

requests -> pages -> validated rows -> snapshot or history -> manifest

Nothing is published before the last page is there. A retry asks anew: pages of two states do not mix.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from airflow_provider_zdirect import __version__
from airflow_provider_zdirect.client import ZDirectClient
from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.datasets.table import Keeping
from airflow_provider_zdirect.exceptions import (
    ConcurrentRunError,
    EmptyAnswerError,
    RejectedRecordsError,
    RetentionError,
    WindowError,
)
from airflow_provider_zdirect.pipeline.fetch_state import FetchedState, StateFetcher, plan_state
from airflow_provider_zdirect.pipeline.manifest import Manifest
from airflow_provider_zdirect.pipeline.state_job import NAMED, StateJob, StateResult
from airflow_provider_zdirect.publish.environment import claim_environment
from airflow_provider_zdirect.publish.files import PublishedFile
from airflow_provider_zdirect.publish.history import LaterObservation, RecordHistory, Standing
from airflow_provider_zdirect.publish.snapshot import SnapshotPublisher
from airflow_provider_zdirect.storage.layout import FORMATS, Layout, moment
from airflow_provider_zdirect.storage.object_store import ObjectStore, naming_base_path
from airflow_provider_zdirect.windows import MAX_CLOCK_SKEW, moment_in_words, subject

log = logging.getLogger(__name__)

MAX_OBSERVATIONS = 5
_DICE = random.SystemRandom()
NO_CHANGES = {"added": 0, "changed": 0, "removed": 0}
STALE_AFTER = timedelta(hours=25)
"""A snapshot is up to 24 hours old (zDirect docs, Tracking inventory); an older one has had no successor."""


@dataclass(frozen=True)
class _Outcome:
    """What was published of a state."""

    at: datetime
    stored: bool
    files: list[PublishedFile] = field(default_factory=list)
    changes: Mapping[str, int] = field(default_factory=lambda: dict(NO_CHANGES))
    empty_answer: bool = False
    keep_manifest: bool = False


async def extract_state(job: StateJob, client: ZDirectClient, clock: Clock | None = None) -> StateResult:
    """Fetch the present state and publish it; safe to repeat and to run beside any other.

    :raises WindowError: if ``since`` lies in the future.
    :raises RetentionError: if it lies before what zDirect knows the changes of.
    :raises EmptyAnswerError: if no record came, and that must not be taken for an empty state; nothing is published.
    :raises RejectedRecordsError: if more records are invalid than ``max_rejected``; nothing is published.
    :raises ZDirectError: see :mod:`airflow_provider_zdirect.exceptions`.
    """
    job = replace(job, dataset=job.dataset.assuming(client.assumptions))
    return await _StateExtraction(job, client, clock or SystemClock()).run()


class _StateExtraction:
    def __init__(self, job: StateJob, client: ZDirectClient, clock: Clock) -> None:
        self.job = job
        self.client = client
        self.clock = clock
        self.dataset = job.dataset
        self.store = ObjectStore(job.fs, job.root)
        self.layout = Layout(job.dataset.name, job.merchant_id)
        self.requests = plan_state(job.dataset, job.since, job.filters)
        self.what = f"{job.dataset.name} of merchant {job.merchant_id}"
        suffix = FORMATS[job.format]
        self.history = RecordHistory(self.store, self.layout, job.dataset, suffix)
        self.snapshots = SnapshotPublisher(self.store, self.layout, job.dataset, suffix)

    @property
    def _subject(self) -> str:
        return subject(self.dataset.name, self.job.merchant_id)

    async def run(self) -> StateResult:
        started_at = self.clock.now()
        self._check_since(started_at)
        with naming_base_path(self.job.base_uri):
            claim_environment(self.store, self.job.environment, self.job.base_uri)
        self.store.check_writable(self.job.base_uri)
        for number in range(MAX_OBSERVATIONS):
            standing = await asyncio.to_thread(self._standing)
            state = await self._fetch(standing)
            try:
                return await asyncio.to_thread(self._publish, state, standing, started_at)
            except LaterObservation as later:
                self._check_clock(later)
                log.info("%s: another run has published a later state; asking again.", self._subject)
                # Runs that met must not meet again.
                await self.clock.sleep(_DICE.uniform(0, 2.0**number))
        raise ConcurrentRunError(
            f"{self.what}: other runs published later states, {MAX_OBSERVATIONS} times in a row.",
            remedy="Let the retry do it; run fewer of them at once.",
            retry_after=self.dataset.refetch_delay,
        )

    def _check_clock(self, later: LaterObservation) -> None:
        """Raise ConcurrentRunError if asking again is no use: the later state is of a time that is still to come."""
        now = self.clock.now()
        if later.at > now + MAX_CLOCK_SKEW:
            raise ConcurrentRunError(
                f"{self.what}: the published history has a state of {later.at.isoformat()}, and it is "
                f"{now.isoformat(timespec='seconds')} by the clock here; a changed state cannot be put behind it. "
                "Nothing was published.",
                remedy="Set the clocks of the workers: one was ahead, or this one is behind. What has changed is "
                "recorded by the first run after that time; until then, runs fail only if something has changed.",
                retry_after=self.dataset.refetch_delay,
            ) from later

    def _check_since(self, now: datetime) -> None:
        since, retention = self.job.since, self.dataset.retention
        if since is None or retention is None:
            return
        if since > now + MAX_CLOCK_SKEW:
            raise WindowError(
                f"{self.what}: asked for what changed since {since.isoformat()}, which is in the future (now is "
                f"{now.isoformat(timespec='seconds')}).",
                remedy="Begin the window in the past.",
            )
        if since < retention.earliest(now):
            raise RetentionError(
                f"{self.what}: asked for what changed since {since.isoformat()}, and zDirect tells the changes of the "
                f"last {retention} only.",
                remedy="Begin the window later, or take the whole state: filters with EANs, or the last snapshot.",
            )

    def _standing(self) -> Standing | None:
        return self.history.standing() if self.dataset.keeping is Keeping.HISTORY else None

    async def _fetch(self, standing: Standing | None) -> FetchedState:
        fetcher = StateFetcher(
            self.dataset,
            self.job.merchant_id,
            self.job.environment,
            self.requests,
            self.client,
            self.clock,
            self.job.since,
            await asyncio.to_thread(self._known_as, standing),
        )
        return await fetcher.fetch()

    def _known_as(self, standing: Standing | None) -> str | None:
        """ETag of the last answer, if what it said is what is valid now."""
        note = self.store.read_json(self.layout.latest_state()) if standing else None
        if standing is None or note is None or note["answer"] != self._answer() or note["content"] != standing.digest:
            return None
        return str(note["etag"])

    def _answer(self) -> dict[str, Any]:
        """What the answer to a single request depends on, and what is made of it."""
        return {
            "path": self.dataset.path,
            "parameters": [dict(request.parameters) for request in self.requests],
            "environment": self.job.environment,
            "package_version": __version__,
        }

    def _publish(self, state: FetchedState, standing: Standing | None, started_at: datetime) -> StateResult:
        at = state.created or state.observed_at
        rejected_path = self._keep_rejected(state)
        if standing is None:
            outcome = self._publish_snapshot(state, at)
        else:
            if state.unchanged:
                state = replace(state, rows=self._rows_of(standing, state))
            outcome = self._record(state, standing)
        manifest_path = self.layout.manifest(moment(outcome.at))
        if not outcome.keep_manifest:
            manifest = self._manifest(state, outcome, rejected_path, started_at)
            self.store.write_json(manifest_path, manifest)
        self._report(state, outcome)
        return self._result(state, outcome, rejected_path, manifest_path)

    def _publish_snapshot(self, state: FetchedState, at: datetime) -> _Outcome:
        if not state.rows.num_rows and not self._is_nothing(state):
            return _Outcome(at, stored=False, empty_answer=self._sandbox and not state.rejected)
        if state.created and state.observed_at - state.created > STALE_AFTER:
            log.warning(
                "%s: the last snapshot is of %s; there should be a later one.",
                self._subject,
                moment_in_words(state.created),
            )
        manifest = self.store.read_json(self.layout.manifest(moment(at))) or {}
        published = self.snapshots.publish(state.rows, at, incomplete=manifest.get("rejected", 0) > 0)
        if published.differences:
            log.warning(
                "%s: the snapshot of %s is published already, and zDirect now answers otherwise (%s). The published "
                "one was left as it is.",
                self._subject,
                at.isoformat(),
                published.differences.counts,
            )
        return _Outcome(
            at,
            published.stored,
            [published.file],
            published.differences.counts,
            # Unless it is of another file: a run that was killed left it so.
            keep_manifest=not published.stored and published.file.path in _files_of(manifest),
        )

    def _is_nothing(self, state: FetchedState) -> bool:
        """Whether an answer without records says that there is no stock at all.

        :raises EmptyAnswerError: if it is none that zDirect gives.
        """
        if self._sandbox or self.dataset.snapshot_time_key is None:
            return False
        if state.created is None:
            raise EmptyAnswerError(
                f"{self.what}: zDirect answered without records and without {self.dataset.snapshot_time_key}. That is "
                "no snapshot, not even one of no stock; nothing was published.",
                remedy="Clear the task to try again. If the connection's app is in sandbox mode, set the connection's "
                "environment to sandbox.",
            )
        if state.rejected:
            return False
        if self.dataset.empty_snapshot == "refuse":
            raise EmptyAnswerError(
                f"{self.what}: the snapshot of {state.created.isoformat()} has no EANs. Because of "
                "empty_snapshot=refuse in the connection's assumptions, nothing was published.",
                remedy="Clear the task to try again. If there is no stock, remove empty_snapshot.",
            )
        log.warning("%s: no stock at all, says the snapshot of %s.", self._subject, state.created.isoformat())
        return True

    def _record(self, state: FetchedState, standing: Standing) -> _Outcome:
        scope = self._scope(state)
        may_be_empty = self.job.replace_with_empty or self.dataset.may_become_empty
        if scope is None and not state.rows.num_rows and standing.count and not may_be_empty:
            raise EmptyAnswerError(
                f"{self.what}: zDirect answered without any record, and {standing.count} were valid until now. "
                "They were left as they are.",
                remedy="Look in the zDirect portal whether there are none; if so, set replace_with_empty=True and "
                "clear the task.",
            )
        recorded = self.history.record(state.rows, state.observed_at, scope, standing)
        self._note(state)
        files = [file for file in (recorded.file, recorded.current_file) if file]
        empty = not state.rows.num_rows and self._sandbox
        return _Outcome(state.observed_at, recorded.stored, files, recorded.changes, empty)

    def _rows_of(self, standing: Standing, state: FetchedState) -> pa.Table:
        try:
            return self.history.rows(standing)
        except FileNotFoundError:
            raise LaterObservation(state.observed_at) from None

    def _scope(self, state: FetchedState) -> tuple[str, Collection[str]] | None:
        """Which records are gone if they were not seen; None: any."""
        if state.rejected:
            # Any of those that were not seen may be among them.
            assert self.dataset.identity is not None
            return self.dataset.identity[0], ()
        asked = self._asked()
        if not asked or self.dataset.batched_filter is None:
            return None
        return self.dataset.batched_filter[0], asked

    def _asked(self) -> list[str]:
        return sorted(value for request in self.requests for value in request.values)

    def _note(self, state: FetchedState) -> None:
        """Keep the answer's ETag with what it was the answer to, for the next run."""
        if state.unchanged or self._asked():
            return
        path = self.layout.latest_state()
        if state.etag is None or state.rejected:
            self.store.delete(path)
            return
        content = self.history.digest(state.rows)
        self.store.write_json(path, {"etag": state.etag, "answer": self._answer(), "content": content})

    def _keep_rejected(self, state: FetchedState) -> str | None:
        """Write the invalid records beside the data; where.

        :raises RejectedRecordsError: if they are too many.
        """
        if not state.rejected:
            return None
        # By the time of the answer: that of a snapshot may have others already, which its manifest names.
        path = self.layout.rejected(moment(state.observed_at))
        lines = b"".join(bad.as_line() for bad in state.rejected)
        self.store.write(path, gzip.compress(lines, mtime=0))
        if len(state.rejected) > self.job.max_rejected:
            reasons = list(dict.fromkeys(bad.reason for bad in state.rejected))[:3]
            raise RejectedRecordsError(
                f"{self.what}: {len(state.rejected)} invalid records, and max_rejected is {self.job.max_rejected}; "
                f"nothing was published. Reasons: {' | '.join(reasons)}.",
                remedy=f"Look at {self._uri(path)}; to publish the valid records all the same, raise max_rejected and "
                "clear the task.",
            )
        return path

    @property
    def _sandbox(self) -> bool:
        return self.job.environment == "sandbox"

    def _manifest(
        self, state: FetchedState, outcome: _Outcome, rejected_path: str | None, started_at: datetime
    ) -> dict[str, Any]:
        """That of a window of one moment, and under ``state`` what only present states have."""
        stored = [outcome.changes] if outcome.stored and self.dataset.keeping is Keeping.HISTORY else []
        manifest = Manifest(
            dataset=self.dataset.name,
            merchant_id=self.job.merchant_id,
            environment=self.job.environment,
            path=self.dataset.path,
            window=moment(outcome.at),
            clipped=None,
            days={},
            overlap_seconds=0.0,
            format=self.job.format,
            records=state.rows.num_rows,
            new_records=state.rows.num_rows if outcome.stored and not stored else outcome.changes["added"],
            late_records=0,
            rejected=len(state.rejected),
            outside=0,
            pages=state.pages,
            requests=state.requests,
            bytes=state.bytes,
            first=None,
            last=None,
            started_at=started_at.isoformat(),
            finished_at=self.clock.now().isoformat(),
            rejected_file=rejected_path,
            files=outcome.files,
            changes=[{"observed_at": outcome.at.isoformat(), **changes} for changes in stored],
            filters=dict(self.job.filters),
            repaired=state.repaired,
        )
        missing = self._not_answered(state)
        return {
            **manifest.as_json(),
            "state": {
                "observed_at": state.observed_at.isoformat(),
                "snapshot_time": state.created.isoformat() if state.created else None,
                "since": self.job.since.isoformat() if self.job.since else None,
                "stored": outcome.stored,
                "unchanged": state.unchanged,
                "empty_answer": outcome.empty_answer,
                "stock": self._stock(state, outcome),
                "not_answered": missing[:NAMED],
                "not_answered_count": len(missing),
                "of_others": state.of_others,
            },
        }

    def _stock(self, state: FetchedState, outcome: _Outcome) -> str | None:
        """Of a snapshot: ``none`` is what zDirect said, ``unknown`` that it said nothing."""
        if self.dataset.snapshot_time_key is None:
            return None
        if state.rows.num_rows:
            return "some"
        return "none" if outcome.files else "unknown"

    def _not_answered(self, state: FetchedState) -> list[str]:
        asked = self._asked()
        if not asked or self.dataset.batched_filter is None:
            return []
        answered = set(state.rows.column(self.dataset.batched_filter[0]).to_pylist())
        return [value for value in asked if value not in answered]

    def _report(self, state: FetchedState, outcome: _Outcome) -> None:
        log.info(
            "%s: %s records, %s (%d added, %d changed, %d removed), %d rejected; %d pages, %d requests -> %s",
            subject(self.dataset.name, self.job.merchant_id, outcome.at),
            f"{state.rows.num_rows:,}",
            "published" if outcome.stored else "nothing new to publish",
            *(outcome.changes[kind] for kind in ("added", "changed", "removed")),
            len(state.rejected),
            state.pages,
            state.requests,
            self._uri(self.layout.merchant),
        )
        if state.repaired:
            log.warning(
                "%s: %d records came with damaged texts; U+FFFD stands for what was damaged.", self.what, state.repaired
            )
        if outcome.empty_answer:
            log.warning(
                "%s: the answer holds no records, and in sandbox zDirect answers without values: this says nothing of "
                "what there is.",
                self._subject,
            )
        if missing := self._not_answered(state):
            log.warning(
                "%s: no record came of %d of %d that were asked for (%s%s). Whether they are unknown or there is none "
                "is not said; nothing was published of them.",
                self.what,
                len(missing),
                len(self._asked()),
                ", ".join(missing[:NAMED]),
                ", ..." if len(missing) > NAMED else "",
            )

    def _result(
        self, state: FetchedState, outcome: _Outcome, rejected_path: str | None, manifest_path: str
    ) -> StateResult:
        is_history = self.dataset.keeping is Keeping.HISTORY
        return StateResult(
            dataset=self.dataset.name,
            merchant_id=self.job.merchant_id,
            uri=self._uri(self.layout.merchant),
            current_uri=self._uri(self.history.current_layout.merchant) if is_history else None,
            manifest=self._uri(manifest_path),
            observed_at=state.observed_at,
            snapshot_time=state.created,
            since=self.job.since,
            records=state.rows.num_rows,
            rejected=len(state.rejected),
            rejected_uri=self._uri(rejected_path) if rejected_path else None,
            pages=state.pages,
            requests=state.requests,
            stored=outcome.stored,
            unchanged=state.unchanged,
            empty_answer=outcome.empty_answer,
            changes=outcome.changes,
            not_answered=tuple(self._not_answered(state)),
            of_others=state.of_others,
            files=tuple(self._uri(file.path) for file in outcome.files),
            repaired=state.repaired,
        )

    def _uri(self, path: str) -> str:
        return f"{self.job.base_uri.rstrip('/')}/{path}"


def _files_of(manifest: Mapping[str, Any]) -> set[str]:
    return {file["path"] for file in manifest.get("files", ())}
