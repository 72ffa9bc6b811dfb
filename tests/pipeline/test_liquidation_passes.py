"""When a window of liquidated items is fetched again: the law of it, without any I/O but a manifest."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.pipeline.extract import ExtractJob
from airflow_provider_zdirect.pipeline.liquidation_passes import Passes, fetched_window
from airflow_provider_zdirect.publish.day_changes import DayChange
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.storage.layout import Layout, PublishedName
from airflow_provider_zdirect.windows import Window

DATASET = get_dataset("liquidated_items")
MERCHANT = "01924c48-49bb-40c2-9c32-ab582e6db6f4"
END = datetime(2026, 11, 11, tzinfo=UTC)
WINDOW = Window(END - timedelta(days=2), END)
HOUR = timedelta(hours=1)
HOURS = st.integers(0, 90 * 24).map(lambda hours: hours * HOUR)


@given(delays=st.lists(HOURS, min_size=1, max_size=6), begins=HOURS, late=st.lists(HOURS, max_size=20))
def test_a_window_is_fetched_at_once_and_at_least_once_after_every_pass(delays, begins, late):
    passes = Passes.after(WINDOW, delays, DATASET)
    now, fetched, fetches = END + begins, None, []
    waits = iter(late)
    while True:
        if passes.is_missing(fetched, now):
            fetched = now
            fetches.append(now)
            assert not passes.is_missing(fetched, now)
        if (moment := passes.next(fetched)) is None:
            break
        # What is not fetched now is waited for, whenever that is looked at.
        assert moment > now
        assert passes.is_missing(fetched, moment)
        # Whoever wakes the task may be late, and some passes may be past then.
        now = moment + next(waits, timedelta(0))
    assert fetches[0] == END + begins
    for moment in passes.moments:
        assert any(fetch >= moment for fetch in fetches)
    assert len(fetches) <= 1 + sum(moment > END + begins for moment in passes.moments)
    assert passes.made_until(fetches[-1]) == [moment.isoformat() for moment in passes.moments]


def test_a_fetch_by_a_clock_that_was_ahead_does_not_make_a_pass():
    passes, now = Passes.after(WINDOW, [48 * HOUR], DATASET), END + HOUR
    assert passes.is_missing(now + timedelta(days=3), now)
    assert not passes.is_missing(now + timedelta(seconds=50), now)


def test_passes_are_in_order_and_once_each():
    assert Passes.after(WINDOW, [48 * HOUR, HOUR, 48 * HOUR], DATASET).moments == (END + HOUR, END + 48 * HOUR)


def test_a_pass_for_which_zdirect_will_not_keep_the_window_is_refused():
    assert Passes.after(WINDOW, [timedelta(days=97)], DATASET).moments
    with pytest.raises(ZDirectConfigurationError, match=r"passes: the last pass .* 100 days"):
        Passes.after(WINDOW, [HOUR, timedelta(days=98)], DATASET)
    with pytest.raises(ZDirectConfigurationError, match=r"passes: the last pass .* 100 days"):
        Passes.after(WINDOW, [timedelta(days=10_000_000)], DATASET)


def landed(root: Path, manifest: dict[str, Any], *changes: tuple[int, int, str], **options: Any) -> ExtractJob:
    """A window with that manifest, and publications of its dates: day, hour of the fetch, and who."""
    layout = Layout(DATASET.name, MERCHANT)
    files = {layout.manifest(WINDOW): json.dumps(manifest)}
    for day, hour, run in changes:
        date, fetched = datetime(2026, 11, day, tzinfo=UTC).date(), datetime(2026, 11, 13, hour, tzinfo=UTC)
        files[DayChange(layout.changes(date), date, fetched, run, False, 1, 2, 3).file] = ""
        files[f"{layout.revisions(date)}/{PublishedName(WINDOW, 'a', fetched).file_name('parquet')}"] = ""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return ExtractJob(
        Place(fsspec.filesystem("file"), str(root), root.as_uri(), MERCHANT, "production"), DATASET, WINDOW,
        resume_key="mine", **options,
    )  # fmt: skip


def folder(root: Path) -> str:
    return f"{root.as_uri()}/liquidated_items/merchant_id={MERCHANT}"


def manifest(**values: Any) -> dict[str, Any]:
    days = {"2026-11-09": "2026-11-13T04:00:00+00:00", "2026-11-10": "2026-11-13T03:00:00+00:00"}
    return {"days": days, "records": 9, "rejected": 1, **values}


def test_a_window_was_fetched_when_all_its_dates_were(tmp_path):
    fetched = fetched_window(landed(tmp_path, manifest()))
    assert fetched is not None
    assert fetched.fetched_at == datetime(2026, 11, 13, 3, tzinfo=UTC)
    due = Passes((END, END + timedelta(hours=48)))
    what = f"liquidated_items 2026-11-09 00:00 to 2026-11-10 24:00 UTC, merchant {MERCHANT[:8]}: "
    assert fetched.in_words(due) == (
        f"{what}already fetched at 2026-11-13 03:00 UTC, after its last pass (2026-11-11 00:00 UTC, "
        f"2026-11-13 00:00 UTC); no second fetch was due -> {folder(tmp_path)}"
    )
    again = replace(fetched, fetches=1)
    said = f"{what}fetched again at 2026-11-13 03:00 UTC, nothing changed: 9 records -> {folder(tmp_path)}"
    assert again.in_words(due) == said


def test_only_what_the_task_itself_has_changed_is_reported_dates_in_order(tmp_path):
    changes = [(10, 1, "mine"), (9, 2, "another"), (9, 5, "mine"), (9, 4, "mine"), (8, 4, "mine")]
    fetched = fetched_window(landed(tmp_path, manifest(), *changes))
    assert fetched is not None
    assert [(each["date"][-2:], each["fetched_at"][11:13]) for each in fetched.changes] == [
        ("09", "04"),
        ("09", "05"),
        ("10", "01"),
    ]
    assert fetched.as_dict(Passes(()))["changes"] == {"added": 3, "removed": 6, "changed": 9}
    summary = fetched.as_dict(Passes((END,)))
    assert (summary["changed"], summary["changed_date_count"]) == (True, 2)


def test_the_result_of_a_long_window_stays_small(tmp_path):
    days = {f"2026-11-{day:02d}": "2026-11-13T04:00:00+00:00" for day in range(1, 26)}
    many = [(day, hour, "mine") for day in range(1, 26) for hour in range(20)]
    fetched = fetched_window(landed(tmp_path, manifest(days=days), *many))
    assert fetched is not None
    assert len(json.dumps(fetched.as_dict(Passes((END,))))) < 16000
    assert f"; and 469 more -> {folder(tmp_path)}" in fetched.in_words(Passes((END,)))


@pytest.mark.parametrize("filters", [{}, {"purchase_order_number": "PO2"}])
def test_a_fetch_with_another_filter_is_none_of_this_window(tmp_path, filters):
    job = landed(tmp_path, manifest(filters={"purchase_order_number": "PO1"}), filters=filters)
    assert fetched_window(job) is None


def test_a_window_without_a_manifest_was_not_fetched(tmp_path):
    job = landed(tmp_path, manifest())
    (path,) = tmp_path.rglob("*.json")
    path.unlink()
    assert fetched_window(job) is None
