"""When the daily report of movements is there (zDirect docs: Intra-Community Movements; Cross-Border Movements)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day

DAY = timedelta(days=1)
SATURDAY = 5


@dataclass(frozen=True)
class ReportCalendar:
    """A day's report appears at one time of a later day.

    The docs only say from when on it is safe to fetch it: 12:00 CET on business days (Intra-Community Movements),
    12:00 UTC (Cross-Border Movements). What happens at weekends is not confirmed.

    :param time: UTC, ``HH:MM``.
    :param days: ``all``: the day after; ``business``: the first Monday to Friday after that is not a holiday.
    :param holidays: ISO dates on which no report appears; only for ``business``.
    """

    time: str = "10:30"
    days: str = "all"
    holidays: tuple[str, ...] = ()

    def visible_at(self, reported: date) -> datetime:
        """The moment from which on the report of that day is there."""
        day = reported + DAY
        while self.days == "business" and (day.weekday() >= SATURDAY or day.isoformat() in self.holidays):
            day += DAY
        return datetime.combine(day, time_of_day.fromisoformat(self.time), UTC)
