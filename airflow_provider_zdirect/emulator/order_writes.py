"""Orders API, what partners write to orders and lines (zDirect docs: Exporting orders, Shipping, Returns)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from airflow_provider_zdirect.emulator.answers import JSON_API, JsonApiRoute, ProblemError, wrong_field
from airflow_provider_zdirect.emulator.order import (
    BY_LINES,
    LINE_STATUSES,
    REASONS,
    RETURNED,
    SHIPPED,
    TRACKING,
    Order,
)
from airflow_provider_zdirect.emulator.orders import item_of, line_of, own_order
from airflow_provider_zdirect.emulator.requests import UUID, Body, admit, base_url, check_content_type, parse_object
from airflow_provider_zdirect.emulator.state import EmulatorState

WRITE = "orders/write"
UPDATE_LIMIT = "order-updates"
EXPORTED_AS = "merchant_order_id"
CENTER = "outbound_logistic_center_id"
# The docs say alphanumeric, and show hyphens.
MERCHANT_ORDER_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
AT = "/data/attributes"


def order_writes_router(state: EmulatorState) -> APIRouter:
    """Routes that change orders and lines."""
    router = APIRouter(prefix="/merchants/{merchant_id}/orders/{order_id}", route_class=JsonApiRoute)

    @router.patch("")
    def update_order(request: Request, merchant_id: str, order_id: str, body: Body) -> Response:
        merchant_id = admit(state, request, merchant_id, UPDATE_LIMIT, WRITE)
        with state.orders.lock:
            order = own_order(state, merchant_id, order_id)
            attributes = _parse_resource(request, body, "Order", order.id)
            check_partner(order)
            _update(state, order, _order_changes(attributes))
        return changed(request)

    @router.patch("/items/{item_id}/lines/{line_id}")
    def update_line(
        request: Request, merchant_id: str, order_id: str, item_id: str, line_id: str, body: Body
    ) -> Response:
        merchant_id = admit(state, request, merchant_id, UPDATE_LIMIT, WRITE)
        with state.orders.lock:
            order = own_order(state, merchant_id, order_id)
            line = line_of(item_of(order, item_id), line_id)
            attributes = _parse_resource(request, body, "OrderLine", line.id)
            check_partner(order)
            status, reason = _line_changes(attributes)
            center = parse_center(attributes, AT)
            possible = order.possible_transitions(line, state.options.lines_from_initial)
            if status not in possible:
                allowed = ", ".join(possible) or "nothing"
                raise ProblemError(409, f"a line that is {line.status} can become {allowed}, not {status}")
            if status == SHIPPED:
                choose_flow(order, BY_LINES)
                if not order.attributes["tracking_number"]:
                    order.shipped_without_tracking = True
            if center:
                line.attributes[CENTER] = center
            order.move_line(line.id, status, state.clock.now(), state.settings.client_id, reason)
        return changed(request)

    return router


def parse_body(request: Request, body: bytes) -> dict[str, Any]:
    """An object as JSON; 415 for another media type, 400 for anything else."""
    check_content_type(request, JSON_API)
    return parse_object(body)


def _parse_resource(request: Request, body: bytes, type: str, id: str) -> dict[str, Any]:
    """The attributes of ``{"data": {"type", "id", "attributes"}}``, which must be about this resource."""
    data = parse_body(request, body).get("data")
    if not isinstance(data, dict):
        raise wrong_field("data is missing", "/data")
    if data.get("type") != type:
        raise wrong_field(f"type must be {type}", "/data/type")
    if str(data.get("id", "")).lower() != id:
        raise wrong_field("id is not that of the path", "/data/id")
    attributes = data.get("attributes")
    if not isinstance(attributes, dict):
        raise wrong_field("attributes are missing", AT)
    return attributes


def check_partner(order: Order) -> None:
    if not order.is_partner_fulfilled:
        raise ProblemError(403, f"order {order.id} is fulfilled by Zalando and cannot be changed")


def choose_flow(order: Order, flow: str) -> None:
    """An order is shipped by lines or by shipments, not by both."""
    if order.flow not in ("", flow):
        raise ProblemError(409, f"the order is shipped by {order.flow}, not by {flow}")
    order.flow = flow


def changed(request: Request) -> Response:
    """The answer to a change, with the address of what was changed."""
    return Response(status_code=204, headers={"Location": f"{base_url(request)}{request.url.path}"})


def parse_center(attributes: dict[str, Any], at: str) -> str | None:
    """The logistic center from which it is sent, if one is given."""
    center = attributes.get(CENTER)
    if center is not None and not (isinstance(center, str) and UUID.fullmatch(center)):
        raise wrong_field(f"{CENTER} is not a UUID", f"{at}/{CENTER}")
    return center.lower() if center else None


def parse_text(attributes: dict[str, Any], name: str, at: str) -> str | None:
    text = attributes.get(name)
    if text is not None and not isinstance(text, str):
        raise wrong_field(f"{name} is not a text", f"{at}/{name}")
    return text


def _order_changes(attributes: dict[str, Any]) -> dict[str, str]:
    unknown = sorted(set(attributes) - {*TRACKING, EXPORTED_AS})
    if unknown:
        raise wrong_field(f"{', '.join(unknown)[:60]} cannot be changed", f"{AT}/{unknown[0]}")
    found = {name: parse_text(attributes, name, AT) for name in attributes}
    changes = {name: text for name, text in found.items() if text is not None}
    if not changes:
        raise wrong_field("there is nothing to change", AT)
    if EXPORTED_AS in changes and not MERCHANT_ORDER_ID.fullmatch(changes[EXPORTED_AS]):
        raise wrong_field(f"{EXPORTED_AS} must be alphanumeric and not empty", f"{AT}/{EXPORTED_AS}")
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


def _line_changes(attributes: dict[str, Any]) -> tuple[str, int | None]:
    """The new status, and the reason of a return."""
    status, reason = attributes.get("status"), attributes.get("reason")
    if status not in LINE_STATUSES:
        raise wrong_field(f"status must be one of {', '.join(LINE_STATUSES)}", f"{AT}/status")
    if reason is not None:
        # The specification says number, the docs' template text.
        known = {str(code): code for code in REASONS}
        if isinstance(reason, bool) or not isinstance(reason, (int, str)) or str(reason) not in known:
            raise wrong_field(f"reason must be one of {', '.join(known)}", f"{AT}/reason")
        reason = known[str(reason)]
    return str(status), reason if status == RETURNED else None
