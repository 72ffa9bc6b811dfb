from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from itertools import chain, pairwise

import pytest

from airflow_provider_zdirect.emulator.catalog import merchant_id
from airflow_provider_zdirect.emulator.clock import ReportCalendar
from airflow_provider_zdirect.emulator.drift import DEFECTS
from airflow_provider_zdirect.emulator.truth import Record, Timeline

START = datetime(2026, 3, 2, tzinfo=UTC)
WEEK = timedelta(days=7)
MERCHANTS = tuple(merchant_id(7, index) for index in range(3))
WORLD = Timeline(7, MERCHANTS)
HOURLY = ("received_items", "returned_items")
ICM, CROSS_BORDER = "intra_community_movements", "cross_border_movements"
DATASETS = (*HOURLY, "liquidated_items", ICM, CROSS_BORDER)
LARGE = Timeline(7, MERCHANTS, volume=10)


@pytest.mark.parametrize("dataset", DATASETS)
def test_any_cut_of_a_range_gives_the_same_records(dataset: str) -> None:
    whole = list(WORLD.records(dataset, MERCHANTS[0], START, START + WEEK))
    cuts = [START, START + timedelta(minutes=17), START + timedelta(days=3, seconds=1), START + WEEK]
    parts = (WORLD.records(dataset, MERCHANTS[0], *pair) for pair in pairwise(cuts))
    assert list(chain.from_iterable(parts)) == whole
    assert whole != list(Timeline(8, MERCHANTS).records(dataset, MERCHANTS[0], START, START + WEEK))
    assert [record.key for record in whole] == sorted(record.key for record in whole)


def test_another_process_makes_the_same_world() -> None:
    code = (
        "from airflow_provider_zdirect.emulator.truth import Timeline\n"
        "from datetime import datetime, UTC, timedelta\n"
        f"t = Timeline(7, {MERCHANTS!r}, drift=0.5, bad_records=0.1); s = datetime(2026, 3, 2, tzinfo=UTC)\n"
        f"for d in {DATASETS!r}: print([r for r in t.records(d, t.merchant_ids[1], s, s + timedelta(hours=30))])"
    )
    twice = [
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    ]
    assert twice[0] == twice[1]
    assert all(len(line) > 1000 for line in twice[0].splitlines())


def test_labels_are_unique_over_merchants_datasets_and_hours() -> None:
    labels = [
        record.label
        for merchant in MERCHANTS
        for dataset in HOURLY
        for record in WORLD.records(dataset, merchant, START, START + WEEK)
    ]
    assert len(labels) == len(set(labels)) > 20_000
    assert {re.fullmatch(r"[0-9A-Z]{11}", label) is not None for label in labels} == {True}


def test_a_share_of_the_records_is_late_by_at_most_45_minutes() -> None:
    records = list(WORLD.records("received_items", MERCHANTS[0], START, START + WEEK))
    delays = [record.visible_at - record.event_time for record in records]
    late = [delay for delay in delays if delay]
    assert 0.03 < len(late) / len(delays) < 0.07
    assert timedelta(minutes=1) <= min(late)
    assert max(late) <= timedelta(minutes=45)


@pytest.mark.parametrize("dataset", DATASETS)
def test_drift_and_bad_records_are_shares_that_leave_the_rest_of_the_world_alone(dataset: str) -> None:
    end = START + (WEEK if dataset in HOURLY else 100 * WEEK / 7)
    plain, drifted, spoiled = (
        list(Timeline(7, MERCHANTS, **shares).records(dataset, MERCHANTS[0], START, end))
        for shares in ({}, {"drift": 0.5}, {"bad_records": 0.1})
    )
    assert [record.body for record in drifted] == [record.body for record in plain]
    changed = [record for record in drifted if record.sent != record.body]
    assert 0.3 < len(changed) / len(drifted) < 0.6
    assert {type(record.sent["ean"]) for record in changed} == {str, int}
    assert any("handling_unit" in record.sent for record in changed)
    for kept in ("quality_label", "movement_id", "report_date", "transaction_date"):
        assert [record.sent.get(kept) for record in drifted] == [record.body.get(kept) for record in plain]
    bad = [record for record in spoiled if record.bad]
    assert 0.05 < len(bad) / len(spoiled) < 0.15
    assert len({record.bad for record in bad}) == len(DEFECTS[dataset])
    assert all(record == before for record, before in zip(spoiled, plain, strict=True) if not record.bad)


def movements(world: Timeline, dataset: str, days: int = 60) -> list[Record]:
    return list(world.records(dataset, MERCHANTS[0], START, START + days * WEEK / 7))


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
