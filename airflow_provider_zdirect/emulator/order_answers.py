"""Orders as JSON:API documents (zDirect docs: Orders)."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from random import Random
from typing import Any
from urllib.parse import urlencode

from fastapi import Request

from airflow_provider_zdirect.emulator.order import Item, Line, Order, Transition
from airflow_provider_zdirect.emulator.order_query import OrderQuery
from airflow_provider_zdirect.emulator.parameters import UUID
from airflow_provider_zdirect.emulator.state import EmulatorState

Resource = dict[str, Any]


class OrderAnswers:
    """Documents for one request.

    :param names: what is included.
    """

    def __init__(self, state: EmulatorState, request: Request, names: frozenset[str]) -> None:
        self._request = request
        self._names = names
        self._seed, self._drift = state.settings.seed, state.options.drift
        self._only_self = state.options.orders_next == "absent"
        self._from_initial = state.options.lines_from_initial
        self._copyright = f"Zalando SE {state.clock.now().year} All rights reserved."
        self._base = str(request.base_url).rstrip("/")

    def page(self, query: OrderQuery, found: list[Order]) -> Resource:
        """A page of a list, with links to the others."""
        orders = query.page(found)
        document = {
            "links": self._page_links(query, len(found)),
            "data": [self._drifted(order, self._order(order)) for order in orders],
            "meta": self._meta(number_of_results=len(orders)),
        }
        return self._with_included(document, [self._drifted(order, list(self._of_order(order))) for order in orders])

    def order(self, order: Order) -> Resource:
        document = self._document(self._order(order))
        return self._drifted(order, self._with_included(document, [self._of_order(order)]))

    def items(self, order: Order, items: list[Item]) -> Resource:
        document = self._document([self._item(order, item) for item in items])
        return self._drifted(order, self._with_included(document, [self._of_item(order, item) for item in items]))

    def item(self, order: Order, item: Item) -> Resource:
        document = self._document(self._item(order, item))
        return self._drifted(order, self._with_included(document, [self._of_item(order, item)]))

    def lines(self, order: Order, item: Item) -> Resource:
        document = self._document([self._line(order, line, self._item_url(order, item)) for line in item.lines])
        return self._drifted(order, self._with_included(document, [self._of_line(line) for line in item.lines]))

    def line(self, order: Order, item: Item, line: Line) -> Resource:
        document = self._document(self._line(order, line, self._item_url(order, item)))
        return self._drifted(order, self._with_included(document, [self._of_line(line)]))

    def transitions(self, order: Order, transitions: list[Transition], type: str) -> Resource:
        return self._drifted(order, self._document([_transition(transition, type) for transition in transitions]))

    def _document(self, data: Resource | list[Resource]) -> Resource:
        meta = self._meta(number_of_results=len(data)) if isinstance(data, list) else self._meta()
        return {"links": {"self": str(self._request.url)}, "data": data, "meta": meta}

    def _with_included(self, document: Resource, parts: Iterable[Iterable[Resource]]) -> Resource:
        if self._names:
            found = {(resource["type"], resource["id"]): resource for part in parts for resource in part}
            document["included"] = list(found.values())
        return document

    def _meta(self, **more: Any) -> Resource:
        return {"copyright": self._copyright, **more}

    def _page_links(self, query: OrderQuery, count: int) -> dict[str, str]:
        links = {"self": str(self._request.url)}
        if self._only_self:
            return links
        last = max(0, (count - 1) // query.size)
        links["first"], links["last"] = self._page_url(query, 0), self._page_url(query, last)
        if query.number > 0:
            links["prev"] = self._page_url(query, min(query.number - 1, last))
        if query.number < last:
            links["next"] = self._page_url(query, query.number + 1)
        return links

    def _page_url(self, query: OrderQuery, number: int) -> str:
        parameters = dict(self._request.query_params)
        parameters |= {"page[number]": str(number), "page[size]": str(query.size)}
        return f"{self._base}{self._request.url.path}?{urlencode(parameters)}"

    def _order_url(self, order: Order) -> str:
        return f"{self._base}/merchants/{order.merchant_id}/orders/{order.id}"

    def _item_url(self, order: Order, item: Item) -> str:
        return f"{self._order_url(order)}/items/{item.id}"

    def _order(self, order: Order) -> Resource:
        url = self._order_url(order)
        items: Resource = {"links": {"related": f"{url}/items"}}
        if "order_items" in self._names:
            items["data"] = [{"type": "OrderItem", "id": item.id} for item in order.items]
        transitions: Resource = {"links": {"related": f"{url}/transitions"}}
        if "order_transitions" in self._names:
            transitions["data"] = [{"type": "OrderTransition", "id": id} for id, _ in order.transitions]
        relationships = {"order_items": items, "order_transitions": transitions}
        if "shipments" in self._names:
            relationships["shipments"] = {
                "links": {"related": f"{url}/shipments"},
                "data": [{"type": "Shipment", "id": shipment.id} for shipment in order.shipments],
            }
        return {
            "type": "Order",
            "id": order.id,
            "attributes": order.attributes,
            "links": {"self": url},
            "relationships": relationships,
        }

    def _item(self, order: Order, item: Item) -> Resource:
        url = self._item_url(order, item)
        lines: Resource = {"links": {"related": f"{url}/lines"}}
        if "order_lines" in self._names:
            lines["data"] = [{"type": "OrderLine", "id": line.id} for line in item.lines]
        return {
            "type": "OrderItem",
            "id": item.id,
            "attributes": item.attributes,
            "links": {"self": url},
            "relationships": {"order_lines": lines},
        }

    def _line(self, order: Order, line: Line, item_url: str) -> Resource:
        url = f"{item_url}/lines/{line.id}"
        transitions: Resource = {"links": {"related": f"{url}/transitions"}}
        if "order_lines.order_line_transitions" in self._names:
            transitions["data"] = [{"type": "OrderLineTransition", "id": id} for id, _ in line.transitions]
        possible = order.possible_transitions(line, self._from_initial) if order.is_partner_fulfilled else ()
        return {
            "type": "OrderLine",
            "id": line.id,
            "attributes": line.attributes,
            "links": {"self": url},
            "relationships": {"order_line_transitions": transitions},
            "meta": {"copyright": self._copyright, "possible_status_transitions": possible},
        }

    def _of_order(self, order: Order) -> Iterable[Resource]:
        if "order_transitions" in self._names:
            for transition in order.transitions:
                yield _transition(transition, "OrderTransition")
        for item in order.items:
            if "order_items" in self._names:
                yield self._item(order, item)
            yield from self._of_item(order, item)
        if "shipments" in self._names:
            for shipment in order.shipments:
                yield {"type": "Shipment", "id": shipment.id, "attributes": shipment.attributes}

    def _of_item(self, order: Order, item: Item) -> Iterable[Resource]:
        url = self._item_url(order, item)
        for line in item.lines:
            if "order_lines" in self._names:
                yield self._line(order, line, url)
            yield from self._of_line(line)

    def _of_line(self, line: Line) -> Iterable[Resource]:
        if "order_lines.order_line_transitions" in self._names:
            for transition in line.transitions:
                yield _transition(transition, "OrderLineTransition")

    def _drifted(self, order: Order, content: Any) -> Any:
        rng = Random(f"drift/{self._seed}/{order.id}") if self._drift else None  # noqa: S311 - reproducible
        if rng is None or rng.random() >= self._drift:
            return content
        return _odd(content, rng.random() < 0.3)


def _transition(transition: Transition, type: str) -> Resource:
    return {"type": type, "id": transition.id, "attributes": transition.attributes}


def _odd(value: Any, numbers_as_texts: bool) -> Any:
    """Identifiers in capital letters, a field that nobody knows, and maybe amounts as texts."""
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
