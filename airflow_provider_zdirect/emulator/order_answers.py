"""Orders as JSON:API documents (zDirect docs: Orders)."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from itertools import chain
from random import Random
from typing import Any
from urllib.parse import urlencode

from airflow_provider_zdirect.emulator.order import Item, Line, Order, Transition
from airflow_provider_zdirect.emulator.order_query import OrderQuery
from airflow_provider_zdirect.emulator.requests import UUID, Call

Resource = dict[str, Any]
LINE_TRANSITIONS = "order_lines.order_line_transitions"


class OrderAnswers:
    """Documents for one request.

    :param names: what is included.
    """

    def __init__(self, call: Call, names: frozenset[str]) -> None:
        self._call, self._names = call, names
        self._copyright = f"Zalando SE {call.now.year} All rights reserved."

    def page(self, query: OrderQuery, found: list[Order]) -> Resource:
        """A page of a list, with links to the others."""
        orders = query.page(found)
        document = {
            "links": self._page_links(query, len(found)),
            "data": [self._drifted(order, self.order(order)) for order in orders],
            "meta": self._meta(number_of_results=len(orders)),
        }
        return self._with_included(
            document, chain(*(self._drifted(order, list(self.of_order(order))) for order in orders))
        )

    def document(self, order: Order, data: Resource | list[Resource], included: Iterable[Resource] = ()) -> Resource:
        """One part of an order, or a list of them.

        :param included: what may be included, apart from what the request does not name.
        """
        meta = self._meta(number_of_results=len(data)) if isinstance(data, list) else self._meta()
        document = {"links": {"self": str(self._call.request.url)}, "data": data, "meta": meta}
        drifted: dict[str, Any] = self._drifted(order, self._with_included(document, included))
        return drifted

    def _with_included(self, document: Resource, included: Iterable[Resource]) -> Resource:
        if self._names:
            document["included"] = list({(one["type"], one["id"]): one for one in included}.values())
        return document

    def _meta(self, **more: Any) -> Resource:
        return {"copyright": self._copyright, **more}

    def _page_links(self, query: OrderQuery, count: int) -> dict[str, str]:
        links = {"self": str(self._call.request.url)}
        if self._call.options.orders_next == "absent":
            return links
        last = max(0, (count - 1) // query.size)
        links["first"], links["last"] = self._page_url(query, 0), self._page_url(query, last)
        if query.number > 0:
            links["prev"] = self._page_url(query, min(query.number - 1, last))
        if query.number < last:
            links["next"] = self._page_url(query, query.number + 1)
        return links

    def _page_url(self, query: OrderQuery, number: int) -> str:
        parameters = {**self._call.query, "page[number]": str(number), "page[size]": str(query.size)}
        return f"{self._call.url}?{urlencode(parameters)}"

    def _order_url(self, order: Order) -> str:
        return f"{self._call.base_url}/merchants/{order.merchant_id}/orders/{order.id}"

    def _related(self, url: str, name: str, type: str, parts: Iterable[Item | Line | Transition | Any]) -> Resource:
        """A relationship, with the ids of its parts if the request names it."""
        shown: Resource = {"links": {"related": url}}
        if name in self._names:
            shown["data"] = [{"type": type, "id": part.id} for part in parts]
        return shown

    def order(self, order: Order) -> Resource:
        url = self._order_url(order)
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
        url = f"{self._order_url(order)}/items/{item.id}"
        lines = self._related(f"{url}/lines", "order_lines", "OrderLine", item.lines)
        return _resource("OrderItem", item, url, {"order_lines": lines})

    def line(self, order: Order, item: Item, line: Line) -> Resource:
        url = f"{self._order_url(order)}/items/{item.id}/lines/{line.id}"
        related = self._related(f"{url}/transitions", LINE_TRANSITIONS, "OrderLineTransition", line.transitions)
        possible = order.possible_transitions(line) if order.is_partner_fulfilled else ()
        resource = _resource("OrderLine", line, url, {"order_line_transitions": related})
        return {**resource, "meta": self._meta(possible_status_transitions=possible)}

    def of_order(self, order: Order) -> Iterable[Resource]:
        if "order_transitions" in self._names:
            yield from transitions(order.transitions, "OrderTransition")
        for item in order.items:
            if "order_items" in self._names:
                yield self.item(order, item)
            yield from self.of_item(order, item)
        if "shipments" in self._names:
            for shipment in order.shipments:
                yield {"type": "Shipment", "id": shipment.id, "attributes": shipment.attributes}

    def of_item(self, order: Order, item: Item) -> Iterable[Resource]:
        for line in item.lines:
            if "order_lines" in self._names:
                yield self.line(order, item, line)
            yield from self.of_line(line)

    def of_line(self, line: Line) -> Iterable[Resource]:
        if LINE_TRANSITIONS in self._names:
            yield from transitions(line.transitions, "OrderLineTransition")

    def _drifted(self, order: Order, content: Any) -> Any:
        rng = Random(f"drift/{self._call.state.settings.seed}/{order.id}")  # noqa: S311 - reproducible, not secret
        if rng.random() >= self._call.options.drift:
            return content
        return _odd(content, rng.random() < 0.3)


def transitions(found: list[Transition], type: str) -> list[Resource]:
    return [{"type": type, "id": transition.id, "attributes": transition.attributes} for transition in found]


def _resource(type: str, part: Order | Item | Line, url: str, relationships: Resource) -> Resource:
    return {
        "type": type,
        "id": part.id,
        "attributes": part.attributes,
        "links": {"self": url},
        "relationships": relationships,
    }


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
