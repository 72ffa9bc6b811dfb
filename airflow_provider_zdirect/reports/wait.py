# SPDX-License-Identifier: Apache-2.0
"""Waiting for a daily report of movements, without Airflow.

How zDirect answers for a report that has not been made yet is not confirmed; this module expects an empty answer. So a
report is ready once an answer has movements, and empty once an answer is still empty after a report of a later date was
ready, or long after it was due (:mod:`airflow_provider_zdirect.reports.calendar`).

After a failed answer, ask again after at least two minutes (zDirect docs, Intra-Community Movements and Cross-Border
Movements); all polls keep the same pause.
"""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import Enum
from typing import TYPE_CHECKING

from airflow_provider_zdirect.clock import Clock
from airflow_provider_zdirect.datasets.table import Dataset
from airflow_provider_zdirect.exceptions import (
    BadRequestError,
    NotFoundError,
    RateLimitedError,
    TooManyRecordsError,
    ZDirectRetriableError,
)
from airflow_provider_zdirect.reports.calendar import DAY
from airflow_provider_zdirect.windows import moment_in_words
from airflow_provider_zdirect.words import subject

if TYPE_CHECKING:
    from airflow_provider_zdirect.client import Page, ZDirectClient

log = logging.getLogger(__name__)

SHORTEST_POLL_INTERVAL = 120.0
"""Seconds. zDirect docs, Intra-Community Movements: ask again after at least two minutes."""

JITTER = 0.25
"""Largest part of the poll interval that is added to it, so that sensors which were due together spread."""


class ReportStatus(Enum):
    """What one answer says about a report."""

    MOVEMENTS = "movements"
    TOO_MANY = "too_many_movements"
    """More than the deprecated endpoint without pages can answer: so the report is there (zDirect docs,
    Intra-Community Movements, Possible issues)."""
    EMPTY = "empty"


@dataclass(frozen=True)
class ReportPoll:
    """What one poll says about a report.

    :param status: None if that decides nothing, and the wait goes on.
    :param later: the report of a later date that was ready before this one was found empty, in words; None: there was
        none, or it was not asked for.
    :param pause: seconds until the next poll, if the wait goes on.
    """

    status: ReportStatus | None
    later: str | None = None
    pause: float = 0.0


Ask = Callable[[date | None], Awaitable[ReportPoll]]
"""Asks as :func:`ask_for_report` does, given its ``last``."""


async def ask_for_report(
    client: ZDirectClient, dataset: Dataset, merchant_id: str, report_date: date, last: date | None = None
) -> ReportPoll:
    """Ask for the first page of a day's report, with one record if a limit is documented.

    :param last: if the report is empty, those of later dates up to this one are looked for; None: they are not.
    :raises ZDirectError: if there is no answer to judge by.
    """
    status = await _status(client, dataset, merchant_id, report_date)
    if status is not ReportStatus.EMPTY or last is None:
        return ReportPoll(status)
    later = await later_report(client, dataset, merchant_id, report_date, last)
    if later is not None:
        # The report may have been made between the two answers.
        status = await _status(client, dataset, merchant_id, report_date)
    return ReportPoll(status, later if status is ReportStatus.EMPTY else None)


async def later_report(
    client: ZDirectClient, dataset: Dataset, merchant_id: str, report_date: date, last: date
) -> str | None:
    """The report of a later date that is ready, in words; None without one. At most one request.

    An empty answer to a request for ``report_date`` that is sent after this one is certain then.

    :param last: the last date to look for.
    :raises ZDirectError: if there is no answer to judge by.
    """
    first = report_date + DAY
    if last < first:
        return None
    words = f"the report of {first}" if first == last else f"a report of {first} to {last}"
    try:
        page = await _first_page(client, dataset, merchant_id, first, last)
    except TooManyRecordsError:
        return words
    except (BadRequestError, NotFoundError) as error:
        # The day itself has an answer; only what would make it certain has none.
        log.info("%s: zDirect does not say whether %s is there. %s", dataset.name, words, error)
        return None
    return words if _is_of(page, first, last) else None


async def _status(client: ZDirectClient, dataset: Dataset, merchant_id: str, report_date: date) -> ReportStatus:
    try:
        page = await _first_page(client, dataset, merchant_id, report_date, report_date)
    except TooManyRecordsError:
        return ReportStatus.TOO_MANY
    return (
        ReportStatus.MOVEMENTS if page.records or page.rejected or page.next_cursor is not None else ReportStatus.EMPTY
    )


