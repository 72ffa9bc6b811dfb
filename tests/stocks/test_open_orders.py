"""Open orders are subtracted from the feed once, by the published orders."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from extraction import Extraction
from stock_world import StockWorld, ean

from airflow_provider_zdirect.datasets.personal_data import PersonalData
from airflow_provider_zdirect.exceptions import RejectedRecordsError, ZDirectConfigurationError, ZDirectDataError
from airflow_provider_zdirect.stocks.feed import SkuMapping
from airflow_provider_zdirect.stocks.open_orders import OrdersWanted, open_orders
from airflow_provider_zdirect.windows import Window

ONE = {"lines": [(ean(1), "initial")]}


@pytest.fixture
def world(world: StockWorld) -> StockWorld:
    world.feed("stock.csv", dict.fromkeys(range(1, 5), 10))
    return world


def levels(world: StockWorld) -> list[int]:
    return [level for (channel, _), level in sorted(world.levels().items()) if channel == world.channels[0]]


def test_lines_that_are_not_shipped_are_subtracted_everywhere_and_no_level_is_below_zero(world: StockWorld) -> None:
    world.write_orders(
        {"lines": [(ean(1), "initial"), (ean(1), "reserved"), (ean(1), "shipped"), (ean(2), "canceled")]},
        {"lines": [(ean(2), "initial")], "status": "fulfilled"},
        {"lines": [(ean(2), "initial")], "type": "ZalandoFulfilled"},
        {"lines": [(ean(3), "returned"), (ean(3), "on_hold")], "published": False},
        {"lines": [(ean(4), "reserved")] * 12},
    )
    result = world.run(world.job(orders=OrdersWanted()))
    assert levels(world) == [8, 10, 9, 0]
    assert (result["open_pieces"], result["below_zero"]) == (15, 1)
    again = world.run(world.job(orders=OrdersWanted(), run="b"))
    assert (again["sent"], again["unchanged"]) == (0, 8), (
        "what is open is subtracted from the feed, not from what was sent"
    )
    world.run(world.job(orders=OrdersWanted(include_zfs=True), run="c"))
    assert levels(world) == [8, 9, 9, 0]
    world.run(world.job(run="d", minutes=1))
    assert levels(world) == [10] * 4, "off by default"


def test_only_orders_since_a_time_or_since_the_feed(world: StockWorld) -> None:
    world.write_orders(*({**ONE, "at": world.start + timedelta(minutes=minute)} for minute in (-3000, 10, 30)))
    since = OrdersWanted(since=world.start + timedelta(minutes=20))
    since_feed = OrdersWanted(since_feed=True)
    for run, minutes, wanted, left in (("1", 1, since, 9), ("2", 2, since_feed, 8), ("3", 15, since_feed, 9)):
        world.run(world.job(run=run, minutes=minutes, orders=wanted))
        assert levels(world)[0] == left


@pytest.mark.parametrize("since_feed", [False, True])
def test_what_was_shipped_after_the_feed_was_made_counts_until_the_next_feed(
    world: StockWorld, since_feed: bool
) -> None:
    wanted = OrdersWanted(since_feed=since_feed)
    times = {"at": world.start + timedelta(minutes=10), "modified": world.start + timedelta(minutes=20)}
    world.write_orders(
        {"lines": [(ean(1), "shipped"), (ean(2), "canceled"), (ean(3), "returned")], **times},
        {"lines": [(ean(4), "reserved"), (ean(4), "canceled")], "status": "fulfilled", **times},
    )
    world.run(world.job(orders=wanted))
    assert levels(world) == [9, 10, 9, 9]
    world.run(world.job(orders=wanted, run="b", minutes=20))
    assert levels(world) == [10] * 4


def test_articles_are_known_by_the_mapping_and_what_is_not_fails_the_run_before_anything_is_sent(
    world: StockWorld,
) -> None:
    mapping = world.write("map.csv", [{"merchant_sku": "SKU-1", "ean": ean(1)}])
    upc = "0191476239145"
    world.write("stock.csv", [{"ean": code, "quantity": 10} for code in (ean(1), ean(2), upc)])
    called = ("SKU-1", "SKU-2", "SKU-2", "", upc[1:], "96385074")
    world.write_orders({"lines": [(article, "initial") for article in called]})
    with pytest.raises(RejectedRecordsError, match=r"3 articles with neither .* Nothing was sent"):
        world.run(world.job(mapping=mapping, orders=OrdersWanted(), max_rejected=2))
    assert not world.posts()
    assert ["2 open pieces of 'SKU-2'" in reason for _, reason in world.rejected()].count(True) == 1
    result = world.run(world.job(mapping=mapping, orders=OrdersWanted(), max_rejected=3))
    assert {code: level for (_, code), level in world.levels().items()} == {ean(1): 9, ean(2): 10, upc: 9}
    assert (result["open_pieces"], result["rejected"]) == (2, 3)


def test_orders_that_are_missing_or_too_old_are_an_error_before_anything_is_sent(world: StockWorld) -> None:
    with pytest.raises(ZDirectConfigurationError, match="never extracted"):
        world.run(world.job(orders=OrdersWanted()))
    world.write_orders(ONE, known_until="20260310T050000Z")
    with pytest.raises(ZDirectDataError, match="known until 2026-03-10T05:00:00"):
        world.run(world.job(orders=OrdersWanted()))
    assert not world.posts()
    world.run(world.job(orders=OrdersWanted(max_age=timedelta(hours=4))))
    assert levels(world)[0] == 9


def test_a_window_that_is_missing_in_the_last_days_is_an_error_unless_all_wanted_orders_came_later(
    world: StockWorld,
) -> None:
    world.write_orders(ONE)
    (manifest,) = world.root.glob("_manifests/orders/**/*.json")
    manifest.unlink()
    world.write_manifest("20260310T060000Z", "20260310T075500Z")
    with pytest.raises(ZDirectDataError, match=r"between 2026-03-03T08:00:00.*and 2026-03-10T06:00:00"):
        world.run(world.job(orders=OrdersWanted()))
    with pytest.raises(ZDirectDataError):
        world.run(world.job(orders=OrdersWanted(since=world.start - timedelta(hours=2))))
    assert not world.posts()
    for number, wanted in enumerate([OrdersWanted(since=world.start), OrdersWanted(since_feed=True)]):
        world.run(world.job(orders=wanted, run=str(number), minutes=number - 1))
        assert levels(world)[0] == 9
    world.write_manifest("20260303T000000Z", "20260310T050000Z")
    with pytest.raises(ZDirectDataError, match=r"between 2026-03-10T05:00:00.*and 2026-03-10T06:00:00"):
        world.run(world.job(orders=OrdersWanted()))
    world.write_manifest("20260310T050000Z", "20260310T060000Z")
    assert world.run(world.job(orders=OrdersWanted(), run="c"))["open_pieces"] == 1


def test_windows_of_other_orders_and_of_another_environment_say_nothing(world: StockWorld) -> None:
    world.write_orders(ONE, known_until="20260310T050000Z")
    later = ("20260310T050000Z", "20260310T075500Z")
    for filters in (
        {"order_type": "ZalandoFulfilled"},
        {"environment": "sandbox"},
        {"order_type": "PartnerFulfilled", "sales_channel_id": world.channels[0]},
    ):
        world.write_manifest(*later, **filters)
        with pytest.raises(ZDirectDataError, match=r"PartnerFulfilled orders .* known until 2026-03-10T05"):
            world.run(world.job(orders=OrdersWanted()))
    world.write_manifest(*later, order_type="PartnerFulfilled")
    with pytest.raises(ZDirectDataError, match="ZalandoFulfilled orders"):
        world.run(world.job(orders=OrdersWanted(include_zfs=True)))
    assert not world.posts()
    world.run(world.job(orders=OrdersWanted()))
    assert levels(world)[0] == 9


def test_a_window_that_has_landed_counts_also_after_a_run_for_some_of_its_orders(world: StockWorld) -> None:
    now = world.clock.now()
    extraction, window = Extraction(world.emulator, world.root), Window(now - timedelta(days=8), now)
    runs = ({}, {"order_number": "1"}, {"order_type": "ZalandoFulfilled"})
    for number, filters in enumerate(runs):
        extraction.run("orders", window, filters=filters, resume_key=str(number))
        wanted = OrdersWanted(include_zfs=True)
        assert open_orders(world.job().place, wanted, SkuMapping(), now, feed_time=now).known_until == now


def test_orders_count_as_soon_as_they_are_to_be_subtracted_and_later_ones_win(world: StockWorld) -> None:
    world.write_orders(ONE, known_until="20260310T063000Z")
    world.run(world.job())
    world.run(world.job(run="b", orders=OrdersWanted()))
    assert levels(world)[0] == 9, "with the same feed, and orders that are known for less long"
    for path in world.root.glob("_manifests/**/*.json"):
        path.unlink()
    world.write_orders({"lines": [(ean(1), "shipped")]}, known_until="20260310T061500Z")
    result = world.run(world.job(run="c", orders=OrdersWanted()))
    assert (levels(world)[0], result["outdated"]) == (9, 2)


@pytest.mark.parametrize(("format", "personal_data"), [("parquet", "keep"), ("jsonl", "drop")])
def test_orders_as_they_are_extracted_are_counted_as_zdirect_has_them(
    world: StockWorld, format: str, personal_data: str
) -> None:
    world.emulator.set_options(order_days=3, orders_per_day=30)
    now = world.clock.now()
    extraction = Extraction(world.emulator, world.root)
    window = Window(now - timedelta(days=8), now)
    extraction.run("orders", window, format=format, personal_data=PersonalData(personal_data))
    found = open_orders(world.job().place, OrdersWanted(), SkuMapping(), now, feed_time=now)
    truth = Counter(
        item["external_id"]
        for order in world.emulator.orders(world.merchant_id)
        if order["status"] != "fulfilled" and order["order_type"] == "PartnerFulfilled"
        for item in order["items"]
        for line in item["lines"]
        if line["status"] in ("initial", "reserved")
    )
    assert truth.total() > 50
    assert {article: len(pieces) for article, pieces in found.pieces.items()} == truth
    assert not found.unmapped
