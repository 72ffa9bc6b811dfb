from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_zdirect.dag_support.run_params import days_by_merchant, erases_customers, window_of
from airflow_provider_zdirect.exceptions import WindowError, ZDirectConfigurationError
from airflow_provider_zdirect.windows import Window, parse_instant

START = datetime(2026, 3, 1, 10, tzinfo=UTC)


@given(
    start=st.timedeltas(timedelta(0), timedelta(days=365)).map(lambda later: START + later),
    length=st.timedeltas(timedelta(seconds=1), timedelta(days=40)),
)
def test_the_days_tile_the_window_and_cross_no_midnight(start, length):
    window = Window(start, start + length)
    tasks = days_by_merchant(window, ["a", "b"])
    days = [
        Window(parse_instant(task["window_from"], name="from"), parse_instant(task["window_to"], name="to"))
        for task in tasks
        if task["merchant_id"] == "b"
    ]
    assert days[0].start == window.start
    assert days[-1].end == window.end
    assert all(day.end == following.start for day, following in pairwise(days))
    assert all(len(list(day.utc_dates())) == 1 for day in days)


def test_more_tasks_than_airflow_maps_over_are_refused_before_they_fail():
    with pytest.raises(ZDirectConfigurationError, match="makes 1,200 tasks"):
        days_by_merchant(Window(START, START + timedelta(days=399, hours=14)), ["a", "b", "c"])


@pytest.mark.parametrize("nothing", [None, "", "None"])
def test_without_from_and_to_the_window_is_the_data_interval(nothing):
    context = {"data_interval_start": START, "data_interval_end": START + timedelta(hours=1)}
    window = window_of({"from": nothing, "to": nothing}, context)
    assert window == Window(START, START + timedelta(hours=1))


@pytest.mark.parametrize(
    ("params", "said"),
    [({"from": START.isoformat(), "to": None}, "Give both"), ({"from": None, "to": None}, "with a logical date")],
)
def test_half_a_window_or_none_at_all_says_what_to_give(params, said):
    with pytest.raises(WindowError, match=said):
        window_of(params, {})


@pytest.mark.parametrize(
    ("run_type", "hour", "hours_ago", "erases"),
    [
        ("scheduled", 0, 1, True),
        ("scheduled", 5, 5, False),
        ("scheduled", 5, 24, False),
        ("scheduled", 5, 25, True),
        ("scheduled", 5, None, True),
        ("manual", 5, 1, True),
        ("backfill", 0, None, False),
    ],
)
def test_customers_are_erased_once_a_day_also_where_the_run_of_midnight_did_not_take_place(
    run_type, hour, hours_ago, erases
):
    end = START.replace(hour=hour)
    context = {
        "params": {"erase_customers": True},
        "dag_run": SimpleNamespace(run_type=run_type),
        "data_interval_end": end,
    }
    last = None if hours_ago is None else end - timedelta(hours=hours_ago)
    assert erases_customers(context, last) is erases
    assert erases_customers({**context, "params": {"erase_customers": False}}, last) is False
