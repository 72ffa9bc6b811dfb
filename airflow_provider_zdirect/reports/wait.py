"""Waiting for a daily report of movements, without Airflow.

What a report looks like that has not been made yet is not confirmed; it is taken for an empty answer. So a report
counts as there once an answer holds something, and as empty once an answer is still empty after a report of a later
date was there, or long after it was due (:mod:`airflow_provider_zdirect.reports.calendar`).

A failed answer is to be discarded and asked for again after at least two minutes (zDirect docs, Intra-Community
Movements and Cross-Border Movements); the same pause is kept between all looks.
"""

from __future__ import annotations

import json
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import Enum
from typing import TYPE_CHECKING, cast

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
from airflow_provider_zdirect.windows import moment_in_words, subject

if TYPE_CHECKING:
    from airflow_provider_zdirect.client import Page, ZDirectClient

log = logging.getLogger(__name__)

SHORTEST_POLL_INTERVAL = 120.0
"""Seconds. zDirect docs, Intra-Community Movements: ask again after at least two minutes."""

JITTER = 0.25
"""Largest part of the poll interval that is added to it, so that sensors which were due together spread."""


class Sight(Enum):
    """What one look at a report showed."""

    MOVEMENTS = "movements"
    TOO_MANY = "too_many_movements"
    """More than the deprecated endpoint without pages can answer: so the report is there (zDirect docs,
    Intra-Community Movements, Possible issues)."""
    EMPTY = "empty"


@dataclass(frozen=True)
class Answer:
    """What zDirect has of a report.

    :param later: the report of a later date that was there before this one was found empty, in words; None: there was
        none, or nobody asked.
    """

    sight: Sight
    later: str | None = None


Ask = Callable[[date | None], Awaitable[Answer]]
"""Asks as :func:`look_at_report` does, given its ``last``."""


async def look_at_report(
    client: ZDirectClient, dataset: Dataset, merchant_id: str, report_date: date, last: date | None = None
) -> Answer:
    """Ask for the first page of a day's report, and no more of it than can be helped.

    :param last: if the report is empty, those of later dates up to this one are looked for; None: they are not.
    :raises ZDirectError: if there is no answer to judge by.
    """
    sight = await _look(client, dataset, merchant_id, report_date)
    if sight is not Sight.EMPTY or last is None:
        return Answer(sight)
    later = await later_report(client, dataset, merchant_id, report_date, last)
    if later is not None:
        # The report may have been made between the two answers.
        sight = await _look(client, dataset, merchant_id, report_date)
    return Answer(sight, later if sight is Sight.EMPTY else None)


async def later_report(
    client: ZDirectClient, dataset: Dataset, merchant_id: str, report_date: date, last: date
) -> str | None:
    """The report of a later date that is there, in words; None if there is none. One request, if any.

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


async def _look(client: ZDirectClient, dataset: Dataset, merchant_id: str, report_date: date) -> Sight:
    try:
        page = await _first_page(client, dataset, merchant_id, report_date, report_date)
    except TooManyRecordsError:
        return Sight.TOO_MANY
    return Sight.MOVEMENTS if page.records or page.rejected or page.next_cursor is not None else Sight.EMPTY


async def _first_page(client: ZDirectClient, dataset: Dataset, merchant_id: str, first: date, last: date) -> Page:
    parameters = dataset.windows.parameters(first, last)
    # Where no limit is documented none is sent.
    parameters |= dataset.paging.of_size(1)
    # An async generator, that is: left at its first page, it has to be closed.
    pages = cast("AsyncGenerator[Page, None]", client.pages(dataset, merchant_id, parameters))
    async with aclosing(pages):
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


def report_in_words(dataset: str, merchant_id: str | None, report_date: date) -> str:
    return subject(f"report {dataset}", merchant_id, report_date, full_id=True)


@dataclass(frozen=True)
class Look:
    """What came of one look.

    :param sight: what decides the wait; None if it goes on.
    :param pause: seconds until the next look, if it goes on.
    :param later: the report of a later date because of which an empty one is final, in words; None: the time is.
    """

    sight: Sight | None
    pause: float = 0.0
    later: str | None = None


@dataclass(frozen=True)
class ReportWait:
    """How to wait for one report.

    :param what: the report in words, for the log.
    :param due: no look before that moment.
    :param empty_from: an empty answer to a look at or after that moment is final, whatever there is of later dates.
    :param poll_interval: seconds between two looks, at least.
    :param jitter: gives numbers in [0, 1).
    """

    what: str
    due: datetime
    empty_from: datetime
    poll_interval: float
    jitter: Callable[[], float] = field(default=random.random, repr=False, compare=False)

    async def look_once(self, ask: Ask, clock: Clock) -> Look:
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
            return Look(None, pause)
        if answer.sight is Sight.EMPTY and answer.later is None and not is_late:
            pause = self._pause()
            log.info(
                "%s: no movements yet, and no report of a later date. Asking again in %.0f s; from %s on no movements "
                "means an empty report.",
                self.what,
                pause,
                moment_in_words(self.empty_from),
            )
            return Look(None, pause)
        log.info("%s: decided (%s).", self.what, ", because of ".join(filter(None, (answer.sight.value, answer.later))))
        return Look(answer.sight, later=answer.later)

    async def until_decided(self, ask: Ask, clock: Clock) -> Look:
        """Look from ``due`` on until the report is there, or empty for good.

        :raises ZDirectFatalError: if waiting does not help.
        """
        await self.until_due(clock)
        while (look := await self.look_once(ask, clock)).sight is None:
            await clock.sleep(look.pause)
        return look

    async def until_due(self, clock: Clock) -> None:
        # Looked at again after waking: the machine may have been suspended, or its clock been set.
        while (left := self.seconds_until_due(clock)) > 0:
            await clock.sleep(left)

    def in_words(self) -> str:
        """What is waited for, and until when."""
        due, empty = moment_in_words(self.due.replace(microsecond=0)), moment_in_words(self.empty_from)
        return f"{self.what}: next look at {due}; from {empty} on no movements means an empty report"

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
