from __future__ import annotations

import subprocess
import sys
import warnings
from datetime import timedelta

import airflow_home
import pytest
from airflow.models.dagbag import DagBag
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_zdirect.assets import dataset_asset
from airflow_provider_zdirect.datasets import DATASETS

DAG_FILES = sorted((airflow_home.PROJECT / "dags").glob("*.py"))


@pytest.fixture(scope="module")
def dags():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bag = DagBag(airflow_home.PROJECT / "dags")
    assert bag.import_errors == {}
    return bag.dags


def test_every_file_holds_the_dag_of_its_name(dags):
    assert sorted(dags) == [file.stem for file in DAG_FILES]


@pytest.mark.parametrize("dag_id", ["zdirect_stock_movements", "zdirect_backfill"])
def test_a_scheduled_dag_has_data_intervals_and_does_not_catch_up(dags, dag_id):
    dag = dags[dag_id]
    assert type(dag.timetable).__name__ == CronDataIntervalTimetable.__name__
    assert not dag.catchup
    assert dag.doc_md
    assert "zdirect" in dag.tags
    assert all(task.retries == 5 and task.retry_delay == timedelta(minutes=2) for task in dag.tasks)


@pytest.mark.parametrize("dag_id", ["zdirect_stock_movements", "zdirect_backfill"])
def test_every_parameter_is_described_in_the_form(dags, dag_id):
    params = {name: dags[dag_id].params.get_param(name) for name in dags[dag_id].params}
    assert {"conn_id", "base_path", "merchant_ids", "from", "to"} <= set(params)
    assert all(param.description and param.schema["title"] for param in params.values())
    assert dags[dag_id].params["conn_id"] == "zdirect_default"
    assert dags[dag_id].params["base_path"] == f"{airflow_home.HOME.as_uri()}/zdirect"
    assert dags[dag_id].params["merchant_ids"] is None


def test_backfill_offers_every_dataset(dags):
    assert dags["zdirect_backfill"].params.get_param("dataset").schema["enum"] == list(DATASETS)


def test_the_extract_tasks_update_their_assets(dags):
    dag = dags["zdirect_stock_movements"]
    for name in ("received_items", "returned_items"):
        assert dag.get_task(name).outlets == [dataset_asset(name)]


def test_the_environment_sets_the_defaults(monkeypatch):
    from airflow_provider_zdirect.dag_params import place_params

    monkeypatch.setenv("ZDIRECT_CONN_ID", "mine")
    monkeypatch.setenv("ZDIRECT_BASE_PATH", "s3://bucket/zdirect")
    monkeypatch.setenv("ZDIRECT_MERCHANT_IDS", "a, b,")
    params = place_params()
    assert [params[name].value for name in params] == ["mine", "s3://bucket/zdirect", ["a", "b"]]


@pytest.mark.parametrize("file", DAG_FILES, ids=lambda file: file.stem)
def test_parsing_loads_neither_arrow_nor_http(file):
    code = (
        "import runpy, sys, warnings; warnings.simplefilter('ignore')\n"
        "import airflow.providers.common.compat.sdk as sdk; sdk.DAG, sdk.task, sdk.Asset, sdk.ObjectStoragePath\n"
        "import airflow.timetables.interval\n"
        "before = set(sys.modules)\n"
        f"runpy.run_path({str(file)!r})\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "airflow_provider_zdirect.operators.extract" in loaded
    assert not loaded & {"pyarrow", "httpx", "duckdb", "airflow_provider_zdirect.client.client"}
