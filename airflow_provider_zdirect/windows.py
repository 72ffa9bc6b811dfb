# SPDX-License-Identifier: Apache-2.0
"""Half-open windows of time, and how they are cut into requests. Pure values, no I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from airflow_provider_zdirect.exceptions import RetentionError, WindowError

LABEL_FORMAT = "%Y%m%dT%H%M%SZ"
EXACT_LABEL_FORMAT = "%Y%m%dT%H%M%S.%fZ"
MAX_CLOCK_SKEW = timedelta(minutes=1)


@dataclass(frozen=True, order=True)
class Window:
    """A half-open interval ``[start, end)`` of aware times, kept in UTC.

    :param start: first instant that belongs to the window.
    :param end: first instant that does not.
    :raises WindowError: if a time is naive or the window is zero-width or inverted.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            object.__setattr__(self, name, parse_instant(getattr(self, name), name=name))
        if self.start == self.end:
            raise WindowError(
                f"The window is zero-width: it starts and ends at {self.start.isoformat()}.",
                remedy="Use a timetable with data intervals (CronDataIntervalTimetable; a bare cron string "
                "has a zero-width interval on Airflow 3), or pass window_from and window_to.",
            )
        if self.start > self.end:
            raise WindowError(
                f"The window is inverted: it starts at {self.start.isoformat()} and ends before, "
                f"at {self.end.isoformat()}.",
                remedy="Swap from and to.",
            )

    def __str__(self) -> str:
        return f"{self.start.isoformat()}..{self.end.isoformat()}"

    @property
    def duration(self) -> timedelta:
        return self.end - self.start

    def in_words(self) -> str:
        """For people: ``2026-11-28 07:00-08:00 UTC``; the end of a day is its 24:00."""
        last, end = self.end.date(), _clock_time(self.end)
        if self.end.time() == time() and last > self.start.date():
            last, end = last - timedelta(days=1), "24:00"
        between = "-" if last == self.start.date() else f" to {last} "
        return f"{self.start.date()} {_clock_time(self.start)}{between}{end} UTC"

    @property
    def label(self) -> str:
        """The window in object names: ``20261122T100000Z_20261122T110000Z``."""
        return f"{_label(self.start)}_{_label(self.end)}"

    @classmethod
    def from_label(cls, label: str) -> Window:
        """The window that ``label`` names; raises ValueError for any other text."""
        start, _, end = label.partition("_")
        return cls(_from_label(start), _from_label(end))

    @classmethod
    def of_day(cls, day: date, zone: str = "UTC") -> Window:
        """The local day ``day`` in ``zone``: 23, 24 or 25 hours long."""
        first, next_day = (datetime.combine(each, time(), ZoneInfo(zone)) for each in (day, day + timedelta(days=1)))
        return cls(first, next_day)

    def intersects(self, other: Window) -> bool:
        return self.start < other.end and other.start < self.end

    def intersection(self, other: Window) -> Window | None:
        """The part that both have, or None."""
        return Window(max(self.start, other.start), min(self.end, other.end)) if self.intersects(other) else None

    def split(self, longest: timedelta) -> Iterator[Window]:
        """Adjacent windows of at most ``longest`` that tile this one, in order."""
        start = self.start
        while start < self.end:
            yield Window(start, min(start + longest, self.end))
            start += longest

    def utc_dates(self) -> Iterator[date]:
        """Every UTC date that the window touches, in order."""
        first, last = self.start.date(), (self.end - timedelta(microseconds=1)).date()
        return (first + timedelta(days=n) for n in range((last - first).days + 1))

    def whole_days(self, zone: str = "UTC") -> list[date]:
        """The local dates that the window consists of.

        :raises WindowError: if the window does not start and end at midnight in ``zone``.
        """
        tz = ZoneInfo(zone)
        first, last = self.start.astimezone(tz).date(), self.end.astimezone(tz).date()
        for name, value, day in (("starts", self.start, first), ("ends", self.end, last)):
            # Not every local day begins at 00:00: where clocks change at midnight, it begins an hour later.
            if value != Window.of_day(day, zone).start:
                raise WindowError(
                    f"This dataset is requested by whole days, and the window {name} at "
                    f"{value.astimezone(tz).isoformat()}, which is not midnight in {zone}.",
                    remedy="Use a daily data interval (CronDataIntervalTimetable('0 0 * * *', timezone=...)), "
                    "pass whole days, or set the operator's timezone to the schedule's.",
                )
        return [first + timedelta(days=n) for n in range((last - first).days)]


