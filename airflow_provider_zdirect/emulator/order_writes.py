# SPDX-License-Identifier: Apache-2.0
"""Orders API, what partners write (zDirect docs: Exporting orders, Shipping, Returns, Split shipments)."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any

from starlette.responses import Response

from airflow_provider_zdirect.emulator.answers import (
    JSON_API,
    ProblemError,
    json_answer,
    json_api_error,
    wrong_field,
)
from airflow_provider_zdirect.emulator.catalog import stable_uuid
from airflow_provider_zdirect.emulator.channel_stock import is_whole
from airflow_provider_zdirect.emulator.clock import order_time
from airflow_provider_zdirect.emulator.order import (
    BY_LINES,
    BY_SHIPMENTS,
    CANCELED,
    INITIAL,
    LINE_STATUSES,
    REASONS,
    RETURNED,
    SHIPPED,
    TRACKING,
    Line,
    Order,
    Shipment,
)
from airflow_provider_zdirect.emulator.order_reads import ONE, OTHER_LIMIT, SHIPMENTS, of_order
from airflow_provider_zdirect.emulator.requests import UUID, Api, Call, with_id

WRITE = "orders/write"
UPDATE_LIMIT = "order-updates"
EXPORTED_AS = "merchant_order_id"
CENTER = "outbound_logistic_center_id"
# The docs say alphanumeric, and show hyphens.
MERCHANT_ORDER_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
AT = "/data/attributes"


api = Api(WRITE, json_api_error, JSON_API)
SHIPMENT = f"{SHIPMENTS}/{{shipment_id}}"


@api.route("PATCH", ONE, UPDATE_LIMIT)
@of_order
def update_order(call: Call, order: Order) -> Response:
    attributes = _parse_resource(call, "Order", order.id)
    _check_partner(order)
    changes = _order_changes(attributes)
    # The export counts at once, tracking numbers only some time later.
    if exported_as := changes.pop(EXPORTED_AS, None):
        order.attributes.update({EXPORTED_AS: exported_as, "exported": True})
        order.touch(call.now, call.state.settings.client_id)
    if changes:
        call.state.orders.wait(order, call.now + timedelta(seconds=call.options.order_update_seconds), changes)
    return _changed(call)


@api.route("PATCH", f"{ONE}/items/{{item_id}}/lines/{{line_id}}", UPDATE_LIMIT)
@of_order
def update_line(call: Call, order: Order) -> Response:
    line: Line = with_id(
        with_id(order.items, call.ids["item_id"], "order item").lines, call.ids["line_id"], "order line"
    )
    attributes = _parse_resource(call, "OrderLine", line.id)
    _check_partner(order)
    status, reason = _line_changes(attributes)
    center = _parse_center(attributes, AT)
    possible = order.possible_transitions(line)
    if status not in possible:
        allowed = ", ".join(possible) or "nothing"
        raise ProblemError(409, f"a line that is {line.status} can become {allowed}, not {status}")
    if status == SHIPPED:
        _choose_flow(order, BY_LINES)
        if not order.attributes["tracking_number"]:
            order.shipped_without_tracking = True
    if center:
        line.attributes[CENTER] = center
    order.move_line(line.id, status, call.now, call.state.settings.client_id, reason)
    return _changed(call)


def _parse_resource(call: Call, type: str, id: str) -> dict[str, Any]:
    """The attributes of ``{"data": {"type", "id", "attributes"}}``, which must be about this resource."""
    data = call.object(JSON_API).get("data")
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


def _check_partner(order: Order) -> None:
    if not order.is_partner_fulfilled:
        raise ProblemError(403, f"order {order.id} is fulfilled by Zalando and cannot be changed")


def _choose_flow(order: Order, flow: str) -> None:
    """An order is shipped by lines or by shipments, not by both."""
    if order.flow not in ("", flow):
        raise ProblemError(409, f"the order is shipped by {order.flow}, not by {flow}")
    order.flow = flow


def _changed(call: Call) -> Response:
    """The answer to a change, with the address of what was changed."""
    return Response(status_code=204, headers={"Location": call.url})


def _parse_center(attributes: dict[str, Any], at: str) -> str | None:
    """The logistic center from which it is sent, if one is given."""
    center = attributes.get(CENTER)
    if center is not None and not (isinstance(center, str) and UUID.fullmatch(center)):
        raise wrong_field(f"{CENTER} is not a UUID", f"{at}/{CENTER}")
    return center.lower() if center else None


def _parse_text(attributes: dict[str, Any], name: str, at: str) -> str | None:
    text = attributes.get(name)
    if text is not None and not isinstance(text, str):
        raise wrong_field(f"{name} is not a text", f"{at}/{name}")
    return text


def _order_changes(attributes: dict[str, Any]) -> dict[str, str]:
    unknown = sorted(set(attributes) - {*TRACKING, EXPORTED_AS})
    if unknown:
        raise wrong_field(f"{', '.join(unknown)[:60]} cannot be changed", f"{AT}/{unknown[0]}")
    found = {name: _parse_text(attributes, name, AT) for name in attributes}
    changes = {name: text for name, text in found.items() if text is not None}
    if not changes:
        raise wrong_field("there is nothing to change", AT)
    if EXPORTED_AS in changes and not MERCHANT_ORDER_ID.fullmatch(changes[EXPORTED_AS]):
        raise wrong_field(f"{EXPORTED_AS} must be alphanumeric and not empty", f"{AT}/{EXPORTED_AS}")
    return changes


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


TEXTS = (*TRACKING, "merchant_specified_shipment_id")
STATUSES = (INITIAL, SHIPPED, CANCELED)


@api.route("POST", SHIPMENTS, OTHER_LIMIT)
@of_order
def create_shipment(call: Call, order: Order) -> Response:
    """Another shipment; its lines leave the default one."""
    content = call.object(JSON_API)
    _check_partner(order)
    lines, fields = _parse_lines(order, content), _parse_fields(content)
    if "weight" not in fields:
        raise wrong_field("weight is missing", "/weight")
    _choose_flow(order, BY_SHIPMENTS)
    number, first, now = len(order.shipments), order.shipments[0], order_time(call.now)
    id = stable_uuid(order.id, "shipment", number, json.dumps(lines, sort_keys=True))
    attributes = {
        "shipment_id": id,
        "merchant_specified_shipment_id": "",
        "shipment_number": f"{int(order.attributes['shipment_number']) + number:018d}",
        "order_lines": lines,
        "tracking_number": "",
        "return_tracking_number": "",
        **fields,
        "status": INITIAL,
        "created_at": now,
        "modified_at": now,
    }
    order.shipments.append(Shipment(id, attributes))
    taken = set(order.shipments[-1].line_ids)
    left = [line for line in first.attributes["order_lines"] if line["order_line_id"] not in taken]
    first.touch(call.now, {"order_lines": left})
    order.touch(call.now, call.state.settings.client_id)
    return json_answer({"shipment_id": id}, 201, media_type=JSON_API)


@api.route("PATCH", SHIPMENT, UPDATE_LIMIT)
@of_order
def update_shipment(call: Call, order: Order) -> Response:
    """A change of its fields or status; the lines of a canceled one go back to the default shipment."""
    found: Shipment = with_id(order.shipments, call.ids["shipment_id"], "shipment")
    content = call.object(JSON_API)
    _check_partner(order)
    fields, status = _parse_fields(content), content.get("status", found.attributes["status"])
    if status not in STATUSES:
        raise wrong_field(f"status must be one of {', '.join(STATUSES)}", "/status")
    if "order_lines" in content and _ids(content["order_lines"]) != found.line_ids:
        raise wrong_field("the lines of a shipment cannot change", "/order_lines")
    _check_change(order, found, status)
    _choose_flow(order, BY_SHIPMENTS)
    found.touch(call.now, {**fields, "status": status})
    order.touch(call.now, call.state.settings.client_id)
    if status == SHIPPED:
        _ship(order, found, call.now, call.state.settings.client_id)
    elif status == CANCELED:
        first = order.shipments[0]
        first.touch(call.now, {"order_lines": [*first.attributes["order_lines"], *found.attributes["order_lines"]]})
    return _changed(call)


def _ids(lines: Any) -> list[str]:
    if not isinstance(lines, list) or not all(isinstance(line, dict) for line in lines):
        raise wrong_field("order_lines must be a list of objects", "/order_lines")
    return [str(line.get("order_line_id", "")).lower() for line in lines]


def _parse_lines(order: Order, content: dict[str, Any]) -> list[dict[str, Any]]:
    """The lines of a new shipment; 400 for lines of other orders, 409 for lines that left the default shipment."""
    ids = _ids(content.get("order_lines"))
    if not ids or len(set(ids)) != len(ids):
        raise wrong_field("order_lines must name lines, each once", "/order_lines")
    for id in ids:
        found = order.line(id)
        if found is None:
            raise wrong_field(f"the order has no line {id[:60]}", "/order_lines")
        if id not in order.shipments[0].line_ids or order.shipments[0].attributes["status"] != INITIAL:
            raise ProblemError(409, f"line {id} is in another shipment")
    return [{**line, "order_line_id": id} for line, id in zip(content["order_lines"], ids, strict=True)]


def _parse_fields(content: dict[str, Any]) -> dict[str, Any]:
    """The fields of a shipment apart from its lines and its status."""
    found: dict[str, Any] = {name: _parse_text(content, name, "") for name in TEXTS}
    found[CENTER] = _parse_center(content, "")
    weight = content.get("weight")
    if weight is not None:
        if not isinstance(weight, dict) or not is_whole(weight.get("value"), least=0) or weight.get("unit") != "g":
            raise wrong_field('weight must be like {"value": 1250, "unit": "g"}', "/weight")
        found["weight"] = {"value": weight["value"], "unit": "g"}
    return {name: value for name, value in found.items() if value is not None}


def _check_change(order: Order, shipment: Shipment, status: str) -> None:
    before = shipment.attributes["status"]
    if before != INITIAL:
        raise ProblemError(403, f"the shipment is {before} and cannot be changed")
    if status == CANCELED and shipment is order.shipments[0]:
        raise ProblemError(403, "the default shipment cannot be canceled")
    if status != SHIPPED:
        return
    if not shipment.line_ids:
        raise ProblemError(403, "the shipment has no lines")
    for line in _to_ship(order, shipment):
        if SHIPPED not in order.possible_transitions(line):
            raise ProblemError(403, f"line {line.id} is {line.status} and cannot be shipped")


def _ship(order: Order, shipment: Shipment, now: datetime, client: str) -> None:
    if not shipment.attributes["tracking_number"]:
        order.shipped_without_tracking = True
    center = shipment.attributes.get(CENTER)
    for line in _to_ship(order, shipment):
        if center:
            line.attributes[CENTER] = center
        order.move_line(line.id, SHIPPED, now, client)


def _to_ship(order: Order, shipment: Shipment) -> list[Line]:
    """Its lines without those that were canceled."""
    lines = {line.id: line for _, line in order.lines()}
    return [lines[id] for id in shipment.line_ids if lines[id].status != CANCELED]
