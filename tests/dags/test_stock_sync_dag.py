"""The stock DAG for real: one feed per merchant, one of which is missing."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb
import pytest
from own_emulator import own_emulator

from airflow_provider_zdirect.dag_support.run_params import stock_feeds
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.merchant_files.ean import ean13

EAN = ean13("400000000001")


@pytest.fixture
def emulator():
    with own_emulator(seed=7, notice_days=0, order_days=0) as server:
        yield server


def test_one_feed_for_several_merchants_is_refused():
    params = {"base_path": "s3://bucket/zdirect/", "stock_path": None}
    assert stock_feeds(params, ["a"]) == [{"merchant_id": "a", "stock_path": "s3://bucket/zdirect/_inbox/stock.csv"}]
    with pytest.raises(ZDirectConfigurationError, match=r"one feed, and this run is for 2 merchants \(a, b\)"):
        stock_feeds(params, ["a", "b"])
    several = stock_feeds({**params, "stock_path": "s3://bucket/{merchant_id}.csv"}, ["a", "b"])
    assert [feed["merchant_id"] for feed in several] == ["a", "b"]


@pytest.mark.newest_airflow
def test_every_merchant_with_a_feed_has_its_levels_and_one_without_is_skipped(emulator, run_dag, tmp_path):
    first, second = emulator.merchant_ids[:2]
    inbox = tmp_path / "_inbox"
    inbox.mkdir()
    (inbox / f"{first}.csv").write_text("merchant_sku,quantity\nA-1,4\nA-2,1\n")
    (tmp_path / "map.csv").write_text(f"merchant_sku,ean\nA-1,{EAN}\n")
    done = run_dag(
        "zdirect_stock_sync",
        datetime(2026, 3, 10, 12, tzinfo=UTC),
        stock_path=f"{inbox.as_uri()}/{{merchant_id}}.csv",
        mapping_path=(tmp_path / "map.csv").as_uri(),
        merchant_ids=[first, second],
        max_rejected=1,
    )
    states = {(task, index): state for task, index, state, _ in done.tasks}
    assert (states["stock_updates", 0], states["stock_updates", 1]) == ("success", "skipped"), done.log[-3000:]
    live = {
        channel["sales_channel_id"].lower()
        for channel in emulator.reference("sales_channels", first)
        if channel["live"]
    }
    assert emulator.stock_levels(first) == {(channel, EAN): 4 for channel in live}
    rows = duckdb.sql(
        f"SELECT ean, quantity, outcome FROM read_parquet('{tmp_path}/stock_updates/merchant_id={first}/**/*.parquet')"
    ).fetchall()
    assert rows == [(EAN, 4, "accepted")] * len(live)
    (everywhere, extra, _), (here, same, _) = done.events
    assert everywhere.rstrip("/") == "zdirect://stock_updates"
    assert (here, same) == (f"zdirect://stock_updates/{tmp_path.as_uri()}", extra)
    assert (extra["merchant_id"], extra["accepted"], extra["rejected"]) == (first, len(live), 1)