def parse_instant(value: str | datetime, *, name: str) -> datetime:
    """An aware UTC datetime from an ISO 8601 text or a datetime.

    :param name: the parameter that ``value`` came in, for the error.
    :raises WindowError: if the text is not a time or has no offset.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError as error:
            raise WindowError(
                f"{name}={value!r} is not an ISO 8601 time.", remedy=f"Give {name} as 2026-11-22T10:00:00+00:00."
            ) from error
    if not isinstance(value, datetime):
        raise WindowError(f"{name}={value!r} is not a time.", remedy=f"Give {name} as 2026-11-22T10:00:00+00:00.")
    if value.tzinfo is None or value.utcoffset() is None:
        raise WindowError(
            f"{name}={value.isoformat()} has no time zone.",
            remedy=f"Give {name} with an offset, for example {value.isoformat()}+00:00.",
        )
    try:
        return _utc(value)
    except OverflowError as error:
        raise WindowError(
            f"{name}={value.isoformat()} is too near to the first or last year.",
            remedy=f"Give {name} as a year like 2026.",
        ) from error


def refuse_future(window: Window, now: datetime) -> None:
    """Raise WindowError if the window ends after ``now``: its records do not exist yet."""
    if window.end > now + MAX_CLOCK_SKEW:
        raise WindowError(
            f"The window {window} ends in the future (now is {now.isoformat(timespec='seconds')}).",
            remedy="Run the window after its end; end it at or before now.",
        )


def within_retention(window: Window, earliest: datetime, *, clip: bool) -> Window:
    """The part of the window that can be fetched.

    :param earliest: first instant for which zDirect still has data.
    :param clip: allow a window that lies partly before ``earliest``.
    :raises RetentionError: if the window starts before ``earliest`` and is not to be clipped, or ends before it.
    """
    if window.start >= earliest:
        return window
    if window.end <= earliest:
        raise RetentionError(
            f"The window {window} lies before {earliest.isoformat()}, the earliest data that zDirect keeps.",
            remedy="Nothing can be fetched for it any more; start later.",
        )
    if not clip:
        raise RetentionError(
            f"The window {window} starts before {earliest.isoformat()}, the earliest data that zDirect keeps.",
            remedy="Start the window there, or set clip_to_retention=True to fetch what is left; "
            "the clipped part is then named in the manifest.",
        )
    return Window(earliest, window.end)


def moment_in_words(moment: datetime) -> str:
    """For people: ``2026-11-28 07:00 UTC``."""
    moment = _utc(moment)
    return f"{moment.date()} {_clock_time(moment)} UTC"


def _clock_time(moment: datetime) -> str:
    return f"{moment:%H:%M:%S}" if moment.second or moment.microsecond else f"{moment:%H:%M}"


def _utc(value: datetime) -> datetime:
    # astimezone keeps subclasses such as pendulum's; a plain datetime behaves the same everywhere.
    value = value.astimezone(UTC)
    return datetime.combine(value, value.time(), UTC)


def _label(value: datetime) -> str:
    return value.strftime(LABEL_FORMAT if not value.microsecond else EXACT_LABEL_FORMAT)


def _from_label(text: str) -> datetime:
    return datetime.strptime(text, LABEL_FORMAT if "." not in text else EXACT_LABEL_FORMAT).replace(tzinfo=UTC)
