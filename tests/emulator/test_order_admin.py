"""Orders and wishes of customers over ``/_emulator``, as somebody has them who has only a URL."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import httpx
import pytest

from airflow_provider_zdirect.emulator.server import EmulatorServer

from .order_calls import truth

DOCUMENT = Path(__file__).parents[2] / "docs" / "emulator.md"


@pytest.fixture(autouse=True)
def no_other_orders(server: EmulatorServer) -> None:
    server.set_options(order_days=0)


def add(server: EmulatorServer, anonymous: httpx.Client, **more: Any) -> list[str]:
    answer = anonymous.post("/_emulator/orders", json={"merchant_id": server.merchant_ids[0], **more})
    assert answer.status_code == 200, answer.text
    ids: list[str] = answer.json()["order_ids"]
    return ids


def refused(anonymous: httpx.Client, path: str, body: Any, said: str) -> None:
    answer = anonymous.post(f"/_emulator/{path}", json=body)
    assert answer.status_code == 400, answer.text
    assert said in answer.json()["detail"]


def test_orders_are_added_shown_and_approved_over_http(server: EmulatorServer, anonymous: httpx.Client) -> None:
    merchant = server.merchant_ids[0]
    start = {"start": "2026-03-10T10:00:00Z", "step_seconds": 60}
    first, second = add(server, anonymous, count=2, items=2, lines=[1, 1], status="initial", **start)
    shown = anonymous.get("/_emulator/orders", params={"merchant_id": merchant}).json()["orders"]
    assert shown == server.orders(merchant)
    assert [order["order_id"] for order in shown] == [first, second]
    assert [order["created_at"][:19] for order in shown] == ["2026-03-10T10:00:00", "2026-03-10T10:01:00"]
    assert [[len(item["lines"]) for item in order["items"]] for order in shown] == [[1, 1]] * 2
    assert anonymous.post(f"/_emulator/orders/{first}/approve").status_code == 204
    assert [order["status"] for order in server.orders(merchant)] == ["approved", "initial"]
    refused(anonymous, f"orders/{first}/approve", None, "is approved, not initial")
    for body, said in (
        ({"count": 1}, "merchant_id: Missing required argument"),
        ({"merchant_id": "mine"}, "does not exist"),
        ({"merchant_id": merchant, "count": 0}, "count: "),
        ({"merchant_id": merchant, "start": "soon"}, "soon"),
        ({"merchant_id": merchant, "status": "paid"}, "status must be one of"),
        ({"merchant_id": merchant, "colour": "red"}, "no field colour"),
    ):
        refused(anonymous, "orders", body, said)
    assert anonymous.get("/_emulator/orders").status_code == 400
    assert len(server.orders(merchant)) == 2


def test_deletion_is_requested_over_http(server: EmulatorServer, anonymous: httpx.Client, api: httpx.Client) -> None:
    merchant = server.merchant_ids[0]
    theirs = add(server, anonymous, count=2, customer_number="31400820597")
    wish = {"merchant_id": merchant, "customer_number": "31400820597"}
    assert anonymous.post("/_emulator/deletion-requests", json=wish).json() == {"order_ids": theirs}
    shown = api.get(f"/merchants/{merchant}/orders-deletion-requests").json()["items"]
    assert sorted(item["order_id"] for item in shown) == sorted(theirs)
    refused(anonymous, "deletion-requests", {"merchant_id": merchant}, "customer_number: Missing required argument")
    refused(anonymous, "deletion-requests", {**wish, "customer_number": "1"}, "customer 1 has no orders")
    refused(anonymous, "deletion-requests", {**wish, "customer": "1"}, "customer: Unexpected keyword")


def test_a_return_is_announced_over_http(server: EmulatorServer, anonymous: httpx.Client) -> None:
    (order_id,) = add(server, anonymous, items=1, lines=2)
    answer = anonymous.post("/_emulator/announced-returns", json={"order_id": order_id, "reason": "TOO_SMALL"})
    (announced,) = server.announced_returns(server.merchant_ids[0])
    assert answer.json() == {"announced_return_id": announced["announced_return_id"]}
    assert [line["return_reason"] for line in announced["orders"][0]["order_lines"]] == ["TOO_SMALL"] * 2
    line_id = truth(server, order_id)["items"][0]["lines"][0]["order_line_id"]
    part = {"order_id": order_id, "line_ids": [line_id], "at": "2026-03-10T13:00:00Z"}
    anonymous.post("/_emulator/announced-returns", json=part)
    _, later = server.announced_returns(server.merchant_ids[0])
    assert [line["order_line_id"] for line in later["orders"][0]["order_lines"]] == [line_id]
    assert later["return_registered_at"] == "2026-03-10T13:00:00.000+00:00"
    refused(anonymous, "announced-returns", {}, "order_id: Missing required argument")
    refused(anonymous, "announced-returns", {"order_id": "none"}, "order none is unknown")


def test_every_curl_of_the_document_works(server: EmulatorServer, anonymous: httpx.Client) -> None:
    (order_id,) = add(server, anonymous, status="initial", customer_number="31400000001")
    lines = re.findall(r"^ *(curl .*)$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(lines) > 15
    for line in lines:
        values = {"$EMULATOR": "/_emulator", "$MERCHANT": server.merchant_ids[0], "$ORDER": order_id}
        for name, value in values.items():
            line = line.replace(name, value)
        _, *words = shlex.split(line)
        given = {}
        for flag in {"-X", "-d"} & set(words):
            at = words.index(flag)
            _, given[flag] = words.pop(at), words.pop(at)
        (url,) = words
        answer = anonymous.request(given.get("-X", "GET"), url, content=given.get("-d"))
        assert answer.is_success, (line, answer.text)
