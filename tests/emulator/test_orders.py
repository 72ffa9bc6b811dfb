"""The list of orders and what belongs to an order, as they are read."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from airflow_provider_zdirect.emulator.server import EmulatorServer

from .conftest import log_in
from .order_calls import base, ids, orders, truth

LATER = "2026-03-10T13:00:00+00:00"


@pytest.fixture
def bare(server: EmulatorServer) -> EmulatorServer:
    """Without limits, and without orders but those that a test adds."""
    server.set_options(rate_limits=False, order_days=0)
    return server


def test_pages_are_linked_and_the_last_has_no_next(bare: EmulatorServer, api: httpx.Client) -> None:
    added = bare.add_orders(bare.merchant_ids[0], 7)
    url, seen, links = f"{base(bare)}?page[size]=3&sort=modified_at&locale=", [], []
    for _ in range(3):
        page = api.get(url).json()
        seen += [order["id"] for order in page["data"]]
        links.append(page["links"])
        assert page["meta"]["number_of_results"] == len(page["data"])
        url = page["links"].get("next", "")
    assert seen == added
    assert url == ""
    assert [sorted(link) for link in links] == [
        ["first", "last", "next", "self"],
        ["first", "last", "next", "prev", "self"],
        ["first", "last", "prev", "self"],
    ]
    assert all(link.startswith(f"{bare.url}{base(bare)}?") for link in links[1].values())
    assert links[1]["prev"] == links[0]["first"]
    assert links[1]["next"] == links[0]["last"]
    beyond = orders(bare, api, page_size=3, page_number=9)
    assert (beyond["data"], "next" in beyond["links"]) == ([], False)
    bare.set_options(orders_next="absent")
    assert list(orders(bare, api, page_size=3)["links"]) == ["self"]


def test_the_server_caps_the_size_of_a_page(bare: EmulatorServer, api: httpx.Client) -> None:
    bare.add_orders(bare.merchant_ids[0], 60, items=1, lines=1)
    assert len(orders(bare, api)["data"]) == 50
    bare.set_options(orders_page_limit=10)
    page = orders(bare, api, page_size=1000)
    assert len(page["data"]) == 10
    assert "page%5Bsize%5D=10" in page["links"]["next"]
    assert len(api.get(page["links"]["last"]).json()["data"]) == 10


def test_filters_choose_orders(bare: EmulatorServer, api: httpx.Client) -> None:
    merchant = bare.merchant_ids[0]
    plain, zalandos, unpaid, old = (
        bare.add_orders(merchant, 1, **more)[0]
        for more in (
            {"merchant_order_id": "A1", "exported": True, "locale": "de-DE"},
            {"order_type": "ZalandoFulfilled", "locale": "fr-FR"},
            {"status": "initial", "order_number": "10203", "locale": "de-DE"},
            {"status": "fulfilled", "order_number": "10203", "locale": "nl-NL"},
        )
    )
    channel = truth(bare, plain)["sales_channel_id"]
    assert set(ids(bare, api)) == {plain, zalandos, unpaid, old}
    assert set(ids(bare, api, order_status="Approved")) == {plain, zalandos}
    assert ids(bare, api, order_type="ZalandoFulfilled") == [zalandos]
    assert set(ids(bare, api, order_number="10203")) == {unpaid, old}
    assert set(ids(bare, api, locale="de-DE")) == {plain, unpaid}
    assert set(ids(bare, api, exported="true")) == {plain, old}
    assert ids(bare, api, exported="false", order_status="initial") == [unpaid]
    assert plain in ids(bare, api, sales_channel_id=channel.upper())
    assert ids(bare, api, sales_channel_id=merchant) == []


def test_times_are_exclusive_and_are_of_creation_or_change(bare: EmulatorServer, api: httpx.Client) -> None:
    first, second, third = bare.add_orders(bare.merchant_ids[0], 3, start="2026-03-10T10:00:00Z", step_seconds=60)
    at = "2026-03-10T10:01:00+00:00"
    assert ids(bare, api, created_after=at) == [third]
    assert ids(bare, api, created_before=at) == [first]
    bare.change_order(second, at="2026-03-10T11:00:00Z", locale="xx-XX")
    assert ids(bare, api, last_updated_after="2026-03-10T10:59:59+00:00") == [second]
    assert ids(bare, api, last_updated_after="2026-03-10T11:00:00+00:00") == []
    assert ids(bare, api, last_updated_before="2026-03-10T12:00:00+01:00") == [third, first]
    assert truth(bare, second)["locale"] == "xx-XX"


@pytest.mark.parametrize("odd", ["2026-03-10T10:01:00Z", "2026-03-10T10:01:00.000+00:00"])
def test_the_server_drops_times_that_it_does_not_like(bare: EmulatorServer, api: httpx.Client, odd: str) -> None:
    added = bare.add_orders(bare.merchant_ids[0], 3, start="2026-03-10T10:00:00Z", step_seconds=60)
    good = "2026-03-10T10:01:30+00:00"
    assert set(ids(bare, api, last_updated_after=odd)) == set(added)
    assert set(ids(bare, api, last_updated_after=odd, created_before=good)) == set(added[:2])
    bare.set_options(orders_time_filter="lenient")
    assert ids(bare, api, last_updated_after=odd) == added[2:]
    bare.set_options(orders_time_filter="ignored")
    assert set(ids(bare, api, last_updated_after=good)) == set(added)


def test_orders_are_kept_for_a_year(bare: EmulatorServer, api: httpx.Client) -> None:
    old, kept = bare.add_orders(bare.merchant_ids[0], 2, start="2025-03-10T12:00:00Z", step_seconds=3600)
    assert ids(bare, api) == [kept]
    assert api.get(f"{base(bare)}/{old}").status_code == 404


def test_orders_are_added_at_given_times(bare: EmulatorServer) -> None:
    merchant = bare.merchant_ids[0]
    bare.add_orders(merchant, 3, start="2026-03-09T00:00:00.123456Z", step_seconds=0.5, items=1, lines=(2, 2))
    found = bare.orders(merchant)
    assert [order["created_at"][17:] for order in found] == ["00.123+00:00", "00.623+00:00", "01.123+00:00"]
    assert [order["modified_at"] for order in found] == [order["created_at"] for order in found]
    assert {(len(order["items"]), order["order_lines_count"]) for order in found} == {(1, 2)}
    bare.add_orders(merchant, 2, step_seconds=0)
    assert [order["modified_at"] for order in bare.orders(merchant)[3:]] == ["2026-03-10T12:30:00.000+00:00"] * 2
    for wrong in ({"nonsense": 1}, {"status": "canceled"}, {"order_id": "1"}):
        with pytest.raises(ValueError):
            bare.add_orders(merchant, 1, **wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        bare.add_orders("nobody", 1)
    with pytest.raises(ValueError):
        bare.change_order(merchant)


def test_tests_approve_orders_and_move_lines(bare: EmulatorServer) -> None:
    (id,) = bare.add_orders(bare.merchant_ids[0], 1, status="initial", items=1, lines=2)
    bare.clock.advance(60)
    bare.approve_order(id)
    known = truth(bare, id)
    assert (known["status"], known["modified_at"]) == ("approved", "2026-03-10T12:31:00.000+00:00")
    with pytest.raises(ValueError, match="not initial"):
        bare.approve_order(id)
    first, second = [line["order_line_id"] for line in known["items"][0]["lines"]]
    bare.set_line(id, first, "shipped")
    assert truth(bare, id)["status"] == "approved"
    bare.set_line(id, second, "canceled")
    (item,) = truth(bare, id)["items"]
    assert truth(bare, id)["status"] == "fulfilled"
    assert {name: item[f"quantity_{name}"] for name in ("initial", "reserved", "shipped", "canceled")} == {
        "initial": 2,
        "reserved": 0,
        "shipped": 1,
        "canceled": 1,
    }
    for line, status in ((id, "shipped"), (first, "lost")):
        with pytest.raises(ValueError):
            bare.set_line(id, line, status)


def test_orders_change_in_the_middle_of_paging(bare: EmulatorServer, api: httpx.Client) -> None:
    added = bare.add_orders(bare.merchant_ids[0], 4, start="2026-03-10T10:00:00Z", items=1, lines=1)
    seen: list[int] = []

    def change(number: int) -> None:
        seen.append(number)
        if number == 2:
            bare.change_order(added[0], at=LATER)

    bare.on_request("/orders", change)
    assert httpx.get(f"{bare.url}{base(bare)}").status_code == 401
    pages: list[dict[str, Any]] = [
        orders(bare, api, sort="modified_at", page_size=2, page_number=number) for number in (0, 1)
    ]
    assert seen == [1, 2]
    # The second page starts one order too late, since the first one has left the first page.
    assert [order["id"] for page in pages for order in page["data"]] == [*added[:2], added[3], added[0]]
    bare.reset()
    log_in(api)
    orders(bare, api)
    assert seen == [1, 2]
