"""Reading and writing orders as a client does that knows the rules."""

from __future__ import annotations

from typing import Any

import httpx

from airflow_provider_zdirect.emulator.server import EmulatorServer

JSON_API = "application/vnd.api+json"
INCLUDES = ("order_transitions", "order_items", "order_lines", "order_lines.order_line_transitions", "shipments")
ALL = ",".join(INCLUDES)


def base(server: EmulatorServer) -> str:
    """The orders of the first merchant."""
    return f"/merchants/{server.merchant_ids[0]}/orders"


def orders(server: EmulatorServer, api: httpx.Client, **parameters: Any) -> dict[str, Any]:
    """One page; ``page_size`` stands for ``page[size]``, ``page_number`` for ``page[number]``."""
    renamed = {"page_size": "page[size]", "page_number": "page[number]"}
    answer = api.get(base(server), params={renamed.get(name, name): value for name, value in parameters.items()})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == JSON_API
    page: dict[str, Any] = answer.json()
    return page


def ids(server: EmulatorServer, api: httpx.Client, **parameters: Any) -> list[str]:
    return [order["id"] for order in orders(server, api, page_size=1000, **parameters)["data"]]


def truth(server: EmulatorServer, order_id: str) -> dict[str, Any]:
    (order,) = [order for order in server.orders(server.merchant_ids[0]) if order["order_id"] == order_id]
    return order


def line_paths(server: EmulatorServer, order_id: str) -> dict[str, str]:
    """Of each line its path by its id."""
    return {
        line["order_line_id"]: f"{base(server)}/{order_id}/items/{item['order_item_id']}/lines/{line['order_line_id']}"
        for item in truth(server, order_id)["items"]
        for line in item["lines"]
    }


def patch(api: httpx.Client, path: str, type: str, **attributes: Any) -> httpx.Response:
    content = {"data": {"type": type, "id": path.rpartition("/")[2], "attributes": attributes}}
    return api.patch(path, json=content, headers={"Content-Type": JSON_API})


def patch_order(server: EmulatorServer, api: httpx.Client, order_id: str, **attributes: Any) -> httpx.Response:
    return patch(api, f"{base(server)}/{order_id}", "Order", **attributes)


def patch_line(api: httpx.Client, path: str, status: str, **attributes: Any) -> httpx.Response:
    return patch(api, path, "OrderLine", status=status, **attributes)


def send(api: httpx.Client, method: str, path: str, content: Any) -> httpx.Response:
    """Without the envelope of a resource."""
    return api.request(method, path, json=content, headers={"Content-Type": JSON_API})


def detail(answer: httpx.Response) -> dict[str, Any]:
    """The one error of an answer in the form of JSON:API."""
    assert answer.headers["content-type"] == JSON_API, answer.text
    (error,) = answer.json()["errors"]
    assert error["status"] == str(answer.status_code)
    return dict(error)
