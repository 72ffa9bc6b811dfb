# SPDX-License-Identifier: Apache-2.0
"""Orders API, what is read of it, as JSON:API documents (zDirect docs: Orders)."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from itertools import chain
from random import Random
from typing import Any
from urllib.parse import urlencode

from airflow_provider_zdirect.emulator.answers import JSON_API, ProblemError, json_api_error
from airflow_provider_zdirect.emulator.order import Item, Line, Order
from airflow_provider_zdirect.emulator.order_query import ITEM_INCLUDES, ORDER_INCLUDES, includes, is_kept, selected
from airflow_provider_zdirect.emulator.requests import UUID, Api, Call, Handler, parse_uuid

READ = "orders/read"
OTHER_LIMIT = "orders-other"
DEFAULT_PAGE = 50
ORDERS = "/merchants/{merchant_id}/orders"
ONE = f"{ORDERS}/{{order_id}}"
SHIPMENTS = f"{ONE}/shipments"
LINE_TRANSITIONS = "order_lines.order_line_transitions"
Resource = dict[str, Any]
api = Api(READ, json_api_error, JSON_API)


def of_order(handle: Callable[[Call, Order], Any]) -> Handler:
    """A handler that has the lock of the orders, and the order of the path: 404 if there is none, or no longer."""

    def answer(call: Call) -> Any:
        order_id = parse_uuid(call.ids["order_id"], "order id")
        with call.state.orders.lock:
            found = call.state.orders.of_merchant(call.merchant_id).get(order_id)
            if found is None or not is_kept(found, call.now):
                raise ProblemError(404, f"order {order_id} is unknown")
            return handle(call, found)

    return answer


@api.get(ORDERS, lambda call: "orders-by-number" if call.given("order_number") else "orders")
def orders(call: Call) -> Resource:
    document = Document(call, includes(call, ORDER_INCLUDES))
    number = call.number("page[number]", 0, least=0)
    size = min(call.number("page[size]", DEFAULT_PAGE), call.options.orders_page_limit)
    with call.state.orders.lock:
        found = selected(call, call.state.orders.of_merchant(call.merchant_id).values())
        page = found[number * size : (number + 1) * size]
        data = [document.drifted(order, document.order(order)) for order in page]
        included = chain(*(document.drifted(order, list(document.of_order(order))) for order in page))
        return document.whole(data, included, _page_links(call, number, size, len(found)))


@api.get(ONE, OTHER_LIMIT)
@of_order
def order(call: Call, order: Order) -> Any:
    document = Document(call, includes(call, ORDER_INCLUDES))
    return document.drifted(order, document.whole(document.order(order), document.of_order(order)))


@api.get(SHIPMENTS, OTHER_LIMIT)
@of_order
def shipments(call: Call, order: Order) -> Any:
    return {"shipments": [shipment.attributes for shipment in order.shipments]}


@api.get(f"{ONE}/items", "order-items")
@of_order
def items(call: Call, order: Order) -> Any:
    document = Document(call, includes(call, ITEM_INCLUDES))
    data = [document.item(order, item) for item in order.items]
    included = chain(*(document.of_item(order, item) for item in order.items))
    return document.drifted(order, document.whole(data, included))


def _page_links(call: Call, number: int, size: int, count: int) -> dict[str, str]:
    if call.options.orders_next == "absent":
        return {}
    last = max(0, (count - 1) // size)
    pages = {"first": 0, "last": last}
    if number > 0:
        pages["prev"] = min(number - 1, last)
    if number < last:
        pages["next"] = number + 1
    shown = {**call.query, "page[size]": str(size)}
    return {name: f"{call.url}?{urlencode({**shown, 'page[number]': page})}" for name, page in pages.items()}


class Document:
    """What one request is answered.

    :param names: what is included.
    """

    def __init__(self, call: Call, names: frozenset[str]) -> None:
        self._call, self._names = call, names
        self._copyright = {"copyright": f"Zalando SE {call.now.year} All rights reserved."}

    def whole(
        self, data: Resource | list[Resource], included: Iterable[Resource], links: dict[str, str] | None = None
    ) -> Resource:
        """:param included: what may be included, apart from what the request does not name."""
        count = {"number_of_results": len(data)} if isinstance(data, list) else {}
        document: Resource = {
            "links": {"self": str(self._call.request.url), **(links or {})},
            "data": data,
            "meta": {**self._copyright, **count},
        }
        if self._names:
            document["included"] = list({(one["type"], one["id"]): one for one in included}.values())
        return document

    def order(self, order: Order) -> Resource:
        url = self._url(order)
        relationships = {
            "order_items": self._related(f"{url}/items", "order_items", "OrderItem", order.items),
            "order_transitions": self._related(
                f"{url}/transitions", "order_transitions", "OrderTransition", order.transitions
            ),
        }
        if "shipments" in self._names:
            relationships["shipments"] = self._related(f"{url}/shipments", "shipments", "Shipment", order.shipments)
        return _resource("Order", order, url, relationships)

    def item(self, order: Order, item: Item) -> Resource:
        url = f"{self._url(order)}/items/{item.id}"
        lines = self._related(f"{url}/lines", "order_lines", "OrderLine", item.lines)
        return _resource("OrderItem", item, url, {"order_lines": lines})

    def of_order(self, order: Order) -> Iterable[Resource]:
        if "order_transitions" in self._names:
            yield from _plain(order.transitions, "OrderTransition")
        for item in order.items:
            if "order_items" in self._names:
                yield self.item(order, item)
            yield from self.of_item(order, item)
        if "shipments" in self._names:
            yield from _plain(order.shipments, "Shipment")

    def of_item(self, order: Order, item: Item) -> Iterable[Resource]:
        for line in item.lines:
            if "order_lines" in self._names:
                yield self._line(order, item, line)
            if LINE_TRANSITIONS in self._names:
                yield from _plain(line.transitions, "OrderLineTransition")

    def drifted(self, order: Order, content: Any) -> Any:
        rng = Random(f"drift/{self._call.state.settings.seed}/{order.id}")  # noqa: S311 - reproducible, not secret
        if rng.random() >= self._call.options.drift:
            return content
        return _odd(content, rng.random() < 0.3)

    def _line(self, order: Order, item: Item, line: Line) -> Resource:
        url = f"{self._url(order)}/items/{item.id}/lines/{line.id}"
        related = self._related(f"{url}/transitions", LINE_TRANSITIONS, "OrderLineTransition", line.transitions)
        possible = order.possible_transitions(line) if order.is_partner_fulfilled else ()
        resource = _resource("OrderLine", line, url, {"order_line_transitions": related})
        return {**resource, "meta": {**self._copyright, "possible_status_transitions": possible}}

    def _url(self, order: Order) -> str:
        return f"{self._call.base_url}/merchants/{order.merchant_id}/orders/{order.id}"

    def _related(self, url: str, name: str, type: str, parts: Iterable[Any]) -> Resource:
        """A relationship, with the ids of its parts if the request names it."""
        shown: Resource = {"links": {"related": url}}
        if name in self._names:
            shown["data"] = [{"type": type, "id": part.id} for part in parts]
        return shown


def _plain(parts: Iterable[Any], type: str) -> Iterable[Resource]:
    return ({"type": type, "id": part.id, "attributes": part.attributes} for part in parts)


def _resource(type: str, part: Order | Item | Line, url: str, relationships: Resource) -> Resource:
    plain = {"type": type, "id": part.id, "attributes": part.attributes}
    return {**plain, "links": {"self": url}, "relationships": relationships}


def _odd(value: Any, numbers_as_texts: bool) -> Any:
    """Identifiers in capital letters, an unknown field, and maybe amounts as texts."""
    if isinstance(value, dict):
        changed = {name: _odd(part, numbers_as_texts) for name, part in value.items()}
        if "order_type" in changed:
            changed["sustainability"] = {"grade": 3}
        return changed
    if isinstance(value, (list, tuple)):
        return [_odd(part, numbers_as_texts) for part in value]
    if isinstance(value, str) and len(value) == 36 and UUID.fullmatch(value):
        return str(uuid.UUID(value)).upper()
    if numbers_as_texts and isinstance(value, float):
        return str(value)
    return value
