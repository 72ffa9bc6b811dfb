# SPDX-License-Identifier: Apache-2.0
"""What a report is about, as an author gives it: month, countries, master data. Pure values, cheap to import."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.intrastat.countries import ALIASES, CODES
from airflow_provider_zdirect.windows import Window

_MONTH = re.compile(r"(?P<year>20\d\d)-(?P<month>0[1-9]|1[0-2])")
_MOST_ZONE_OFFSET = timedelta(hours=14)


@dataclass(frozen=True, order=True)
class Month:
    """A calendar month."""

    year: int
    number: int

    def __str__(self) -> str:
        return f"{self.year}-{self.number:02d}"

    @property
    def title(self) -> str:
        return f"{self._first:%B} {self.year}"

    @property
    def days(self) -> list[date]:
        """Every date of the month, in order."""
        first = self._first
        following = (first + timedelta(days=31)).replace(day=1)
        return [first + timedelta(days=n) for n in range((following - first).days)]

    @property
    def widest(self) -> Window:
        """The month in UTC and a day on either side, so that it holds the month of every time zone."""
        day = timedelta(days=1)
        return Window(Window.of_day(self.days[0] - day).start, Window.of_day(self.days[-1] + day).end)

    @classmethod
    def parse(cls, value: Any) -> Month:
        """The month that the text names, as ``2026-11``.

        :raises ZDirectConfigurationError: for any other text.
        """
        match = _MONTH.fullmatch(str(value).strip())
        if match is None:
            raise ZDirectConfigurationError(f"month={value!r} is not a month.", remedy="Give it as 2026-11.")
        return cls(int(match["year"]), int(match["month"]))

    @classmethod
    def of_run(cls, partition_key: Any, interval_start: datetime | None, interval_end: datetime | None) -> Month:
        """The month that a run is for: its partition key, or else the month that its data interval starts in (UTC).

        :param partition_key: counts if it has the form ``2026-11``.
        :raises ZDirectConfigurationError: if there is neither.
        """
        if isinstance(partition_key, str) and _MONTH.fullmatch(partition_key.strip()):
            return cls.parse(partition_key)
        # Zero-width on Airflow 3 where a run by hand has nothing to take an interval from.
        if interval_start is None or interval_start == interval_end:
            raise ZDirectConfigurationError(
                "month is not given, and this run has no data interval"
                + (f" (its partition key is {partition_key!r})." if partition_key else "."),
                remedy="Give month as 2026-11, or trigger the run with a logical date or a partition key in that form.",
            )
        start = interval_start.astimezone(UTC)
        if interval_end is not None and interval_end - interval_start >= timedelta(days=27):
            # East of Greenwich a month begins up to 14 hours before it does in UTC.
            start += _MOST_ZONE_OFFSET
        return cls(start.year, start.month)

    @property
    def _first(self) -> date:
        return date(self.year, self.number, 1)


def country(text: str) -> str:
    """A country code: ISO 3166-1 alpha-2, or XI for Northern Ireland. ``EL`` is ``GR``, and ``UK`` is ``GB``.

    :raises ValueError: if it is not one.
    """
    code = ALIASES.get(text.upper(), text.upper())
    if code not in CODES:
        raise ValueError(
            "a country code of two letters (ISO 3166-1 alpha-2) such as DE or PL; GR or EL is Greece, GB or UK the "
            "United Kingdom, XI Northern Ireland"
        )
    return code


def as_runs(days: Iterable[date]) -> str:
    """Dates as people write them: ``2026-11-03, 2026-11-07 to 2026-11-09``."""
    runs: list[list[date]] = []
    for day in sorted(days):
        if runs and day - runs[-1][-1] == timedelta(days=1):
            runs[-1].append(day)
        else:
            runs.append([day])
    return ", ".join(f"{run[0]} to {run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)
