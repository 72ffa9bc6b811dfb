"""The coverage of base paths whose history is known: the gaps that were planted, and no other."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from histories import DAY, HOUR, MERCHANT, NOW, OTHER, Base, at, gaps_of, window
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_zdirect.datasets.table import DATASETS
from airflow_provider_zdirect.windows import Window

START = at("11-18 00:00")
QUARTER = timedelta(minutes=15)
QUARTERS = 3 * 96
GRACE = timedelta(hours=6)


def quarter(number: int) -> datetime:
    return START + number * QUARTER


@st.composite
def a_run(draw):
    """A run of a window: what its manifest says, or that it was killed before it wrote one."""
    start = draw(st.integers(0, QUARTERS - 1))
    end = draw(st.integers(start + 1, min(start + draw(st.sampled_from([1, 4, 96])), QUARTERS)))
    return {
        "span": (start, end),
        "killed": draw(st.booleans()),
        "filtered": draw(st.integers(0, 5)) == 0,
        "sandbox": draw(st.integers(0, 9)) == 0,
        "rejected": draw(st.sampled_from([0, 0, 3])),
        "clipped": draw(st.integers(start, end - 1)) if draw(st.integers(0, 4)) == 0 else start,
        "at": draw(st.integers(0, 50)),
    }


def write(base: Base, run: dict) -> None:
    span = Window(*map(quarter, run["span"]))
    base.announce("returned_items", span)
    if run["killed"]:
        return
    base.land(
        "returned_items",
        span,
        environment="sandbox" if run["sandbox"] else "production",
        filters={"some": "value"} if run["filtered"] else {},
        rejected=run["rejected"],
        rejected_file="_rejected/file" if run["rejected"] else None,
        clipped=Window(span.start, quarter(run["clipped"])) if run["clipped"] > run["span"][0] else None,
        finished_at=(NOW + run["at"] * HOUR).isoformat(),
    )


def model(runs: list[dict], now: datetime) -> list[tuple[datetime, datetime, str, bool]]:
    """The gaps, by one quarter of an hour after the other."""
    # Of two runs with the same window the later one has overwritten the manifest.
    manifests = {run["span"]: run for run in runs if not run["killed"]}.values()
    covering = [run for run in manifests if not run["filtered"] and not run["sandbox"]]
    announced = {run["span"] for run in runs} - {run["span"] for run in manifests}
    first, due = min(run["span"][0] for run in runs), (now - GRACE).replace(minute=0)
    lacking = [
        number
        for number in range(first, QUARTERS)
        if quarter(number) < due and not any(run["clipped"] <= number < run["span"][1] for run in covering)
    ]
    found = []
    for _, run in groupby(enumerate(lacking), key=lambda pair: pair[1] - pair[0]):
        numbers = [number for _, number in run]
        begun = any(start <= number < end for number in numbers for start, end in announced)
        found.append((quarter(numbers[0]), quarter(numbers[-1] + 1), "missing", begun))
    return found


@settings(max_examples=25)
@given(runs=st.lists(a_run(), min_size=1, max_size=15))
def test_the_gaps_of_any_history_are_those_that_were_planted_and_no_other(runs):
    now = quarter(QUARTERS)
    with TemporaryDirectory() as folder:
        base = Base(Path(folder))
        for run in runs:
            write(base, run)
        row = base.row("returned_items", now, grace=GRACE)
        found = [(gap.window.start, gap.window.end, gap.status.value, gap.started) for gap in row.gaps]
        assert found == model(runs, now)
        # The second look reads the index.
        assert base.row("returned_items", now, grace=GRACE).as_json("") == row.as_json("")


dates = st.integers(0, 13).map(lambda number: date(2026, 10, 20) + number * DAY)


@settings(max_examples=25)
@given(
    zone=st.sampled_from(["UTC", "Europe/Berlin", "Pacific/Auckland"]),
    fetched=st.lists(st.tuples(dates, st.integers(1, 3), st.booleans(), st.integers(0, 9)), min_size=1, max_size=10),
)
def test_the_gaps_of_daily_reports_are_their_dates_also_where_clocks_change(zone, fetched):
    """Around the end of summer time; each fetch asks for one to three dates."""
    last: dict[date, tuple[int, bool]] = {}
    with TemporaryDirectory() as folder:
        base = Base(Path(folder))
        written = {}
        for first, count, uncertain, moment in fetched:
            days = [first + number * DAY for number in range(count)]
            base.land_days(
                "cross_border_movements", *days, zone=zone, uncertain=uncertain, fetched_at=NOW + moment * HOUR
            )
            written[first, count] = (days, uncertain, moment)
        for days, uncertain, moment in written.values():
            for day in days:
                last[day] = max(last.get(day, (moment, uncertain)), (moment, uncertain))
        row = base.row("cross_border_movements", timezone=zone, days=60)
    expected = [min(last) + number * DAY for number in range((date(2026, 11, 20) - min(last)).days)]
    lacking = {day: "missing" if day not in last else "uncertain" for day in expected if last.get(day, (0, 1))[1]}
    found = [(gap.window.start, gap.window.end, gap.status.value) for gap in row.gaps]
    runs = []
    for day, status in lacking.items():
        of_day = Window.of_day(day, zone)
        if runs and runs[-1][1:] == (of_day.start, status):
            runs[-1] = (runs[-1][0], of_day.end, status)
        else:
            runs.append((of_day.start, of_day.end, status))
    assert found == runs
    assert {day: letter for day, letter in row.as_json("")["days"].items() if letter in "ME"} == {
        day.isoformat(): {"missing": "M", "uncertain": "E"}[status] for day, status in lacking.items()
    }


def test_gaps_beside_one_landed_window_stay_apart(base):
    for hour in (0, 2, 4):
        base.land("returned_items", window(f"11-18 0{hour}:00", f"11-18 0{hour + 1}:00"))
    assert gaps_of(base.row("returned_items"))[:2] == [
        ("11-18 01:00", "11-18 02:00", "missing"),
        ("11-18 03:00", "11-18 04:00", "missing"),
    ]


def test_what_zdirect_has_deleted_is_lost_and_the_rest_of_the_gap_is_urgent_to_the_minute(base):
    edge = NOW - 100 * DAY
    base.land("returned_items", Window(edge - 9 * HOUR, edge - 3 * HOUR))
    base.land("returned_items", Window(edge + 5 * HOUR, NOW))
    row = base.row("returned_items", days=120)
    lost, missing = row.gaps
    assert (lost.window, missing.window) == (
        Window(edge - 3 * HOUR, edge + timedelta(minutes=5)),
        Window(edge + timedelta(minutes=5), edge + 5 * HOUR),
    )
    assert [gap["days_left"] for gap in row.as_json("")["gaps"]] == [None, 0.0]
    assert [gap["urgent"] for gap in row.as_json("")["gaps"]] == [False, True]
    assert lost.fill is None
    # In an hour zDirect has deleted more, and the backfill would be refused.
    assert missing.fill["from"] == (edge + timedelta(minutes=90)).isoformat()
    assert row.as_json("")["days"][f"{edge:%Y-%m-%d}"][6:17] == "LXXXXMMMMML"


def test_an_uncertain_report_is_urgent_only_as_long_as_it_can_be_fetched_again(base):
    today = NOW.date()
    base.land_days("cross_border_movements", *(today - n * DAY for n in (101, 100, 99)), uncertain=True)
    gaps = base.row("cross_border_movements", days=110).as_json("")["gaps"]
    uncertain = [gap for gap in gaps if gap["status"] == "uncertain"]
    assert [(gap["from"][:10], gap["days_left"], gap["urgent"]) for gap in uncertain] == [
        (f"{today - 101 * DAY}", None, False),
        (f"{today - 100 * DAY}", 0.6, True),
    ]
    assert [gap["fill"] and gap["fill"]["conf"]["from"][:10] for gap in uncertain] == [None, f"{today - 100 * DAY}"]


@pytest.mark.parametrize(("warn", "urgent"), [(13.9, False), (14, True)])
def test_a_gap_is_urgent_from_the_days_on_that_were_asked_for(base, warn, urgent):
    start = NOW - 86 * DAY + timedelta(minutes=5)
    base.land("returned_items", Window(start - HOUR, start))
    base.land("returned_items", Window(start + HOUR, NOW))
    (gap,) = base.row("returned_items", warn=timedelta(days=warn)).as_json("")["gaps"]
    assert (gap["days_left"], gap["urgent"]) == (14.0, urgent)


def test_what_is_kept_by_calendar_years_is_lost_at_new_year(base):
    base.land("received_items", Window(datetime(2025, 12, 1, tzinfo=UTC), datetime(2025, 12, 2, tzinfo=UTC)))
    row = base.row("received_items", datetime(2026, 12, 20, 10, 30, tzinfo=UTC), days=400)
    (gap,) = row.as_json("")["gaps"]
    assert (gap["from"], gap["days_left"], gap["urgent"]) == ("2025-12-02T00:00:00+00:00", 11.6, True)
    row = base.row("received_items", datetime(2027, 1, 1, 10, 30, tzinfo=UTC), days=400)
    assert gaps_of(row) == [("12-02 00:00", "01-01 00:00", "lost"), ("01-01 00:00", "12-31 10:00", "missing")]


def test_nothing_is_missing_before_its_grace_is_over(base):
    base.land("returned_items", window("11-20 00:00", "11-21 09:00"))
    row = base.row("returned_items")
    assert gaps_of(row) == [("11-21 09:00", "11-21 10:00", "missing")]
    assert row.as_json("")["days"] == {
        "2026-11-20": "L" * 24,
        "2026-11-21": "L" * 9 + "M" + "P" * 14,
        "2026-11-22": "P" * 11 + "." * 13,
    }


@pytest.mark.parametrize(("hour", "letters"), [(11, "LLPP"), (12, "LLMP")])
def test_a_daily_report_is_missing_when_its_grace_after_noon_is_over(base, hour, letters):
    base.land_days("intra_community_movements", date(2026, 11, 18), date(2026, 11, 19))
    row = base.row("intra_community_movements", at(f"11-22 {hour}:00"))
    assert "".join(row.as_json("")["days"].values()) == letters


def test_a_day_of_liquidated_items_is_refetched_when_its_second_pass_is_made_or_it_was_published_twice(base):
    days = [date(2026, 11, 17) + number * DAY for number in range(4)]
    change = {"fetched_at": "", "run": "", "added": 1, "removed": 0, "changed": 0, "file": None}
    base.land_days("liquidated_items", days[0], fetched_at=at("11-20 00:00"))
    base.land_days(
        "liquidated_items", days[1], fetched_at=at("11-20 23:59"), changes=[{"date": "2026-11-18", **change}]
    )
    base.land_days(
        "liquidated_items", days[2], fetched_at=at("11-20 05:00"), changes=[{"date": "2026-11-19", **change}] * 2
    )
    base.land_days("liquidated_items", days[3], rejected=1)
    assert "".join(base.row("liquidated_items").as_json("")["days"].values()) == "FLFRP"


def test_rejected_records_are_named_until_a_later_fetch_has_none(base):
    hour = window("11-21 08:00", "11-21 09:00")
    file = "_rejected/returned_items/a.jsonl.gz"
    base.land("returned_items", hour, rejected=2, rejected_file=file)
    assert base.row("returned_items").as_json("s3://b/zd")["rejected"] == [
        {"from": hour.start.isoformat(), "to": hour.end.isoformat(), "records": 2, "uri": f"s3://b/zd/{file}"}
    ]
    base.land("returned_items", window("11-21 00:00", "11-22 00:00"))
    again = base.row("returned_items")
    assert again.as_json("")["rejected"] == []
    assert again.as_json("")["days"]["2026-11-21"] == "L" * 24


def test_windows_are_expected_from_the_first_known_one_of_the_merchant_or_else_of_another(base):
    base.land("returned_items", window("11-18 05:00", "11-20 00:00"))
    base.announce("returned_items", window("11-17 22:00", "11-17 23:00"), OTHER)
    new = "0c0c0c0c-0000-4fc0-8cd9-86e454e6dfa3"
    rows = base.measure(merchants=(MERCHANT, OTHER, new), datasets=("returned_items",)).rows
    assert [row.spans[0].window.start for row in rows] == [at("11-18 05:00"), at("11-17 22:00"), at("11-17 22:00")]
    assert [gap.started for row in rows for gap in row.gaps] == [False, True, False]
    assert base.row("returned_items", since=at("11-19 12:00")).spans[0].window.start == at("11-19 12:00")
    # A dataset without any window is missing from the first covered day on.
    assert base.row("orders").spans[0].window.start == at("11-22 00:00") - 99 * DAY


def test_merchants_that_are_not_covered_decide_nothing_and_are_named(base):
    former, new = OTHER, "0c0c0c0c-0000-4fc0-8cd9-86e454e6dfa3"
    base.land("returned_items", window("11-10 05:00", "11-10 06:00"), former)
    base.announce("orders", window("11-12 05:00", "11-12 06:00"), former)
    base.land("returned_items", window("11-18 05:00", "11-20 00:00"))
    report = base.measure(merchants=(MERCHANT, new), name_of={former: "shop-de"}.get)
    assert [(row.dataset.name, row.spans[0].window.start) for row in report.rows] == [
        ("returned_items", at("11-18 05:00"))
    ] * 2
    assert report.as_json()["others"] == [{"merchant_id": former, "merchant": "shop-de"}]
    alone = base.measure(merchants=(new,)).as_json()
    assert alone["rows"] == []
    assert [other["merchant_id"] for other in alone["others"]] == [MERCHANT, former]
    assert alone["others"][0]["merchant"] is None


def test_a_merchant_that_had_windows_only_before_the_covered_days_is_not_named(base):
    base.land("returned_items", window("09-10 05:00", "09-10 06:00"), OTHER)
    assert base.measure(days=30).others == {}
    assert base.measure(days=100).others == {OTHER: None}
    first = at("10-24 00:00")
    base.land("returned_items", Window(first - HOUR, first), OTHER)
    assert base.measure(days=30).others == {}
    base.land("returned_items", Window(first, first + HOUR), OTHER)
    assert base.measure(days=30).others == {OTHER: None}


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Pacific/Auckland", "America/New_York"])
def test_since_midnight_utc_is_the_date_wherever_days_begin(base, zone):
    base.land_days("cross_border_movements", *(date(2026, 11, day) for day in (16, 17, 18, 19)), zone=zone)
    row = base.row("cross_border_movements", timezone=zone, since=at("11-17 00:00"))
    # The 17th is expected, even if it begins before midnight UTC; the 16th is not.
    assert "".join(row.as_json("")["days"].values())[:3] == "LLL"
    assert min(row.as_json("")["days"]) == "2026-11-17"
    assert row.gaps == []
    gap = base.row("cross_border_movements", timezone=zone, since=at("11-15 00:00")).gaps[0]
    assert gap.window == Window.of_day(date(2026, 11, 15), zone)


def test_since_a_moment_within_a_day_expects_the_next_day(base):
    base.land_days("cross_border_movements", date(2026, 11, 16), zone="Europe/Berlin")
    row = base.row("cross_border_movements", timezone="Europe/Berlin", since=at("11-17 00:30"))
    assert min(row.as_json("")["days"]) == "2026-11-18"


def test_days_in_another_time_zone_begin_with_their_first_date(base):
    zone = "Europe/Berlin"
    base.land_days("cross_border_movements", *(date(2026, 11, day) for day in (16, 17)), zone=zone)
    for asked in ("UTC", zone):
        days = base.row("cross_border_movements", timezone=asked).as_json("")["days"]
        assert "".join(days.values()) == "LLMMPP"
        assert min(days) == "2026-11-16"
    gap = base.row("cross_border_movements", timezone=zone).gaps[0]
    assert gap.window == Window(at("11-17 23:00"), at("11-19 23:00"))
    assert (gap.fill["from"], gap.fill["to"]) == ("2026-11-18T00:00:00+00:00", "2026-11-20T00:00:00+00:00")


def test_the_command_of_a_gap_is_what_a_shell_gives_the_backfill(base):
    base.land("orders", window("11-20 00:00", "11-20 05:00"), personal_data="hash:1a2b3c4d")
    report = base.measure(merchants={MERCHANT: "Shop's own"}).as_json()
    (row,) = report["rows"]
    (gap,) = row["gaps"]
    conf = {
        "dataset": "orders",
        "from": "2026-11-20T05:00:00+00:00",
        "to": "2026-11-21T10:00:00+00:00",
        "merchant_ids": [MERCHANT],
        "personal_data": "hash",
        "base_path": f"file://{base.root}",
        "conn_id": "zdirect_default",
    }
    assert gap["fill"]["conf"] == conf
    *command, text = shlex.split(gap["fill"]["command"])
    assert command == ["airflow", "dags", "trigger", "zdirect_backfill", "--conf"]
    assert json.loads(text) == conf
    assert row["merchant"] == "Shop's own"


@pytest.mark.parametrize(
    ("own", "others", "given"),
    [
        ([{"personal_data": "drop", "filters": {"order_type": "PartnerFulfilled"}}], [], "drop"),
        ([{"personal_data": "hash:1a2b3c4d"}, {"personal_data": "keep"}], [{"personal_data": "drop"}], None),
        ([], [{"personal_data": "hash:1a2b3c4d"}], "hash"),
        ([], [{"personal_data": "keep"}], None),
    ],
)
def test_a_backfill_stores_no_personal_data_that_was_not_stored_before(base, own, others, given):
    for merchant_id, landed in ((MERCHANT, own), (OTHER, others)):
        for number, facts in enumerate(landed):
            start = at("11-20 00:00") + number * HOUR
            base.land("orders", Window(start, start + HOUR), merchant_id, **facts)
    (row,) = [row for row in base.measure(merchants=(MERCHANT, OTHER)).rows if row.merchant_id == MERCHANT]
    assert {gap.fill.get("personal_data") for gap in row.gaps} == {given}


def test_the_report_says_where_and_when_it_holds(base):
    base.land("orders", window("11-20 00:00", "11-22 10:00"))
    report = base.measure(days=30, warn=timedelta(days=7), grace=timedelta(hours=1.5)).as_json()
    (row,) = report.pop("rows")
    assert report == {
        "format": 1,
        "made_at": NOW.isoformat(),
        "base_path": f"file://{base.root}",
        "environment": "production",
        "conn_id": "zdirect_default",
        "warn_days": 7,
        "grace_hours": 1.5,
        "from": "2026-10-24",
        "to": "2026-11-23",
        "others": [],
    }
    assert json.loads(json.dumps(row)) == {
        "merchant_id": MERCHANT,
        "merchant": None,
        "dataset": "orders",
        "title": DATASETS["orders"].title,
        "step": "hour",
        "timezone": "UTC",
        "retention": "365 days",
        "days": {"2026-11-20": "L" * 24, "2026-11-21": "L" * 24, "2026-11-22": "L" * 10 + "P" + "." * 13},
        "gaps": [],
        "rejected": [],
    }
