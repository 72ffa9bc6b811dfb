"""Writing to shipping notices as a client does that knows the rules."""

from __future__ import annotations

import uuid
from typing import Any

import httpx

from airflow_provider_zdirect.emulator.server import EmulatorServer

NOTICES = "/zfs/shipping-notices"
ANNOUNCED, DISPATCH = "announced-item-sets", "dispatch-item-sets"
EAN, OTHER_EAN = "0191476239145", "4006381333931"


def fields(server: EmulatorServer, **changes: Any) -> dict[str, Any]:
    return {
        "zalando_merchant_id": server.merchant_ids[0],
        "carrier_name": "DHL",
        "pallets_count": 2,
        "earliest_delivery_date": "2026-03-20",
        **changes,
    }


def items(**quantities: int) -> dict[str, Any]:
    return {"items": [{"ean": ean.removeprefix("e"), "quantity": quantity} for ean, quantity in quantities.items()]}


def new_id() -> str:
    return str(uuid.uuid4())


def create(server: EmulatorServer, api: httpx.Client, id: str | None = None, **changes: Any) -> str:
    """A notice of the first merchant; its id."""
    id = id or new_id()
    answer = api.put(f"{NOTICES}/{id}", json=fields(server, **changes))
    assert answer.status_code == 201, answer.text
    return id


def etag(api: httpx.Client, id: str) -> str:
    answer = api.get(f"{NOTICES}/{id}")
    assert answer.status_code == 200, answer.text
    return answer.headers["ETag"]


def post(api: httpx.Client, id: str, path: str, content: object = None) -> httpx.Response:
    """A write that knows the notice as it is."""
    headers = {"If-Match": etag(api, id)}
    return api.post(f"{NOTICES}/{id}/{path}", json={} if content is None else content, headers=headers)


def announce(api: httpx.Client, id: str) -> None:
    assert post(api, id, ANNOUNCED, items(e0191476239145=3)).status_code == 201
    assert post(api, id, "announcement-confirmations").status_code == 201


def pages(api: httpx.Client, parameter: str = "cursor") -> list[list[dict[str, Any]]]:
    found, cursor = [], None
    while True:
        answer = api.get(NOTICES, params={parameter: cursor} if cursor else {})
        assert answer.status_code == 200, answer.text
        found.append(answer.json()["shipping-notices"])
        cursor = answer.json().get("next")
        if not cursor:
            return found


def id_of(notice: dict[str, Any]) -> str:
    return str(notice["self"]["href"]).rpartition("/")[2]
