"""The operator that erases customers, as Airflow runs it; and the dataset of deletion requests, which names nobody."""

from __future__ import annotations

import gzip
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from outlet_events import OutletEvents

from airflow_provider_zdirect.assets import changed_alias, zdirect_asset
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.emulator.customer_wishes import Wish
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator
from airflow_provider_zdirect.operators.order_erasure import ZDirectOrderErasureOperator

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = {"window_from": "2026-11-19T00:00:00Z", "window_to": "2026-11-20T00:00:00Z"}
PERSON = {
    "customer_number": "98765432101",
    "customer_email": "zebulonia.q@unheard-of.example",
    "shipping_address": {"last_name": "Quastenflosser", "address_line_1": "Nirgendwogasse 417a", "country_code": "AT"},
}
SOUGHT = ("98765432101", "unheard-of", "Quastenflosser", "Nirgendwogasse")


@pytest.fixture
def emulator(emulator, fixed_present, monkeypatch):
    connection = json.loads(os.environ["AIRFLOW_CONN_ZDIRECT_DEFAULT"])
    connection["extra"] = {"merchant_id": emulator.merchant_ids[0]}
    monkeypatch.setenv("AIRFLOW_CONN_ZDIRECT_DEFAULT", json.dumps(connection))
    emulator.clock.set(NOW)
    emulator.set_options(order_days=0, token_seconds=10_000_000)
    return emulator


def unpacked(base: Path) -> str:
    texts = []
    for path in base.rglob("*"):
        if path.suffix == ".parquet":
            texts.append(str(duckdb.sql(f"FROM read_parquet('{path}')").fetchall()))
        elif path.suffix == ".gz":
            texts.append(gzip.decompress(path.read_bytes()).decode())
        elif path.is_file():
            texts.append(path.read_text())
    return "\n".join(texts)


def task(base: Path, **arguments: Any) -> ZDirectOrderErasureOperator:
    return ZDirectOrderErasureOperator(task_id="erase", base_path=f"file://{base}", **arguments)


def test_customers_are_erased_and_only_then_the_asset_is_updated(emulator, context, tmp_path):
    merchant_id = emulator.merchant_ids[0]
    start = NOW - timedelta(hours=30)
    emulator.add_orders(merchant_id, 2, start=start, **PERSON)
    emulator.add_orders(merchant_id, 3, start=start)
    extract = ZDirectExtractOperator(task_id="orders", dataset="orders", base_path=f"file://{tmp_path}", **DAY)
    extract.execute(context)
    assert all(text in unpacked(tmp_path) for text in SOUGHT)
    emulator.request_deletion(merchant_id, PERSON["customer_number"])
    events = OutletEvents()
    operator = task(tmp_path, merchant_id=merchant_id.upper(), deferrable=False)
    result = operator.execute({**context, "outlet_events": events})
    assert not any(text in unpacked(tmp_path) for text in SOUGHT)
    certificate = json.loads(Path(result["certificate"].removeprefix("file://")).read_text())
    assert (certificate["found"], certificate["orders"]) == (0, 2)
    assert (result["requests"], result["orders"], result["erased"], result["changed"]) == (2, 2, 4, True)
    (everywhere, extra), (here, same) = events[changed_alias("order_erasures")].added
    assert (everywhere, here) == (zdirect_asset("order_erasures"), zdirect_asset("order_erasures", str(tmp_path)))
    assert extra == same
    assert (extra["certificate"], extra["base_path"]) == (result["certificate"], f"file://{tmp_path}")
    again = OutletEvents()
    assert operator.execute({**context, "outlet_events": again})["changed"] is False
    assert not again


def test_published_deletion_requests_name_no_customer_nor_do_rejected_ones(emulator, context, tmp_path):
    merchant_id = emulator.merchant_ids[0]
    emulator.add_orders(merchant_id, 2, start=NOW - timedelta(hours=30), **PERSON)
    emulator.request_deletion(merchant_id, PERSON["customer_number"])
    body = {**PERSON, "sales_channel_id": None, "requested_at": "yesterday", "order_id": None}
    emulator.state.customer_wishes.want_deletion(Wish(NOW, "1", merchant_id, body))
    operator = ZDirectExtractOperator(
        task_id="requests", dataset="order_deletion_requests", base_path=f"file://{tmp_path}", max_rejected=1
    )
    result = operator.execute(context)
    assert (result["records"], result["rejected"]) == (2, 1)
    assert {path.parts[0] for path in (path.relative_to(tmp_path) for path in tmp_path.rglob("*.*"))} >= {
        "order_deletion_requests",
        "_rejected",
        "_manifests",
    }
    assert not any(text in unpacked(tmp_path) for text in SOUGHT)
    # After 30 days zDirect shows none of them, which is as it should be.
    emulator.clock.advance(31 * 86_400)
    assert operator.execute(context)["changes"]["removed"] == 2


def test_what_nobody_knows_of_a_deletion_request_is_not_stored_either():
    answer = {"items": [{"order_id": "1", "requested_at": None, **PERSON, "billing_address": {"city": "X"}}]}
    (record,) = get_dataset("order_deletion_requests").read(json.dumps(answer).encode()).records
    assert json.loads(bytes(record)) == {"order_id": "1", "requested_at": None}
