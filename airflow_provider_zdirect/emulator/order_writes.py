"""Orders API, what partners write to orders and lines (zDirect docs: Exporting orders, Shipping, Returns)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from airflow_provider_zdirect.emulator.admission import admit
from airflow_provider_zdirect.emulator.json_api import FieldError, JsonApiRoute, parse_resource
from airflow_provider_zdirect.emulator.order import (
    BY_LINES,
    BY_SHIPMENTS,
    LINE_STATUSES,
    REASONS,
    RETURNED,
    SHIPPED,
    TRACKING,
    Order,
)
from airflow_provider_zdirect.emulator.orders import item_of, line_of, own_order
from airflow_provider_zdirect.emulator.parameters import UUID
from airflow_provider_zdirect.emulator.problem import ProblemError
from airflow_provider_zdirect.emulator.state import EmulatorState

WRITE = "orders/write"
UPDATE_LIMIT = "order-updates"
EXPORTED_AS = "merchant_order_id"
# The docs say alphanumeric, and show hyphens.
MERCHANT_ORDER_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
AT = "/data/attributes"


async def read_body(request: Request) -> bytes:
    return await request.body()


# Read apart, so that the routes are plain functions, which run in the thread pool.
Body = Annotated[bytes, Depends(read_body)]


def order_writes_router(state: EmulatorState) -> APIRouter:
    """Routes that change orders and lines."""
    router = APIRouter(prefix="/merchants/{merchant_id}/orders/{order_id}", route_class=JsonApiRoute)
    book = state.orders

    @router.patch("")
    def update_order(request: Request, merchant_id: str, order_id: str, body: Body) -> Response:
        merchant_id = admit(state, request, merchant_id, UPDATE_LIMIT, WRITE)
        with book.lock:
            order = own_order(state, merchant_id, order_id)
            attributes = parse_resource(request, body, "Order", order.id)
            check_partner(order)
            _update(state, order, _order_changes(attributes))
        return changed(request)

    @router.patch("/items/{item_id}/lines/{line_id}")
    def update_line(
        request: Request, merchant_id: str, order_id: str, item_id: str, line_id: str, body: Body
    ) -> Response:
        merchant_id = admit(state, request, merchant_id, UPDATE_LIMIT, WRITE)
        with book.lock:
            order = own_order(state, merchant_id, order_id)
            line = line_of(item_of(order, item_id), line_id)
            attributes = parse_resource(request, body, "OrderLine", line.id)
            check_partner(order)
            status, reason, center = _line_changes(attributes)
            possible = order.possible_transitions(line, state.options.lines_from_initial)
            if status not in possible:
                allowed = ", ".join(possible) or "nothing"
                raise ProblemError(409, f"a line that is {line.status} can become {allowed}, not {status}")
            if status == SHIPPED:
                _ship_by_lines(order)
            if center:
                line.attributes["outbound_logistic_center_id"] = center
            order.move_line(line.id, status, state.clock.now(), state.settings.client_id, reason)
        return changed(request)

    return router


def check_partner(order: Order) -> None:
    if not order.is_partner_fulfilled:
        raise ProblemError(403, f"order {order.id} is fulfilled by Zalando and cannot be changed")


def changed(request: Request) -> Response:
    """The answer to a change, with the address of what was changed."""
    location = f"{str(request.base_url).rstrip('/')}{request.url.path}"
    return Response(status_code=204, headers={"Location": location})


def parse_center(attributes: dict[str, Any], at: str) -> str:
    """The logistic center from which it is sent; empty if nothing is said of it."""
    center = attributes.get("outbound_logistic_center_id")
    if center is None:
        return ""
    if not isinstance(center, str) or not UUID.fullmatch(center):
        raise FieldError("outbound_logistic_center_id is not a UUID", f"{at}/outbound_logistic_center_id")
    return center.lower()


def parse_text(attributes: dict[str, Any], name: str, at: str) -> str | None:
    text = attributes.get(name)
    if text is not None and not isinstance(text, str):
        raise FieldError(f"{name} is not a text", f"{at}/{name}")
    return text


def _order_changes(attributes: dict[str, Any]) -> dict[str, str]:
    unknown = sorted(set(attributes) - {*TRACKING, EXPORTED_AS})
    if unknown:
        raise FieldError(f"{', '.join(unknown)[:60]} cannot be changed", f"{AT}/{unknown[0]}")
    found = {name: parse_text(attributes, name, AT) for name in attributes}
    changes = {name: text for name, text in found.items() if text is not None}
    if not changes:
        raise FieldError("there is nothing to change", AT)
    if EXPORTED_AS in changes and not MERCHANT_ORDER_ID.fullmatch(changes[EXPORTED_AS]):
        raise FieldError(f"{EXPORTED_AS} must be alphanumeric and not empty", f"{AT}/{EXPORTED_AS}")
    return changes


def _update(state: EmulatorState, order: Order, changes: dict[str, str]) -> None:
    """The export counts at once, tracking numbers only some time later."""
    now = state.clock.now()
    exported_as = changes.pop(EXPORTED_AS, None)
    if exported_as is not None:
        order.attributes.update({EXPORTED_AS: exported_as, "exported": True})
        order.touch(now, state.settings.client_id)
    if changes:
        state.orders.wait(order, now + timedelta(seconds=state.options.order_update_seconds), changes)


def _line_changes(attributes: dict[str, Any]) -> tuple[str, int | None, str]:
    status = attributes.get("status")
    if status not in LINE_STATUSES:
        raise FieldError(f"status must be one of {', '.join(LINE_STATUSES)}", f"{AT}/status")
    reason = attributes.get("reason")
    if reason is not None:
        # The specification says number, the docs' template text.
        known = {str(code): code for code in REASONS}
        if isinstance(reason, bool) or not isinstance(reason, (int, str)) or str(reason) not in known:
            raise FieldError(f"reason must be one of {', '.join(known)}", f"{AT}/reason")
        reason = known[str(reason)]
    return str(status), reason if status == RETURNED else None, parse_center(attributes, AT)


def _ship_by_lines(order: Order) -> None:
    if order.flow == BY_SHIPMENTS:
        raise ProblemError(409, "the order is shipped by shipments, not by lines")
    order.flow = BY_LINES
    if not order.attributes["tracking_number"]:
        order.shipped_without_tracking = True
