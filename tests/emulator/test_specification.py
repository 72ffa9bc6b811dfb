"""Answers against the published specifications.

``published_answers.json`` has the schemas of the answers in Zalando's OpenAPI files, without their texts.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from airflow_provider_zdirect.emulator.catalog import articles
from airflow_provider_zdirect.emulator.server import EmulatorServer

from .order_calls import ALL, JSON_API

PUBLISHED: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("published_answers.json").read_text())
PROBLEM = {"type": "object", "required": ["type", "title", "status", "detail"]}
NOBODY = "00000000-0000-4000-8000-000000000000"
TIMES = {"from": "2026-03-09T00:00:00Z", "to": "2026-03-10T12:00:00Z"}
DATES = {"from": "2026-02-20", "to": "2026-03-05"}
ORDER = "/merchants/{merchant}/orders/{order}"
LINE = f"{ORDER}/items/{{item}}/lines/{{line}}"
# What each documented operation is asked.
READS: dict[str, dict[str, str]] = {
    "/merchants/{merchant}/logistic-centers": {},
    "/merchants/{merchant}/orders": {"include": ALL},
    ORDER: {"include": ALL},
    f"{ORDER}/shipments": {},
    f"{ORDER}/items": {"include": "order_lines,order_lines.order_line_transitions"},
    "/merchants/{merchant}/orders-deletion-requests": {},
    "/merchants/{merchant}/announced-returns": {},
    "/sales-channels": {"merchant_ids": "{merchant}"},
    "/zfs/cross-border-movements/{merchant}": DATES,
    "/zfs/stock-movements/reports/received-items/{merchant}": TIMES,
    "/zfs/stock-movements/returned-items/{merchant}": TIMES,
    "/zfs/stock-movements/liquidated-items/{merchant}": DATES,
}
# Those that the specifications leave to the documentation.
UNSPECIFIED: dict[str, dict[str, str]] = {
    "/zfs/stock-movements/received-items/{merchant}": TIMES,
    "/zfs/intra-community-movements/{merchant}": DATES,
    "/zfs/stock-movements/intra-community-movements/{merchant}": DATES,
    "/zfs/item-quantity-snapshots/{merchant}": {},
    "/zfs/item-quantities/{merchant}": {"from": TIMES["to"]},
}


def check(answer: httpx.Response) -> None:
    """Fail if the answer is not one that the specification has for this operation."""
    request, media = answer.request, answer.headers.get("content-type", "").partition(";")[0]
    for name, specification in PUBLISHED.items():
        operations = {key.rsplit(" ", 2 if key.count(" ") > 2 else 1)[0] for key in specification["answers"]}
        for operation in operations:
            method, path = operation.split(" ")[:2]
            if method == request.method and re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", path), request.url.path):
                key = f"{method} {path} {answer.status_code} {media}".strip()
                fallback = f"{method} {path} default {media}".strip()
                found = specification["answers"].get(key, specification["answers"].get(fallback))
                assert found is not None, f"{name} has no answer {key}"
                whole = {**found, "components": specification["components"], "problem": PROBLEM}
                if answer.content:
                    jsonschema.Draft202012Validator(whole).validate(answer.json())
                return
    raise AssertionError(f"no specification has {request.method} {request.url.path}")


@pytest.fixture
def ids(server: EmulatorServer) -> dict[str, str]:
    """Of records that exist."""
    server.set_options(rate_limits=False, order_days=0)
    merchant = server.merchant_ids[0]
    server.add_orders(merchant, 3, customer_number="31400000001")
    order = server.orders(merchant)[-1]
    server.request_deletion(merchant, "31400000001")
    server.announce_return(order["order_id"])
    return {
        "merchant": merchant,
        "order": order["order_id"],
        "item": order["items"][0]["order_item_id"],
        "line": order["items"][0]["lines"][0]["order_line_id"],
    }


def get(api: httpx.Client, path: str, ids: dict[str, str]) -> httpx.Response:
    query = {**READS, **UNSPECIFIED}[path]
    return api.get(path.format(**ids), params={name: value.format(**ids) for name, value in query.items()})


@pytest.mark.parametrize("path", READS)
def test_every_answer_is_as_specified(api: httpx.Client, ids: dict[str, str], path: str) -> None:
    answer = get(api, path, ids)
    assert answer.status_code == 200, answer.text
    check(answer)
    rows = [value for value in answer.json().values() if isinstance(value, list)]
    assert all(rows), "an answer without records shows little"


@pytest.mark.parametrize("path", [*READS, *UNSPECIFIED])
def test_tokens_merchants_and_ids_are_checked(
    server: EmulatorServer, api: httpx.Client, ids: dict[str, str], path: str
) -> None:
    refusals = [(400, {"merchant": "me"}), (403, {"merchant": server.foreign_merchant_id}), (404, {"merchant": NOBODY})]
    if path.endswith("}") and not path.endswith("{merchant}"):
        refusals.append((404, {path.rpartition("{")[2][:-1]: NOBODY}))
    for status, changes in refusals:
        answer = get(api, path, {**ids, **changes})
        assert answer.status_code == status, answer.text
        if path in READS and status == 403:
            check(answer)
    api.headers["Authorization"] = "Bearer nonsense"
    answer = get(api, path, ids)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        *(
            (path, wrong)
            for path in [*READS, *UNSPECIFIED]
            if {**READS, **UNSPECIFIED}[path] in (TIMES, DATES)
            for wrong in ({"from": "yesterday"}, {"to": "2026-13-01"}, {"from": "2026-03-10T12:00:01Z"})
        ),
        *(
            (path, {name: None})
            for path in [*READS, *UNSPECIFIED]
            if {**READS, **UNSPECIFIED}[path] in (TIMES, DATES) and "/reports/" not in path
            for name in ("from", "to")
        ),
        *(
            ("/zfs/stock-movements/reports/received-items/{merchant}", wrong)
            for wrong in ({"limit": "0"}, {"limit": "x"})
        ),
        ("/zfs/stock-movements/reports/received-items/{merchant}", {"zalando_advice_ids": "1"}),
        ("/zfs/stock-movements/reports/received-items/{merchant}", {"cursor": "nonsense"}),
        *(
            ("/zfs/cross-border-movements/{merchant}", wrong)
            for wrong in ({"limit": "10001"}, {"location_id": "Erfurt"})
        ),
        *(
            ("/merchants/{merchant}/orders", wrong)
            for wrong in (
                {"include": "customers"},
                {"sort": "price"},
                {"page[size]": "0"},
                {"page[number]": "-1"},
                {"order_status": "lost"},
                {"order_type": "x"},
                {"exported": "maybe"},
                {"sales_channel_id": "x"},
                {"created_after": "yesterday"},
            )
        ),
        ("/merchants/{merchant}/announced-returns", {"sort": "x"}),
        ("/merchants/{merchant}/orders-deletion-requests", {"limit": "1001"}),
        ("/sales-channels", {"zalando_only": "x"}),
    ],
)
def test_a_malformed_parameter_is_a_400(
    api: httpx.Client, ids: dict[str, str], path: str, wrong: dict[str, str | None]
) -> None:
    query = {name: value.format(**ids) for name, value in {**READS, **UNSPECIFIED}[path].items()}
    changed = {name: value for name, value in {**query, **wrong}.items() if value is not None}
    answer = api.get(path.format(**ids), params=changed)
    assert answer.status_code == 400, answer.text
    if path in READS:
        check(answer)


def test_answers_to_writes_are_as_specified(server: EmulatorServer, api: httpx.Client, ids: dict[str, str]) -> None:
    json_api = {"Content-Type": JSON_API}

    def send(method: str, path: str, content: Any) -> int:
        answer = api.request(method, path.format(**ids), content=json.dumps(content), headers=json_api)
        check(answer)
        return answer.status_code

    def resource(type: str, id: str, **attributes: str) -> dict[str, Any]:
        return {"data": {"type": type, "id": id, "attributes": attributes}}

    assert send("PATCH", ORDER, resource("Order", ids["order"], tracking_number="T1")) == 204
    assert send("PATCH", ORDER, resource("Order", ids["order"])) == 400
    assert send("PATCH", LINE, resource("OrderLine", ids["line"], status="shipped")) == 204
    assert send("PATCH", LINE, resource("OrderLine", ids["line"], status="shipped")) == 409
    (other,) = server.add_orders(ids["merchant"], 1, items=1, lines=2)
    line = server.orders(ids["merchant"])[-1]["items"][0]["lines"][0]["order_line_id"]
    ids["order"] = other
    shipment = {"order_lines": [{"order_line_id": line}], "weight": {"value": 5, "unit": "g"}}
    assert send("POST", f"{ORDER}/shipments", {}) == 400
    assert send("POST", f"{ORDER}/shipments", shipment) == 201
    ids["shipment"] = server.orders(ids["merchant"])[-1]["shipments"][1]["shipment_id"]
    assert send("PATCH", f"{ORDER}/shipments/{{shipment}}", {"status": "shipped"}) == 204
    assert send("PATCH", f"{ORDER}/shipments/{{shipment}}", {"status": "shipped"}) == 403
    channel = server.reference("sales_channels", ids["merchant"])[0]["sales_channel_id"]
    ean = articles(7, ids["merchant"])[0].ean
    item = {"sales_channel_id": channel, "ean": ean, "quantity": 3}
    for items, status in (([item, {**item, "ean": "x"}], 207), ([item, item], 400)):
        answer = api.post(f"/merchants/{ids['merchant']}/stocks", json={"items": items})
        assert answer.status_code == status
        check(answer)


def test_a_refusal_by_the_rate_limit_is_as_specified(server: EmulatorServer, api: httpx.Client) -> None:
    merchant = server.merchant_ids[0]
    for _ in range(40):
        assert api.get(f"/merchants/{merchant}/orders", params={"page[size]": "1"}).status_code == 200
    answer = api.get(f"/merchants/{merchant}/orders")
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    check(answer)
