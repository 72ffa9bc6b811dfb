# SPDX-License-Identifier: Apache-2.0
"""Zalando Shipping Solution: labels and delivery slips as small PDFs (zDirect docs: ZSS Shipping Documents)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from random import Random
from typing import Any

from starlette.responses import Response
from starlette.routing import Match, Route, compile_path
from starlette.types import Scope

from airflow_provider_zdirect.emulator.answers import ProblemError
from airflow_provider_zdirect.emulator.catalog import stable_uuid
from airflow_provider_zdirect.emulator.order import Order
from airflow_provider_zdirect.emulator.order_query import is_kept
from airflow_provider_zdirect.emulator.requests import Api, Call, parse_uuid
from airflow_provider_zdirect.emulator.state import EmulatorState


def pdf(lines: Iterable[str]) -> bytes:
    """One page of A6 with the lines; what Latin-1 lacks becomes a question mark."""
    escaped = (re.sub(rb"[\\()]", rb"\\\g<0>", line.encode("latin-1", "replace")) for line in lines)
    content = b"BT /F1 10 Tf 14 TL 20 390 Td %b ET" % b" T* ".join(b"(%b) Tj" % line for line in escaped)
    page = b"/Parent 2 0 R /MediaBox [0 0 298 420] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >>"
    body, places = b"%PDF-1.4\n", []
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page %b >>" % page,
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    )
    for number, item in enumerate(objects, 1):
        places.append(b"%010d 00000 n \n" % len(body))
        body += b"%d 0 obj\n%b\nendobj\n" % (number, item)
    table = b"xref\n0 6\n0000000000 65535 f \n" + b"".join(places)
    return b"%b%btrailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (body, table, len(body))


READ = "zss/shipping-document/read"
OPERATION = "shipping-documents"
OUTBOUND, RETURN, SLIP = "OUTBOUND_LABEL", "RETURN_LABEL", "DELIVERY_SLIP"
TYPES = (OUTBOUND, RETURN, SLIP)


api = Api(READ)


@api.get("/zss/shipping-documents", OPERATION)
def shipping_documents(call: Call) -> Any:
    parameter = call.options.documents_order_parameter
    with call.state.orders.lock:
        order_id = parse_uuid(call.required(parameter), parameter)
        order = call.state.orders.find(order_id)
        if order is None or not is_kept(order, call.now):
            raise ProblemError(404, f"order {order_id} is unknown")
        if order.merchant_id not in call.state.merchant_ids:
            raise call.no_access(f"order {order_id}")
        return {"documents": documents_of(call.state, order)}


class DocumentRoute(Route):
    """The route of one document as PDF, whose path is an option."""

    def __init__(self, state: EmulatorState) -> None:
        endpoint = api.endpoint(state, OPERATION, READ, _document)
        super().__init__(state.options.document_path, endpoint, methods=["GET"])
        self._state = state

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        self.path_regex, self.path_format, self.param_convertors = compile_path(self._state.options.document_path)
        return super().matches(scope)


def documents_of(state: EmulatorState, order: Order) -> list[dict[str, Any]]:
    """The documents of an order, those of its default shipment; none if it is not shipped with Zalando's labels."""
    rng = Random(f"{state.settings.seed}/{order.id}/documents")  # noqa: S311 - reproducible, not secret
    if not order.is_partner_fulfilled or rng.random() >= state.options.zss_orders:
        return []
    shared = {
        "shipment_id": order.shipments[0].id,
        "order_id": order.id,
        "shipment_number": order.attributes["shipment_number"],
    }
    documents = []
    for type in TYPES:
        document = {"id": stable_uuid(state.settings.seed, order.id, type), **shared, "type": type}
        if type != SLIP:
            document["tracking_id"] = f"{'ZSR' if type == RETURN else 'ZSO'}{rng.randrange(10**13):013d}"
        documents.append(document)
    return documents


def _document(call: Call) -> Response:
    state, document_id = call.state, parse_uuid(call.ids["document_id"], "document id")
    with state.orders.lock:
        for merchant_id in state.merchant_ids:
            for order in state.orders.of_merchant(merchant_id).values():
                # The id is made of the order, so most need no more than this.
                if document_id not in (stable_uuid(state.settings.seed, order.id, type) for type in TYPES):
                    continue
                for document in documents_of(state, order):
                    if document["id"] == document_id and is_kept(order, call.now):
                        return Response(_pdf(order, document), media_type="application/pdf")
    raise ProblemError(404, f"document {document_id} is unknown")


def _pdf(order: Order, document: dict[str, Any]) -> bytes:
    address = order.attributes["shipping_address"]
    return pdf(
        (
            document["type"],
            f"{address['first_name']} {address['last_name']}",
            address["address_line_1"],
            f"{address.get('zip_code', '')} {address['city']}",
            address["country_code"],
            f"Order {order.attributes['order_number']}",
            f"Shipment {document['shipment_number']}",
            document.get("tracking_id", ""),
        )
    )
