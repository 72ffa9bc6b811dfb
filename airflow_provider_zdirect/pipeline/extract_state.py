"""Extracting the present state of one dataset and merchant to object storage: the whole way, without Airflow.

requests -> pages -> validated rows -> snapshot or history -> manifest

Nothing is published before the last page is there. A retry asks anew: pages of two states do not mix.
"""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_zdirect import __version__
from airflow_provider_zdirect.client import ZDirectClient
from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.exceptions import ConcurrentRunError, EmptyAnswerError, RetentionError, WindowError
from airflow_provider_zdirect.pipeline.fetch_state import FetchedState, StateFetcher
from airflow_provider_zdirect.pipeline.manifest import Manifest
from airflow_provider_zdirect.pipeline.progress import report_result
from airflow_provider_zdirect.pipeline.state_job import NAMED, State, StateJob, StateResult
from airflow_provider_zdirect.publish.environment import claim_place
from airflow_provider_zdirect.publish.files import PublishedState
from airflow_provider_zdirect.publish.history import KnownVersions, LaterObservation, RecordHistory
from airflow_provider_zdirect.publish.rejected import compress_lines, publish_rejected
from airflow_provider_zdirect.publish.snapshot import SnapshotPublisher
from airflow_provider_zdirect.storage.layout import moment
from airflow_provider_zdirect.windows import MAX_CLOCK_SKEW, Window, moment_in_words, subject

log = logging.getLogger(__name__)

