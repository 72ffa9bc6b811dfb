from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from clocks import FakeClock
from extraction import Extraction

from airflow_provider_zdirect.datasets.arrow import arrow_schema
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import ServerError, ZDirectConfigurationError, ZDirectDataError
from airflow_provider_zdirect.merchant_files.tables import TableFile
from airflow_provider_zdirect.orders.missing_tracking import Overdue, TrackingCheck, check_tracking, overdue_orders
from airflow_provider_zdirect.orders.update_rows import COLUMNS, REQUIRED, read_updates
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.storage.layout import moment
from airflow_provider_zdirect.windows import Window

QUERIES = re.findall(r'duckdb -c "(.*)"', (Path(__file__).parents[2] / "docs" / "order-updates.md").read_text())
MERCHANT = "01924c48-49bb-40c2-9c32-ab582e6db6f4"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
CODES = {"tracking_number": "OUT-10000", "return_tracking_number": "BACK-10000"}
EXPORTED = {"merchant_order_id": "M1", "exported": True}


class Shop:
    """Orders of every age, extracted as the DAG does it, and the look for overdue ones."""

    def __init__(self, emulator: EmulatorServer, base: Path) -> None:
        emulator.clock.set(NOW)
        self.emulator = emulator
        self.base = base
        self.extraction = Extraction(emulator, base)
        self.merchant_id = emulator.merchant_ids[0]

    def order(self, hours_ago: float, **attributes: Any) -> str:
        start = NOW - timedelta(hours=hours_ago)
        (order_id,) = self.emulator.add_orders(self.merchant_id, 1, start=start, items=1, lines=1, **attributes)
        return order_id

    def extract(self, until: datetime = NOW, days: int = 20) -> None:
        self.extraction.run("orders", Window(until - timedelta(days=days), until))

    def check(self, at: datetime | None = None, **settings: Any) -> Overdue:
        if at is not None:
            self.emulator.clock.set(at)
        fs = fsspec.filesystem("file")
        place = Place(fs, str(self.base), self.base.as_uri(), self.merchant_id, "production")
        check = TrackingCheck(place, **settings)

        async def go() -> Overdue:
            async with self.extraction.client() as client:
                return await check_tracking(check, client, FakeClock(self.emulator.clock.now()))

        return asyncio.run(go())

    def published(self) -> list[tuple[Any, ...]]:
        files = f"{self.base}/order_tracking_missing/**/*.parquet"
        return duckdb.sql(f"SELECT order_id, missing, portal_url FROM read_parquet('{files}')").fetchall()


@pytest.fixture
def shop(emulator: EmulatorServer, tmp_path: Path) -> Shop:
    return Shop(emulator, tmp_path)


def missing(found: Overdue) -> dict[str, tuple[str, ...]]:
    return {order.order_id: order.missing for order in found.orders}


def assert_file_to_fill_in(shop: Shop, orders: set[str]) -> None:
    """The query of the documents writes one, of which a row is an update once it has numbers."""
    (query,) = [text.replace("'zdirect/", f"'{shop.base}/") for text in QUERIES if text.startswith("COPY")]
    path = shop.base / "tracking.csv"
    duckdb.sql(query.replace("'tracking.csv'", f"'{path}'"))
    header, *lines = path.read_text().splitlines()
    assert header == "order_id,order_number,tracking_number,return_tracking_number,status"
    assert {line.partition(",")[0] for line in lines} == orders
    path.write_text("\n".join([header, *(line.replace(",,,", ",OUT-10000,BACK-10000,shipped") for line in lines)]))
    rows = TableFile(fsspec.filesystem("file"), str(path), "tracking.csv", "path", COLUMNS, REQUIRED).rows()
    read = read_updates(rows, merchant_id=shop.merchant_id)
    assert not read.wrong
    assert {update.order_id for update in read.updates} == orders


@pytest.mark.parametrize("live", [True, False])
def test_overdue_is_what_is_approved_and_the_partners_and_late(shop: Shop, live: bool) -> None:
    nothing = shop.order(30, **EXPORTED)
    outbound = shop.order(30.5, **EXPORTED, tracking_number="OUT-10000")
    export = shop.order(5)
    quiet = shop.order(8 * 24, **EXPORTED, **CODES)
    shop.order(30, **EXPORTED, **CODES)
    shop.order(30, order_type="ZalandoFulfilled")
    shop.order(2)
    shop.order(23, **EXPORTED)
    shop.order(40, status="initial")
    shop.order(40, status="fulfilled")
    shop.extract()
    found = shop.check(live=live, portal_url="https://portal.example/{merchant_id}/{order_number}?id={order_id}")
    assert missing(found) == {
        quiet: ("update",),
        outbound: ("return_tracking_number",),
        nothing: ("tracking_number", "return_tracking_number"),
        export: ("export",),
    }
    assert [order.order_id for order in found.orders] == [quiet, outbound, nothing, export], "the oldest first"
    assert {row[0]: tuple(row[1]) for row in shop.published()} == missing(found)
    number = next(o["order_number"] for o in shop.emulator.orders(shop.merchant_id) if o["order_id"] == nothing)
    (link,) = [url for order_id, _, url in shop.published() if order_id == nothing]
    assert link == f"https://portal.example/{shop.merchant_id}/{number}?id={nothing}"
    counts = {"overdue": 4, "notified": 4, "without_return_tracking_number": 2, "without_export": 1}
    assert counts.items() <= found.as_dict().items()
    (row,) = [row for row in found.notification_rows() if row["order_id"] == nothing]
    assert (row["age_hours"], row["order_number"], row["portal_url"]) == (30, number, link)
    assert_file_to_fill_in(shop, {outbound, nothing})
    looked = [request for request in shop.emulator.requests if request.path.count("/") == 4]
    assert len(looked) == (4 if live else 0), "only what is overdue is looked at"


