"""The whole way: notices, tours, item sets and received items from the emulator, and what SQL makes of its truth."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from emulated_time import EmulatedTime
from extraction import Extraction
from own_emulator import config_of

from airflow_provider_zdirect.client import MemoryRateLimiter, ZDirectClient
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.emulator.server import EmulatorServer, moment
from airflow_provider_zdirect.inbound.item_set_sync import ItemSetJob, sync_item_sets
from airflow_provider_zdirect.inbound.notices import ShippingNotices
from airflow_provider_zdirect.inbound.reconciliation_job import InboundPlace, open_advices, reconcile_merchant
from airflow_provider_zdirect.pipeline.extract_state import extract_state
from airflow_provider_zdirect.pipeline.state_job import StateJob
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.windows import Window

NOW = moment("2026-11-22T10:00:00Z")
RECEIVED = Window(moment("2026-11-15"), moment("2026-11-22T09:00:00Z"))

EXPECTED = """
WITH counting AS (  -- the dispatch set counts, and without one the announced
    SELECT advice, ean, quantity FROM sets s WHERE item_set = 'dispatched' OR NOT EXISTS (
        FROM sets d WHERE d.notice = s.notice AND d.item_set = 'dispatched')),
came AS (SELECT zalando_advice_id AS advice, ean, count(*) AS pieces FROM received GROUP BY ALL),
every AS (SELECT advice, ean FROM sets UNION SELECT advice, ean FROM came)
SELECT advice, ean, a.quantity AS announced, d.quantity AS dispatched,
       coalesce(c.quantity, 0) AS expected, coalesce(came.pieces, 0) AS received
