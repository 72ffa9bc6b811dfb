"""One base path with every table that this package publishes, made by the real pipeline from emulators."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import fsspec
from intrastat.landing import Landing, movement
from orders.order_world import CODES, OrderWorld
from state_extraction import StateExtraction
from stocks.stock_world import StockWorld, ean, stock_emulator

from airflow_provider_zdirect.datasets.publication import History
from airflow_provider_zdirect.datasets.table import DATASETS
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import RejectedRecordsError
from airflow_provider_zdirect.inbound.item_set_sync import sync_item_sets
from airflow_provider_zdirect.inbound.notices import ShippingNotices
from airflow_provider_zdirect.inbound.reconciliation import open_advices, reconcile_merchant
from airflow_provider_zdirect.orders.missing_tracking import TrackingCheck, check_tracking
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.shipping_documents.job import DocumentsJob, fetch_documents
from airflow_provider_zdirect.windows import Window

OF_DATASETS = {
    name: f"{name}_current"
    for name, dataset in DATASETS.items()
    if dataset.of_latest() is not None or isinstance(dataset.publish, History)
}
TABLES = {
    *DATASETS,
    *OF_DATASETS.values(),
    "inbound_reconciliation",
    "intrastat",
    "order_tracking_missing",
    "order_updates",
    "shipping_document_results",
    "shipping_notice_items",
    "stock_updates",
    "stock_updates_current",
}
"""All of them. A new dataset is one by itself; its records have to be made below."""

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
DAY = date(2026, 11, 20)


def publish_everything(root: Path) -> None:
    """Every table, with rows of two merchants in some of them."""
    world: dict[str, Any] = {"volume": 0.05, "notice_days": 2, "order_days": 0, "empty_reports": 0.0}
    with EmulatorServer(seed=7, now=NOW, rate_limits=False, **world) as emulator:
        _publish_datasets(emulator, root)
        _publish_inbound(emulator, root)
        _publish_missing_tracking(emulator, root)
    with EmulatorServer(seed=7, now="2026-03-10T08:00:00+00:00", order_days=0, zss_orders=1.0) as emulator:
        _publish_orders_work(OrderWorld(emulator, root))
    with stock_emulator() as emulator:
        world = StockWorld(emulator, root)
        rows = [{"ean": ean(number), "quantity": number} for number in range(3)]
        world.write("stock.csv", [*rows, {"ean": "rejected", "quantity": 1}])
        world.run(world.job(max_rejected=1))
    landing = Landing(root)
    landing.land_month({3: [movement()], 4: [movement(quantity=2), movement("PL", "SE")]})
    landing.report()


def _publish_datasets(emulator: EmulatorServer, root: Path) -> None:
    merchants = emulator.merchant_ids[:2]
    for merchant_id in merchants:
        start = datetime.combine(DAY, time(9), UTC)
        (order_id, *_) = emulator.add_orders(merchant_id, 3, start=start, customer_number="K1234567")
        emulator.announce_return(order_id, at=start + timedelta(hours=2))
        emulator.request_deletion(merchant_id, "K1234567")
        emulator.script_liquidated(
            merchant_id, datetime.combine(DAY, time(), UTC), [({}, start, None), ({}, start, None)]
        )
    runs = StateExtraction(emulator, root)
    for name, dataset in DATASETS.items():
        if dataset.part_of is not None:
            continue
        for merchant_id in merchants:
            if dataset.has_windows:
                for day in (DAY, DAY + timedelta(days=1)):
                    runs.run(name, Window.of_day(day), merchant_id=merchant_id)
            elif name == "item_quantities":
                runs.observe(name, merchant_id=merchant_id, since=NOW - timedelta(hours=3))
            elif name != "tours":
                runs.observe(name, merchant_id=merchant_id)
    emulator.set_options(bad_records=1.0)
    with suppress(RejectedRecordsError):
        runs.run("received_items", Window.of_day(DAY - timedelta(days=1)), merchant_id=merchants[0])
    emulator.set_options(bad_records=0.0)


def _publish_inbound(emulator: EmulatorServer, root: Path) -> None:
    runs = StateExtraction(emulator, root)
    place = runs.job("tours").place
    runs.observe("tours", filters={"zalando_advice_id": ",".join(open_advices(place, NOW))})

    async def item_sets() -> None:
        async with runs.client() as client:
            await sync_item_sets(place, ShippingNotices(client).item_set, runs.clock())

    asyncio.run(item_sets())
    reconcile_merchant(place, runs.clock())


def _publish_missing_tracking(emulator: EmulatorServer, root: Path) -> None:
    runs = StateExtraction(emulator, root)
    place = Place(fsspec.filesystem("file"), str(root), root.as_uri(), runs.merchant_id, "production")
    check = TrackingCheck(place, max_orders_age=timedelta(days=1))

    async def look() -> None:
        async with runs.client() as client:
            await check_tracking(check, client, runs.clock())

    asyncio.run(look())


def _publish_orders_work(world: OrderWorld) -> None:
    order_id = world.order()
    world.update({"order_id": order_id, **CODES, "status": "shipped"})
    job = DocumentsJob(
        world.place(),
        (order_id,),
        run="a-run",
        fill_tracking=False,
    )

    async def fetch() -> None:
        async with world.client() as client:
            await fetch_documents(job, client, world.clock)

    asyncio.run(fetch())
