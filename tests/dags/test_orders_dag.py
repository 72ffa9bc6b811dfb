"""The orders DAG for real: orders with all that belongs to them, returns, and customers who want to be forgotten."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
import real_time

HOUR = timedelta(hours=1)
NOW = real_time.this_hour()
START = NOW - 30 * HOUR


def rows(tmp_path: Any, dataset: str) -> list[dict[str, Any]]:
    files = (tmp_path / dataset).rglob("*.parquet")
    return [row for file in files for row in pq.read_table(file, partitioning=None).to_pylist()]


def count_by_merchant(tmp_path: Any, dataset: str) -> Counter[str]:
    return Counter(row["_merchant_id"] for row in rows(tmp_path, dataset))


@pytest.mark.newest_airflow
def test_every_order_lands_and_who_wants_to_be_forgotten_is(run_dag, emulator, tmp_path):
    emulator.set_options(order_days=0, zss_orders=1.0)
    sold: dict[str, list[dict[str, Any]]] = {}
    zalandos = {"start": START, "order_type": "ZalandoFulfilled"}
    for merchant in emulator.merchant_ids:
        ids = emulator.add_orders(merchant, 12, step_seconds=240, items=2, lines=1, **zalandos)
        emulator.add_orders(merchant, 1, customer_number="9988776655", **zalandos)
        emulator.announce_return(ids[0], at=START + timedelta(minutes=1))
    forgotten = emulator.merchant_ids[0]
    shipped = emulator.add_orders(forgotten, 3, start=START)
    shipped += emulator.add_orders(forgotten, 1, start=START, customer_number="9988776655")
    for merchant in emulator.merchant_ids:
        sold[merchant] = emulator.orders(merchant)
    gone = emulator.request_deletion(forgotten, "9988776655")
    window = {"from": START.isoformat(), "to": (START + HOUR).isoformat()}
    run = run_dag("zdirect_orders", NOW, shipping_documents=True, **window)
    assert run.state == "success", run.log[-5000:]
    states = {task[:2]: task[2] for task in run.tasks}
    tasks = ("orders", "announced_returns", "shipping_documents", "order_deletion_requests", "erase_customers")
    assert [states[task, index] for task in tasks for index in (0, 1)] == ["success"] * 10
    assert count_by_merchant(tmp_path, "orders_current") == {name: len(orders) for name, orders in sold.items()}
    assert count_by_merchant(tmp_path, "order_lines_current") == {
        merchant: sum(len(item["lines"]) for order in orders for item in order["items"])
        for merchant, orders in sold.items()
    }
    assert count_by_merchant(tmp_path, "announced_returns") == dict.fromkeys(sold, 1)
    for dataset in ("orders", "orders_current"):
        left = {row["order_id"]: row["customer_number"] for row in rows(tmp_path, dataset)}
        for merchant, orders in sold.items():
            for order in orders:
                erased = merchant == forgotten and order["order_id"] in gone
                assert left[order["order_id"]] == (None if erased else order["customer_number"])
    labeled = Counter(path.parent.name.partition("=")[2] for path in tmp_path.rglob("*.pdf"))
    assert labeled == dict.fromkeys(shipped[:3], 3)
    documents = [row for row in rows(tmp_path, "shipping_document_results") if row["outcome"] == "fetched"]
    assert Counter(row["order_id"] for row in documents) == dict.fromkeys(shipped, 3)
    codes = {(row["order_id"], row["type"]): row["tracking_id"] for row in documents}
    for order in emulator.orders(forgotten):
        if order["order_id"] in shipped:
            assert order["tracking_number"] == codes[order["order_id"], "OUTBOUND_LABEL"]
            assert order["return_tracking_number"] == codes[order["order_id"], "RETURN_LABEL"]
    told = Counter(uri.rstrip("/") for uri, _, _ in run.events)
    for dataset in ("orders", "order_items", "order_lines", "announced_returns"):
        assert told[f"zdirect://{dataset}"] == 2


@pytest.mark.exhaustive
def test_orders_of_one_type_for_the_stock_alone_have_nothing_personal(run_dag, emulator, tmp_path):
    emulator.set_options(order_days=0)
    merchant = emulator.merchant_ids[0]
    for kind in ("PartnerFulfilled", "ZalandoFulfilled"):
        emulator.add_orders(merchant, 3, start=START, order_type=kind)
    run = run_dag(
        "zdirect_orders",
        # Airflow 2 cannot replace the run of another test.
        NOW - HOUR,
        merchant_ids=[merchant],
        order_type="PartnerFulfilled",
        level="stock only",
        erase_customers=False,
        **{"from": START.isoformat(), "to": (START + HOUR).isoformat()},
    )
    assert run.state == "success", run.log[-5000:]
    for name in ("erase_customers", "shipping_documents"):
        assert [task[2] for task in run.tasks if task[0] == name] == ["skipped"]
    found = duckdb.sql(
        f"SELECT order_type, count(*), count(customer_number), count(shipping_address.last_name), "
        f"count(shipping_address.country_code) FROM '{tmp_path}/orders_current/**/*.parquet' GROUP BY ALL"
    )
    assert found.fetchall() == [("PartnerFulfilled", 3, 0, 0, 3)]


@pytest.mark.exhaustive
def test_a_run_that_could_not_fetch_the_orders_has_failed_whatever_else_went_well(run_dag, emulator, tmp_path):
    emulator.set_options(order_days=0)
    merchant = emulator.merchant_ids[0]
    window = {"from": START.isoformat(), "to": (START + HOUR).isoformat()}
    # The connection has no key for hashes.
    run = run_dag("zdirect_orders", NOW - 2 * HOUR, merchant_ids=[merchant], personal_data="hash", **window)
    states = {task[0]: task[2] for task in run.tasks}
    assert (states["orders"], states["erase_customers"], states["announced_returns"]) == (
        "failed",
        "success",
        "success",
    )
    assert (states["fail_if_any_failed"], run.state) == ("upstream_failed", "failed")
