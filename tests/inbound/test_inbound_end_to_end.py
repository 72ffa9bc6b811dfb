"""The whole way: notices, tours, item sets and received items from the emulator, compared with its truth."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import pytest
from emulated_time import EmulatedTime
from own_emulator import config_of
from state_extraction import StateExtraction

from airflow_provider_zdirect.client import MemoryRateLimiter, ZDirectClient
from airflow_provider_zdirect.emulator.server import EmulatorServer, moment
from airflow_provider_zdirect.inbound.item_set_sync import sync_item_sets
from airflow_provider_zdirect.inbound.notices import ShippingNotices
from airflow_provider_zdirect.inbound.reconciliation import open_advices, reconcile_merchant
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.windows import Window

NOW = moment("2026-11-22T10:00:00Z")
RECEIVED = Window(moment("2026-11-20"), moment("2026-11-22T09:00:00Z"))

Row = tuple[Any, ...]


class Inbound:
    """What the DAG does for one merchant, by hand."""

    def __init__(self, emulator: EmulatorServer, root: Path) -> None:
        self.emulator = emulator
        self.runs = StateExtraction(emulator, root)
        self.time = EmulatedTime(emulator)
        self.limiter = MemoryRateLimiter(self.time)
        fs = fsspec.filesystem("file", skip_instance_cache=True)
        self.place = Place(fs, str(root), root.as_uri(), self.runs.merchant_id, "production")

    async def item_sets(self) -> None:
        while True:
            config = config_of(self.emulator)
            async with ZDirectClient(config, tokens=self.runs.tokens, clock=self.time, limiter=self.limiter) as client:
                summary = await sync_item_sets(self.place, ShippingNotices(client).item_set, self.time)
            if summary["retry_after"] is None:
                return
            self.emulator.clock.advance(summary["retry_after"])

    def run(self) -> dict[str, Any]:
        self.runs.observe("shipping_notices")
        if advices := open_advices(self.place, self.time.now()):
            self.runs.observe("tours", filters={"zalando_advice_id": ",".join(advices)})
        asyncio.run(self.item_sets())
        return reconcile_merchant(self.place, self.time)

    def rows(self, columns: str) -> list[Row]:
        files = f"{self.runs.root}/inbound_reconciliation/**/*.parquet"
        return duckdb.sql(f"SELECT {columns} FROM read_parquet('{files}')").fetchall()

    def check(self) -> None:
        """The table is what the emulator has."""
        found = self.rows("zalando_advice_id, ean, announced, dispatched, expected, received")
        assert {row[:2]: tuple(count or 0 for count in row[2:]) for row in found} == self.expected()
        assert len(found) == len(self.expected())

    def expected(self) -> dict[Row, Row]:
        sets: dict[Row, Row] = {}
        for notice in self.emulator.notices(self.runs.merchant_id):
            announced, dispatched = notice["announced"] or {}, notice["dispatched"] or {}
            for ean in {*announced, *dispatched}:
                counts = (dispatched or announced).get(ean, 0)
                sets[notice["zalando_advice_id"], ean] = announced.get(ean, 0), dispatched.get(ean, 0), counts
        came = Counter((row["zalando_advice_id"], row["ean"]) for row in self.received())
        return {key: (*sets.get(key, (0, 0, 0)), came[key]) for key in sets.keys() | came.keys()}

    def received(self) -> list[dict[str, Any]]:
        return self.emulator.truth("received_items", self.runs.merchant_id, RECEIVED.start, RECEIVED.end)

    def asked_sets(self) -> list[str]:
        return [request.path for request in self.emulator.requests if request.path.endswith("-item-sets")]


@pytest.fixture
def inbound(tmp_path: Path) -> Iterator[Inbound]:
    with EmulatorServer(seed=7, now=NOW, volume=0.02, notice_days=2) as emulator:
        inbound = Inbound(emulator, tmp_path)
        inbound.runs.run("received_items", RECEIVED)
        yield inbound


def test_the_reconciliation_is_what_zdirect_has_and_follows_what_happens_next(inbound: Inbound) -> None:
    emulator = inbound.emulator
    summary = inbound.run()
    inbound.check()
    check_tours(inbound)
    assert summary["rows"] == len(inbound.expected())
    assert summary["received"] == len(inbound.received()) > 0
    assert 0 < summary["differing"] < summary["rows"]
    assert not [request for request in emulator.requests if request.status == 429]

    published, asked = inbound.runs.paths("inbound_reconciliation"), inbound.asked_sets()
    inbound.run()
    assert inbound.runs.paths("inbound_reconciliation") == published, "the same table is not written again"
    assert inbound.asked_sets() == asked

    emulator.clock.advance(timedelta(days=3).total_seconds())
    inbound.run()
    inbound.check()
    asked_again = [path for path in inbound.asked_sets()[len(asked) :] if path in asked]
    unlocked = {
        notice["id"]
        for notice in emulator.notices(inbound.runs.merchant_id)
        if notice["state"] in ("ready_for_receive", "ready_for_dispatch")
    }
    assert {path.split("/")[3] for path in asked_again} <= unlocked


def check_tours(inbound: Inbound) -> None:
    """Shown by advice, and asked for as long as one may come."""
    truth = {
        tour["zalando_advice_id"]: (tour["tour_number"], tour["current_status"]["status"])
        for tour in inbound.emulator.tours(inbound.runs.merchant_id)
    }
    columns = "DISTINCT zalando_advice_id, (tour_number, tour_status)"
    shown = {advice: tour for advice, tour in inbound.rows(columns) if tour[0] is not None}
    assert shown
    assert shown.items() <= truth.items()
    open_ones = set(open_advices(inbound.place, inbound.time.now()))
    finished = {advice for advice, (_, status) in shown.items() if status == "unloaded"}
    assert finished
    assert not finished & open_ones, "nothing more comes of them"
    assert shown.keys() - finished <= open_ones, "a canceled lorry may be followed by another"
    assert open_advices(inbound.place, inbound.time.now() + timedelta(days=200)) == [], "so late nothing comes any more"