FROM every LEFT JOIN came USING (advice, ean)
LEFT JOIN (FROM sets WHERE item_set = 'announced') a USING (advice, ean)
LEFT JOIN (FROM sets WHERE item_set = 'dispatched') d USING (advice, ean)
LEFT JOIN counting c USING (advice, ean)
"""


class Inbound:
    """What the DAG does for one merchant, by hand."""

    def __init__(self, emulator: EmulatorServer, root: Path) -> None:
        self.emulator = emulator
        self.runs = Extraction(emulator, root)
        self.time = EmulatedTime(emulator)
        self.limiter = MemoryRateLimiter(self.time)

    def client(self) -> ZDirectClient:
        config = config_of(self.emulator)
        return ZDirectClient(config, tokens=self.runs.tokens, clock=self.time, limiter=self.limiter)

    @property
    def place(self) -> InboundPlace:
        place = self.runs.job("received_items", RECEIVED).place
        return InboundPlace(place.merchant_id, place.fs, place.root, place.uri)

    async def state(self, dataset: str, **arguments: Any) -> dict[str, Any]:
        place = self.place
        job = StateJob(
            get_dataset(dataset),
            Place(place.fs, place.root, place.base_uri, place.merchant_id, "production"),
            **arguments,
        )
        async with self.client() as client:
            return (await extract_state(job, client, self.time)).as_dict()

    async def item_sets(self) -> dict[str, Any]:
        place = self.place
        job = ItemSetJob(place.merchant_id, place.fs, place.root, place.base_uri, "production")
        while True:
            async with self.client() as client:
                summary = await sync_item_sets(job, ShippingNotices(client).item_set, self.time)
            if summary["retry_after"] is None:
                return summary
            self.emulator.clock.advance(summary["retry_after"])

    def notices_and_tours(self) -> None:
        asyncio.run(self.state("shipping_notices"))
        if advices := open_advices(self.place, self.time.now()):
            asyncio.run(self.state("tours", filters={"zalando_advice_id": ",".join(advices)}))

    def run(self) -> dict[str, Any]:
        self.notices_and_tours()
        asyncio.run(self.item_sets())
        return reconcile_merchant(self.place, self.time)

    def rows(self) -> list[tuple[Any, ...]]:
        files = f"{self.runs.root}/inbound_reconciliation/**/*.parquet"
        return duckdb.sql(
            "SELECT zalando_advice_id, ean, nullif(announced, 0), nullif(dispatched, 0), coalesce(expected, 0), "
            f"received FROM read_parquet('{files}') ORDER BY ALL"
        ).fetchall()

    def expected(self) -> list[tuple[Any, ...]]:
        merchant_id = self.runs.merchant_id
        sets = [
            {"notice": notice["id"], "advice": notice["zalando_advice_id"], "item_set": kind, "ean": ean, "quantity": n}
            for notice in self.emulator.notices(merchant_id)
            for kind in ("announced", "dispatched")
            for ean, n in (notice[kind] or {}).items()
        ]
        truth = self.emulator.truth("received_items", merchant_id, RECEIVED.start, RECEIVED.end)
        with duckdb.connect() as sql:
            sql.register("sets", pa.Table.from_pylist(sets))
            received = [{name: row[name] for name in ("zalando_advice_id", "ean")} for row in truth]
            sql.register("received", pa.Table.from_pylist(received))
            return sorted(sql.sql(EXPECTED).fetchall(), key=repr)


@pytest.fixture
def emulator() -> Iterator[EmulatorServer]:
    with EmulatorServer(seed=7, now=NOW, volume=0.2, notice_days=2) as server:
        yield server


def test_the_reconciliation_is_what_sql_makes_of_the_truth(emulator: EmulatorServer, tmp_path: Path) -> None:
    inbound = Inbound(emulator, tmp_path)
    inbound.runs.run("received_items", RECEIVED)
    summary = inbound.run()
    found = inbound.rows()
    assert sorted(found, key=repr) == inbound.expected()
    assert summary["rows"] == len(found)
    assert summary["received"] == len(emulator.truth("received_items", inbound.runs.merchant_id, *_ends(RECEIVED)))
    assert 0 < summary["differing"] < summary["rows"]
    assert not [request for request in emulator.requests if request.status == 429]


def test_it_follows_what_happens_next_and_asks_for_no_set_twice(emulator: EmulatorServer, tmp_path: Path) -> None:
    inbound = Inbound(emulator, tmp_path)
    inbound.runs.run("received_items", RECEIVED)
    inbound.run()
    published = inbound.runs.paths("inbound_reconciliation")
    inbound.run()
    assert inbound.runs.paths("inbound_reconciliation") == published, "the same table is not written again"
    before = _asked_sets(emulator)
    emulator.clock.advance(timedelta(days=3).total_seconds())
    inbound.run()
    assert sorted(inbound.rows(), key=repr) == inbound.expected()
    asked_again = [path for path in _asked_sets(emulator)[len(before) :] if path in before]
    unlocked = {
        notice["id"]
        for notice in emulator.notices(inbound.runs.merchant_id)
        if notice["state"] in ("ready_for_receive", "ready_for_dispatch")
    }
    assert {path.split("/")[3] for path in asked_again} <= unlocked


def test_tours_are_told_by_advice(emulator: EmulatorServer, tmp_path: Path) -> None:
    inbound = Inbound(emulator, tmp_path)
    inbound.runs.run("received_items", RECEIVED)
    inbound.notices_and_tours()
    reconcile_merchant(inbound.place, inbound.time)
    truth = {tour["zalando_advice_id"]: tour for tour in emulator.tours(inbound.runs.merchant_id)}
    files = f"{tmp_path}/inbound_reconciliation/**/*.parquet"
    told = dict(
        duckdb.sql(
            "SELECT DISTINCT zalando_advice_id, (tour_number, tour_status) "
            f"FROM read_parquet('{files}') WHERE tour_number IS NOT NULL"
        ).fetchall()
    )
    assert told
    assert (
        told.items()
        <= {advice: (tour["tour_number"], tour["current_status"]["status"]) for advice, tour in truth.items()}.items()
    )
    open_ones = set(open_advices(inbound.place, inbound.time.now()))
    finished = {advice for advice, (_, status) in told.items() if status == "unloaded"}
    assert finished
    assert not finished & open_ones, "nothing more comes of them"
    assert told.keys() - finished <= open_ones, "a canceled lorry may be followed by another"
    later = inbound.time.now() + timedelta(days=200)
    assert open_advices(inbound.place, later) == [], "so late nothing comes any more"


def _asked_sets(emulator: EmulatorServer) -> list[str]:
    return [request.path for request in emulator.requests if request.path.endswith("-item-sets")]


def _ends(window: Window) -> tuple[Any, Any]:
    return window.start, window.end
