"""Orders API, what is read of it (zDirect docs: Orders)."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from airflow_provider_zdirect.emulator.admission import admit
from airflow_provider_zdirect.emulator.json_api import JsonApiRoute, json_api_answer
from airflow_provider_zdirect.emulator.order import Item, Line, Order
from airflow_provider_zdirect.emulator.order_answers import OrderAnswers
from airflow_provider_zdirect.emulator.order_query import (
    ITEM_INCLUDES,
    LINE_INCLUDES,
    ORDER_INCLUDES,
    OrderQuery,
    includes,
    is_kept,
)
from airflow_provider_zdirect.emulator.parameters import parse_uuid
from airflow_provider_zdirect.emulator.problem import ProblemError
from airflow_provider_zdirect.emulator.state import EmulatorState

READ = "orders/read"
OTHER_LIMIT = "orders-other"


def orders_router(state: EmulatorState) -> APIRouter:
    """Routes that read orders."""
    router = APIRouter(prefix="/merchants/{merchant_id}/orders", route_class=JsonApiRoute)
    book = state.orders

    @router.get("")
    def orders(request: Request, merchant_id: str) -> Response:
        operation = "orders-by-number" if request.query_params.get("order_number") else "orders"
        merchant_id = admit(state, request, merchant_id, operation, READ)
        names = includes(request.query_params, ORDER_INCLUDES)
        query, now = OrderQuery.of(request.query_params, state.options), state.clock.now()
        with book.lock:
            kept = (order for order in book.of_merchant(merchant_id).values() if is_kept(order, now))
            found = query.selected(kept)
            return json_api_answer(OrderAnswers(state, request, names).page(query, found))

    @router.get("/{order_id}")
    def order(request: Request, merchant_id: str, order_id: str) -> Response:
        merchant_id = admit(state, request, merchant_id, OTHER_LIMIT, READ)
        names = includes(request.query_params, ORDER_INCLUDES)
        with book.lock:
            found = own_order(state, merchant_id, order_id)
            return json_api_answer(OrderAnswers(state, request, names).order(found))

    @router.get("/{order_id}/transitions")
    def transitions(request: Request, merchant_id: str, order_id: str) -> Response:
        merchant_id = admit(state, request, merchant_id, OTHER_LIMIT, READ)
        with book.lock:
            found = own_order(state, merchant_id, order_id)
            answers = OrderAnswers(state, request, frozenset())
            return json_api_answer(answers.transitions(found, found.transitions, "OrderTransition"))

    @router.get("/{order_id}/items")
    def items(request: Request, merchant_id: str, order_id: str) -> Response:
        merchant_id = admit(state, request, merchant_id, "order-items", READ)
        names = includes(request.query_params, ITEM_INCLUDES)
        with book.lock:
            found = own_order(state, merchant_id, order_id)
            return json_api_answer(OrderAnswers(state, request, names).items(found, found.items))

    @router.get("/{order_id}/items/{item_id}")
    def item(request: Request, merchant_id: str, order_id: str, item_id: str) -> Response:
        merchant_id = admit(state, request, merchant_id, OTHER_LIMIT, READ)
        names = includes(request.query_params, ITEM_INCLUDES)
        with book.lock:
            found = own_order(state, merchant_id, order_id)
            answers = OrderAnswers(state, request, names)
            return json_api_answer(answers.item(found, item_of(found, item_id)))

    @router.get("/{order_id}/items/{item_id}/lines")
    def lines(request: Request, merchant_id: str, order_id: str, item_id: str) -> Response:
        merchant_id = admit(state, request, merchant_id, "order-lines", READ)
        names = includes(request.query_params, LINE_INCLUDES)
        with book.lock:
            found = own_order(state, merchant_id, order_id)
            return json_api_answer(OrderAnswers(state, request, names).lines(found, item_of(found, item_id)))

    @router.get("/{order_id}/items/{item_id}/lines/{line_id}")
    def line(request: Request, merchant_id: str, order_id: str, item_id: str, line_id: str) -> Response:
        merchant_id = admit(state, request, merchant_id, OTHER_LIMIT, READ)
        names = includes(request.query_params, LINE_INCLUDES)
        with book.lock:
            found = own_order(state, merchant_id, order_id)
            of_item = item_of(found, item_id)
            answers = OrderAnswers(state, request, names)
            return json_api_answer(answers.line(found, of_item, line_of(of_item, line_id)))

    @router.get("/{order_id}/items/{item_id}/lines/{line_id}/transitions")
    def line_transitions(request: Request, merchant_id: str, order_id: str, item_id: str, line_id: str) -> Response:
        merchant_id = admit(state, request, merchant_id, OTHER_LIMIT, READ)
        with book.lock:
            found = own_order(state, merchant_id, order_id)
            of_line = line_of(item_of(found, item_id), line_id)
            answers = OrderAnswers(state, request, frozenset())
            return json_api_answer(answers.transitions(found, of_line.transitions, "OrderLineTransition"))

    return router


def own_order(state: EmulatorState, merchant_id: str, order_id: str) -> Order:
    """The merchant's order as of now; 404 if it has none such, or no longer."""
    order_id = parse_uuid(order_id, "order id")
    found = state.orders.of_merchant(merchant_id).get(order_id)
    if found is None or not is_kept(found, state.clock.now()):
        raise ProblemError(404, f"order {order_id} is unknown")
    return found


def item_of(order: Order, item_id: str) -> Item:
    item_id = parse_uuid(item_id, "order item id")
    for item in order.items:
        if item.id == item_id:
            return item
    raise ProblemError(404, f"order item {item_id} is unknown")


def line_of(item: Item, line_id: str) -> Line:
    line_id = parse_uuid(line_id, "order line id")
    for line in item.lines:
        if line.id == line_id:
            return line
    raise ProblemError(404, f"order line {line_id} is unknown")