def test_the_time_counts_from_the_approval_where_it_was_seen(shop: Shop) -> None:
    paid_late, paid_long_ago = shop.order(60, status="initial"), shop.order(60, status="initial")
    shop.extract(NOW - timedelta(hours=50))
    for order_id, hours in ((paid_long_ago, 30), (paid_late, 10)):
        shop.emulator.clock.set(NOW - timedelta(hours=hours))
        shop.emulator.approve_order(order_id)
        shop.emulator.change_order(order_id, **EXPORTED)
    shop.emulator.clock.set(NOW)
    shop.extract()
    assert missing(shop.check()) == {paid_long_ago: ("tracking_number", "return_tracking_number")}
    assert shop.check().orders[0].approved_at == NOW - timedelta(hours=30)


def test_what_has_come_since_the_extraction_is_not_reported(shop: Shop) -> None:
    done, half, gone = (shop.order(30, **EXPORTED) for _ in range(3))
    quiet, changed = (shop.order(8 * 24, **EXPORTED) for _ in range(2))
    shop.extract()
    shop.emulator.change_order(done, **CODES)
    shop.emulator.change_order(gone, status="fulfilled")
    for order_id in (half, changed):
        shop.emulator.change_order(order_id, tracking_number="OUT-10000")
    back = ("return_tracking_number",)
    assert missing(shop.check()) == {half: back, quiet: ("tracking_number", *back, "update"), changed: back}
    assert set(missing(shop.check(live=False))) == {done, half, gone, quiet, changed}


def test_what_cannot_be_read_is_reported_as_it_was_published(shop: Shop) -> None:
    broken, gone, fine, done = (shop.order(30, **EXPORTED) for _ in range(4))
    shop.extract()
    shop.emulator.change_order(done, **CODES)
    for order_id, status in ((broken, 500), (gone, 404)):
        shop.emulator.faults.add({"match": {"path": order_id}, "action": {"status": status}, "times": None})
    assert set(missing(shop.check())) == {broken, gone, fine} == {row[0] for row in shop.published()}
    shop.emulator.faults.clear()
    shop.emulator.faults.add({"match": {"path": "/orders/"}, "action": {"status": 500}, "times": None})
    with pytest.raises(ServerError):
        shop.check()
    shop.emulator.faults.clear()


def test_people_are_notified_of_an_order_once_a_day_and_at_once_if_more_is_missing(shop: Shop) -> None:
    first, second = shop.order(30, **EXPORTED, tracking_number="OUT-10000"), shop.order(20, **EXPORTED)
    shop.extract()

    def notified(hours: float) -> set[str]:
        found = shop.check(NOW + timedelta(hours=hours), live=False, max_orders_age=timedelta(days=9))
        orders = {order.order_id for order in found.to_notify}
        found.record_notified()
        return orders

    assert shop.check().to_notify, "who was not notified because of a kill is notified again"
    assert notified(0) == {first}
    assert notified(1) == set()
    assert notified(5) == {second}, "it is late by now"
    assert notified(23.9) == set()
    assert notified(24) == {first}
    assert notified(29) == {second}
    # Seven days without any change: something else is missing, of which nobody was notified.
    assert notified(7 * 24 - 30) == {first, second}
    assert notified(7 * 24 - 29) == set()
    shop.emulator.clock.set(NOW)
    shop.emulator.change_order(first, **CODES)
    shop.emulator.change_order(second, **CODES)
    assert shop.check(live=True).orders == ()
    shop.check().record_notified()
    assert not shop.published()
    assert (shop.base / "_states/order_tracking_missing").exists()


def test_orders_that_nobody_extracts_are_an_error_and_no_empty_list(shop: Shop) -> None:
    with pytest.raises(ZDirectConfigurationError, match="never extracted") as caught:
        shop.check()
    assert "zdirect_orders" in str(caught.value.remedy)
    shop.order(30)
    window = Window(NOW - timedelta(days=20), NOW)
    shop.extraction.run("orders", window, filters={"order_type": "ZalandoFulfilled"})
    with pytest.raises(ZDirectConfigurationError, match="never extracted"):
        shop.check()
    shop.extract(NOW - timedelta(hours=7))
    with pytest.raises(ZDirectDataError, match="known until 2026-11-20T05:00:00"):
        shop.check()
    shop.check(max_orders_age=timedelta(hours=8))


