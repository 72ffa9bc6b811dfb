"""Orders API, what is read of it (zDirect docs: Orders)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from airflow_provider_zdirect.emulator.answers import JsonApiRoute, ProblemError, json_api_answer
from airflow_provider_zdirect.emulator.order import Item, Line, Order
from airflow_provider_zdirect.emulator.order_answers import OrderAnswers, Resource, transitions
from airflow_provider_zdirect.emulator.order_query import (
    ITEM_INCLUDES,
    LINE_INCLUDES,
    ORDER_INCLUDES,
    OrderQuery,
    includes,
    is_kept,
)
from airflow_provider_zdirect.emulator.requests import admit, parse_uuid
from airflow_provider_zdirect.emulator.state import EmulatorState

READ = "orders/read"
OTHER_LIMIT = "orders-other"
Ids = dict[str, Any]


def orders_router(state: EmulatorState) -> APIRouter:
    """Routes that read orders."""
    router = APIRouter(prefix="/merchants/{merchant_id}/orders", route_class=JsonApiRoute)

    @router.get("")
    def orders(request: Request, merchant_id: str) -> Response:
        operation = "orders-by-number" if request.query_params.get("order_number") else "orders"
        merchant_id = admit(state, request, merchant_id, operation, READ)
        names = includes(request.query_params, ORDER_INCLUDES)
        query, now = OrderQuery.of(request.query_params, state.options), state.clock.now()
        with state.orders.lock:
            kept = (order for order in state.orders.of_merchant(merchant_id).values() if is_kept(order, now))
            return json_api_answer(OrderAnswers(state, request, names).page(query, query.selected(kept)))

    def add(
        path: str, limit: str, allowed: tuple[str, ...], answer: Callable[[OrderAnswers, Order, Ids], Resource]
    ) -> None:
        @router.get(path)
        def part(request: Request) -> Response:
            ids = request.path_params
            merchant_id = admit(state, request, ids["merchant_id"], limit, READ)
            names = includes(request.query_params, allowed) if allowed else frozenset()
            with state.orders.lock:
                order = own_order(state, merchant_id, ids["order_id"])
                return json_api_answer(answer(OrderAnswers(state, request, names), order, ids))

    one = "/{order_id}"
    item, line = f"{one}/items/{{item_id}}", f"{one}/items/{{item_id}}/lines/{{line_id}}"
    add(one, OTHER_LIMIT, ORDER_INCLUDES, lambda a, order, ids: a.document(order, a.order(order), a.of_order(order)))
    add(f"{one}/transitions", OTHER_LIMIT, (), _order_transitions)
    add(f"{one}/items", "order-items", ITEM_INCLUDES, _items)
    add(item, OTHER_LIMIT, ITEM_INCLUDES, _item)
    add(f"{item}/lines", "order-lines", LINE_INCLUDES, _lines)
    add(line, OTHER_LIMIT, LINE_INCLUDES, _line)
    add(f"{line}/transitions", OTHER_LIMIT, (), _line_transitions)
    return router


def _order_transitions(answers: OrderAnswers, order: Order, ids: Ids) -> Resource:
    return answers.document(order, transitions(order.transitions, "OrderTransition"))


def _items(answers: OrderAnswers, order: Order, ids: Ids) -> Resource:
    rows = [answers.item(order, item) for item in order.items]
    return answers.document(order, rows, chain(*(answers.of_item(order, item) for item in order.items)))


def _item(answers: OrderAnswers, order: Order, ids: Ids) -> Resource:
    item = item_of(order, ids["item_id"])
    return answers.document(order, answers.item(order, item), answers.of_item(order, item))


def _lines(answers: OrderAnswers, order: Order, ids: Ids) -> Resource:
    item = item_of(order, ids["item_id"])
    rows = [answers.line(order, item, line) for line in item.lines]
    return answers.document(order, rows, chain(*(answers.of_line(line) for line in item.lines)))


def _line(answers: OrderAnswers, order: Order, ids: Ids) -> Resource:
    item = item_of(order, ids["item_id"])
    line = line_of(item, ids["line_id"])
    return answers.document(order, answers.line(order, item, line), answers.of_line(line))


def _line_transitions(answers: OrderAnswers, order: Order, ids: Ids) -> Resource:
    line = line_of(item_of(order, ids["item_id"]), ids["line_id"])
    return answers.document(order, transitions(line.transitions, "OrderLineTransition"))


def own_order(state: EmulatorState, merchant_id: str, order_id: str) -> Order:
    """The merchant's order as of now; 404 if there is none, or no longer."""
    order_id = parse_uuid(order_id, "order id")
    found = state.orders.of_merchant(merchant_id).get(order_id)
    if found is None or not is_kept(found, state.clock.now()):
        raise ProblemError(404, f"order {order_id} is unknown")
    return found


def item_of(order: Order, item_id: str) -> Item:
    return _with_id(order.items, item_id, "order item")


def line_of(item: Item, line_id: str) -> Line:
    return _with_id(item.lines, line_id, "order line")


def _with_id(parts: list[Any], id: str, what: str) -> Any:
    id = parse_uuid(id, f"{what} id")
    for part in parts:
        if part.id == id:
            return part
    raise ProblemError(404, f"{what} {id} is unknown")
