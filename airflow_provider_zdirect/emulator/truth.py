# SPDX-License-Identifier: Apache-2.0
"""The records of the emulated world: an endless timeline, a pure function of seed, merchant and hour or day."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from random import Random
from typing import Any

from airflow_provider_zdirect.emulator.catalog import quality_label
from airflow_provider_zdirect.emulator.clock import DAY, HOUR, ReportCalendar
from airflow_provider_zdirect.emulator.drift import ALL, OPTIONAL, drifted, spoiled
from airflow_provider_zdirect.emulator.records import BODIES, REPORTS, Place, liquidated_body, rfc3339

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MEAN_PER_HOUR = {"received_items": 40, "returned_items": 25}
MEAN_LIQUIDATED_PER_DAY = 3
MEAN_PER_REPORT = {"intra_community_movements": 12, "cross_border_movements": 15}
TIME_FIELD = {
    "received_items": "received_timestamp",
    "returned_items": "consumed_timestamp",
    "liquidated_items": "liquidation_date",
    "intra_community_movements": "report_date",
    "cross_border_movements": "report_date",
}
DATASETS = tuple(TIME_FIELD)
LONGEST_REPORTING_DELAY = 6
# Rows of a day can come, change and vanish within the 48 hours that the docs name.
LAST_HOUR_AFTER = 47
CACHED_HOURS = 1500
# Fewer, since reports of a large world have thousands of rows; more than a request can span (100 days).
CACHED_REPORTS = 128
EVERY_DAY = ReportCalendar()


@dataclass(frozen=True)
class Record:
    """One record with what the API does not show.

    :param event_time: the moment that ``from`` and ``to`` select.
    :param label: quality label, or the row's number for liquidated items and movements; orders records of one moment.
    :param visible_at: the API shows the record from this moment on.
    :param body: the record as documented.
    :param sent: the record as the API sends it, which differs from ``body`` under drift.
    :param bad: what is wrong with it, if it breaks the schema.
    :param visible_until: the API shows the record until this moment, excluded; ``None`` if it stays.
    """

    event_time: datetime
    label: str
    visible_at: datetime
    body: dict[str, Any]
    sent: dict[str, Any]
    bad: str | None = None
    visible_until: datetime | None = None

    @property
    def key(self) -> tuple[datetime, str]:
        return self.event_time, self.label

    def is_visible(self, now: datetime) -> bool:
        return self.visible_at <= now and (self.visible_until is None or now < self.visible_until)


@dataclass(frozen=True)
class Timeline:
    """All records of all merchants, for ever; all but the first two are fields of ``Options``."""

    seed: int
    merchant_ids: tuple[str, ...]
    volume: float = 1.0
    late_share: float = 0.05
    bad_records: float = 0.0
    drift: float = 0.0
    liquidated_by: str = "liquidation_date"
    empty_reports: float = 0.05
    reports: ReportCalendar = EVERY_DAY
    liquidated_vanish: float = 0.0
    liquidated_change: float = 0.0

    def records(self, dataset: str, merchant_id: str, start: datetime, end: datetime) -> Iterator[Record]:
        """Records with ``start <= event time < end``, in order of time and label, visible or not.

        Rows that vanish are among them, and a row that changes is there in both its forms.
        """
        if dataset not in DATASETS:
            raise ValueError(f"dataset must be one of {', '.join(DATASETS)}")
        if merchant_id not in self.merchant_ids:
            raise ValueError(f"merchant {merchant_id} does not exist in this world")
        step, slot = (HOUR, _hour) if dataset in MEAN_PER_HOUR else (DAY, _report if dataset in REPORTS else _day)
        number = (start - EPOCH) // step
        while EPOCH + number * step < end:
            for record in slot(self, dataset, merchant_id, number):
                if start <= record.event_time < end:
                    yield record
            number += 1

    def report(self, dataset: str, merchant_id: str, reported: date) -> tuple[Record, ...]:
        """The movements of one daily report, in order, visible or not."""
        return _report(self, dataset, merchant_id, reported.toordinal() - EPOCH.toordinal())


@lru_cache(maxsize=CACHED_HOURS)
def _hour(timeline: Timeline, dataset: str, merchant_id: str, hour: int) -> tuple[Record, ...]:
    rng = Random(f"{timeline.seed}/{merchant_id}/{dataset}/{hour}")  # noqa: S311 - reproducible, not secret
    merchant_index = timeline.merchant_ids.index(merchant_id)
    start = EPOCH + hour * HOUR
    records = []
    for number in range(_count(rng, MEAN_PER_HOUR[dataset] * timeline.volume, empty_share=0.07)):
        event_time = start + _offset(rng)
        label = quality_label(timeline.seed, merchant_index, DATASETS.index(dataset), hour, number)
        place = Place(timeline.seed, merchant_id, event_time, label)
        body = BODIES[dataset](rng, place)
        late, minutes = rng.random() < timeline.late_share, rng.randint(1, 45)
        visible_at = event_time + timedelta(minutes=minutes if late else 0)
        records.append(_record(timeline, dataset, Record(event_time, label, visible_at, body, body)))
    return tuple(sorted(records, key=lambda record: record.key))


@lru_cache(maxsize=CACHED_HOURS)
def _day(timeline: Timeline, dataset: str, merchant_id: str, day: int) -> tuple[Record, ...]:
    if timeline.liquidated_by == "liquidation_date":
        return _liquidated_on(timeline, dataset, merchant_id, day)
    reported = EPOCH + day * DAY
    return tuple(
        _moved(record, reported)
        for earlier in range(LONGEST_REPORTING_DELAY, -1, -1)
        for record in _liquidated_on(timeline, dataset, merchant_id, day - earlier)
        if record.body["reporting_date"] == reported.date().isoformat()
    )


@lru_cache(maxsize=CACHED_HOURS)
def _liquidated_on(timeline: Timeline, dataset: str, merchant_id: str, day: int) -> tuple[Record, ...]:
    rng = Random(f"{timeline.seed}/{merchant_id}/{dataset}/{day}")  # noqa: S311 - reproducible, not secret
    liquidated = EPOCH + day * DAY
    records: list[Record] = []
    for number in range(_count(rng, MEAN_LIQUIDATED_PER_DAY * timeline.volume, empty_share=0.1)):
        place = Place(timeline.seed, merchant_id, liquidated, f"{number:06d}")
        body, bad = liquidated_body(rng, place, rng.randint(0, LONGEST_REPORTING_DELAY)), None
        if rng.random() < 0.05 and records:
            body, bad = records[-1].body, records[-1].bad
        # A day's rows are there when the day is over, or late.
        late, hours = rng.random() < timeline.late_share, rng.randint(1, LAST_HOUR_AFTER)
        visible_at = liquidated + DAY + timedelta(hours=hours if late else 0)
        records.append(_record(timeline, dataset, Record(liquidated, place.label, visible_at, body, body, bad)))
    return tuple(form for record in records for form in _forms(timeline, merchant_id, record))


def _forms(timeline: Timeline, merchant_id: str, record: Record) -> tuple[Record, ...]:
    """What the API shows of a liquidated row, one after the other."""
    # Drawn apart, so that the rest of the world is the same with any share.
    source = f"{timeline.seed}/{merchant_id}/fate/{record.event_time.date()}/{record.label}"
    rng = Random(source)  # noqa: S311 - reproducible, not secret
    vanishes, changes = rng.random() < timeline.liquidated_vanish, rng.random() < timeline.liquidated_change
    if not vanishes and not changes:
        return (record,)
    over = record.event_time + DAY
    moment = over + timedelta(hours=rng.randint(1, LAST_HOUR_AFTER))
    # Such a row is never late: it is to be seen before.
    if vanishes:
        return (replace(record, visible_at=over, visible_until=moment),)
    body = _as_first_reported(record.body, rng)
    first = replace(record, visible_at=over, visible_until=moment, body=body)
    return replace(first, sent=_sent(timeline, first)), replace(record, visible_at=moment)


def _as_first_reported(body: dict[str, Any], rng: Random) -> dict[str, Any]:
    if rng.random() < 0.5:
        quantity = body["quantity"] + rng.randint(1, 9)
        return {**body, "quantity": quantity, "total_price": round(body["average_price_per_item"] * quantity, 2)}
    return {**body, "total_price": round(body["total_price"] + rng.randint(1, 500) / 100, 2)}


def _moved(record: Record, event_time: datetime) -> Record:
    later = event_time - record.event_time
    until = record.visible_until + later if record.visible_until else None
    return replace(record, event_time=event_time, visible_at=record.visible_at + later, visible_until=until)


@lru_cache(maxsize=CACHED_REPORTS)
def _report(timeline: Timeline, dataset: str, merchant_id: str, day: int) -> tuple[Record, ...]:
    rng = Random(f"{timeline.seed}/{merchant_id}/{dataset}/{day}")  # noqa: S311 - reproducible, not secret
    event_time = EPOCH + day * DAY
    reported, visible_at = event_time.date(), timeline.reports.visible_at(event_time.date())
    count = _count(rng, MEAN_PER_REPORT[dataset] * timeline.volume, timeline.empty_reports)
    bodies = REPORTS[dataset](rng, timeline.seed, merchant_id, reported, count)
    return tuple(
        _record(timeline, dataset, Record(event_time, f"{reported}/{number:07d}", visible_at, body, body))
        for number, body in enumerate(bodies)
    )


def _record(timeline: Timeline, dataset: str, record: Record) -> Record:
    if not (timeline.bad_records or timeline.drift):
        return record
    body, bad = spoiled(record.body, dataset, f"{record.event_time}/{record.label}", timeline.bad_records)
    record = replace(record, body=body, bad=bad or record.bad)
    return replace(record, sent=_sent(timeline, record))


def _sent(timeline: Timeline, record: Record) -> dict[str, Any]:
    return drifted(record.body, f"{record.event_time}/{record.label}", timeline.drift, OPTIONAL, ALL)


def _count(rng: Random, mean: float, empty_share: float) -> int:
    is_empty, factor = rng.random() < empty_share, rng.uniform(0.3, 1.85)
    return 0 if is_empty else round(mean * factor)


def _offset(rng: Random) -> timedelta:
    if rng.random() < 0.02:
        return timedelta(0)
    seconds, precision, micros = rng.randrange(3600), rng.random(), rng.randrange(1_000_000)
    if precision < 0.55:
        return timedelta(seconds=seconds)
    return timedelta(seconds=seconds, microseconds=micros if precision < 0.75 else micros // 1000 * 1000)


def marked(record: Record) -> dict[str, Any]:
    """The documented record, with ``_bad`` if it breaks the schema."""
    return {**record.body, "_bad": record.bad} if record.bad else dict(record.body)


def legacy(record: Record) -> dict[str, Any]:
    """A received item as the old endpoint showed it (zDirect docs: Tracking Stock Movements, older copy)."""
    day, tail = record.event_time, int(record.label[-4:], 36)
    body = {k: v for k, v in record.sent.items() if k not in ("merchant_article_id", "merchant_item_id")}
    return {
        **body,
        "zalando_advice_id": int(body["zalando_advice_id"]),
        "parent": {"id": f"BOX{tail % 900 + 100}"} if tail % 5 else None,
        "consumed_timestamp": rfc3339(record.visible_at),
        "tour_number": f"{day:%Y%m%d}-{tail % 30:04d}-SWI1-EF",
    }


ScriptedRow = tuple[dict[str, Any], datetime, datetime | None]


class LiquidationScript:
    """What was scripted, by merchant and day."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._days: dict[tuple[str, datetime], tuple[Record, ...]] = {}

    def set(self, merchant_id: str, day: date, rows: Iterable[ScriptedRow]) -> None:
        """Replace all rows of that day.

        :param rows: each as fields that differ from the day's usual body, and the moments from which and until which
            the API shows it; ``None`` if it stays.
        """
        event_time = datetime(day.year, day.month, day.day, tzinfo=UTC)
        rng = Random(f"{self._seed}/{merchant_id}/script/{day}")  # noqa: S311 - reproducible, not secret
        usual = liquidated_body(rng, Place(self._seed, merchant_id, event_time, "script"), 0)
        self._days[merchant_id, event_time] = tuple(
            Record(event_time, f"{number:06d}", since, usual | changes, usual | changes, visible_until=until)
            for number, (changes, since, until) in enumerate(rows)
        )

    def over(self, records: Iterable[Record], merchant_id: str, start: datetime, end: datetime) -> list[Record]:
        """The records with those of scripted days replaced, in order."""
        days = dict(self._days)
        kept = [record for record in records if (merchant_id, record.event_time) not in days]
        scripted = [
            record
            for (merchant, day), rows in days.items()
            if merchant == merchant_id and start <= day < end
            for record in rows
        ]
        return sorted(kept + scripted, key=lambda record: record.key)
