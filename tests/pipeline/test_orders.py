"""Orders, items and lines from the emulator to files: all of them, in few requests, whatever changes meanwhile."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from exhaustive import exhaustive
from state_extraction import StateExtraction

from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import FilterIgnoredError, RetentionError, ZDirectConfigurationError
from airflow_provider_zdirect.windows import Window

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
EMULATOR = {"now": NOW, "order_days": 0}
DAY = Window(datetime(2026, 11, 19, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC))
PARTS = ("order_items", "order_lines")
FILES = ("orders", "orders_current", *(f"{part}{end}" for part in PARTS for end in ("", "_current")))


@pytest.fixture
def emulator(runs: StateExtraction) -> EmulatorServer:
    return runs.emulator


def instant(value: str | datetime) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def truth(emulator: EmulatorServer, window: Window = DAY) -> list[dict[str, Any]]:
    """The emulator's orders whose present version is of the window."""
    merchant = emulator.merchant_ids[0]
    return [order for order in emulator.orders(merchant) if window.start <= instant(order["modified_at"]) < window.end]


def versions(rows: list[dict[str, Any]], key: str) -> Counter[tuple[str, datetime]]:
    return Counter((row[key], instant(row["modified_at"])) for row in rows)


def published_versions(runs: StateExtraction, name: str, key: str) -> Counter[tuple[str, datetime]]:
    return versions(runs.published(name, f"{key}, modified_at"), key)


def is_all_there(runs: StateExtraction, orders: list[dict[str, Any]]) -> None:
    """The latest versions are just these orders, with all that belongs to them."""
    items = [item for order in orders for item in order["items"]]
    lines = [line for item in items for line in item["lines"]]
    assert published_versions(runs, "orders_current", "order_id") == versions(orders, "order_id")
    assert published_versions(runs, "order_items_current", "order_item_id") == versions(items, "order_item_id")
    assert published_versions(runs, "order_lines_current", "order_line_id") == versions(lines, "order_line_id")


@pytest.mark.parametrize(("count", "requests"), exhaustive([(600, 3), (10_000, 30)]))
def test_many_orders_take_few_requests_and_are_all_there(runs, emulator, count, requests):
    emulator.add_orders(runs.merchant_id, count, start=DAY.start, step_seconds=8.5, items=1, lines=1)
    result = runs.run("orders", DAY)
    orders = truth(emulator)
    assert len(orders) == result.manifest.records == count
    assert len(runs.requests("/orders")) <= requests
    is_all_there(runs, orders)
    assert published_versions(runs, "orders", "order_id") == versions(orders, "order_id")
    assert result.manifest.parts == {name: len(runs.published(name, "order_id")) for name in PARTS}
    lines = duckdb.sql(
        f"SELECT count(*), sum(line.price.amount) FROM '{runs.root}/order_lines/**/*.parquet' AS line "
        f"JOIN '{runs.root}/order_items/**/*.parquet' AS item USING (order_item_id, order_id) "
        f"JOIN '{runs.root}/orders/**/*.parquet' AS orders USING (order_id)"
    ).fetchall()
    prices = [line["price"]["amount"] for order in orders for item in order["items"] for line in item["lines"]]
    assert lines == [(len(prices), sum(Decimal(str(price)) for price in prices))]


def test_an_order_becomes_rows_with_all_its_fields(runs, emulator):
    (order_id,) = emulator.add_orders(runs.merchant_id, 1, start=DAY.start + timedelta(hours=3), items=2, lines=2)
    result = runs.run("orders", DAY)
    (order,) = truth(emulator)
    (row,) = runs.published("orders")
    for name, value in order.items():
        if name in ("items", "shipments", "transitions", "shipped_without_tracking"):
            continue
        stored = row[name]
        if isinstance(stored, datetime):
            value = instant(value)
        elif isinstance(stored, Decimal):
            value = Decimal(str(value))
        elif isinstance(stored, dict):
            stored = {key: found for key, found in stored.items() if found is not None}
            value = {key: found for key, found in value.items() if found not in ("", None)}
            if name == "shipping_costs":
                value["amount"] = Decimal(str(value["amount"]))
        assert stored == (None if value == "" else value), name
    assert {item["order_item_id"] for item in runs.published("order_items")} == {
        item["order_item_id"] for item in order["items"]
    }
    for item in runs.published("order_items") + runs.published("order_lines"):
        assert (item["order_id"], item["order_date"]) == (order_id, row["order_date"])
        assert item["order_modified_at"] == row["modified_at"]
        assert item["_unknown_fields"] is None
    assert row["_unknown_fields"] is None
    steps = [line["transitions"] for item in order["items"] for line in item["lines"]]
    stored = [line["transitions"] for line in runs.published("order_lines")]
    assert sorted(len(each) for each in steps) == sorted(len(each or ()) for each in stored)
    manifest = runs.manifest(result)
    assert (manifest["records"], manifest["parts"]) == (1, {"order_items": 2, "order_lines": 4})
    assert manifest["personal_data"] == "keep"
    part = runs.root / "_manifests" / "order_lines" / manifest_name(manifest)
    assert json.loads(part.read_text())["records"] == 4


