"""What a person sees in the task log while a window is fetched."""

from __future__ import annotations

import logging
from datetime import timedelta

from airflow_provider_zdirect.clock import Clock
from airflow_provider_zdirect.request_plan import RequestPlan
from airflow_provider_zdirect.storage.checkpoint import Progress

log = logging.getLogger(__name__)

EVERY = timedelta(seconds=10)


class ProgressLog:
    """One line at the start, at most one every ten seconds, and one at the end."""

    def __init__(self, dataset: str, merchant_id: str, plan: RequestPlan, progress: Progress, clock: Clock) -> None:
        self._what = f"{dataset} of merchant {merchant_id}"
        self._plan = plan
        self._progress = progress
        self._clock = clock
        self._began = self._said = clock.now()
        self._records_before = self._records()
        self._done_before = self._requests_done()

    def started(self) -> None:
        resumed = ""
        if pages := self._progress.total("pages"):
            resumed = f" Goes on from a checkpoint: {pages} pages, {self._records_before} records are there already."
        log.info("%s, window %s: %d requests planned.%s", self._what, self._plan.window, self._total, resumed)

    def advanced(self) -> None:
        """Call after every page."""
        now = self._clock.now()
        done = self._requests_done()
        if done < self._total and now - self._said < EVERY:
            return
        self._said = now
        seconds = (now - self._began).total_seconds()
        records = self._records()
        rate = f", {(records - self._records_before) / seconds:,.0f} records/s" if seconds else ""
        log.info(
            "%s: %d of %d request windows done, %d pages, %s records%s%s",
            self._what,
            done,
            self._total,
            self._progress.total("pages"),
            f"{records:,}",
            rate,
            self._time_left(done, seconds),
        )

    def _time_left(self, done: int, seconds: float) -> str:
        fresh = done - self._done_before
        if done == self._total or not fresh:
            return ""
        return f", about {seconds / fresh * (self._total - done):.0f} s left"

    def _requests_done(self) -> int:
        return sum(self._progress.of(request.key).done for request in self._plan.requests)

    def _records(self) -> int:
        return self._progress.total("records")

    @property
    def _total(self) -> int:
        return len(self._plan.requests)
