from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import chain, pairwise

import pytest

from airflow_provider_zdirect.emulator.catalog import merchant_id, warehouse_id
from airflow_provider_zdirect.emulator.report_calendar import ReportCalendar
from airflow_provider_zdirect.emulator.truth import Record, Timeline

START = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)
MERCHANTS = tuple(merchant_id(7, index) for index in range(2))
WORLD = Timeline(7, MERCHANTS)
LARGE = Timeline(7, MERCHANTS, volume=10)
ICM, CROSS_BORDER = "intra_community_movements", "cross_border_movements"
COUNTRIES = {"Erfurt": "DE", "Gardno": "PL", "Nogarole Rocca": "IT", "Bleiswijk": "NL"}


def movements(world: Timeline, dataset: str, days: int = 60) -> list[Record]:
    return list(world.records(dataset, MERCHANTS[0], START, START + days * DAY))


@pytest.mark.parametrize("dataset", [ICM, CROSS_BORDER])
def test_any_cut_of_a_range_gives_the_same_movements(dataset: str) -> None:
    whole = movements(WORLD, dataset)
    cuts = [START, START + timedelta(hours=5), START + 17 * DAY, START + 60 * DAY]
    parts = (WORLD.records(dataset, MERCHANTS[0], *pair) for pair in pairwise(cuts))
    assert list(chain.from_iterable(parts)) == whole
    keys = [record.key for record in whole]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


