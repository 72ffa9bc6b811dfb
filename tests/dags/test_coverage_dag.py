"""The DAG that measures the coverage: a gap fails its run, and the backfill that it names fills the gap."""

from __future__ import annotations

import json
from datetime import timedelta

import duckdb
import real_time
from extraction import Extraction, hourly

from airflow_provider_zdirect.assets import zdirect_asset

HOUR = timedelta(hours=1)


def test_a_gap_fails_the_run_and_the_backfill_that_it_names_fills_it(
    run_dag, hour, emulator, published, truth, tmp_path
):
    merchant, reports = emulator.merchant_ids[0], tmp_path / "_reports" / "coverage"
    windows = hourly(hour - HOUR, 4)
    landed = [Extraction(emulator, tmp_path).run("returned_items", window) for window in windows]
    (tmp_path / landed[1].place.layout("returned_items").manifest(windows[1])).unlink()
    # Of what is later, two hours have landed, should the next hour begin during the test.
    options = {
        "merchant_ids": [merchant],
        "warn_days": 101,
        "grace_hours": (real_time.this_hour() - hour) / HOUR - 2,
    }
    run = run_dag("zdirect_coverage", hour, **options)
    assert (run.state, run.events) == ("failed", [])
    assert [task[:3] for task in run.tasks] == [
        ("coverage", -1, "failed"),
        ("merchants_to_cover", -1, "success"),
    ]
    assert f"1 gap will be unrecoverable within 101 days: returned_items {windows[1].in_words()}" in run.log
    assert "Urgent gaps: 1." in run.log
    (row,) = json.loads((reports / "coverage.json").read_text())["rows"]
    (gap,) = row["gaps"]
    assert (gap["from"], gap["to"]) == (windows[1].start.isoformat(), windows[1].end.isoformat())
    assert gap["fill"]["command"] in run.log
    assert duckdb.sql(f"SELECT count(*) FROM '{reports}/coverage.parquet' WHERE urgent").fetchall() == [(1,)]
    filled = run_dag(gap["fill"]["dag_id"], hour, **gap["fill"]["conf"])
    assert filled.state == "success", filled.log[-5000:]
    again = run_dag("zdirect_coverage", hour + HOUR, **options)
    assert again.state == "success", again.log[-5000:]
    assert [(uri, extra["urgent_count"]) for uri, extra, _ in again.events] == [
        (zdirect_asset("coverage").uri, 0),
        (zdirect_asset("coverage", tmp_path.as_uri()).uri, 0),
    ]
    # Without merchants, the operator finds those that the app may use.
    everyone = run_dag("zdirect_coverage", hour + 2 * HOUR, **{**options, "merchant_ids": None, "fail_on_gap": False})
    assert everyone.state == "success", everyone.log[-5000:]
    rows = json.loads((reports / "coverage.json").read_text())["rows"]
    assert [row["merchant_id"] for row in rows] == list(emulator.merchant_ids)
    # What had been published is there once.
    rows = truth("returned_items", merchant, windows[0].start, windows[-1].end)
    assert published("returned_items", merchant) == rows
    assert rows
