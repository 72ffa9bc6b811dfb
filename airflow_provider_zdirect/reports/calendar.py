# SPDX-License-Identifier: Apache-2.0
"""When the report of a day is due: a local time of the day after it, or of the first business day after it. No I/O.

zDirect docs, Intra-Community Movements: reports are made once a day; that of the day before is to be fetched at or
after 12:00 CET on business days. zDirect docs, Cross-Border Movements (OpenAPI 1.1): after 12:00 UTC. Unconfirmed:
whether reports are made at weekends, and what holidays count; so both are the caller's choice.

An empty answer may also be that to a report which has not been made yet. Reports are made once a day, in order, so an
empty report is certain if a report of a later date was there before it was found empty, or if it was due long ago.
Only a later report of the same merchant counts: nothing says that the reports of all merchants are made together.
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError

REPORTS = ("intra_community_movements", "cross_border_movements")
"""The datasets that zDirect makes once a day."""

NOON = time(12)
EMPTY_IS_CERTAIN_AFTER = timedelta(days=6)
"""So long after 12:00 UTC of the day after, an empty report is one without movements, and not one that was not made
yet, also if reports are made on business days only: at most five days in a row are not (Christmas 2025 in Poland,
from Wednesday to Sunday)."""

DAY = timedelta(days=1)
SATURDAY = 5

_CODE = re.compile(r"[A-Z]{2,3}(-[A-Z0-9]{1,4})?")


@dataclass(frozen=True)
class DueCalendar:
    """The rule by which the report of a day is due.

    A local time that does not exist on the day is read with the offset before the gap (02:30 becomes 03:30), one that
    comes twice is the first, as RFC 5545 has it.

    :param not_before: local time of the due day.
    :param timezone: IANA name.
    :param business_days_only: whether Saturdays, Sundays and public holidays are skipped.
    :param holidays: codes of public holiday calendars, as :func:`public_holidays` takes them; only for business days.
    """

    not_before: time = NOON
    timezone: str = "UTC"
    business_days_only: bool = False
    holidays: tuple[str, ...] = ()

    def due(self, report_date: date) -> datetime:
        """The moment, in UTC, from which on the report of ``report_date`` is asked for."""
        day = report_date + DAY
        while self.business_days_only and not self._is_business_day(day):
            day += DAY
        return datetime.combine(day, self.not_before, ZoneInfo(self.timezone)).astimezone(UTC)

    def _is_business_day(self, day: date) -> bool:
        return day.weekday() < SATURDAY and not any(day in public_holidays(code) for code in self.holidays)


def is_long_due(report_date: date, asked_at: datetime) -> bool:
    """Whether an empty answer of that moment is certain without any other."""
    return asked_at >= DueCalendar().due(report_date) + EMPTY_IS_CERTAIN_AFTER


def why_empty(later: str | None, after: timedelta = EMPTY_IS_CERTAIN_AFTER) -> str:
    """Why a report counts as empty, for logs, results and manifests.

    :param later: the later report that was there, in words; None: so much time has passed.
    :param after: how long after it was due it was still empty.
    """
    if later is not None:
        return f"{later} is there"
    hours = after / timedelta(hours=1)
    number, unit = (hours, "hour") if hours % 24 else (hours / 24, "day")
    return f"{number:g} {unit}{'' if number == 1 else 's'} have passed since it was due"


@lru_cache(maxsize=64)
def public_holidays(code: str) -> Container[date]:
    """The public holidays of a country or a part of it.

    :param code: ISO 3166 code of a country, or of a part as the package ``holidays`` knows it: ``DE``, ``DE-BE``.
    :raises ZDirectConfigurationError: if there is no such calendar.
    """
    # Slow to import, and most DAG files need none.
    import holidays

    country, _, part = code.partition("-")
    try:
        if not _CODE.fullmatch(code):
            raise NotImplementedError("it is not written as a code")
        return holidays.country_holidays(country, subdiv=part or None)
    except NotImplementedError as error:
        raise ZDirectConfigurationError(
            f"holiday_calendars: {code!r} is not a calendar of public holidays ({error}).",
            remedy="Give ISO codes of countries or their parts, for example DE, PL or DE-BE; the package `holidays` "
            "lists what there is.",
        ) from None
