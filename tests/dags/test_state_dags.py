"""The DAGs of present states for real: Airflow's production defaults, HTTP to the emulator, Parquet read back."""

from __future__ import annotations

from datetime import timedelta

import duckdb
import pytest
import real_time

from airflow_provider_zdirect.assets import dataset_asset
from airflow_provider_zdirect.dag_support import tasks
from airflow_provider_zdirect.datasets.table import DATASETS

MERCHANT = "01924c48-49bb-40c2-9c32-ab582e6db6f4"
REFERENCE = ("stock_locations", "sales_channels", "logistic_centers")


@pytest.mark.parametrize(
    ("params", "asked"),
    [
        ({"eans": None, "changed_quantities": False}, []),
        ({"eans": [], "changed_quantities": False}, []),
        ({"eans": ["4006381333931"], "changed_quantities": False}, [MERCHANT]),
        ({"eans": None, "changed_quantities": True}, [MERCHANT]),
    ],
)
def test_quantities_are_only_fetched_if_the_parameters_ask_for_it(params, asked, monkeypatch):
    context = {"params": {**params, "merchant_ids": [MERCHANT], "conn_id": "none"}}
    monkeypatch.setattr(tasks, "get_current_context", lambda: context)
    assert tasks.merchants_to_ask.function() == asked


def rows(tmp_path, dataset, merchant, columns):
    files = tmp_path / dataset / f"merchant_id={merchant}" / "**" / "*.parquet"
    return duckdb.sql(f"SELECT {columns} FROM read_parquet('{files}') ORDER BY ALL").fetchall()


@pytest.mark.newest_airflow
def test_inventory_publishes_the_snapshot_and_the_eans_that_are_asked_for(run_dag, emulator, tmp_path):
    merchant, other = emulator.merchant_ids
    now = real_time.now()
    # Half a day ago, so that none is made before the run asks for it.
    created = now.replace(second=0, microsecond=0) - timedelta(hours=12)
    emulator.set_options(snapshot_time=f"{created:%H:%M}")
    truth = emulator.quantities(merchant, created)
    eans = sorted({ean for ean, _ in truth})[:130]
    options = {"merchant_ids": [merchant], "eans": eans}
    run = run_dag("zdirect_inventory", now, **options)
    assert run.state == "success", run.log[-5000:]
    names = ("item_quantities", "item_quantity_snapshots", "merchants", "merchants_to_ask")
    assert [task[0] for task in run.tasks] == list(names)
    assert {task[2] for task in run.tasks} == {"success"}
    stock = "ean, stock_location_id, quantities_by_state.offerable, quantities_by_state.non_offerable"
    found = rows(tmp_path, "item_quantity_snapshots", merchant, stock)
    assert {row[:2]: row[2:] for row in found} == truth
    assert {ean for (ean,) in rows(tmp_path, "item_quantities", merchant, "DISTINCT ean")} <= set(eans)
    assert sum("item-quantities" in request.path for request in emulator.requests) == 2
    assert not [request for request in emulator.requests if other in request.path]
    assert {uri for uri, _, _ in run.events} == {
        dataset_asset(name, place).uri for name in names[:2] for place in (None, str(tmp_path))
    }
    extra = next(extra for uri, extra, _ in run.events if "snapshots" in uri)
    assert (extra["snapshot_time"], extra["stored"]) == (created.isoformat(), True)


@pytest.mark.newest_airflow
def test_reference_data_keeps_what_is_now_and_what_was(run_dag, emulator, tmp_path):
    merchant = emulator.merchant_ids[0]
    first = run_dag("zdirect_reference_data", real_time.now(), merchant_ids=[merchant])
    assert first.state == "success", first.log[-5000:]
    assert [(name, state) for name, _, state, _ in first.tasks] == [
        (name, "success") for name in ("logistic_centers", "merchants", "sales_channels", "stock_locations")
    ]
    for name in REFERENCE:
        (key,) = DATASETS[name].publish.identity
        found = rows(tmp_path, f"{name}_current", merchant, key)
        assert found == sorted((record[key],) for record in emulator.reference(name, merchant))
