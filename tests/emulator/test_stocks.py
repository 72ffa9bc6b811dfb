"""Stock updates: both shapes of the answer, every verdict on an item, and the two limits."""

from __future__ import annotations

from collections import Counter
from typing import Any

import httpx

from airflow_provider_zdirect.emulator.server import EmulatorServer

from .conftest import log_in

CHANNEL, OTHER_CHANNEL = "091dcbdd-7839-4f39-aa05-324eb4599df0", "01924c48-49bb-40c2-9c32-ab582e6db6f4"
EAN, OTHER_EAN = "4063614512884", "0191476239145"


def path(server: EmulatorServer) -> str:
    return f"/merchants/{server.merchant_ids[0]}/stocks"


def item(ean: Any = EAN, quantity: Any = 5, channel: Any = CHANNEL) -> dict[str, Any]:
    return {"sales_channel_id": channel, "ean": ean, "quantity": quantity}


def many(count: int) -> list[dict[str, Any]]:
    return [item(f"{number:013d}") for number in range(count)]


def update(server: EmulatorServer, api: httpx.Client, *items: dict[str, Any]) -> list[dict[str, Any]]:
    """The results of a request, in the default shape."""
    answer = api.post(path(server), json={"items": items})
    assert answer.status_code == 207, answer.text
    rows = answer.json()["results"]
    assert [row["item"] for row in rows] == list(items)
    return [row["result"] for row in rows]


def test_accepted_levels_become_the_truth(server: EmulatorServer, api: httpx.Client) -> None:
    merchant = server.merchant_ids[0]
    ok = {"status": "ACCEPTED", "code": 0}
    assert update(server, api, item(), item(OTHER_EAN, 0), item(channel=OTHER_CHANNEL.upper())) == [ok] * 3
    assert update(server, api, item(quantity=7)) == [ok]
    assert server.stock_levels(merchant) == {(CHANNEL, EAN): 7, (CHANNEL, OTHER_EAN): 0, (OTHER_CHANNEL, EAN): 5}
    updates = server.stock_updates(merchant)
    assert [row["quantity"] for row in updates] == [5, 0, 5, 7]
    assert updates[0] == {**item(), "time": server.clock.now(), "status": "ACCEPTED", "code": 0}
    assert server.stock_levels(server.merchant_ids[1]) == {}
    server.reset()
    assert (server.stock_levels(merchant), server.stock_updates(merchant)) == ({}, [])


def test_an_item_that_is_wrong_is_rejected_and_the_others_are_not(server: EmulatorServer, api: httpx.Client) -> None:
    for wrong in (
        item(quantity=-2),
        item(quantity=2.5),
        item(quantity="5"),
        item(quantity=True),
        item(quantity=2**31),
        item("406361451288"),
        item(4063614512884),
        item("406361451288x"),
        item(channel="de"),
        item(channel="11111111-1111-4111-8111-111111111111"),
    ):
        bad, good = update(server, api, wrong, item(OTHER_EAN))
        assert (bad["status"], bad["code"], bool(bad["description"])) == ("REJECTED", 101, True), wrong
        assert good["status"] == "ACCEPTED"
    assert list(server.stock_levels(server.merchant_ids[0])) == [(CHANNEL, OTHER_EAN)]


def test_a_request_that_is_ill_formed_is_refused_as_a_whole(server: EmulatorServer, api: httpx.Client) -> None:
    for content in (
        [],
        {},
        {"items": {}},
        {"items": [1]},
        {"items": [{"ean": EAN, "quantity": 1}]},
        {"items": [item(quantity=None)]},
        {"items": [item(), item(quantity=6)]},
        {"items": [item(), item(channel=CHANNEL.upper())]},
        {"items": many(1001)},
    ):
        answer = api.post(path(server), json=content)
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert server.stock_updates(server.merchant_ids[0]) == []


def test_two_thousand_updates_a_minute(server: EmulatorServer, api: httpx.Client) -> None:
    server.clock.advance(50)
    batches = [many(1000), many(1000), many(1)]
    answers = [api.post(path(server), json={"items": batch}) for batch in batches]
    assert [answer.status_code for answer in answers] == [207, 207, 429]
    assert answers[-1].headers["X-Rate-Limit"] == "2000"
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 10
    assert len(server.stock_updates(server.merchant_ids[0])) == 2000
    server.clock.advance(10)
    assert api.post(path(server), json={"items": many(1)}).status_code == 207


def test_sixty_requests_a_minute(server: EmulatorServer, api: httpx.Client) -> None:
    answers = [api.post(path(server), json={"items": [item()] if number % 2 else {}}) for number in range(61)]
    assert Counter(answer.status_code for answer in answers) == {207: 30, 400: 30, 429: 1}
    assert answers[-1].headers["X-Rate-Limit"] == "60"
    assert answers[-1].headers["content-type"] == "application/problem+json"
    server.reset()
    log_in(api)
    assert api.post(path(server), json={"items": []}).json() == {"results": []}