def manifest_name(manifest: dict[str, Any]) -> str:
    label = f"{DAY.label}.json"
    return f"merchant_id={manifest['merchant_id']}/date={DAY.start.date()}/{label}"


@pytest.mark.parametrize(
    ("step", "size", "links"), exhaustive([(30, 60, "given"), (0, 70, "absent"), (0.001, 60, "given")], 2)
)
def test_orders_that_change_while_pages_are_read_are_not_missed_nor_are_others(runs, emulator, step, size, links):
    """Whoever leaves an early page makes the later ones shift."""
    emulator.set_options(orders_page_limit=size, orders_next=links)
    start = DAY.start + timedelta(hours=2)
    orders = emulator.add_orders(runs.merchant_id, 200, start=start, step_seconds=step, items=1, lines=1)
    changed = orders[5:190:29]

    def change(number: int) -> None:
        if number > 1 and changed:
            emulator.change_order(changed.pop(0), at=DAY.end - timedelta(minutes=len(changed) + 1), locale="fr-FR")
        elif number == 1:
            emulator.change_order(orders[0], at=DAY.end + timedelta(hours=1), locale="fr-FR")

    emulator.on_request("/orders", change)
    runs.run("orders", DAY)
    is_all_there(runs, truth(emulator))
    runs.run("orders", Window(DAY.end, DAY.end + timedelta(hours=2)))
    is_all_there(runs, emulator.orders(runs.merchant_id))


def test_windows_in_any_order_keep_every_version_and_the_latest_one(runs, emulator):
    hours = [Window(DAY.start + timedelta(hours=n), DAY.start + timedelta(hours=n + 1)) for n in range(4)]
    ids = emulator.add_orders(runs.merchant_id, 20, start=DAY.start, step_seconds=60)
    runs.run("orders", hours[0])
    seen = published_versions(runs, "orders", "order_id")
    first = versions(runs.published("order_lines"), "order_line_id")
    for number, order_id in enumerate(ids[:10]):
        emulator.change_order(order_id, at=hours[2].start + timedelta(minutes=number), tracking_number=f"T{number}")
    seen += versions(truth(emulator, hours[2]), "order_id")
    runs.run("orders", hours[2])
    stamp = {path: path.stat().st_mtime_ns for path in runs.paths("order_lines")}
    runs.run("orders", hours[0])
    runs.run("orders", hours[1])
    assert published_versions(runs, "orders", "order_id") == seen
    assert set(seen.values()) == {1}
    is_all_there(runs, emulator.orders(runs.merchant_id))
    current = {row["order_id"]: row["tracking_number"] for row in runs.published("orders_current")}
    assert [current[order_id] for order_id in ids[:10]] == [f"T{number}" for number in range(10)]
    # What did not change is stored once, whatever its order did, and no file is written anew for it.
    assert versions(runs.published("order_lines"), "order_line_id") == first
    assert {path: path.stat().st_mtime_ns for path in runs.paths("order_lines")} == stamp


@pytest.mark.parametrize("later", ["2026-11-17T23:59:59+00:00", "2026-11-18T00:00:00+00:00"])
def test_an_order_is_current_once_even_if_its_date_comes_otherwise(runs, emulator, later):
    start = DAY.start
    (order_id,) = emulator.add_orders(runs.merchant_id, 1, start=start, order_date="2026-11-17T23:59:59.550+00:00")
    runs.run("orders", DAY)
    emulator.change_order(order_id, at=DAY.end + timedelta(hours=1), order_date=later)
    runs.run("orders", Window(DAY.end, DAY.end + timedelta(hours=2)))
    is_all_there(runs, emulator.orders(runs.merchant_id))


def test_an_order_that_is_seen_late_lands_in_its_window_and_with_its_lines(runs, emulator):
    first, second = (Window(DAY.start + timedelta(hours=n), DAY.start + timedelta(hours=n + 1)) for n in (5, 6))
    runs.run("orders", first)
    emulator.add_orders(runs.merchant_id, 1, start=first.end - timedelta(minutes=2), items=2, lines=3)
    result = runs.run("orders", second)
    assert (result.manifest.records, result.manifest.late_records) == (0, 1)
    is_all_there(runs, emulator.orders(runs.merchant_id))
    # Nobody has asked for the hour before, so what lies there is not published.
    emulator.add_orders(runs.merchant_id, 1, start=first.start - timedelta(minutes=2))
    runs.run("orders", first)
    assert len(runs.published("orders")) == len(runs.published("orders_current")) == 1
    assert len(runs.published("order_lines")) == 6


