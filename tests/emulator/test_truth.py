from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise

import pytest

from airflow_provider_zdirect.emulator.catalog import merchant_id
from airflow_provider_zdirect.emulator.truth import Timeline
from airflow_provider_zdirect.merchant_files.ean import ean13

START = datetime(2026, 3, 2, tzinfo=UTC)
WEEK = timedelta(days=7)
MERCHANTS = tuple(merchant_id(7, index) for index in range(3))
WORLD = Timeline(7, MERCHANTS)
HOURLY = ("received_items", "returned_items")


@pytest.mark.parametrize("dataset", [*HOURLY, "liquidated_items"])
def test_any_cut_of_a_range_gives_the_same_records(dataset: str) -> None:
    whole = list(WORLD.records(dataset, MERCHANTS[0], START, START + WEEK))
    cuts = [START, START + timedelta(minutes=17), START + timedelta(days=3, seconds=1), START + WEEK]
    parts = (WORLD.records(dataset, MERCHANTS[0], *pair) for pair in pairwise(cuts))
    assert list(chain.from_iterable(parts)) == whole
    assert [record.key for record in whole] == sorted(record.key for record in whole)


def test_another_process_makes_the_same_world() -> None:
    code = (
        "from airflow_provider_zdirect.emulator.truth import Timeline\n"
        "from datetime import datetime, UTC, timedelta\n"
        f"t = Timeline(7, {MERCHANTS!r}, drift=0.5, bad_records=0.1); s = datetime(2026, 3, 2, tzinfo=UTC)\n"
        "print([r for r in t.records('returned_items', t.merchant_ids[1], s, s + timedelta(hours=3))])"
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


def test_another_seed_is_another_world() -> None:
    other = Timeline(8, MERCHANTS)
    assert list(other.records("received_items", MERCHANTS[0], START, START + WEEK)) != list(
        WORLD.records("received_items", MERCHANTS[0], START, START + WEEK)
    )


def test_labels_are_unique_over_merchants_datasets_and_hours() -> None:
    labels = [
        record.label
        for merchant in MERCHANTS
        for dataset in HOURLY
        for record in WORLD.records(dataset, merchant, START, START + WEEK)
    ]
    assert len(labels) == len(set(labels)) > 20_000
    assert {re.fullmatch(r"[0-9A-Z]{11}", label) is not None for label in labels} == {True}


def test_eans_have_a_check_digit_and_some_a_leading_zero() -> None:
    eans = {record.body["ean"] for record in WORLD.records("received_items", MERCHANTS[0], START, START + WEEK)}
    assert {ean13(ean[:12]) == ean and len(ean) == 13 for ean in eans} == {True}
    assert {ean[0] == "0" for ean in eans} == {True, False}
    # The example of the specification.
    assert ean13("019147623914") == "0191476239145"


def test_sizes_vary_and_some_hours_are_empty() -> None:
    for dataset, mean in zip(HOURLY, (40, 25), strict=True):
        counts = [0] * (24 * 14)
        for record in WORLD.records(dataset, MERCHANTS[0], START, START + 2 * WEEK):
            counts[int((record.event_time - START) / timedelta(hours=1))] += 1
        assert 0 in counts
        assert mean * 0.8 < sum(counts) / len(counts) < mean * 1.2
        assert len(set(counts)) > 20


def test_times_are_on_the_hour_whole_or_finer() -> None:
    records = list(WORLD.records("received_items", MERCHANTS[0], START, START + WEEK))
    texts = [record.body["received_timestamp"] for record in records]
    lengths = {len(text) for text in texts}
    assert lengths == {len("2026-03-02T00:00:00" + tail) for tail in ("Z", ".123Z", ".123456Z")}
    assert any(text.endswith(":00:00Z") for text in texts)
    assert [datetime.fromisoformat(text) for text in texts] == [record.event_time for record in records]


def test_a_share_of_the_records_is_late_by_at_most_45_minutes() -> None:
    records = list(WORLD.records("received_items", MERCHANTS[0], START, START + WEEK))
    delays = [record.visible_at - record.event_time for record in records]
    late = [delay for delay in delays if delay]
    assert 0.03 < len(late) / len(delays) < 0.07
    assert timedelta(minutes=1) <= min(late)
    assert max(late) <= timedelta(minutes=45)


def test_optional_and_nullable_fields_are_sometimes_without_a_value() -> None:
    received = [r.body for r in WORLD.records("received_items", MERCHANTS[0], START, START + WEEK)]
    assert {"merchant_article_id" in body for body in received} == {True, False}
    world = Timeline(7, MERCHANTS, null_defect_levels=True)
    returned = [r.body for r in world.records("returned_items", MERCHANTS[0], START, START + WEEK)]
    for name in ("parent", "defect_levels", "merchant_b2b_reference"):
        assert {body[name] is None for body in returned} == {True, False}
    assert {body["quality_category"] for body in returned} == {*"ABCD", "X"}


def test_liquidated_rows_are_reported_later_and_sometimes_twice() -> None:
    bodies = [r.body for r in WORLD.records("liquidated_items", MERCHANTS[0], START, START + 30 * WEEK)]
    delays = {
        datetime.fromisoformat(body["reporting_date"]) - datetime.fromisoformat(body["liquidation_date"])
        for body in bodies
    }
    assert delays == {timedelta(days=days) for days in range(7)}
    assert len({str(body) for body in bodies}) < len(bodies)


def test_drift_changes_what_is_sent_and_not_the_truth() -> None:
    world = Timeline(7, MERCHANTS, drift=0.5)
    day = timedelta(days=1)
    for dataset, span in (("received_items", day), ("returned_items", day), ("liquidated_items", 60 * day)):
        plain = list(WORLD.records(dataset, MERCHANTS[0], START, START + span))
        drifted = list(world.records(dataset, MERCHANTS[0], START, START + span))
        assert [record.body for record in drifted] == [record.body for record in plain]
        changed = [record for record in drifted if record.sent != record.body]
        assert 0.3 < len(changed) / len(drifted) < 0.6
        assert {type(record.sent["ean"]) for record in changed} == {str, int}
        assert any("handling_unit" in record.sent for record in changed)
        assert {record.sent.get("quality_label") for record in drifted} == {
            record.body.get("quality_label") for record in plain
        }


def test_bad_records_are_a_marked_share() -> None:
    world = Timeline(7, MERCHANTS, bad_records=0.1)
    for dataset in HOURLY:
        records = list(world.records(dataset, MERCHANTS[0], START, START + WEEK))
        bad = [record for record in records if record.bad]
        assert 0.07 < len(bad) / len(records) < 0.13
        assert len({record.bad for record in bad}) == 3
        good = [record.body for record in records if not record.bad]
        plain = {r.label: r.body for r in WORLD.records(dataset, MERCHANTS[0], START, START + WEEK)}
        assert good == [plain[body["quality_label"]] for body in good]


def test_volume_multiplies() -> None:
    tenfold = Timeline(7, MERCHANTS, volume=10)
    many = sum(1 for _ in tenfold.records("received_items", MERCHANTS[0], START, START + timedelta(days=1)))
    few = sum(1 for _ in WORLD.records("received_items", MERCHANTS[0], START, START + timedelta(days=1)))
    assert few * 9.5 < many < few * 10.5


def test_an_unknown_dataset_or_merchant_is_refused() -> None:
    with pytest.raises(ValueError, match="dataset"):
        list(WORLD.records("orders", MERCHANTS[0], START, START + WEEK))
    with pytest.raises(ValueError, match="merchant"):
        list(WORLD.records("received_items", "nobody", START, START + WEEK))
