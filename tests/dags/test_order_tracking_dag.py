"""The DAG of tracking numbers for real: a file is applied, what is missing is found, published and told."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import duckdb
import fsspec
import jinja2
import pytest
import real_time
from own_emulator import config_of, own_emulator

from airflow_provider_zdirect.client import ZDirectClient
from airflow_provider_zdirect.dag_support.params import MERCHANTS_OF_TRACKING_FILE
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.pipeline.extract import ExtractJob, extract
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.windows import Window

DOCS = Path(__file__).parents[2] / "docs" / "order-updates.md"
NOW = real_time.this_hour()


@pytest.fixture
def emulator():
    with own_emulator(seed=7, order_days=0) as server:
        yield server


def extracted(emulator, base, merchant_id):
    """What zdirect_orders publishes."""
    job = ExtractJob(
        dataset=get_dataset("orders"),
        window=Window(NOW - timedelta(days=3), NOW),
        place=Place(fsspec.filesystem("file"), str(base), base.as_uri(), merchant_id, "production"),
        resume_key="task",
    )

    async def run():
        async with ZDirectClient(config_of(emulator)) as client:
            await extract(job, client)

    asyncio.run(run())


def lines_of(emulator, merchant_id, order_id):
    (order,) = (one for one in emulator.orders(merchant_id) if one["order_id"] == order_id)
    return [line for item in order["items"] for line in item["lines"]]


@pytest.mark.newest_airflow
def test_a_file_is_applied_and_what_is_missing_is_told_although_a_row_was_refused(run_dag, emulator, tmp_path):
    merchant_id = emulator.merchant_ids[0]
    # The age is logged in whole hours; with half an hour more it is still 30 when the task logs it.
    approved = real_time.now() - timedelta(hours=30, minutes=30)
    mine, late, bare, back = emulator.add_orders(merchant_id, 4, start=approved, items=1, lines=1)
    (line_id,) = (line["order_line_id"] for line in lines_of(emulator, merchant_id, back))
    emulator.set_line(back, line_id, "shipped")
    extracted(emulator, tmp_path, merchant_id)
    rows = [
        "order_id,merchant_order_id,tracking_number,return_tracking_number,status,merchant_id",
        f"{mine},M1,OUT-10001,BACK-10001,shipped,",
        "4711,M3,OUT-10003,BACK-10003,shipped,",
        f"{late},M4,OUT-10004,BACK-10004,shipped,{emulator.merchant_ids[1]}",
        f"{bare},M5,,,shipped,",
        f"{back},,,,returned,",
    ]
    (tmp_path / "_inbox").mkdir()
    (tmp_path / "_inbox" / "tracking.csv").write_text("\n".join(rows))
    params = {"max_failed": 0, "require_tracking": False, "default_reason": "DEFECTIVE"}
    run = run_dag("zdirect_order_tracking", NOW, merchant_ids=[merchant_id], **params)
    states = {}
    for task_id, _, state, _ in run.tasks:
        states.setdefault(task_id, set()).add(state)
    assert states["tracking.apply"] == {"failed"}, run.log[-5000:]
    assert states["tracking.missing"] == {"success"}, run.log[-5000:]
    assert states["tracking.fail_if_any_failed"] == {"upstream_failed"}
    assert run.state == "failed", "although the last tasks went on"
    truth = {one["order_id"]: one for one in emulator.orders(merchant_id)}
    assert truth[mine]["status"] == "fulfilled"
    assert not truth[mine]["shipped_without_tracking"]
    assert truth[bare]["shipped_without_tracking"]
    assert [line["status"] for line in lines_of(emulator, merchant_id, back)] == ["returned"]
    assert truth[late]["status"] == "approved", "the row is another merchant's"
    assert f"order {truth[late]['order_number']} ({late}), approved 30 hours ago" in run.log
    assert truth[late]["customer_email"] not in run.log
    missing = duckdb.sql(f"SELECT order_id FROM read_parquet('{tmp_path}/order_tracking_missing/**/*.parquet')")
    assert {row[0] for row in missing.fetchall()} == {late}
    results = duckdb.sql(f"SELECT DISTINCT row, outcome FROM read_parquet('{tmp_path}/order_updates/**/*.parquet')")
    assert sorted(results.fetchall()) == [(2, "done"), (3, "refused"), (5, "done"), (6, "done")]
    assert (tmp_path / "_inbox" / "tracking.csv").exists()


@pytest.mark.exhaustive
def test_the_first_file_of_the_docs_is_applied_to_whichever_merchant_has_the_order(run_dag, emulator, tmp_path):
    example = re.search(r"```csv\n(.*?)```", DOCS.read_text(), re.DOTALL)[1]
    (documented,) = re.findall(r"^[0-9a-f-]{36}", example, re.MULTILINE)
    first, second = emulator.merchant_ids[:2]
    (mine,) = emulator.add_orders(first, 1, start=NOW - timedelta(hours=30), items=1, lines=1)
    (other,) = emulator.add_orders(second, 1, start=NOW - timedelta(hours=30), items=1, lines=1)
    header, row = example.strip().split("\n")
    rows = [row.replace(documented, mine), row.replace(documented, other).replace("M-1001", "M-1002")]
    (tmp_path / "_inbox").mkdir()
    (tmp_path / "_inbox" / "tracking.csv").write_text("\n".join([header, *rows, row]))
    # Airflow 2 cannot replace the run of the other test.
    date = NOW - timedelta(hours=1)
    run = run_dag("zdirect_order_tracking", date, merchant_ids=[first, second], max_failed=1)
    states = sorted(state for task_id, _, state, _ in run.tasks if task_id == "tracking.apply")
    assert states == ["success", "success"], run.log[-5000:]
    for merchant_id, order_id, number in ((first, mine, "M-1001"), (second, other, "M-1002")):
        (truth,) = (one for one in emulator.orders(merchant_id) if one["order_id"] == order_id)
        assert (truth["status"], truth["merchant_order_id"]) == ("fulfilled", number)
        assert (truth["tracking_number"], truth["return_tracking_number"]) == tuple(row.split(",")[2:4])
    published = "read_parquet('{}/order_updates/merchant_id={}/**/*.parquet', hive_partitioning = false)"
    for merchant_id, own in ((first, 2), (second, 3)):
        results = duckdb.sql(f"SELECT DISTINCT row, outcome FROM {published.format(tmp_path, merchant_id)}").fetchall()
        assert sorted(results) == sorted([(own, "done"), (4, "refused")]), "an order that nobody has is not left out"
    answers = {(request.method, request.status) for request in emulator.requests if request.method == "PATCH"}
    assert answers == {("PATCH", 204)}, "no merchant tried to change an order of another one"


@pytest.mark.parametrize(
    ("merchants", "path", "sharing"),
    [(["a"], None, "['a']"), (["a", "b"], None, "['a', 'b']"), (["a", "b"], "/in/{merchant_id}.csv", "[]")],
)
def test_all_merchants_of_a_run_share_a_file_that_is_not_named_by_merchant(merchants, path, sharing):
    context = {"ti": SimpleNamespace(xcom_pull=lambda task_ids: merchants), "params": {"tracking_path": path}}
    assert jinja2.Template(MERCHANTS_OF_TRACKING_FILE).render(context) == sharing
