"""Orders API, shipments of an order (zDirect docs: Split shipments)."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from airflow_provider_zdirect.emulator.answers import JsonApiRoute, ProblemError, json_api_answer, wrong_field
from airflow_provider_zdirect.emulator.catalog import stable_uuid
from airflow_provider_zdirect.emulator.channel_stock import is_whole
from airflow_provider_zdirect.emulator.clock import order_time
from airflow_provider_zdirect.emulator.order import (
    BY_SHIPMENTS,
    CANCELED,
    INITIAL,
    SHIPPED,
    TRACKING,
    Line,
    Order,
    Shipment,
)
from airflow_provider_zdirect.emulator.order_writes import (
    CENTER,
    UPDATE_LIMIT,
    WRITE,
    changed,
    check_partner,
    choose_flow,
    parse_body,
    parse_center,
    parse_text,
)
from airflow_provider_zdirect.emulator.orders import OTHER_LIMIT, READ, own_order
from airflow_provider_zdirect.emulator.requests import Body, admit, parse_uuid
from airflow_provider_zdirect.emulator.state import EmulatorState

TEXTS = (*TRACKING, "merchant_specified_shipment_id")
STATUSES = (INITIAL, SHIPPED, CANCELED)


def shipments_router(state: EmulatorState) -> APIRouter:
    """Routes of shipments, whose answers have no envelope."""
    router = APIRouter(prefix="/merchants/{merchant_id}/orders/{order_id}/shipments", route_class=JsonApiRoute)

    @router.get("")
    def shipments(request: Request, merchant_id: str, order_id: str) -> Response:
        merchant_id = admit(state, request, merchant_id, OTHER_LIMIT, READ)
        with state.orders.lock:
            order = own_order(state, merchant_id, order_id)
            return json_api_answer({"shipments": [shipment.attributes for shipment in order.shipments]})

    @router.get("/{shipment_id}")
    def shipment(request: Request, merchant_id: str, order_id: str, shipment_id: str) -> Response:
        merchant_id = admit(state, request, merchant_id, OTHER_LIMIT, READ)
        with state.orders.lock:
            return json_api_answer(_shipment_of(own_order(state, merchant_id, order_id), shipment_id).attributes)

    @router.post("")
    def create(request: Request, merchant_id: str, order_id: str, body: Body) -> Response:
        merchant_id = admit(state, request, merchant_id, OTHER_LIMIT, WRITE)
        with state.orders.lock:
            order = own_order(state, merchant_id, order_id)
            content = parse_body(request, body)
            check_partner(order)
            lines, fields = _parse_lines(order, content), _parse_fields(content)
            if "weight" not in fields:
                raise wrong_field("weight is missing", "/weight")
            choose_flow(order, BY_SHIPMENTS)
            made = _create(state, order, lines, fields)
            return json_api_answer({"shipment_id": made.id}, status=201)

    @router.patch("/{shipment_id}")
    def update(request: Request, merchant_id: str, order_id: str, shipment_id: str, body: Body) -> Response:
        merchant_id = admit(state, request, merchant_id, UPDATE_LIMIT, WRITE)
        with state.orders.lock:
            order = own_order(state, merchant_id, order_id)
            found = _shipment_of(order, shipment_id)
            content = parse_body(request, body)
            check_partner(order)
            fields, status = _parse_fields(content), content.get("status", found.attributes["status"])
            if status not in STATUSES:
                raise wrong_field(f"status must be one of {', '.join(STATUSES)}", "/status")
            if "order_lines" in content and _ids(content["order_lines"]) != found.line_ids:
                raise wrong_field("the lines of a shipment cannot change", "/order_lines")
            _check_change(state, order, found, status)
            choose_flow(order, BY_SHIPMENTS)
            _update(state, order, found, fields, status)
        return changed(request)

    return router


def _shipment_of(order: Order, shipment_id: str) -> Shipment:
    shipment_id = parse_uuid(shipment_id, "shipment id")
    for shipment in order.shipments:
        if shipment.id == shipment_id:
            return shipment
    raise ProblemError(404, f"shipment {shipment_id} is unknown")


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
    found: dict[str, Any] = {name: parse_text(content, name, "") for name in TEXTS}
    found[CENTER] = parse_center(content, "")
    weight = content.get("weight")
    if weight is not None:
        if not isinstance(weight, dict) or not is_whole(weight.get("value"), least=0) or weight.get("unit") != "g":
            raise wrong_field('weight must be like {"value": 1250, "unit": "g"}', "/weight")
        found["weight"] = {"value": weight["value"], "unit": "g"}
    return {name: value for name, value in found.items() if value is not None}


def _create(state: EmulatorState, order: Order, lines: list[dict[str, Any]], fields: dict[str, Any]) -> Shipment:
    """Another shipment; its lines leave the default one."""
    now, number = order_time(state.clock.now()), len(order.shipments)
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
    shipment, first = Shipment(id, attributes), order.shipments[0]
    taken = set(shipment.line_ids)
    left = [line for line in first.attributes["order_lines"] if line["order_line_id"] not in taken]
    first.touch(state.clock.now(), {"order_lines": left})
    order.shipments.append(shipment)
    order.touch(state.clock.now(), state.settings.client_id)
    return shipment


def _check_change(state: EmulatorState, order: Order, shipment: Shipment, status: str) -> None:
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
        if SHIPPED not in order.possible_transitions(line, state.options.lines_from_initial):
            raise ProblemError(403, f"line {line.id} is {line.status} and cannot be shipped")


def _update(state: EmulatorState, order: Order, shipment: Shipment, fields: dict[str, Any], status: str) -> None:
    now, client = state.clock.now(), state.settings.client_id
    shipment.touch(now, {**fields, "status": status})
    order.touch(now, client)
    if status == SHIPPED:
        _ship(order, shipment, now, client)
    elif status == CANCELED:
        # Its lines go back to where they came from.
        first = order.shipments[0]
        first.touch(now, {"order_lines": [*first.attributes["order_lines"], *shipment.attributes["order_lines"]]})


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