async def _first_page(client: ZDirectClient, dataset: Dataset, merchant_id: str, first: date, last: date) -> Page:
    parameters = dataset.windows.parameters(first, last)
    # Where no limit is documented none is sent.
    parameters |= dataset.paging.of_size(1)
    # Left at its first page, it has to be closed.
    async with aclosing(client.pages(dataset, merchant_id, parameters)) as pages:
        return await anext(pages)


def _is_of(page: Page, first: date, last: date) -> bool:
    """Whether the page has a movement, and says nothing of other report dates than these."""
    if not page.records:
        return False
    try:
        record = json.loads(bytes(page.records[0]))
    except ValueError:
        return False
    if not isinstance(record, dict):
        return False
    said = [
        (page.query.get("from"), first, first),
        (page.query.get("to"), last, last),
        # Intra-community movements do not say it; they are given the date that was asked for.
        (record.get("report_date"), first, last),
    ]
    return all(not value or str(least) <= str(value)[:10] <= str(most) for value, least, most in said)


def report_in_words(dataset: str, merchant_id: str | None, report_date: date, merchant: str | None = None) -> str:
    return subject(f"report {dataset}", merchant_id, report_date, name=merchant, full_id=True)


@dataclass(frozen=True)
class ReportWait:
    """How to wait for one report.

    :param what: the report in words, for the log.
    :param due: no poll before that moment.
    :param empty_from: an empty answer to a poll at or after that moment is final, with or without later reports.
    :param poll_interval: seconds between two polls, at least.
    :param jitter: gives numbers in [0, 1).
    """

    what: str
    due: datetime
    empty_from: datetime
    poll_interval: float
    jitter: Callable[[], float] = field(default=random.random, repr=False, compare=False)

    async def poll(self, ask: Ask, clock: Clock) -> ReportPoll:
        """Ask, and judge the answer by the time at which it was asked.

        :raises ZDirectFatalError: if waiting does not help.
        """
        asked_at = clock.now()
        is_late = asked_at >= self.empty_from
        try:
            # A report is never there before its day is over.
            answer = await ask(None if is_late else asked_at.astimezone(UTC).date() - DAY)
        except ZDirectRetriableError as error:
            pause = self._pause(error)
            log.warning("%s: no answer to judge by. %s Asking again in %.0f s.", self.what, error, pause)
            return ReportPoll(None, pause=pause)
        if answer.status is ReportStatus.EMPTY and answer.later is None and not is_late:
            pause = self._pause()
            log.info(
                "%s: no movements yet, and no report of a later date. Asking again in %.0f s; from %s on no movements "
                "means an empty report.",
                self.what,
                pause,
                moment_in_words(self.empty_from),
            )
            return ReportPoll(None, pause=pause)
        assert answer.status is not None
        reason = f", because of {answer.later}" if answer.later else ""
        log.info("%s: decided (%s%s).", self.what, answer.status.value, reason)
        return answer

    async def until_decided(self, ask: Ask, clock: Clock) -> ReportPoll:
        """Poll from ``due`` on until the report is ready, or empty for good.

        :raises ZDirectFatalError: if waiting does not help.
        """
        await self.until_due(clock)
        while (found := await self.poll(ask, clock)).status is None:
            await clock.sleep(found.pause)
        return found

    async def until_due(self, clock: Clock) -> None:
        # Checked again after waking: the machine may have been suspended, or its clock been set.
        while (left := self.seconds_until_due(clock)) > 0:
            await clock.sleep(left)

    def in_words(self) -> str:
        """What is waited for, and until when."""
        due, empty = moment_in_words(self.due.replace(microsecond=0)), moment_in_words(self.empty_from)
        return f"{self.what}: next request at {due}; from {empty} on no movements means an empty report"

    def seconds_until_due(self, clock: Clock) -> float:
        return (self.due - clock.now()).total_seconds()

    def _pause(self, error: ZDirectRetriableError | None = None) -> float:
        pause = self.poll_interval
        if error is not None:
            pause = error.retry_after if _nothing_was_sent(error) else max(pause, error.retry_after)
        return pause + JITTER * self.poll_interval * self.jitter()


def _nothing_was_sent(error: ZDirectRetriableError) -> bool:
    """Whether our own pacing refused, before zDirect was asked: then only a free slot is to be waited for."""
    return isinstance(error, RateLimitedError) and error.status is None and error.__cause__ is None
