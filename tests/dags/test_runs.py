"""The DAGs for real: Airflow's production defaults, HTTP to the emulator, Parquet read back."""

from __future__ import annotations

from datetime import datetime, time, timedelta, timezone

import pytest

HOUR = timedelta(hours=1)
DATASETS = ("received_items", "returned_items")


def test_stock_movements_publishes_the_hour_of_every_merchant(run_dag, hour, emulator, published, truth):
    run = run_dag("zdirect_stock_movements", hour + HOUR)
    assert run.state == "success", run.log[-5000:]
    assert [task[:3] for task in run.tasks] == [
        ("merchants", -1, "success"),
        *((dataset, index, "success") for dataset in DATASETS for index in (0, 1)),
    ]
    total = 0
    for merchant in emulator.merchant_ids:
        for dataset in DATASETS:
            rows = published(dataset, merchant)
            assert rows == truth(dataset, merchant, hour, hour + HOUR)
            total += len(rows)
    assert total > 0
    shown = [f"{merchant[:8]} {hour.date()}" for merchant in emulator.merchant_ids]
    assert run.names == [(name, index, shown[index]) for name in DATASETS for index in (0, 1)]
    # Five tasks, one after the other, share one token.
    assert sum(request.path == "/auth/token" for request in emulator.requests) == 1


@pytest.mark.exhaustive
def test_stock_movements_by_hand_takes_window_and_merchant_from_the_form(run_dag, hour, emulator, published, truth):
    merchant = emulator.merchant_ids[0]
    # As the form sends it: another offset than UTC.
    start = (hour - 2 * HOUR).astimezone(timezone(2 * HOUR))
    run = run_dag(
        "zdirect_stock_movements",
        hour + HOUR,
        **{"from": start.isoformat(), "to": hour.isoformat(), "merchant_ids": [merchant]},
    )
    assert run.state == "success", run.log[-5000:]
    for dataset in DATASETS:
        assert published(dataset, merchant) == truth(dataset, merchant, start, hour)
        assert not published(dataset, emulator.merchant_ids[1])


@pytest.mark.exhaustive
def test_a_window_with_one_end_fails_at_once_and_says_what_to_do(run_dag, hour, emulator):
    run = run_dag("zdirect_stock_movements", hour + HOUR, **{"from": hour.isoformat()})
    assert run.state == "failed"
    assert "Give both, or neither for the run's data interval." in run.log
    assert all(tries == 1 for _, _, state, tries in run.tasks if state == "failed")
    assert not [request for request in emulator.requests if "stock-movements" in request.path]


@pytest.mark.newest_airflow
def test_backfill_by_hand_maps_over_days_and_merchants(run_dag, hour, emulator, published, truth):
    midnight = datetime.combine(hour.date(), time(), hour.tzinfo) - timedelta(days=1)
    start, end = midnight - 3 * HOUR, midnight + 2 * HOUR
    run = run_dag(
        "zdirect_backfill",
        hour,
        **{"dataset": "returned_items", "from": start.isoformat(), "to": end.isoformat()},
    )
    assert run.state == "success", run.log[-5000:]
    assert [task[:2] for task in run.tasks] == [*(("extract", index) for index in range(4)), ("plan", -1)]
    for merchant in emulator.merchant_ids:
        rows = published("returned_items", merchant)
        assert rows == truth("returned_items", merchant, start, end)
        assert rows


@pytest.mark.newest_airflow
def test_invalid_records_that_the_form_tolerates_keep_no_others_from_being_published(
    run_dag, hour, emulator, published
):
    emulator.set_options(bad_records=0.2)
    merchant = emulator.merchant_ids[0]
    window = {"from": hour.isoformat(), "to": (hour + HOUR).isoformat(), "merchant_ids": [merchant]}
    truth = emulator.truth("received_items", merchant, hour, hour + HOUR)
    bad = sum("_bad" in record for record in truth)
    states = [
        run_dag("zdirect_backfill", hour, dataset="received_items", max_rejected=most, **window).state
        for most in (0, 1000)
    ]
    assert bad
    assert states == ["failed", "success"]
    assert len(published("received_items", merchant)) == len(truth) - bad


@pytest.mark.exhaustive
def test_backfill_without_a_window_takes_the_day_of_the_run(run_dag, hour, emulator, published, truth):
    merchant = emulator.merchant_ids[0]
    midnight = datetime.combine(hour.date(), time(), hour.tzinfo) - timedelta(days=1)
    run = run_dag("zdirect_backfill", midnight, merchant_ids=[merchant])
    assert run.state == "success", run.log[-5000:]
    assert published("received_items", merchant) == truth(
        "received_items", merchant, midnight - timedelta(days=1), midnight
    )


@pytest.mark.exhaustive
def test_a_backfill_with_a_window_in_its_parameters_fetches_nothing(run_dag, hour, emulator):
    window = {"from": (hour - HOUR).isoformat(), "to": hour.isoformat()}
    run = run_dag("zdirect_stock_movements", hour + HOUR, run_type="backfill", **window)
    assert run.state == "failed"
    assert "Start the backfill again with from and to empty" in run.log
    assert {state for task, _, state, _ in run.tasks if task != "merchants"} == {"upstream_failed"}
    assert not emulator.requests


@pytest.mark.exhaustive
def test_a_backfill_with_the_window_of_its_run_or_none_fetches_it(run_dag, hour, emulator, published, truth):
    merchant = emulator.merchant_ids[0]
    before = {"from": (hour - HOUR).isoformat(), "to": hour.isoformat()}
    for end, window in ((hour + HOUR, {}), (hour, before)):
        run = run_dag("zdirect_stock_movements", end, "backfill", merchant_ids=[merchant.upper(), ""], **window)
        assert run.state == "success", run.log[-5000:]
    assert published("received_items", merchant) == truth("received_items", merchant, hour - HOUR, hour + HOUR)
    assert not published("received_items", emulator.merchant_ids[1])


@pytest.mark.exhaustive
def test_a_scheduled_run_of_the_backfill_dag_skips_everything(run_dag, hour, emulator):
    run = run_dag("zdirect_backfill", hour, run_type="scheduled")
    assert run.state == "success", run.log[-5000:]
    assert {task: state for task, _, state, _ in run.tasks} == {"plan": "skipped", "extract": "skipped"}
    assert "A scheduled run of this DAG fetches nothing" in run.log
    assert not emulator.requests
