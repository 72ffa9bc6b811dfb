"""The operator around shipping documents: arguments, where the orders come from, waiting, and what it returns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from own_emulator import connection_to, own_emulator

from airflow_provider_zdirect.airflow_sdk import TaskDeferred
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.operators.shipping_documents import ZDirectShippingDocumentsOperator
from airflow_provider_zdirect.orders import order_updates


@pytest.fixture(scope="module")
def one_emulator() -> Iterator[EmulatorServer]:
    with own_emulator(seed=7, order_days=0, zss_orders=1.0) as server:
        yield server


@pytest.fixture
def emulator(one_emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> EmulatorServer:
    """An emulator that zdirect_default points to; its tokens stay, so that they are not asked for with every test."""
    one_emulator.set_options(zss_orders=1.0, order_update_seconds=0.0)
    one_emulator.faults.clear()
    one_emulator.state.log.clear()
    # After tracking numbers it waits to see whether they are there; those who wait for it are other tests.
    monkeypatch.setattr(order_updates, "SHIP_AFTER", 0.0)
    connection = connection_to(one_emulator, extra={"merchant_id": one_emulator.merchant_ids[0]})
    monkeypatch.setenv("AIRFLOW_CONN_ZDIRECT_DEFAULT", json.dumps(connection))
    return one_emulator


def task(tmp_path: Path, **arguments: Any) -> ZDirectShippingDocumentsOperator:
    return ZDirectShippingDocumentsOperator(
        **{"task_id": "documents", "base_path": tmp_path.as_uri(), "deferrable": False, **arguments}
    )


def order(emulator: EmulatorServer) -> str:
    (order_id,) = emulator.add_orders(emulator.merchant_ids[0], 1, items=1, lines=1)
    return order_id


def pdfs(tmp_path: Path) -> list[str]:
    return sorted(path.parent.name.removeprefix("order_id=") for path in tmp_path.rglob("*.pdf"))


def test_the_orders_come_from_a_list_a_file_or_the_published_ones(emulator, tmp_path, context):
    listed, filed, published = (order(emulator) for _ in range(3))
    result = task(tmp_path, order_ids=json.dumps([listed])).execute(context)
    assert result["fetched"] == 1
    assert result["tracking"]["done"] == 1
    assert result["results_uri"].startswith(f"{tmp_path.as_uri()}/shipping_document_results/")
    (tmp_path / "wanted.csv").write_text(f"order_id\n{filed}\n")
    arguments = {"orders_path": f"{tmp_path}/wanted.csv", "fill_tracking": "False", "max_failed": ""}
    assert task(tmp_path, **arguments).execute(context)["tracking"] is None
    merchant = emulator.merchant_ids[0]
    folder = tmp_path / "orders_current" / f"merchant_id={merchant}" / "date=2026-03-01"
    folder.mkdir(parents=True)
    row = {
        "order_id": published,
        "order_type": "PartnerFulfilled",
        "status": "approved",
        "modified_at": datetime(2026, 3, 1, tzinfo=UTC),
    }
    pq.write_table(pa.Table.from_pylist([row]), folder / "20260301T000000Z_20260302T000000Z-a.parquet")
    # What templates render when nothing is given.
    arguments = {"order_ids": "", "orders_path": "None", "merchant_id": merchant.upper()}
    assert task(tmp_path, **arguments).execute(context)["fetched"] == 1
    assert pdfs(tmp_path) == sorted([listed, filed, published] * 3)
    assert task(tmp_path, order_ids=[]).execute(context)["orders"] == 0


def test_a_list_and_a_file_of_orders_are_refused_at_parse(tmp_path):
    for make in (ZDirectShippingDocumentsOperator, ZDirectShippingDocumentsOperator.partial):
        with pytest.raises(ZDirectConfigurationError, match="Task a: order_ids and orders_path are both given"):
            make(task_id="a", base_path=tmp_path.as_uri(), orders_path="/o.csv", order_ids=[])


def test_documents_that_must_be_there_are_waited_for_without_a_slot(emulator, tmp_path, context):
    order_id = order(emulator)
    emulator.set_options(zss_orders=0.0)
    waiting = task(tmp_path, order_ids=[order_id], require_documents=True, deferrable=True)
    with pytest.raises(TaskDeferred) as deferred:
        waiting.execute(context)
    emulator.set_options(zss_orders=1.0)
    result = getattr(waiting, deferred.value.method_name)(context, event=None, **deferred.value.kwargs)
    assert result["fetched"] == 1
