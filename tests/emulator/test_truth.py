from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise

import pytest

from airflow_provider_zdirect.emulator.catalog import merchant_id
from airflow_provider_zdirect.emulator.drift import DEFECTS
from airflow_provider_zdirect.emulator.truth import Timeline

START = datetime(2026, 3, 2, tzinfo=UTC)
WEEK = timedelta(days=7)
MERCHANTS = tuple(merchant_id(7, index) for index in range(3))
WORLD = Timeline(7, MERCHANTS)
HOURLY = ("received_items", "returned_items")
DATASETS = (*HOURLY, "liquidated_items", "intra_community_movements", "cross_border_movements")


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
