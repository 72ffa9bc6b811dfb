# SPDX-License-Identifier: Apache-2.0
"""The Orders API as calls: read an order, find it by its number, change it, its lines and its shipments.

Facts: zDirect docs, *Orders* (getting, exporting, preparing shipping, split shipments). Nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from airflow_provider_zdirect.client import JSON_API, ZDirectClient
from airflow_provider_zdirect.datasets.endpoint import REFETCH_DELAY, Rate, RateLimits
from airflow_provider_zdirect.exceptions import FilterIgnoredError, MalformedResponseError, NotFoundError
from airflow_provider_zdirect.orders.order_state import (
    LineState,
    OrderState,
    ShipmentState,
    listed_orders,
    order_state,
    shipment_states,
)
from airflow_provider_zdirect.orders.update_rows import OrderUpdate
from airflow_provider_zdirect.words import counted

T = TypeVar("T")

READ, WRITE = "orders/read", "orders/write"

RATES = RateLimits(Rate(2000, 60, burst=50), Rate(40, 60, burst=10))
"""Of each kind of request: single orders, their items, and changes (zDirect docs, *Orders*, rate limits)."""
BY_NUMBER = RateLimits(Rate(400, 60, burst=20), Rate(100, 60, burst=10))
"""Of the list with ``order_number`` (same source)."""


class OrderCalls:
    """The orders of one merchant.

    :param client: an open one.
    """

    def __init__(self, client: ZDirectClient, merchant_id: str) -> None:
        self._client = client
        self._path = f"/merchants/{merchant_id}/orders"
        self._merchant = client.merchants.in_words(merchant_id)

    async def get(self, order_id: str) -> OrderState:
        """The order as it is now, with its lines: one request.

        :raises NotFoundError: if the merchant has no such order.
        :raises MalformedResponseError: if the answer has no lines; no order is without.
        """
        what = self._what(order_id)
        content = await self._get(f"/{order_id}", {"include": "order_items,order_lines"}, "order", what)
        state = _read(order_state, content, what, self._path)
        if state.id != order_id:
            raise _malformed(what, f"the answer is order {state.id[:40]}", self._path)
        if not state.lines:
            raise _malformed(what, "the answer has no order lines", self._path)
        return state

    async def has(self, order_id: str) -> bool:
        """Whether the merchant has the order."""
        try:
            await self.get(order_id)
        except NotFoundError:
            return False
        return True

    async def find(self, order_number: str) -> list[str]:
        """Ids of the merchant's orders with that number; several orders may share it.

        :raises FilterIgnoredError: if the server answers orders with other numbers, too.
        """
        what = f"Orders of merchant {self._merchant} with order_number={order_number}"
        content = await self._get("", {"order_number": order_number}, "orders by number", what, BY_NUMBER)
        listed = _read(listed_orders, content, what, self._path)
        found = [order_id for order_id, number in listed if number == order_number]
        if len(found) < len(listed):
            raise FilterIgnoredError(
                f"{what}: zDirect answered {counted(len(listed), 'order')}, {len(found)} of which have that number.",
                remedy="Name the orders by order_id; the filter for order numbers does not work.",
                path=self._path,
            )
        return list(dict.fromkeys(found))

    async def patch(self, order_id: str, attributes: Mapping[str, str]) -> None:
        """Set ``merchant_order_id`` (which exports the order) or tracking numbers."""
        what = f"{', '.join(attributes)} of {self._what(order_id)}"
        await self._write("PATCH", f"/{order_id}", _resource("Order", order_id, attributes), what)

    async def patch_line(self, order_id: str, line: LineState, status: str, update: OrderUpdate | None) -> None:
        """Set the status of a line.

        :param update: with the reason and the logistic center of the status, if it has any.
        """
        attributes: dict[str, Any] = {"status": status}
        if update and update.reason is not None:
            attributes["reason"] = (
                str(update.reason) if self._client.assumptions.return_reason_as == "text" else update.reason
            )
        if update and update.outbound_logistic_center_id is not None:
            attributes["outbound_logistic_center_id"] = update.outbound_logistic_center_id
        body = _resource("OrderLine", line.id, attributes)
        what = f"Status {status} of line {line.id} of {self._what(order_id)}"
        await self._write("PATCH", f"/{order_id}/items/{line.item_id}/lines/{line.id}", body, what)

    async def shipments(self, order_id: str) -> list[ShipmentState]:
        """The parcels of the order, the default one included."""
        what = f"Shipments of {self._what(order_id)}"
        content = await self._get(f"/{order_id}/shipments", {}, "order", what)
        return _read(shipment_states, content, what, self._path)

    async def post_shipment(self, order_id: str, body: Mapping[str, Any]) -> None:
        """Make a parcel of some lines; they leave the parcel that they are in."""
        what = f"Shipment {body['merchant_specified_shipment_id']!r} of {self._what(order_id)}"
        await self._write("POST", f"/{order_id}/shipments", body, what)

    async def patch_shipment(self, order_id: str, shipment_id: str, body: Mapping[str, Any]) -> None:
        what = f"{', '.join(body)} of shipment {shipment_id} of {self._what(order_id)}"
        await self._write("PATCH", f"/{order_id}/shipments/{shipment_id}", body, what)

    def _what(self, order_id: str) -> str:
        return f"order {order_id} of merchant {self._merchant}"

    async def _get(
        self, path: str, parameters: Mapping[str, str], endpoint: str, what: str, limits: RateLimits = RATES
    ) -> Any:
        return await self._client.get(
            self._path + path,
            parameters,
            rate=limits.of(self._client.config.environment),
            endpoint=endpoint,
            scope=READ,
            accept=JSON_API,
            what=what[:1].upper() + what[1:],
        )

    async def _write(self, method: str, path: str, body: Any, what: str) -> None:
        await self._client.request(
            method,
            self._path + path,
            rate=RATES.of(self._client.config.environment),
            json=body,
            endpoint="order updates" if method == "PATCH" else "order",
            scope=WRITE,
            what=what,
            accept=JSON_API,
        )


def _resource(kind: str, resource_id: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {"data": {"type": kind, "id": resource_id, "attributes": dict(attributes)}}


def _read(parse: Callable[[Any], T], content: Any, what: str, path: str) -> T:
    try:
        return parse(content)
    except (LookupError, ValueError, AttributeError, TypeError) as error:
        raise _malformed(what, "the answer has another form", path) from error


def _malformed(what: str, reason: str, path: str) -> MalformedResponseError:
    return MalformedResponseError(
        f"{what}: {reason}.",
        remedy="No action needed: the task retries. If it persists, update the provider, or report the change.",
        path=path,
        retry_after=REFETCH_DELAY,
    )