@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_a_repeated_window_changes_nothing(runs, emulator, format):
    emulator.add_orders(runs.merchant_id, 30, start=DAY.start, step_seconds=100)
    runs.run("orders", DAY, format=format)
    before = {path: path.read_bytes() for name in FILES for path in runs.paths(name)}
    assert runs.run("orders", DAY, format=format).manifest.new_records == 0
    assert {path: path.read_bytes() for name in FILES for path in runs.paths(name)} == before
    assert len(before) >= 6


def test_the_time_filter_is_sent_in_the_form_that_works(runs, emulator):
    emulator.add_orders(runs.merchant_id, 3, start=DAY.start - timedelta(hours=30))
    emulator.add_orders(runs.merchant_id, 3, start=DAY.start)
    ragged = Window(DAY.start + timedelta(milliseconds=250), DAY.end - timedelta(milliseconds=250))
    assert runs.run("orders", ragged).manifest.records == 2
    asked = runs.requests("/orders")[0]
    assert (asked["last_updated_after"], asked["last_updated_before"]) == (
        "2026-11-18T22:59:59+00:00",
        "2026-11-20T00:00:00+00:00",
    )
    assert asked["sort"] == "modified_at"


def test_a_server_that_drops_the_time_filter_is_noticed(runs, emulator):
    emulator.set_options(orders_time_filter="ignored")
    emulator.add_orders(runs.merchant_id, 1, start=DAY.start - timedelta(days=9))
    emulator.add_orders(runs.merchant_id, 5, start=DAY.start)
    with pytest.raises(FilterIgnoredError, match="did not apply the time filter"):
        runs.run("orders", DAY)
    assert not any(runs.paths(name) for name in FILES)
    runs.run("orders", DAY, accept_outside=True)
    is_all_there(runs, emulator.orders(runs.merchant_id))


def test_a_server_that_does_not_sort_is_noticed(runs, emulator):
    emulator.set_options(orders_sort="ignored")
    emulator.add_orders(runs.merchant_id, 5, start=DAY.start)
    with pytest.raises(FilterIgnoredError, match="in order of modified_at"):
        runs.run("orders", DAY)
    assert not any(runs.paths(name) for name in FILES)


@pytest.mark.parametrize("kind", ["PartnerFulfilled", "ZalandoFulfilled"])
def test_orders_of_one_type(runs, emulator, kind):
    for each in ("PartnerFulfilled", "ZalandoFulfilled"):
        emulator.add_orders(runs.merchant_id, 4, start=DAY.start, order_type=each)
    assert runs.run("orders", DAY, filters={"order_type": kind}).manifest.records == 4
    assert {row["order_type"] for row in runs.published("orders")} == {kind}


def test_orders_of_one_sales_channel(runs, emulator):
    channels = [channel["sales_channel_id"] for channel in emulator.reference("sales_channels", runs.merchant_id)][:2]
    for channel in channels:
        emulator.add_orders(runs.merchant_id, 2, start=DAY.start, sales_channel_id=channel)
    assert runs.run("orders", DAY, filters={"sales_channel_id": channels[0].upper()}).manifest.records == 2
    assert {row["sales_channel_id"] for row in runs.published("orders")} == {channels[0]}


def test_items_and_lines_cannot_be_asked_for_alone(runs):
    with pytest.raises(ZDirectConfigurationError, match=r"comes with the orders.*dataset='orders'"):
        runs.run("order_lines", DAY)


def test_orders_are_kept_for_a_year(runs, emulator):
    year = Window(NOW - timedelta(days=366), NOW - timedelta(days=365))
    with pytest.raises(RetentionError, match="lies before 2025-11-20"):
        runs.run("orders", year)


def test_announced_returns_are_stored_once(runs, emulator):
    ids = emulator.add_orders(runs.merchant_id, 70, start=DAY.start - timedelta(days=1))
    for number, order_id in enumerate(ids):
        emulator.announce_return(order_id, at=DAY.start + timedelta(minutes=20 * number))
    day = runs.run("announced_returns", DAY)
    again = runs.run("announced_returns", DAY)
    announced = emulator.announced_returns(runs.merchant_id)
    assert (day.manifest.records, again.manifest.new_records) == (len(announced), 0)
    rows = runs.published("announced_returns")
    assert {row["announced_return_id"] for row in rows} == {each["announced_return_id"] for each in announced}
    assert len(rows) == len(announced) == 70
    assert rows[0]["orders"][0]["order_lines"][0]["return_reason"] == "TOO_LARGE"
    assert len(runs.requests("/announced-returns")) >= 4
