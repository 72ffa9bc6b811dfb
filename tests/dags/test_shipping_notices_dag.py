"""The inbound DAG for real: notices, tours and item sets of every merchant, and the reconciliation."""

from __future__ import annotations

import asyncio

import duckdb
import pytest
import real_time
from own_emulator import config_of, own_emulator

from airflow_provider_zdirect.airflow_sdk import AirflowSkipException
from airflow_provider_zdirect.client import ZDirectClient
from airflow_provider_zdirect.dag_support import tasks
from airflow_provider_zdirect.datasets.endpoint import Rate
from airflow_provider_zdirect.operators import arguments

EANS = ("0191476239145", "4006381333931")
RATE = Rate(100)
TODAY = real_time.today()


@pytest.fixture
def emulator():
    # Without the world's own notices, of which there are more than item sets may be asked for in a moment.
    with own_emulator(seed=7, volume=0.5, notice_days=0, delivery_date_after_minutes=0) as server:
        yield server


def announce(emulator, number):
    """A notice of the first merchant that was announced and dispatched."""
    path = f"/zfs/shipping-notices/00000000-0000-4000-8000-00000000000{number}"

    async def write():
        async with ZDirectClient(config_of(emulator)) as client:
            fields = {"zalando_merchant_id": emulator.merchant_ids[0], "carrier_name": "DHL"}
            await client.request("PUT", path, json=fields, rate=RATE)
            for step, items in (
                ("announced-item-sets", {"items": [{"ean": ean, "quantity": number} for ean in EANS]}),
                ("announcement-confirmations", {}),
                ("dispatch-item-sets", {"items": [{"ean": EANS[0], "quantity": number}]}),
                ("dispatch-confirmations", {}),
            ):
                notice = await client.request("GET", path, rate=RATE)
                await client.request("POST", f"{path}/{step}", json=items, if_match=notice.etag, rate=RATE)

    asyncio.run(write())


@pytest.fixture
def advices(emulator, tmp_path, monkeypatch):
    """The advices whose tours are asked for, by the task, for a value of ``tours_by``."""

    def of(tours_by):
        params = {"conn_id": "zdirect_default", "tours_by": tours_by, "base_path": str(tmp_path)}
        monkeypatch.setattr(tasks, "get_current_context", lambda: {"params": params})
        return tasks.advices_to_track.function(emulator.merchant_ids[0])

    return of


def test_a_merchant_without_notices_has_no_tours_to_ask_for_and_a_reconciliation_all_the_same(advices, dags):
    with pytest.raises(AirflowSkipException, match="No shipping notice"):
        advices("advice")
    assert dags["zdirect_shipping_notices"].get_task("inbound.reconcile").trigger_rule == "none_failed"


def test_the_list_of_all_tours_is_asked_for_without_an_advice_id(advices):
    filters = {"zalando_advice_id": advices("list")}
    assert arguments.mapping(filters, name="filters") == {}, "blank: all; an empty list would be refused"


@pytest.mark.newest_airflow
def test_every_merchant_gets_a_reconciliation(run_dag, emulator, tmp_path):
    for number in (2, 3):
        announce(emulator, number)
    run = run_dag("zdirect_shipping_notices", TODAY, merchant_ids=emulator.merchant_ids[:1])
    assert run.state == "success", run.log[-5000:]
    assert {state for _, _, state, _ in run.tasks} == {"success"}
    files = f"{tmp_path}/inbound_reconciliation/**/*.parquet"
    rows = duckdb.sql(
        "SELECT ean, announced, dispatched, expected, received, difference, state, tour_number IS NOT NULL "
        f"FROM read_parquet('{files}') ORDER BY ALL"
    ).fetchall()
    assert rows == [
        (EANS[0], 2, 2, 2, 0, -2, "ready_for_receive", True),
        (EANS[0], 3, 3, 3, 0, -3, "ready_for_receive", True),
        (EANS[1], 2, 0, 0, 0, 0, "ready_for_receive", True),
        (EANS[1], 3, 0, 0, 0, 0, "ready_for_receive", True),
    ]
    told = {uri.rstrip("/"): extra for uri, extra, _ in run.events}
    assert told["zdirect://inbound_reconciliation"]["differing"] == 2
