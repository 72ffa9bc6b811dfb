"""Which days have a report, and what happens when some have not, or change while they are read."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from weakref import ref

import pyarrow as pa
import pytest
from landing import DATASET, MERCHANT, NOVEMBER, Landing, movement, november

from airflow_provider_zdirect.exceptions import ConcurrentRunError, MissingReportsError, ZDirectFatalError
from airflow_provider_zdirect.intrastat import movements
from airflow_provider_zdirect.intrastat.days import landed_days
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import read_table
from airflow_provider_zdirect.windows import Window

MISSING = {3, 7, 8, 9}


@pytest.fixture
def incomplete(landing: Landing) -> Landing:
    landing.land_month({1: [movement()], 15: [movement()]}, without=MISSING)
    return landing


def refusal(landing: Landing, *, match: str) -> str:
    """What is said of the month, of which nothing is written."""
    with pytest.raises(MissingReportsError, match=match) as caught:
        landing.report()
    assert isinstance(caught.value, ZDirectFatalError)
    assert not landing.written()
    assert not (landing.root / "_manifests/intrastat").exists()
    return str(caught.value)


def test_missing_days_are_an_error_that_names_them_and_what_to_do_or_named_everywhere(incomplete: Landing) -> None:
    said = refusal(incomplete, match="2026-11-03, 2026-11-07 to 2026-11-09")
    assert all(part in said for part in (MERCHANT, "4 of 30", "zdirect_icm_daily", "allow_missing_days=True"))
    result = incomplete.report(allow_missing_days=True)
    assert result["missing_days"] == [f"2026-11-{day:02d}" for day in sorted(MISSING)]
    assert result["days"] == 26
    assert incomplete.manifest()["missing_days"] == result["missing_days"]
    assert "2026-11-03, 2026-11-07 to 2026-11-09" in incomplete.html("PL")
    assert "26 of 30 days" in incomplete.html("PL")


def test_missing_days_that_zdirect_no_longer_keeps_are_named_as_such(incomplete: Landing) -> None:
    incomplete.now = datetime(2027, 2, 13, 12, tzinfo=UTC)
    said = refusal(incomplete, match="no longer has the reports of 2026-11-03: it keeps those")
    assert "Run or backfill zdirect_icm_daily" in said
    incomplete.now = datetime(2027, 6, 1, tzinfo=UTC)
    said = refusal(incomplete, match="the reports of 2026-11-03, 2026-11-07 to 2026-11-09: it keeps")
    assert "zdirect_icm_daily" not in said


def test_a_month_without_any_report_is_refused_even_if_days_may_be_missing(landing: Landing) -> None:
    with pytest.raises(MissingReportsError, match="no report of 2026-11 at all"):
        landing.report(allow_missing_days=True)


def test_reports_without_movements_are_reports(landing: Landing) -> None:
    landing.land_month()
    result = landing.report()
    assert (result["days"], result["movements"], result["reports"]) == (30, 0, [])
    assert [finding.partition(":")[0] for finding in result["findings"]] == ["No movements"]
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


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Pacific/Kiritimati"])
def test_days_of_a_local_time_zone_count(landing: Landing, zone: str) -> None:
    landing.land_month({1: [movement()], 30: [movement()]}, zone=zone)
    assert landing.report()["movements"] == 2


def test_a_day_whose_file_was_deleted_counts_as_missing(incomplete: Landing) -> None:
    for day in MISSING:
        incomplete.announce(Window.of_day(november(day)), [november(day)])
    (file,) = (incomplete.root / incomplete.layout.published(november(15))).iterdir()
    file.unlink()
    refusal(incomplete, match=r"1 of 30 daily reports .*: 2026-11-15")
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
    landing.land_month({1: [movement()]}, without=[30])
    landing.fetched = datetime(2026, 12, 7, 11, 55, tzinfo=UTC)
    landing.announce(Window.of_day(november(30)), [november(30)], finished_at="2026-12-08T09:00:00+00:00")
    refusal(landing, match="2026-11-30 held no movement when they were fetched, less than 6 days")
    result = landing.report(allow_missing_days=True)
    assert result["missing_days"] == ["2026-11-30"]
    html = landing.html("PL")
    assert "The reports of 2026-11-30 held no movement" in html
    assert "2026-11-02 to 2026-11-29." in html, "what is missing is not called empty as well"
    landing.fetched = datetime(2026, 12, 7, 12, tzinfo=UTC)
    landing.announce(Window.of_day(november(30)), [november(30)])
    assert landing.report()["missing_days"] == []


def land_all_but(landing: Landing, *still_to_land: int) -> None:
    """The other days of the month, each fetched the day after; the 9th has a movement."""
    for day in (day for day in NOVEMBER.days if day.day not in still_to_land):
        landing.fetched = datetime(day.year, day.month, day.day, 13, tzinfo=UTC) + timedelta(days=1)
        if day.day == 9:
            landing.land(day, [movement()])
        else:
            landing.announce(Window.of_day(day), [day], empty_because={day.isoformat(): "a reason"})


def test_an_empty_report_counts_if_its_manifest_says_why(landing: Landing) -> None:
    land_all_but(landing, 8)
    landing.fetched = datetime(2026, 11, 9, 12, tzinfo=UTC)
    landing.land(november(8), [], empty_because={"2026-11-08": None})
    refusal(landing, match=r"2026-11-08 held no movement .* before a later report was seen")
    landing.land(november(8), [], empty_because={"2026-11-08": "the report of 2026-11-09 is there"})
    assert landing.report()["missing_days"] == []
    assert "2026-11-08" in landing.manifest()["empty_days"]


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
        refusal(landing, match="2026-11-08 held no movement")


def test_empty_reports_do_not_make_each_other_certain(landing: Landing) -> None:
    land_all_but(landing, 28, 29, 30)
    landing.fetched = datetime(2026, 12, 2, 13, tzinfo=UTC)
    for day in (30, 29, 28):
        landing.land(november(day), [])
    refusal(landing, match="The reports of 2026-11-28 to 2026-11-30 held no movement")


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
    land_all_but(landing, *range(landed + 1, 31))
    landing.now = now
    message = refusal(landing, match="the month")
    assert all(part in message for part in said)
    assert "published" not in message, "nothing that is due is missing"
    assert "Run or backfill" not in message


def test_of_a_month_that_is_not_over_only_reports_that_are_due_are_called_missing(incomplete: Landing) -> None:
    incomplete.now = datetime(2026, 11, 8, 13, tzinfo=UTC)
    for day in range(9, 31):
        manifest = incomplete.root / incomplete.layout.manifest(Window.of_day(november(day)))
        manifest.unlink(missing_ok=True)
    said = refusal(incomplete, match="the month is not over")
    assert "so far: 2026-11-03, 2026-11-07 to 2026-11-30; of these are due: 2026-11-03, 2026-11-07." in said
    assert incomplete.report(allow_missing_days=True)["days"] == 5


def test_a_month_that_is_over_is_not_called_unfinished(incomplete: Landing) -> None:
    incomplete.now = datetime(2026, 12, 1, 12, tzinfo=UTC)
    said = refusal(incomplete, match="4 of 30 daily reports")
    assert "the month" not in said
    assert "is due at" not in said


def test_a_report_with_movements_counts_at_once(landing: Landing) -> None:
    landing.land_month({1: [movement()]}, without=[30])
    landing.fetched = datetime(2026, 12, 1, 6, tzinfo=UTC)
    landing.land(november(30), [movement()])
    assert landing.report()["days"] == 30


def test_invalid_records_and_samples_are_pointed_out(landing: Landing) -> None:
    landing.land_month({5: [movement()]})
    landing.land(november(6), [movement()], rejected=3, environment="sandbox")
    landing.report()
    assert "3 records were rejected as invalid" in landing.html("PL")
    assert "The reports of 2026-11-06 come from the sandbox" in landing.html("PL")


def test_the_rows_of_one_day_at_a_time_are_in_memory(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    landing.land_month({day: [movement()] for day in (1, 2, 3)})
    before: list[ref[pa.Table]] = []
    alive: list[int] = []

    def read(*arguments: Any) -> pa.Table:
        alive.append(sum(table() is not None for table in before))
        before.append(ref(table := read_table(*arguments)))
        return table

    monkeypatch.setattr(movements, "read_table", read)
    assert landing.report()["movements"] == 3
    assert len(alive) == 3
    assert max(alive) <= 1
