"""The DAGs of present states for real: Airflow's production defaults, HTTP to the emulator, Parquet read back."""

from __future__ import annotations

import warnings
from datetime import timedelta

import airflow_home
import duckdb
import pytest
import real_time
from airflow.models.dagbag import DagBag
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_zdirect.assets import dataset_asset, place_alias
from airflow_provider_zdirect.dag_support.params import asked_for_quantities, dataset_param
from airflow_provider_zdirect.datasets.table import DATASETS, WindowKind

MERCHANT = "01924c48-49bb-40c2-9c32-ab582e6db6f4"
REFERENCE = ("stock_locations", "sales_channels", "logistic_centers")


@pytest.fixture(scope="module")
def dags():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bag = DagBag(airflow_home.PROJECT / "dags")
    return bag.dags


@pytest.mark.parametrize(
    ("dag_id", "own"),
    [("zdirect_inventory", {"eans", "changed_quantities"}), ("zdirect_reference_data", set())],
)
def test_a_state_is_fetched_on_a_schedule_one_run_at_a_time_by_described_parameters(dags, dag_id, own):
    dag = dags[dag_id]
    assert type(dag.timetable).__name__ == CronDataIntervalTimetable.__name__
    assert (dag.catchup, dag.max_active_runs) == (False, 1)
    assert dag.doc_md
    assert all(task.retries == 5 and task.retry_delay == timedelta(minutes=2) for task in dag.tasks)
    params = {name: dag.params.get_param(name) for name in dag.params}
    assert set(params) == {"conn_id", "base_path", "merchant_ids"} | own
    assert all(param.description and param.schema["title"] for param in params.values())


def test_the_tasks_update_their_assets(dags):
    for dag_id, names in (
        ("zdirect_inventory", ("item_quantity_snapshots", "item_quantities")),
        ("zdirect_reference_data", REFERENCE),
    ):
        for name in names:
            assert dags[dag_id].get_task(name).outlets == [dataset_asset(name), place_alias(name)]


def test_a_backfill_offers_no_dataset_without_a_past():
    offered = dataset_param("received_items")["dataset"].schema["enum"]
    assert "received_items" in offered
    assert all(DATASETS[name].window in (WindowKind.TIMESTAMP, WindowKind.DATE) for name in offered)
    assert not {"item_quantities", *REFERENCE} & set(offered)


@pytest.mark.parametrize(
    ("params", "asked"),
    [
        ({"eans": None, "changed_quantities": False}, []),
        ({"eans": [], "changed_quantities": False}, []),
        ({"eans": ["0001234567890"], "changed_quantities": False}, [MERCHANT]),
        ({"eans": None, "changed_quantities": True}, [MERCHANT]),
    ],
)
def test_quantities_are_only_asked_for_if_somebody_wants_them(params, asked):
    assert asked_for_quantities({**params, "merchant_ids": [MERCHANT], "conn_id": "none"}) == asked


def rows(tmp_path, dataset, merchant, columns):
    files = tmp_path / dataset / f"merchant_id={merchant}" / "**" / "*.parquet"
    return duckdb.sql(f"SELECT {columns} FROM read_parquet('{files}') ORDER BY ALL").fetchall()


def test_inventory_publishes_the_snapshot_and_the_eans_that_are_asked_for(run_dag, emulator, tmp_path):
    merchant, other = emulator.merchant_ids
    now = real_time.now()
    # Half a day ago, so that none is made before the run asks for it.
    created = now.replace(second=0, microsecond=0) - timedelta(hours=12)
    emulator.set_options(snapshot_time=f"{created:%H:%M}")
    truth = emulator.quantities(merchant, created)
    eans = sorted({ean for ean, _ in truth})[:130]
    options = {"merchant_ids": [merchant], "eans": eans}
    run = run_dag("zdirect_inventory", now, assumptions={"eans_per_request": 50}, **options)
    assert run.state == "success", run.log[-5000:]
    names = ("item_quantities", "item_quantity_snapshots", "merchants", "merchants_to_ask")
    assert [task[0] for task in run.tasks] == list(names)
    assert {task[2] for task in run.tasks} == {"success"}
    stock = "ean, stock_location_id, quantities_by_state.offerable, quantities_by_state.non_offerable"
    found = rows(tmp_path, "item_quantity_snapshots", merchant, stock)
    assert {row[:2]: row[2:] for row in found} == truth
    assert {ean for (ean,) in rows(tmp_path, "item_quantities", merchant, "DISTINCT ean")} <= set(eans)
    assert sum("item-quantities" in request.path for request in emulator.requests) == 3
    assert not [request for request in emulator.requests if other in request.path]
    assert {uri for uri, _, _ in run.events} == {
        dataset_asset(name, place).uri for name in names[:2] for place in (None, str(tmp_path))
    }
    extra = next(extra for uri, extra, _ in run.events if "snapshots" in uri)
    assert (extra["snapshot_time"], extra["stored"]) == (created.isoformat(), True)


def test_reference_data_keeps_what_is_now_and_what_was(run_dag, emulator, tmp_path):
    merchant = emulator.merchant_ids[0]
    first = run_dag("zdirect_reference_data", real_time.now(), merchant_ids=[merchant])
    assert first.state == "success", first.log[-5000:]
    assert [(name, state) for name, _, state, _ in first.tasks] == [
        (name, "success") for name in ("logistic_centers", "merchants", "sales_channels", "stock_locations")
    ]
    for name in REFERENCE:
        (key,) = DATASETS[name].identity
        found = rows(tmp_path, f"{name}_current", merchant, key)
        assert found == sorted((record[key],) for record in emulator.reference(name, merchant))
