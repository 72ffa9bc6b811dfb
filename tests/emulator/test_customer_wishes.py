"""Deletion requests and announced returns."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from airflow_provider_zdirect.emulator.server import EmulatorServer

from .order_calls import JSON_API, detail, truth


@pytest.fixture(autouse=True)
def without_limits_and_other_orders(server: EmulatorServer) -> None:
    server.set_options(rate_limits=False, order_days=0)


def deletions(server: EmulatorServer) -> str:
    return f"/merchants/{server.merchant_ids[0]}/orders-deletion-requests"


def returns(server: EmulatorServer) -> str:
    return f"/merchants/{server.merchant_ids[0]}/announced-returns"


def add(server: EmulatorServer, count: int = 1, **attributes: Any) -> list[str]:
    return server.add_orders(server.merchant_ids[0], count, items=1, lines=2, **attributes)


def test_a_customer_asks_for_deletion(server: EmulatorServer, api: httpx.Client) -> None:
    merchant = server.merchant_ids[0]
    assert api.get(deletions(server)).json() == {"cursor": {}, "items": []}
    theirs = add(server, 2, customer_number="31400820597")
    add(server)
    assert server.request_deletion(merchant, "31400820597", "2026-03-10T12:00:00Z") == theirs
    answer = api.get(deletions(server))
    assert answer.headers["content-type"] == "application/json"
    items = answer.json()["items"]
    assert sorted(item["order_id"] for item in items) == sorted(theirs)
    order = truth(server, items[0]["order_id"])
    assert items[0] == {
        **{name: order[name] for name in ("merchant_id", "sales_channel_id", "customer_number", "order_id")},
        **{name: order[name] for name in ("order_number", "shipping_address")},
        "requested_at": "2026-03-10T12:00:00.000+00:00",
    }
    with pytest.raises(ValueError):
        server.request_deletion(merchant, "1")
    server.reset()
    server.set_options(order_days=0)
    assert server.state.customer_wishes.deletions(merchant) == []


def test_deletion_requests_are_paged_and_forgotten_after_thirty_days(server: EmulatorServer, api: httpx.Client) -> None:
    theirs = add(server, 5, customer_number="1")
    server.request_deletion(server.merchant_ids[0], "1")
    found, cursor = [], ""
    for size in (2, 2, 1):
        answer = api.get(deletions(server), params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        assert len(answer["items"]) == size
        found += [item["order_id"] for item in answer["items"]]
        before, cursor = cursor, answer["cursor"].get("next", "")
    assert (sorted(found), cursor) == (sorted(theirs), "")
    channel = truth(server, theirs[0])["sales_channel_id"]
    shown = api.get(deletions(server), params={"sales_channel_id": channel}).json()["items"]
    assert {item["sales_channel_id"] for item in shown} == {channel}
    other = api.get(deletions(server), params={"cursor": before, "sales_channel_id": channel})
    assert (other.status_code, other.headers["content-type"]) == (400, "application/problem+json")
    server.clock.advance(30 * 86_400)
    server.state.tokens.revoke_all()
    token = api.post("/auth/token", auth=("demo", "demo-secret"), data={"grant_type": "client_credentials"}).json()
    api.headers["Authorization"] = f"Bearer {token['access_token']}"
    assert api.get(deletions(server)).json()["items"] == []


def test_a_customer_announces_a_return(server: EmulatorServer, api: httpx.Client) -> None:
    (id,) = add(server, status="fulfilled")
    order = truth(server, id)
    first, second = [line["order_line_id"] for line in order["items"][0]["lines"]]
    announced = server.announce_return(id, [second], "DONT_LIKE", "2026-03-10T12:00:00Z")
    answer = api.get(returns(server))
    assert answer.headers["content-type"] == JSON_API
    assert answer.json()["data"] == server.announced_returns(server.merchant_ids[0])
    assert list(answer.json()["links"]) == ["self"]
    (shown,) = answer.json()["data"]
    assert (shown["announced_return_id"], shown["type"]) == (announced, "ZALANDO_ONLINE_CREATED")
    assert shown["return_registered_at"] == "2026-03-10T12:00:00.000+00:00"
    lines = [
        {"order_line_id": second, "order_item_id": order["items"][0]["order_item_id"], "return_reason": "DONT_LIKE"}
    ]
    names = ("order_id", "order_number", "merchant_order_id")
    assert shown["orders"] == [{**{name: order[name] for name in names}, "order_lines": lines}]
    server.announce_return(id)
    whole = server.announced_returns(server.merchant_ids[0])[1]["orders"][0]["order_lines"]
    assert [line["order_line_id"] for line in whole] == [first, second]
    with pytest.raises(ValueError):
        server.announce_return(id, [id])


def test_returns_are_paged_and_the_last_page_can_be_empty(server: EmulatorServer, api: httpx.Client) -> None:
    (id,) = add(server)
    made = [server.announce_return(id, at=f"2026-03-10T12:0{number}:00Z") for number in range(4)]
    url, found, sizes = f"{returns(server)}?limit=2", [], []
    while url:
        answer = api.get(url).json()
        found += [one["announced_return_id"] for one in answer["data"]]
        sizes.append(len(answer["data"]))
        last, url = answer["links"], answer["links"].get("next")
    assert (found, sizes) == (made[::-1], [2, 2, 0])
    assert [one["announced_return_id"] for one in api.get(last["prev"]).json()["data"]] == made[1::-1]

    def chosen(**parameters: str) -> list[str]:
        rows = api.get(returns(server), params=parameters).json()["data"]
        return [one["announced_return_id"] for one in rows]

    assert chosen(sort="return_registered_at") == made
    assert chosen(after="2026-03-10T12:02:00Z") == made[:1:-1]
    assert chosen(before="2026-03-10T12:01:00Z") == made[:1]
    assert chosen(sales_channel_id=id) == []
    for wrong in ({"sort": "type"}, {"after": "now"}, {"cursor": "x"}, {"limit": "0"}):
        assert detail(api.get(returns(server), params=wrong))["status"] == "400"