def test_a_run_for_some_orders_neither_hides_nor_replaces_one_for_all(shop: Shop) -> None:
    order_id, window = shop.order(30), Window(NOW - timedelta(days=20), NOW - timedelta(hours=5))
    shop.extract(window.end)
    for number, filters in enumerate([{"order_type": "ZalandoFulfilled"}, {"order_number": "1"}]):
        shop.extraction.run("orders", window, filters=filters, resume_key=str(number))
    latest = Window(window.end, NOW)
    shop.extraction.run("orders", latest, filters={"order_number": "1"})
    found = shop.check()
    assert (set(missing(found)), found.known_until) == ({order_id}, window.end)
    with pytest.raises(ZDirectDataError, match="known until 2026-11-20T07:00:00"):
        shop.check(max_orders_age=timedelta(hours=4))
    shop.extraction.run("orders", latest, filters={"order_type": "PartnerFulfilled"}, resume_key="the partner's")
    assert shop.check().known_until == NOW


# The query, against plain Python


HISTORIES = [["initial"], ["initial", "initial", "approved"], ["approved"] * 3, ["approved", "fulfilled"]]


def some_orders(rng: Random) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Versions of orders, and the rows of the table of their latest versions, some of which are met twice."""
    versions, current = [], []

    def some(value: Any) -> Any:
        return rng.choice([value, None])

    for number in range(150):
        created = NOW - timedelta(hours=rng.choice([1, 3, 5, 24, 30, 200, 900]))
        order = {
            "order_id": f"00000000-0000-4000-8000-{number:012}",
            "order_type": rng.choice(["PartnerFulfilled", "PartnerFulfilled", "ZalandoFulfilled", None]),
            "order_date": created,
            "created_at": some(created),
        }
        at, of_order = created, []
        for status in rng.choice(HISTORIES):
            at = min(at + timedelta(minutes=rng.randrange(60 * 60)), NOW - timedelta(minutes=rng.randrange(60)))
            fields = {"exported": rng.choice([True, False, None]), "merchant_order_id": rng.choice(["M1", "", None])}
            codes = {name: rng.choice([code, "", None]) for name, code in CODES.items()}
            of_order.append({**order, **fields, **codes, "status": status, "modified_at": at})
        of_order.sort(key=lambda version: version["modified_at"])
        versions += of_order
        current += of_order[-rng.choice([1, 1, 2]) :]
    rng.shuffle(current)
    return versions, current


def overdue_in_python(versions: list[dict[str, Any]], current: list[dict[str, Any]]) -> dict[str, tuple[Any, ...]]:
    found = {}
    for order_id in {order["order_id"] for order in current}:
        order = max((one for one in current if one["order_id"] == order_id), key=lambda one: one["modified_at"])
        if order["order_type"] == "ZalandoFulfilled" or order["status"] != "approved":
            continue
        seen = [one for one in versions if one["order_id"] == order_id]
        approved = order["created_at"] or order["order_date"]
        if any(one["status"] == "initial" for one in seen):
            approved = min((one["modified_at"] for one in seen if one["status"] == "approved"), default=approved)
        age = NOW - approved
        missing = [name for name in CODES if age >= timedelta(hours=24) and not order[name]]
        if age >= timedelta(hours=3) and not order["exported"] and not order["merchant_order_id"]:
            missing.append("export")
        if NOW - order["modified_at"] >= timedelta(days=7):
            missing.append("update")
        if missing:
            found[order_id] = (approved, tuple(missing))
    return found


@pytest.mark.parametrize("seed", range(2))
def test_the_query_finds_what_plain_python_finds(tmp_path: Path, seed: int) -> None:
    place = Place(fsspec.filesystem("file"), str(tmp_path), tmp_path.as_uri(), MERCHANT, "production")
    versions, current = some_orders(Random(seed))
    schema = arrow_schema(get_dataset("orders").model)
    for dataset, rows, time in (("orders", versions, "modified_at"), ("orders_current", current, "order_date")):
        for day in {row[time].date() for row in rows}:
            path = tmp_path / place.layout(dataset).published(day) / f"{moment(NOW).label}-a.parquet"
            path.parent.mkdir(parents=True)
            pq.write_table(pa.Table.from_pylist([row for row in rows if row[time].date() == day], schema), path)
    wanted = overdue_in_python(versions, current)
    found = overdue_orders(TrackingCheck(place), NOW)
    assert {order.order_id: (order.approved_at, order.missing) for order in found} == wanted
    assert len(wanted) > 10
    assert found == sorted(found, key=lambda order: (order.approved_at, order.order_id))
    recent = overdue_orders(TrackingCheck(place, lookback=timedelta(days=9)), NOW)
    assert {order.order_id for order in recent} == {
        order.order_id for order in found if order.order_date and NOW - order.order_date < timedelta(days=20)
    }