def test_another_process_makes_the_same_movements() -> None:
    code = (
        "from airflow_provider_zdirect.emulator.truth import Timeline\n"
        "from datetime import datetime, UTC, timedelta\n"
        f"t = Timeline(7, {MERCHANTS!r}, drift=0.5, bad_records=0.1); s = datetime(2026, 3, 2, tzinfo=UTC)\n"
        f"for d in ({ICM!r}, {CROSS_BORDER!r}):\n"
        "    print([r for r in t.records(d, t.merchant_ids[1], s, s + timedelta(days=9))])"
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
    assert len(twice[0]) > 1000


@pytest.mark.parametrize("dataset", [ICM, CROSS_BORDER])
def test_another_seed_or_merchant_has_other_movements(dataset: str) -> None:
    bodies = [record.body for record in movements(WORLD, dataset)]
    assert [r.body for r in Timeline(8, MERCHANTS).records(dataset, MERCHANTS[0], START, START + 60 * DAY)] != bodies
    assert [r.body for r in WORLD.records(dataset, MERCHANTS[1], START, START + 60 * DAY)] != bodies


@pytest.mark.parametrize(("dataset", "mean"), [(ICM, 12), (CROSS_BORDER, 15)])
def test_reports_vary_in_size_around_their_mean_and_volume_multiplies_them(dataset: str, mean: int) -> None:
    for world, factor in ((WORLD, 1), (LARGE, 10)):
        found = movements(world, dataset, days=200)
        assert mean * factor * 0.8 < len(found) / 200 < mean * factor * 1.2
        sizes = Counter(record.event_time for record in found)
        assert len(set(sizes.values())) > 10
        assert {moment.time().isoformat() for moment in sizes} == {"00:00:00"}


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


def test_an_event_is_at_midnight_of_the_report_date() -> None:
    for dataset in (ICM, CROSS_BORDER):
        for record in movements(WORLD, dataset):
            assert record.body["report_date"] == record.event_time.date().isoformat()


@pytest.mark.parametrize("dataset", [ICM, CROSS_BORDER])
def test_most_transactions_are_of_the_reports_day_and_the_rest_up_to_five_days_before(dataset: str) -> None:
    found = [record.body for record in movements(LARGE, dataset)]
    delays = Counter(
        (date.fromisoformat(body["report_date"]) - date.fromisoformat(body["transaction_date"])).days for body in found
    )
    assert set(delays) == set(range(6))
    assert 0.82 < delays[0] / len(found) < 0.88
    assert any(body["transaction_date"][:7] < body["report_date"][:7] for body in found)


def test_a_report_is_in_order_of_transaction_dates() -> None:
    for number in range(60):
        dates = [r.body["transaction_date"] for r in LARGE.report(ICM, MERCHANTS[0], (START + number * DAY).date())]
        assert dates == sorted(dates)


@pytest.mark.parametrize("dataset", [ICM, CROSS_BORDER])
def test_movements_are_between_warehouses_of_different_countries(dataset: str) -> None:
    ways = set()
    for record in movements(LARGE, dataset):
        locations = [record.body["source_stock_location"], record.body["destination_stock_location"]]
        for location in locations:
            assert location["country_code"] == COUNTRIES[location["name"]]
            assert location["location_id"] == warehouse_id(7, list(COUNTRIES).index(location["name"]))
        ways.add(tuple(location["country_code"] for location in locations))
    assert len(ways) == 12
    assert all(source != destination for source, destination in ways)


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


def test_most_quantities_are_one() -> None:
    quantities = Counter(abs(record.body["quantity"]) for record in movements(LARGE, ICM))
    assert set(quantities) == {1, 2, 3, 4, 5}
    assert quantities[1] > 0.8 * quantities.total()


def test_some_intra_community_movements_come_twice_and_nothing_tells_them_apart() -> None:
    found = movements(LARGE, ICM)
    doubled = sum(record.body == before.body for before, record in pairwise(found))
    assert 0.03 < doubled / len(found) < 0.07


def test_order_numbers_are_not_unique_and_say_when_and_where() -> None:
    bodies = [record.body for record in movements(LARGE, ICM)]
    assert len({body["order_number"] for body in bodies}) < len(bodies) / 3
    assert {re.fullmatch(r"2026\d{4}(-[a-z]+){2,3}", body["order_number"]) is not None for body in bodies} == {True}
    assert f"{START:%Y%m%d}-erfurt-gardno" in {body["order_number"] for body in bodies}


def test_cross_border_movements_have_an_id_of_their_own() -> None:
    ids = [
        record.body["movement_id"]
        for merchant in MERCHANTS
        for record in LARGE.records(CROSS_BORDER, merchant, START, START + 60 * DAY)
    ]
    assert len(ids) == len(set(ids)) > 10_000


def test_optional_fields_of_cross_border_movements_are_sometimes_missing() -> None:
    bodies = [record.body for record in movements(WORLD, CROSS_BORDER)]
    for name in ("merchant_sku", "order_id"):
        assert {name in body for body in bodies} == {True, False}
    assert len({body["movement_type"] for body in bodies}) == 4


@pytest.mark.parametrize("dataset", [ICM, CROSS_BORDER])
def test_drift_changes_how_movements_are_sent_and_not_the_truth(dataset: str) -> None:
    plain, drifted = movements(WORLD, dataset), movements(Timeline(7, MERCHANTS, drift=0.5), dataset)
    assert [record.body for record in drifted] == [record.body for record in plain]
    changed = [record for record in drifted if record.sent != record.body]
    assert 0.3 < len(changed) / len(drifted) < 0.6
    assert {type(record.sent["ean"]) for record in changed} == {str, int}
    assert any("handling_unit" in record.sent for record in changed)
    assert any(" " in record.sent["source_stock_location"]["location_id"] for record in changed)
    assert any("merchant_sku" not in record.sent for record in changed if "merchant_sku" in record.body)
    assert len({record.sent["movement_type"] for record in changed} - {r.body["movement_type"] for r in plain}) == 1
    for kept in ("report_date", "transaction_date", "movement_id"):
        assert [record.sent.get(kept) for record in drifted] == [record.body.get(kept) for record in plain]
    if dataset == ICM:
        assert {type(record.sent["quantity"]) for record in changed} == {str, int}


def test_bad_movements_are_a_marked_share() -> None:
    world = Timeline(7, MERCHANTS, bad_records=0.1)
    for dataset, defect in ((ICM, "quantity is many"), (CROSS_BORDER, "movement_id is missing")):
        found, plain = movements(world, dataset), movements(WORLD, dataset)
        bad = [record for record in found if record.bad]
        assert 0.07 < len(bad) / len(found) < 0.13
        assert {record.bad for record in bad} == {defect}
        assert [r for r in found if not r.bad] == [p for r, p in zip(found, plain, strict=True) if not r.bad]
        if dataset == ICM:
            assert {record.sent["quantity"] for record in bad} == {"many"}
        else:
            assert not any("movement_id" in record.sent for record in bad)


@pytest.mark.parametrize("dataset", [ICM, CROSS_BORDER])
def test_all_movements_of_a_report_become_visible_at_once(dataset: str) -> None:
    world = Timeline(7, MERCHANTS, late_share=1, reports=ReportCalendar("06:15"))
    for record in movements(world, dataset):
        assert record.visible_at == record.event_time + DAY + timedelta(hours=6, minutes=15)


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
