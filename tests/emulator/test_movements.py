from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from airflow_provider_zdirect.emulator.catalog import merchant_id
from airflow_provider_zdirect.emulator.clock import ReportCalendar
from airflow_provider_zdirect.emulator.truth import Record, Timeline

START = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)
MERCHANTS = tuple(merchant_id(7, index) for index in range(2))
LARGE = Timeline(7, MERCHANTS, volume=10)
ICM, CROSS_BORDER = "intra_community_movements", "cross_border_movements"


def movements(world: Timeline, dataset: str, days: int = 60) -> list[Record]:
    return list(world.records(dataset, MERCHANTS[0], START, START + days * DAY))


@pytest.mark.parametrize("dataset", [ICM, CROSS_BORDER])
def test_the_share_of_empty_reports_leaves_the_others_as_they_are(dataset: str) -> None:
    def days(share: float) -> dict[datetime, list[Record]]:
        found: dict[datetime, list[Record]] = {}
        for record in movements(Timeline(7, MERCHANTS, empty_reports=share), dataset, days=200):
            found.setdefault(record.event_time, []).append(record)
        return found

    none, some, all_of_them = days(0), days(0.3), days(1)
    assert (len(none), len(all_of_them)) == (200, 0)
    assert 110 < len(some) < 170
    assert some.items() <= none.items()


def test_a_few_intra_community_movements_are_corrections() -> None:
    found = [record.body for record in movements(LARGE, ICM)]
    corrections = [body for body in found if body["quantity"] < 0]
    assert 0.02 < len(corrections) / len(found) < 0.06
    assert {body["movement_type"] for body in corrections} == {"customer_order_relocation_correction"}
    assert {body["movement_type"] for body in found if body["quantity"] > 0} == {
        "return_center_inbound",
        "customer_return_inbound",
        "automatic_relocation",
        "customer_order_relocation",
    }


def test_some_intra_community_movements_come_twice_and_look_the_same() -> None:
    found = movements(LARGE, ICM)
    doubled = sum(record.body == before.body for before, record in pairwise(found))
    assert 0.03 < doubled / len(found) < 0.07


# 2026-03-02 is a Monday.
@pytest.mark.parametrize(
    ("reported", "calendar", "visible"),
    [
        ("2026-03-06", ReportCalendar(), "2026-03-07T10:30"),
        ("2026-03-07", ReportCalendar(holidays=("2026-03-08",)), "2026-03-08T10:30"),
        ("2026-03-05", ReportCalendar(days="business"), "2026-03-06T10:30"),
        ("2026-03-06", ReportCalendar(days="business"), "2026-03-09T10:30"),
        ("2026-03-07", ReportCalendar(days="business"), "2026-03-09T10:30"),
        ("2026-03-08", ReportCalendar(days="business"), "2026-03-09T10:30"),
        ("2026-03-09", ReportCalendar(days="business"), "2026-03-10T10:30"),
        ("2026-03-06", ReportCalendar("00:00", "business", ("2026-03-09", "2026-03-10")), "2026-03-11T00:00"),
        ("2026-03-05", ReportCalendar("23:59", "business", ("2026-03-06",)), "2026-03-09T23:59"),
        ("2025-12-31", ReportCalendar(days="business", holidays=("2026-01-01",)), "2026-01-02T10:30"),
    ],
)
def test_a_report_appears_on_a_later_day(reported: str, calendar: ReportCalendar, visible: str) -> None:
    day = date.fromisoformat(reported)
    assert calendar.visible_at(day) == datetime.fromisoformat(visible + ":00+00:00")
    world = Timeline(7, MERCHANTS, volume=5, empty_reports=0, reports=calendar)
    assert {r.visible_at for r in world.report(ICM, MERCHANTS[0], day)} == {calendar.visible_at(day)}
