"""The operator around shipping documents: arguments, where the orders come from, waiting, and what it returns."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import (
    DocumentsNotReadyError,
    FilterIgnoredError,
    ShippingDocumentsError,
    ZDirectConfigurationError,
)
from airflow_provider_zdirect.operators.shipping_documents import ZDirectShippingDocumentsOperator


@pytest.fixture
def emulator(world: EmulatorServer) -> EmulatorServer:
    world.set_options(zss_orders=1.0)
    return world


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


def test_without_published_orders_it_says_where_they_come_from(emulator, tmp_path, context):
    with pytest.raises(AirflowFailException, match="zdirect_orders"):
        task(tmp_path).execute(context)
    assert not emulator.requests


def test_a_list_and_a_file_of_orders_are_refused_at_parse(tmp_path):
    for make in (ZDirectShippingDocumentsOperator, ZDirectShippingDocumentsOperator.partial):
        with pytest.raises(ZDirectConfigurationError, match="Task a: order_ids and orders_path are both given"):
            make(task_id="a", base_path=tmp_path.as_uri(), orders_path="/o.csv", order_ids=[])


def test_documents_that_must_be_there_are_waited_for_without_a_slot(emulator, tmp_path, context):
    order_id = order(emulator)
    emulator.set_options(zss_orders=0.0)
    arguments = {"order_ids": [order_id], "require_documents": True}
    with pytest.raises(DocumentsNotReadyError):
        task(tmp_path, **arguments).execute(context)
    waiting = task(tmp_path, **arguments, deferrable=True)
    with pytest.raises(TaskDeferred) as deferred:
        waiting.execute(context)
    emulator.set_options(zss_orders=1.0)
    result = getattr(waiting, deferred.value.method_name)(context, event=None, **deferred.value.kwargs)
    assert result["fetched"] == 1


def test_failures_that_a_retry_cannot_mend_fail_at_once_after_all_were_tried(emulator, tmp_path, context):
    order_id = order(emulator)
    unknown = "00000000-0000-4000-8000-000000000000"
    with pytest.raises(AirflowFailException, match=unknown) as caught:
        task(tmp_path, order_ids=[unknown, order_id]).execute(context)
    assert isinstance(caught.value.__cause__, ShippingDocumentsError)
    assert pdfs(tmp_path) == [order_id] * 3
    body = {"documents": emulator.shipping_documents(order_id)}
    emulator.faults.add({"match": {"path": "documents$"}, "action": {"status": 200, "body": body}})
    with pytest.raises(AirflowFailException) as caught:
        task(tmp_path, order_ids=[order(emulator)]).execute(context)
    assert isinstance(caught.value.__cause__, FilterIgnoredError)
