"""Orders API, what is read of it (zDirect docs: Orders)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

from airflow_provider_zdirect.emulator.answers import JSON_API, ProblemError, json_api_error
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
from airflow_provider_zdirect.emulator.requests import Api, Call, Handler, parse_uuid, with_id

READ = "orders/read"
OTHER_LIMIT = "orders-other"
ORDERS = "/merchants/{merchant_id}/orders"
ONE = f"{ORDERS}/{{order_id}}"
ITEM, LINE = f"{ONE}/items/{{item_id}}", f"{ONE}/items/{{item_id}}/lines/{{line_id}}"
api = Api(READ, json_api_error, JSON_API)


@api.get(ORDERS, lambda call: "orders-by-number" if call.given("order_number") else "orders")
def orders(call: Call) -> Resource:
    names = includes(call.query, ORDER_INCLUDES)
    query = OrderQuery.of(call.query, call.options)
    with call.state.orders.lock:
        kept = (one for one in call.state.orders.of_merchant(call.merchant_id).values() if is_kept(one, call.now))
        return OrderAnswers(call, names).page(query, query.selected(kept))


def of_order(handle: Callable[[Call, Order], Any]) -> Handler:
    """A handler that has the lock of the orders, and the order of the path."""

    def answer(call: Call) -> Any:
        with call.state.orders.lock:
            return handle(call, own_order(call))

    return answer


def own_order(call: Call) -> Order:
    """The merchant's order as of now; 404 if there is none, or no longer."""
    order_id = parse_uuid(call.ids["order_id"], "order id")
    found = call.state.orders.of_merchant(call.merchant_id).get(order_id)
    if found is None or not is_kept(found, call.now):
        raise ProblemError(404, f"order {order_id} is unknown")
    return found


def item_of(call: Call, order: Order) -> Item:
    found: Item = with_id(order.items, call.ids["item_id"], "order item")
    return found


def line_of(call: Call, item: Item) -> Line:
    found: Line = with_id(item.lines, call.ids["line_id"], "order line")
    return found


def _part(path: str, limit: str, allowed: tuple[str, ...], answer: Callable[[OrderAnswers, Call, Order], Any]) -> None:
    """A route of an order or a part of it: its resources, and what may be included.

    :param allowed: what ``include`` may name.
    """

    def handle(call: Call) -> Resource:
        answers = OrderAnswers(call, includes(call.query, allowed) if allowed else frozenset())
        with call.state.orders.lock:
            order = own_order(call)
            return answers.document(order, *answer(answers, call, order))

    api.get(path, limit)(handle)


def _items(a: OrderAnswers, call: Call, order: Order) -> Any:
    return [a.item(order, item) for item in order.items], chain(*(a.of_item(order, item) for item in order.items))


def _item(a: OrderAnswers, call: Call, order: Order) -> Any:
    item = item_of(call, order)
    return a.item(order, item), a.of_item(order, item)


def _lines(a: OrderAnswers, call: Call, order: Order) -> Any:
    item = item_of(call, order)
    return [a.line(order, item, line) for line in item.lines], chain(*(a.of_line(line) for line in item.lines))


def _line(a: OrderAnswers, call: Call, order: Order) -> Any:
    item = item_of(call, order)
    line = line_of(call, item)
    return a.line(order, item, line), a.of_line(line)


def _line_transitions(a: OrderAnswers, call: Call, order: Order) -> Any:
    return (transitions(line_of(call, item_of(call, order)).transitions, "OrderLineTransition"),)


_part(ONE, OTHER_LIMIT, ORDER_INCLUDES, lambda a, call, order: (a.order(order), a.of_order(order)))
_part(
    f"{ONE}/transitions", OTHER_LIMIT, (), lambda a, call, order: (transitions(order.transitions, "OrderTransition"),)
)
_part(f"{ONE}/items", "order-items", ITEM_INCLUDES, _items)
_part(ITEM, OTHER_LIMIT, ITEM_INCLUDES, _item)
_part(f"{ITEM}/lines", "order-lines", LINE_INCLUDES, _lines)
_part(LINE, OTHER_LIMIT, LINE_INCLUDES, _line)
_part(f"{LINE}/transitions", OTHER_LIMIT, (), _line_transitions)
