"""The Orders API as calls: look at an order, find it by its number, write it, its lines and its shipments.

Facts: zDirect docs, *Orders* (getting, exporting, preparing shipping, split shipments). Nothing is decided here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from airflow_provider_zdirect.client import JSON_API, ZDirectClient
from airflow_provider_zdirect.client.failures import REFETCH_DELAY
from airflow_provider_zdirect.datasets.assumptions import RETURN_REASON_AS
from airflow_provider_zdirect.datasets.rate import Rate, RateLimits
from airflow_provider_zdirect.exceptions import FilterIgnoredError, MalformedResponseError, PermissionDeniedError
from airflow_provider_zdirect.orders.order_state import (
    OrderState,
    ShipmentState,
    listed_orders,
    order_state,
    shipment_states,
)

T = TypeVar("T")

READ, WRITE = "orders/read", "orders/write"

_SANDBOX = Rate(40, 60, burst=10)
OTHER = RateLimits(Rate(2000, 60, burst=50), _SANDBOX)
"""Reading one order, and all that has no limit of its own (zDirect docs, *Orders*, rate limits)."""
WRITES = RateLimits(Rate(2000, 60, burst=50), _SANDBOX)
"""PATCH (same source)."""
BY_NUMBER = RateLimits(Rate(400, 60, burst=20), Rate(100, 60, burst=10))
"""The list with ``order_number`` (same source)."""
ITEMS = RateLimits(Rate(2000, 60, burst=50), _SANDBOX)


class OrderCalls:
    """The orders of one merchant.

    :param client: an open one.
    """

    def __init__(self, client: ZDirectClient, merchant_id: str) -> None:
        self._client = client
        self._path = f"/merchants/{merchant_id}/orders"
        self._merchant_id = merchant_id
        # By scope: how many requests were allowed, and how many were not.
        self._allowed: Counter[str] = Counter()
        self._forbidden: Counter[str] = Counter()

    def may_not(self, scope: str, at_least: int = 5) -> bool:
        """Whether so many requests of the scope were forbidden, and none was allowed: not one order, but the app."""
        return self._forbidden[scope] >= at_least and not self._allowed[scope]

    async def get(self, order_id: str) -> OrderState:
        """The order as it is now, with its lines: one request.

        :raises NotFoundError: if the merchant has none such.
        :raises MalformedResponseError: if its lines are not told; no order is without.
        """
        what = self._what(order_id)
        content = await self._get(f"/{order_id}", {"include": "order_items,order_lines"}, OTHER, "order", what)
        if isinstance(content, dict) and not content.get("included"):
            # Where includes of a single order are not answered, the items tell their lines.
            parameters = {"include": "order_lines"}
            items = await self._get(f"/{order_id}/items", parameters, ITEMS, "order items", f"Items of {what}")
            if isinstance(items, dict) and isinstance(items.get("data"), list):
                content = {**content, "included": [*items["data"], *(items.get("included") or [])]}
        state = _read(order_state, content, what, self._path)
        if state.id != order_id:
            raise _malformed(what, f"the answer is order {state.id[:40]}", self._path)
        if not state.lines:
            raise _malformed(what, "the answer has no order lines", self._path)
        return state

    async def find(self, order_number: str) -> list[str]:
        """Ids of the merchant's orders with that number; several orders may share it.

        :raises FilterIgnoredError: if the server answers orders with other numbers, too.
        """
        what = f"Orders of merchant {self._merchant_id} with order_number={order_number}"
        content = await self._get("", {"order_number": order_number}, BY_NUMBER, "orders by number", what)
        listed = _read(listed_orders, content, what, self._path)
        found = [order_id for order_id, number in listed if number == order_number]
        if len(found) < len(listed):
            raise FilterIgnoredError(
                f"{what}: zDirect answered {len(listed)} orders, {len(found)} of which have that number.",
                remedy="Name the orders by order_id; the filter for order numbers does not work.",
                path=self._path,
            )
        return list(dict.fromkeys(found))

    async def patch(self, order_id: str, attributes: Mapping[str, str]) -> None:
        """Set ``merchant_order_id`` (which exports the order) or tracking numbers."""
        what = f"{', '.join(attributes)} of {self._what(order_id)}"
        await self._write("PATCH", f"/{order_id}", _resource("Order", order_id, attributes), what)

    async def patch_line(
        self, order_id: str, item_id: str, line_id: str, status: str, *, reason: int | None, center: str | None
    ) -> None:
        """Set the status of a line."""
        attributes: dict[str, Any] = {"status": status}
        if reason is not None:
            attributes["reason"] = str(reason) if self._client.assumptions[RETURN_REASON_AS] == "text" else reason
        if center is not None:
            attributes["outbound_logistic_center_id"] = center
        body = _resource("OrderLine", line_id, attributes)
        what = f"Status {status} of line {line_id} of {self._what(order_id)}"
        await self._write("PATCH", f"/{order_id}/items/{item_id}/lines/{line_id}", body, what)

    async def shipments(self, order_id: str) -> list[ShipmentState]:
        """The parcels of the order, the default one included."""
        what = f"Shipments of {self._what(order_id)}"
        content = await self._get(f"/{order_id}/shipments", {}, OTHER, "order", what)
        return _read(shipment_states, content, what, self._path)

    async def post_shipment(self, order_id: str, body: Mapping[str, Any]) -> None:
        """Make a parcel of some lines; they leave the parcel that they are in."""
        what = f"Shipment {body['merchant_specified_shipment_id']!r} of {self._what(order_id)}"
        await self._write("POST", f"/{order_id}/shipments", body, what)

    async def patch_shipment(self, order_id: str, shipment_id: str, body: Mapping[str, Any]) -> None:
        what = f"{', '.join(body)} of shipment {shipment_id} of {self._what(order_id)}"
        await self._write("PATCH", f"/{order_id}/shipments/{shipment_id}", body, what)

    def _what(self, order_id: str) -> str:
        return f"order {order_id} of merchant {self._merchant_id}"

    async def _get(self, path: str, parameters: Mapping[str, str], limits: RateLimits, endpoint: str, what: str) -> Any:
        request = self._client.get(
            self._path + path,
            parameters,
            rate=limits.of(self._client.config.environment),
            endpoint=endpoint,
            scope=READ,
            accept=JSON_API,
            what=what[:1].upper() + what[1:],
        )
        return await self._counted(READ, request)

    async def _write(self, method: str, path: str, body: Any, what: str) -> None:
        limits, endpoint = (WRITES, "order updates") if method == "PATCH" else (OTHER, "order")
        request = self._client.request(
            method,
            self._path + path,
            rate=limits.of(self._client.config.environment),
            json=body,
            endpoint=endpoint,
            scope=WRITE,
            what=what,
            media_type=JSON_API,
        )
        await self._counted(WRITE, request)

    async def _counted(self, scope: str, request: Awaitable[T]) -> T:
        try:
            answer = await request
        except PermissionDeniedError:
            self._forbidden[scope] += 1
            raise
        self._allowed[scope] += 1
        return answer


def _resource(kind: str, resource_id: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {"data": {"type": kind, "id": resource_id, "attributes": dict(attributes)}}


def _read(parse: Callable[[Any], T], content: Any, what: str, path: str) -> T:
    try:
        return parse(content)
    except (ValueError, AttributeError, TypeError) as error:
        reason = str(error) if isinstance(error, ValueError) else "the answer has another form"
    raise _malformed(what, reason, path)


def _malformed(what: str, reason: str, path: str) -> MalformedResponseError:
    return MalformedResponseError(
        f"{what}: {reason}.",
        remedy="Nothing, if it passes with the retry; otherwise the API has changed: update the provider or report it.",
        path=path,
        retry_after=REFETCH_DELAY,
    )
