"""Open orders are subtracted from the feed once, by the published orders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from extraction import Extraction
from stock_world import StockWorld, ean, stock_emulator, write_orders

from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import RejectedRecordsError, ZDirectConfigurationError, ZDirectDataError
from airflow_provider_zdirect.stocks.open_orders import OrdersWanted, PublishedOrders
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.windows import Window


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorServer]:
    with stock_emulator() as server:
        yield server


@pytest.fixture
def world(emulator: EmulatorServer, tmp_path: Path) -> StockWorld:
    emulator.reset()
    world = StockWorld(emulator, tmp_path / "zdirect")
    world.write("stock.csv", [{"ean": ean(number), "quantity": 10} for number in range(1, 5)])
    return world


def levels(world: StockWorld) -> list[int]:
    return [level for (channel, _), level in sorted(world.levels().items()) if channel == world.channels[0]]


def test_lines_that_are_not_shipped_are_subtracted_everywhere_and_no_level_is_below_zero(world: StockWorld) -> None:
    write_orders(
        world,
        [
            {"lines": [(ean(1), "initial"), (ean(1), "reserved"), (ean(1), "shipped"), (ean(2), "canceled")]},
            {"lines": [(ean(2), "initial")], "status": "fulfilled"},
            {"lines": [(ean(2), "initial")], "type": "ZalandoFulfilled"},
            {"lines": [(ean(3), "returned"), (ean(3), "initial")], "published": False},
            {"lines": [(ean(4), "reserved")] * 12},
        ],
    )
    result = world.run(world.job(orders=OrdersWanted()))
    assert levels(world) == [8, 10, 9, 0]
    assert (result.open_pieces, result.below_zero) == (15, 1)
    again = world.run(world.job(orders=OrdersWanted(), run="b" * 24))
    assert (again.sent, again.unchanged) == (0, 8), "what is open is subtracted from the feed, not from what was sent"
    world.run(world.job(orders=OrdersWanted(include_zfs=True), run="c" * 24))
    assert levels(world) == [8, 9, 9, 0]
    world.run(world.job(run="d" * 24, minutes=1))
    assert levels(world) == [10] * 4, "off by default"


def test_only_orders_since_a_time_or_since_the_feed(world: StockWorld) -> None:
    orders = [
        {"lines": [(ean(1), "initial")], "at": world.start + timedelta(minutes=minute)} for minute in (-3000, 10, 30)
    ]
    write_orders(world, orders)
    since = world.start + timedelta(minutes=20)
    for number, (minutes, wanted, left) in enumerate(
        [
            (1, OrdersWanted(since=since), 9),
            (2, OrdersWanted(since_feed=True), 8),
            (15, OrdersWanted(since_feed=True), 9),
        ]
    ):
        world.run(world.job(run=f"{number}" * 24, minutes=minutes, orders=wanted))
        assert levels(world)[0] == left


def test_articles_are_known_by_the_mapping_and_what_is_not_is_told_and_fails_the_run(world: StockWorld) -> None:
    mapping = world.write("map.csv", [{"merchant_sku": "SKU-1", "ean": ean(1)}])
    write_orders(
        world, [{"lines": [("SKU-1", "initial"), ("SKU-2", "initial"), ("SKU-2", "initial"), ("", "initial")]}]
    )
    with pytest.raises(RejectedRecordsError, match="2 rows were put aside"):
        world.run(world.job(mapping=mapping, orders=OrdersWanted()))
    assert levels(world) == [9, 10, 10, 10], "all the same, what can be sent is sent"
    assert ["2 open pieces of 'SKU-2'" in reason for _, reason in world.rejected()].count(True) == 1


def test_orders_that_are_missing_or_too_old_are_an_error_before_anything_is_sent(world: StockWorld) -> None:
    with pytest.raises(ZDirectConfigurationError, match="never extracted"):
        world.run(world.job(orders=OrdersWanted()))
    write_orders(world, [{"lines": [(ean(1), "initial")]}], known_until="20260310T050000Z")
    with pytest.raises(ZDirectDataError, match="known until 2026-03-10T05:00:00"):
        world.run(world.job(orders=OrdersWanted()))
    assert not world.posts()
    world.run(world.job(orders=OrdersWanted(max_age=timedelta(hours=4))))
    assert levels(world)[0] == 9


def test_a_window_that_is_missing_in_between_is_an_error_unless_it_is_long_past(world: StockWorld) -> None:
    write_orders(world, [{"lines": [(ean(1), "initial")]}])
    (manifest,) = world.root.glob("_manifests/orders/**/*.json")
    earlier = manifest.with_name("20260309T100000Z_20260309T230000Z.json")
    earlier.write_text("{}")
    with pytest.raises(ZDirectDataError, match=r"between 2026-03-09T23:00:00.*and 2026-03-10T00:00:00"):
        world.run(world.job(orders=OrdersWanted()))
    assert not world.posts()
    earlier.rename(manifest.with_name("20260309T100000Z_20260310T003000Z.json"))
    manifest.with_name("20260301T000000Z_20260302T000000Z.json").write_text("{}")
    with pytest.raises(ZDirectDataError):
        world.run(world.job(orders=OrdersWanted()))
    manifest.with_name("20260303T000000Z_20260309T100000Z.json").write_text("{}")
    world.run(world.job(orders=OrdersWanted()))
    assert levels(world)[0] == 9


@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_orders_as_they_are_extracted_are_counted_as_zdirect_has_them(world: StockWorld, format: str) -> None:
    world.emulator.set_options(order_days=3, orders_per_day=30)
    now = world.clock.now()
    orders = world.emulator.orders(world.merchant_id)
    Extraction(world.emulator, world.root).run("orders", Window(now - timedelta(days=5), now), format=format)
    store = ObjectStore(world.fs, str(world.root))
    found = PublishedOrders(store, world.merchant_id, "base").open_pieces(OrdersWanted(), None, now)
    truth = Counter(
        item["external_id"]
        for order in orders
        if order["status"] != "fulfilled" and order["order_type"] == "PartnerFulfilled"
        for item in order["items"]
        for line in item["lines"]
        if line["status"] in ("initial", "reserved")
    )
    assert truth.total() > 50
    assert {article: len(pieces) for article, pieces in found.pieces.lines.items()} == truth
    assert not found.unmapped


def test_later_orders_win_over_earlier_ones_of_the_same_feed(world: StockWorld) -> None:
    write_orders(world, [{"lines": [(ean(1), "initial")]}], known_until="20260310T075500Z")
    world.run(world.job(orders=OrdersWanted()))
    for path in world.root.glob("_manifests/**/*.json"):
        path.rename(path.with_name("20260310T000000Z_20260310T070000Z.json"))
    write_orders(world, [{"lines": [(ean(1), "shipped")]}], known_until="20260310T070000Z")
    result = world.run(world.job(orders=OrdersWanted(), run="b" * 24))
    assert (levels(world)[0], result.outdated) == (9, 2)
