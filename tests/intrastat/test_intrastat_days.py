"""Which days have a report, and what happens when some have not, or change while they are read."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from landing import DATASET, MERCHANT, NOVEMBER, Landing, movement, november

from airflow_provider_zdirect.exceptions import ConcurrentRunError, MissingReportsError, ZDirectFatalError
from airflow_provider_zdirect.intrastat import movements
from airflow_provider_zdirect.intrastat.days import landed_days
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.windows import Window

MISSING = {3, 7, 8, 9}


@pytest.fixture
def incomplete(landing: Landing) -> Landing:
    for day in NOVEMBER.days:
        if day.day not in MISSING:
            landing.land(day, [movement()])
    return landing


def test_missing_days_are_an_error_that_names_them_and_what_to_do(incomplete: Landing) -> None:
    with pytest.raises(MissingReportsError, match="2026-11-03, 2026-11-07 to 2026-11-09") as caught:
        incomplete.report()
    said = str(caught.value)
    assert all(part in said for part in (MERCHANT, "4 of 30", "zdirect_icm_daily", "allow_missing_days=True"))
    assert isinstance(caught.value, ZDirectFatalError)
    assert not (incomplete.root / "intrastat").exists()
    assert not (incomplete.root / "_manifests/intrastat").exists()


def test_missing_days_that_zdirect_no_longer_keeps_are_named_as_such(incomplete: Landing) -> None:
    incomplete.now = datetime(2027, 2, 13, 12, tzinfo=UTC)
    with pytest.raises(MissingReportsError, match="no longer has the reports of 2026-11-03: it keeps those") as e:
        incomplete.report()
    assert "Run or backfill zdirect_icm_daily" in str(e.value)
    incomplete.now = datetime(2027, 6, 1, tzinfo=UTC)
    with pytest.raises(MissingReportsError, match="the reports of 2026-11-03, 2026-11-07 to 2026-11-09: it keeps") as e:
        incomplete.report()
    assert "zdirect_icm_daily" not in str(e.value)


def test_missing_days_that_are_allowed_are_named_everywhere(incomplete: Landing) -> None:
    result = incomplete.report(allow_missing_days=True)
    assert result["missing_days"] == [f"2026-11-{day:02d}" for day in sorted(MISSING)]
    assert result["days"] == 26
    assert incomplete.manifest()["missing_days"] == result["missing_days"]
    assert "2026-11-03, 2026-11-07 to 2026-11-09" in incomplete.html("PL")
    assert "26 of 30 days" in incomplete.html("PL")


def test_a_month_without_any_report_is_refused_even_then(landing: Landing) -> None:
    with pytest.raises(MissingReportsError, match="no report of 2026-11 at all"):
        landing.report(allow_missing_days=True)


def test_reports_without_movements_are_reports(landing: Landing) -> None:
    landing.land_month()
    result = landing.report()
    assert (result["days"], result["movements"], result["reports"]) == (30, 0, [])
    assert landing.manifest()["empty_days"] == [day.isoformat() for day in NOVEMBER.days]


def test_only_manifests_near_the_month_are_read(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    start = date(2026, 9, 1)
    for days in range(0, 120, 5):
        window = Window(*(datetime(2026, 9, 1, tzinfo=UTC) + timedelta(days=days + n) for n in (0, 5)))
        landing.announce(window, [start + timedelta(days=days + n) for n in range(5)])
    read: list[str] = []
    original = ObjectStore.read_json
    monkeypatch.setattr(ObjectStore, "read_json", lambda self, path: read.append(path) or original(self, path))
    assert list(landed_days(landing.place, NOVEMBER)) == NOVEMBER.days
    assert 6 <= len(read) <= 8


def test_days_of_a_local_time_zone_count(landing: Landing) -> None:
    landing.land_month({1: [movement()], 30: [movement()]}, zone="Europe/Berlin")
    assert landing.report()["movements"] == 2
    for day in NOVEMBER.days:
        landing.land(day, [movement()], zone="Pacific/Kiritimati")
    assert landing.report()["movements"] == 30


def test_a_day_whose_file_was_deleted_counts_as_missing(incomplete: Landing) -> None:
    for day in MISSING:
        incomplete.land(november(day), [movement()])
    (file,) = (incomplete.root / incomplete.layout.published(november(15))).iterdir()
    file.unlink()
    with pytest.raises(MissingReportsError, match=r"1 of 30 daily reports .*: 2026-11-15"):
        incomplete.report()
    assert incomplete.report(allow_missing_days=True)["days"] == 29


def test_while_a_day_is_replaced_only_its_latest_file_counts(landing: Landing) -> None:
    landing.land_month({10: [movement(quantity=1)] * 3})
    folder = landing.root / landing.layout.published(november(10))
    (former,) = folder.iterdir()
    kept = former.read_bytes()
    landing.land(november(10), [movement(quantity=5)])
    former.write_bytes(kept)
    assert len(list(folder.iterdir())) == 2
    assert landing.report()["movements"] == 1
    assert [row["net_quantity"] for row in landing.lines("PL")] == [5]


def test_a_file_that_vanishes_between_listing_and_reading_is_looked_for_again(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing.land_month({10: [movement()]})
    original, lies = movements.day_files, [3]

    def listed(store: ObjectStore, layout: Any, day: date) -> list[str]:
        if day == november(10) and lies[0]:
            lies[0] -= 1
            return [f"{layout.published(day)}/gone.parquet"]
        return original(store, layout, day)

    monkeypatch.setattr(movements, "day_files", listed)
    assert landing.report()["movements"] == 1
    lies[0] = 1000
    with pytest.raises(
        ConcurrentRunError, match=f"{DATASET.name} of merchant {MERCHANT}: other runs replaced"
    ) as caught:
        landing.report()
    assert caught.value.retry_after


def test_an_empty_report_that_was_fetched_early_is_a_missing_one(landing: Landing) -> None:
    landing.land_month({day: [movement()] for day in range(1, 30)})
    landing.report()
    landing.fetched = datetime(2026, 12, 7, 11, 55, tzinfo=UTC)
    landing.announce(Window.of_day(november(30)), [november(30)], finished_at="2026-12-08T09:00:00+00:00")
    with pytest.raises(
        MissingReportsError, match="2026-11-30 held no movement when they were fetched, less than 6 days"
    ):
        landing.report()
    result = landing.report(allow_missing_days=True)
    assert result["missing_days"] == ["2026-11-30"]
    html = landing.html("PL")
    assert "The reports of 2026-11-30 held no movement" in html
    assert "without any movement" not in html, "what is missing is not called empty as well"
    landing.fetched = datetime(2026, 12, 7, 12, tzinfo=UTC)
    landing.announce(Window.of_day(november(30)), [november(30)])
    assert landing.report()["missing_days"] == []


def land_all_but(landing: Landing, *still_to_land: int) -> None:
    """The other days of the month, with movements, each fetched the day after."""
    for day in NOVEMBER.days:
        if day.day not in still_to_land:
            landing.fetched = datetime(day.year, day.month, day.day, 13, tzinfo=UTC) + timedelta(days=1)
            landing.land(day, [movement()])


def test_an_empty_report_counts_if_its_manifest_says_why(landing: Landing) -> None:
    land_all_but(landing, 8)
    landing.fetched = datetime(2026, 11, 9, 12, tzinfo=UTC)
    landing.land(november(8), [], empty_because={"2026-11-08": None})
    with pytest.raises(MissingReportsError, match=r"2026-11-08 held no movement .* before a later report was seen"):
        landing.report()
    landing.land(november(8), [], empty_because={"2026-11-08": "the report of 2026-11-09 is there"})
    assert landing.report()["missing_days"] == []
    assert landing.manifest()["empty_days"] == ["2026-11-08"]


@pytest.mark.parametrize(("minutes", "is_complete"), [(-1, False), (0, True), (60, True)])
def test_an_empty_report_counts_if_a_later_one_with_movements_had_landed_before(
    landing: Landing, minutes: int, is_complete: bool
) -> None:
    land_all_but(landing, 8)
    # land() adds a minute.
    landing.fetched = datetime(2026, 11, 10, 13, tzinfo=UTC) + timedelta(minutes=minutes)
    landing.land(november(8), [])
    if is_complete:
        assert landing.report()["missing_days"] == []
    else:
        with pytest.raises(MissingReportsError, match="2026-11-08 held no movement"):
            landing.report()


def test_empty_reports_do_not_make_each_other_certain(landing: Landing) -> None:
    land_all_but(landing, 28, 29, 30)
    landing.fetched = datetime(2026, 12, 2, 13, tzinfo=UTC)
    for day in (30, 29, 28):
        landing.land(november(day), [])
    with pytest.raises(MissingReportsError, match="The reports of 2026-11-28 to 2026-11-30 held no movement"):
        landing.report()


@pytest.mark.parametrize(
    ("now", "landed", "said"),
    [
        (datetime(2026, 10, 20, tzinfo=UTC), 0, ["the month has not begun", "due at 2026-12-01 12:00 UTC"]),
        (datetime(2026, 11, 28, 13, tzinfo=UTC), 27, ["the month is not over", "due at 2026-12-01 12:00 UTC"]),
        (datetime(2026, 11, 30, 23, 59, tzinfo=UTC), 29, ["the month is not over", "that of 2026-11-30"]),
        (datetime(2026, 12, 1, 6, tzinfo=UTC), 29, ["the month has just ended", "Run it after 2026-12-01 12:00 UTC"]),
    ],
)
def test_a_month_whose_last_report_is_not_due_is_refused_with_when_it_will_be(
    landing: Landing, now: datetime, landed: int, said: list[str]
) -> None:
    for day in NOVEMBER.days[:landed]:
        landing.land(day, [movement()])
    landing.now = now
    with pytest.raises(MissingReportsError) as caught:
        landing.report()
    assert all(part in str(caught.value) for part in said)
    assert "published" not in str(caught.value), "nothing that is due is missing"
    assert "Run or backfill" not in str(caught.value)
    assert not (landing.root / "intrastat").exists()


def test_of_a_month_that_is_not_over_only_reports_that_are_due_are_called_missing(incomplete: Landing) -> None:
    incomplete.now = datetime(2026, 11, 8, 13, tzinfo=UTC)
    for day in range(9, 31):
        folder = incomplete.root / incomplete.layout.manifest(Window.of_day(november(day)))
        folder.unlink(missing_ok=True)
    with pytest.raises(MissingReportsError, match="the month is not over") as caught:
        incomplete.report()
    assert "so far: 2026-11-03, 2026-11-07 to 2026-11-30; of these are due: 2026-11-03, 2026-11-07." in str(
        caught.value
    )
    assert incomplete.report(allow_missing_days=True)["days"] == 5


def test_a_month_that_is_over_is_not_called_unfinished(incomplete: Landing) -> None:
    incomplete.now = datetime(2026, 12, 1, 12, tzinfo=UTC)
    with pytest.raises(MissingReportsError, match="4 of 30 daily reports") as caught:
        incomplete.report()
    assert "the month" not in str(caught.value)
    assert "is due at" not in str(caught.value)


def test_a_report_with_movements_counts_at_once(landing: Landing) -> None:
    landing.land_month({day: [movement()] for day in range(1, 30)})
    landing.fetched = datetime(2026, 12, 1, 6, tzinfo=UTC)
    landing.land(november(30), [movement()])
    assert landing.report()["days"] == 30


def test_invalid_records_and_samples_are_pointed_out(landing: Landing) -> None:
    landing.land_month({5: [movement()]})
    landing.land(november(6), [movement()], rejected=3, environment="sandbox")
    html = landing_html(landing)
    assert "3 records were rejected as invalid" in html
    assert "The reports of 2026-11-06 come from the sandbox" in html


def landing_html(landing: Landing) -> str:
    landing.report()
    return landing.html("PL")
