"""What each operator tells OpenLineage; tests/dags/test_observed_runs.py has the events of a real run."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import airflow_home
import pytest
from all_tasks import MERCHANT, TASKS, needed
from clocks import NOON
from own_emulator import connection_to, own_emulator
from published_tables import TABLES

from airflow_provider_zdirect.datasets.table import DATASETS
from airflow_provider_zdirect.operators.base import ZDirectOperator
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator
from airflow_provider_zdirect.operators.orders import ZDirectOrderUpdateOperator
from airflow_provider_zdirect.operators.shipping_notices import ZDirectShippingNoticeOperator
from airflow_provider_zdirect.operators.stocks import ZDirectStockUpdateOperator

HOUR = timedelta(hours=1)
OPERATORS = [task for task in TASKS if issubclass(task, ZDirectOperator)]
HOST = "zdirect://api.merchants.zalando.com"


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    fields = {"conn_type": "zdirect", "login": "app", "password": "top-secret", "extra": {"merchant_id": MERCHANT}}
    monkeypatch.setenv("AIRFLOW_CONN_ZDIRECT_DEFAULT", json.dumps(fields))
    return fields


def names(datasets: Any) -> list[tuple[str, str]]:
    return [(dataset.namespace, dataset.name) for dataset in datasets]


@pytest.mark.parametrize("task", OPERATORS, ids=lambda task: task.__name__)
def test_every_operator_has_inputs_and_outputs_before_it_runs(task: type[Any], connection: dict[str, Any]) -> None:
    found = task(task_id="t", **needed(task)).get_openlineage_facets_on_start()
    assert found.outputs
    # A notice may be made of arguments alone.
    assert found.inputs or task is ZDirectShippingNoticeOperator
    for namespace, name in names([*found.inputs, *found.outputs]):
        if namespace == HOST:
            assert name.startswith(f"{MERCHANT}/")
        else:
            assert (namespace, name[:6]) == ("file", "/data/")
    assert "top-secret" not in repr(found)


def test_every_published_table_has_an_operator_that_names_it(connection: dict[str, Any]) -> None:
    tasks = [task(task_id="t", **needed(task)) for task in OPERATORS]
    alone = [name for name, dataset in DATASETS.items() if dataset.part_of is None]
    tasks += [ZDirectExtractOperator(task_id="t", dataset=name, base_path="/data/zdirect") for name in alone]
    outputs = names(output for task in tasks for output in task.get_openlineage_facets_on_start().outputs)
    stored = {name.removeprefix("/data/zdirect/") for namespace, name in outputs if namespace == "file"}
    assert stored == TABLES | {"shipping_documents", "_reports/coverage"}


def test_the_document_lists_every_operator() -> None:
    text = (airflow_home.PROJECT / "docs" / "lineage.md").read_text()
    listed = re.findall(r"^\| `(ZDirect\w+)` \|", text, re.MULTILINE)
    assert sorted(listed) == [each.__name__ for each in OPERATORS]


@pytest.mark.parametrize(
    ("base_path", "namespace", "folder"),
    [
        ("/data/zdirect/", "file", "/data/zdirect"),
        ("file:///data/zdirect", "file", "/data/zdirect"),
        ("s3://my_aws@bucket/lake/zdirect/", "s3://bucket", "lake/zdirect"),
        ("s3a://bucket/zdirect", "s3://bucket", "zdirect"),
        ("gs://bucket/zdirect", "gs://bucket", "zdirect"),
        ("abfs://container/zdirect", "abfs://container", "zdirect"),
    ],
)
def test_storage_is_named_as_openlineage_names_it(
    connection: dict[str, Any], base_path: str, namespace: str, folder: str
) -> None:
    task = ZDirectExtractOperator(task_id="t", dataset="stock_locations", base_path=base_path)
    tables = [(namespace, f"{folder}/{name}") for name in ("stock_locations", "stock_locations_current")]
    assert names(task.get_openlineage_facets_on_start().outputs) == tables


def test_a_bucket_itself_may_be_the_base_path(connection: dict[str, Any]) -> None:
    task = ZDirectExtractOperator(task_id="t", dataset="received_items", base_path="s3://bucket")
    assert names(task.get_openlineage_facets_on_start().outputs) == [("s3://bucket", "received_items")]


def test_what_is_sent_to_zdirect_goes_from_the_merchants_files_to_zdirect(connection: dict[str, Any]) -> None:
    updates = ZDirectOrderUpdateOperator(
        task_id="t", base_path="/data/zdirect", updates_path="s3://bucket/{merchant_id}/updates.csv"
    ).get_openlineage_facets_on_start()
    assert names(updates.inputs) == [("s3://bucket", f"{MERCHANT}/updates.csv")]
    assert names(updates.outputs) == [("file", "/data/zdirect/order_updates"), (HOST, f"{MERCHANT}/orders")]
    feed = ZDirectStockUpdateOperator(task_id="t", base_path="/data/zdirect").get_openlineage_facets_on_start()
    assert names(feed.inputs) == [("file", "/data/zdirect/_inbox/stock.csv")]
    assert (HOST, f"{MERCHANT}/stocks") in names(feed.outputs)


def test_a_merchant_that_has_to_be_asked_for_is_named_at_the_end(context, tmp_path, monkeypatch):
    with own_emulator(seed=7, merchants=1) as emulator:
        monkeypatch.setenv("AIRFLOW_CONN_ZDIRECT_DEFAULT", json.dumps(connection_to(emulator)))
        task = ZDirectExtractOperator(task_id="t", dataset="stock_locations", base_path=str(tmp_path))
        assert task.get_openlineage_facets_on_start().inputs == []
        task.resume(context)
    (fetched,) = task.get_openlineage_facets_on_complete(None).inputs
    assert fetched.name == f"{emulator.merchant_ids[0]}/stock_locations"


@pytest.mark.parametrize("task", OPERATORS, ids=lambda task: task.__name__)
@pytest.mark.parametrize("connection", [None, {"extra": {"enviroment": "sandbox"}}], ids=["none", "wrong"])
@pytest.mark.parametrize("merchant_id", [None, MERCHANT, "shop-de"], ids=["not given", "id", "name"])
def test_without_a_usable_connection_the_storage_is_named(task, connection, merchant_id, monkeypatch):
    if connection:
        monkeypatch.setenv("AIRFLOW_CONN_ZDIRECT_DEFAULT", json.dumps({"conn_type": "zdirect", **connection}))
    given = {"merchant_id": merchant_id} if "merchant_id" in task.arguments else {}
    found = task(task_id="t", **needed(task), **given).get_openlineage_facets_on_start()
    assert {namespace for namespace, _ in names([*found.inputs, *found.outputs])} <= {"file"}
    assert found.outputs or task is ZDirectShippingNoticeOperator


@pytest.mark.usefixtures("fixed_present")
def test_parts_have_counts_of_their_own(emulator, context, tmp_path):
    merchant = emulator.merchant_ids[0]
    emulator.add_orders(merchant, 2, start=NOON - 30 * HOUR)
    window = {"window_from": NOON - 31 * HOUR, "window_to": NOON - 6 * HOUR}
    task = ZDirectExtractOperator(
        task_id="t", dataset="orders", base_path=str(tmp_path), merchant_id=merchant, **window
    )
    result = task.resume(context)
    found = task.get_openlineage_facets_on_complete(None)
    counts = {
        output.name.rpartition("/")[2]: output.outputFacets["outputStatistics"].rowCount
        for output in found.outputs
        if output.outputFacets
    }
    assert counts == {"orders": result["records"], **result["parts"]}
    assert all(output.facets["schema"].fields for output in found.outputs)