MAX_OBSERVATIONS = 5
_DICE = random.SystemRandom()
STALE_AFTER = timedelta(hours=25)
"""A snapshot is up to 24 hours old (zDirect docs, Tracking inventory); an older one has had no successor."""


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
        self.place = job.place
        self.store = job.place.store
        self.layout = job.place.layout(job.dataset.name)
        self.history = RecordHistory(job.place, job.dataset)
        self.is_history = job.dataset.publish.keeps_history
        self.is_sandbox = job.place.environment == "sandbox"

    async def run(self) -> StateResult:
        started_at = self.clock.now()
        self._check_since(started_at)
        claim_place(self.place)
        self.store.check_writable(self.place.uri)
        for number in range(MAX_OBSERVATIONS):
            known = await asyncio.to_thread(self.history.read) if self.is_history else None
            etag = await asyncio.to_thread(self._etag_of, known) if known else None
            state = await StateFetcher(self.job, self.client, self.clock, etag).fetch()
            try:
                return await asyncio.to_thread(self._publish, state, known, started_at)
            except LaterObservation as later:
                self._check_clock(later)
                log.info("%s: another run has published a later state; asking again.", self.job.what)
                # Runs that met must not meet again.
                await self.clock.sleep(_DICE.uniform(0, 2.0**number))
        raise ConcurrentRunError(
            f"{self.job.what}: other runs published later states, {MAX_OBSERVATIONS} times in a row.",
            remedy="No action needed: the task retries. Run fewer of them at once.",
            retry_after=self.dataset.endpoint.refetch_delay,
        )

    def _check_since(self, now: datetime) -> None:
        since = self.job.since
        if since is None:
            return
        retention = self.dataset.states.retention
        assert retention is not None
        asked = f"{self.job.what}: asked for what changed since {since.isoformat()}"
        if since > now + MAX_CLOCK_SKEW:
            raise WindowError(
                f"{asked}, which is in the future (now is {now.isoformat(timespec='seconds')}).",
                remedy="Begin the window in the past.",
            )
        if since < retention.earliest(now):
            raise RetentionError(
                f"{asked}, and zDirect knows the changes of the last {retention} only.",
                remedy="Begin the window later, or take the whole state: filters with EANs, or the last snapshot.",
            )

    def _check_clock(self, later: LaterObservation) -> None:
        """Raise ConcurrentRunError if the later state is of a time to come: asking again does not help."""
        now = self.clock.now()
        if later.at > now + MAX_CLOCK_SKEW:
            raise ConcurrentRunError(
                f"{self.job.what}: the published history has a state of {later.at.isoformat()}, and it is "
                f"{now.isoformat(timespec='seconds')} by the clock here; a changed state cannot be put behind it. "
                "Nothing was published.",
                remedy="Set the clocks of the workers: one was ahead, or this one is behind. What has changed is "
                "recorded by the first run after that time; until then, runs fail only if something has changed.",
                retry_after=self.dataset.endpoint.refetch_delay,
            ) from later

    def _etag_of(self, known: KnownVersions) -> str | None:
        """ETag of the last answer, if that answer is what is valid now."""
        note = self.store.read_json(self.layout.latest_state())
        is_valid = note and note["answer"] == self._answer() and note["content"] == known.digest
        return str(note["etag"]) if is_valid else None

    def _note_etag(self, state: FetchedState) -> None:
        """Keep the answer's ETag with what it was the answer to, for the next run."""
        if state.unchanged or self.job.asked:
            return
        path = self.layout.latest_state()
        if state.etag is None or state.rejected:
            self.store.delete(path)
            return
        note = {"etag": state.etag, "answer": self._answer(), "content": self.history.digest(state.rows)}
        self.store.write_json(path, note)

    def _answer(self) -> dict[str, Any]:
        """What the answer to a single request depends on, and the rows that are made of it."""
        return {
            "path": self.dataset.endpoint.path,
            "parameters": [dict(request.parameters) for request in self.job.requests],
            "environment": self.place.environment,
            "package_version": __version__,
        }

    def _publish(self, state: FetchedState, known: KnownVersions | None, started_at: datetime) -> StateResult:
        # By the time of the answer: that of a snapshot may have others already, which its manifest names.
        rejected_file = publish_rejected(
            self.place,
            self.layout.rejected(moment(state.observed_at)),
            compress_lines(bad.as_line() for bad in state.rejected),
            len(state.rejected),
            [bad.reason for bad in state.rejected],
            max_rejected=self.job.max_rejected,
            what=self.job.what,
        )
        at = state.snapshot_time or state.observed_at
        path = self.layout.manifest(moment(at))
        former = {} if self.is_history else self.store.read_json(path) or {}
        if known is None:
            published = self._publish_snapshot(state, at, incomplete=former.get("rejected", 0) > 0)
        else:
            published = self._record(state, known)
        result = self._result(state, published, moment(at), rejected_file, started_at)
        # A manifest that describes the published file stays; a run that was killed may have left one of another.
        described = [file["path"] for file in former.get("files", ())]
        if published.stored or not published.files or published.files[0].path not in described:
            self.store.write_json(path, result.manifest_json())
        self._report(result)
        return result

    def _publish_snapshot(self, state: FetchedState, at: datetime, *, incomplete: bool) -> PublishedState:
        if not state.rows.num_rows and not self._is_nothing(state):
            return PublishedState([], False, {"added": 0, "changed": 0, "removed": 0})
        if state.observed_at - at > STALE_AFTER:
            log.warning(
                "%s: the last snapshot is of %s; there should be a later one.", self.job.what, moment_in_words(at)
            )
        published = SnapshotPublisher(self.place, self.dataset).publish(state.rows, at, incomplete=incomplete)
        if any(published.changes.values()):
            log.warning(
                "%s: the snapshot of %s is published already, and zDirect now answers otherwise (%s). The published "
                "one was not changed.",
                self.job.what, at.isoformat(), published.changes,
            )  # fmt: skip
        return published

    def _is_nothing(self, state: FetchedState) -> bool:
        """Whether an answer without records says that there is no stock at all.

        :raises EmptyAnswerError: if zDirect does not give such answers.
        """
        if self.is_sandbox or self.dataset.answer.snapshot_time_key is None:
            return False
        if state.snapshot_time is None:
            raise EmptyAnswerError(
                f"{self.job.what}: zDirect answered without records and without "
                f"{self.dataset.answer.snapshot_time_key}. That is not a snapshot, not even one of no stock; nothing "
                "was published.",
                remedy="Clear the task to try again. If the connection's app is in sandbox mode, set the connection's "
                "environment to sandbox.",
            )
        if state.rejected:
            return False
        if self.dataset.publish.refuses_empty:
            raise EmptyAnswerError(
                f"{self.job.what}: the snapshot of {state.snapshot_time.isoformat()} has no EANs. Because of "
                "empty_snapshot=refuse in the connection's assumptions, nothing was published.",
                remedy="Clear the task to try again. If there is no stock, remove empty_snapshot.",
            )
        log.warning("%s: no stock at all, says the snapshot of %s.", self.job.what, state.snapshot_time.isoformat())
        return True

    def _record(self, state: FetchedState, known: KnownVersions) -> PublishedState:
        valid = known.valid
        if state.unchanged:
            state.rows = valid
        # Any record that was not seen may be among the rejected ones.
        scope = (self.history.identity[0], ()) if state.rejected else self.job.asked
        may_be_empty = self.job.replace_with_empty or self.dataset.publish.ends_all
        if scope is None and not state.rows.num_rows and valid.num_rows and not may_be_empty:
            raise EmptyAnswerError(
                f"{self.job.what}: zDirect answered without any record, and {valid.num_rows} were valid until now. "
                "They were left as they are.",
                remedy="Look in the zDirect portal whether there are none; if so, set replace_with_empty=True and "
                "clear the task.",
            )
        published = self.history.record(state.rows, state.observed_at, scope, known)
        self._note_etag(state)
        return published

    def _result(
        self,
        state: FetchedState,
        published: PublishedState,
        window: Window,
        rejected_file: str | None,
        started_at: datetime,
    ) -> StateResult:
        count, changes = state.rows.num_rows, published.changes
        new_history = [{"observed_at": state.observed_at.isoformat(), **changes}] if self.is_history else []
        manifest = Manifest(
            dataset=self.dataset.name,
            merchant_id=self.place.merchant_id,
            environment=self.place.environment,
            path=self.dataset.endpoint.path,
            window=window,
            format=self.place.format,
            records=count,
            new_records=count if published.stored and not self.is_history else changes["added"],
            started_at=started_at.isoformat(),
            finished_at=self.clock.now().isoformat(),
            rejected=len(state.rejected),
            rejected_file=rejected_file,
            repaired=state.repaired,
            pages=state.pages,
            requests=state.requests,
            bytes=state.bytes,
            files=published.files,
            changes=new_history if published.stored else [],
            filters=dict(self.job.filters),
        )
        field_name, asked = self.job.asked or ("", [])
        answered = set(state.rows.column(field_name).to_pylist()) if asked else set()
        stock = "some" if count else "none" if published.files else "unknown"
        facts = State(
            observed_at=state.observed_at,
            snapshot_time=state.snapshot_time,
            since=self.job.since,
            stored=published.stored,
            unchanged=state.unchanged,
            empty_answer=self.is_sandbox and not count and not state.rejected,
            stock=stock if self.dataset.answer.snapshot_time_key else None,
            not_answered=[value for value in asked if value not in answered],
            of_others=state.of_others,
        )
        return StateResult(self.place, manifest, facts, changes)

    def _report(self, result: StateResult) -> None:
        manifest, state = result.manifest, result.state
        changes = ", ".join(f"{result.changes[kind]} {kind}" for kind in ("added", "changed", "removed"))
        outcome = "published" if state.stored else "nothing new to publish"
        what = subject(manifest.dataset, manifest.merchant_id, manifest.window.start)
        report_result(what, f"{manifest.records:,} records, {outcome} ({changes})", result)
        if state.empty_answer:
            log.warning(
                "%s: the answer has no records. In the sandbox this does not mean that there are none.", self.job.what
            )
        if missing := state.not_answered:
            log.warning(
                "%s: no record came of %d of the values that were asked for (%s%s). zDirect does not say whether they "
                "are unknown or without stock; nothing was published of them.",
                self.job.what, len(missing), ", ".join(missing[:NAMED]), ", ..." if len(missing) > NAMED else "",
            )  # fmt: skip
