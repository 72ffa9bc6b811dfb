"""The state of an order at zDirect at one moment, as far as updates need it; without personal data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_provider_zdirect.erasure.ledger import as_order_id, as_text, as_time

ZALANDO_FULFILLED = "ZalandoFulfilled"
INITIAL, APPROVED = "initial", "approved"
_CODES = ("tracking_number", "return_tracking_number")


@dataclass(frozen=True)
class LineState:
    """A line: one piece of an article.

    :param possible: the next statuses that zDirect allows; None if it does not name them.
    :param articles: the article's identifiers: the merchant's and Zalando's.
    """

    id: str
    item_id: str
    status: str
    possible: tuple[str, ...] | None
    articles: frozenset[str]


@dataclass(frozen=True)
class ShipmentState:
    """One parcel.

    :param merchant_id: the id that the merchant gave it.
    """

    id: str
    merchant_id: str | None
    line_ids: frozenset[str]
    tracking_number: str | None
    return_tracking_number: str | None
    status: str | None


@dataclass(frozen=True)
class OrderState:
    """An order; what zDirect does not name is None.

    :param merchant_id: in lower case.
    """

    id: str
    order_number: str | None
    order_type: str | None
    status: str | None
    exported: bool
    merchant_order_id: str | None
    tracking_number: str | None
    return_tracking_number: str | None
    modified_at: datetime | None
    merchant_id: str | None
    lines: Mapping[str, LineState]


def order_state(content: Any) -> OrderState:
    """The order in an answer with ``include=order_items,order_lines`` (zDirect docs, *Orders*, getting orders).

    :raises ValueError: if it has another form.
    """
    data = content.get("data") if isinstance(content, Mapping) else None
    if not isinstance(data, Mapping) or not isinstance(data.get("attributes"), Mapping):
        raise ValueError("the answer is not an order")
    order_id, fields = _resource(data)
    order_id = order_id or as_order_id(fields.get("order_id"))
    if order_id is None:
        raise ValueError("the order has no id")
    return OrderState(
        id=order_id,
        **_texts(fields, "order_number", "order_type", "merchant_order_id", *_CODES),
        status=_status(fields),
        exported=fields.get("exported") in (True, "true"),
        modified_at=as_time(fields.get("modified_at")),
        merchant_id=as_order_id(fields.get("merchant_id")),
        lines={line.id: line for line in _lines(content.get("included") or [])},
    )


def _lines(included: list[Any]) -> Iterator[LineState]:
    parts = [part for part in included if isinstance(part, Mapping)]
    articles: dict[str | None, frozenset[str]] = {}
    owners: dict[str | None, str | None] = {}
    for part in parts:
        if part.get("type") == "OrderItem":
            item_id, fields = _resource(part)
            names = (as_text(fields.get(name)) for name in ("external_id", "article_id"))
            articles[item_id] = frozenset(name for name in names if name)
            related = (part.get("relationships") or {}).get("order_lines") or {}
            owners |= {as_order_id(line.get("id")): item_id for line in related.get("data") or []}
    for part in parts:
        if part.get("type") == "OrderLine":
            line_id, fields = _resource(part)
            if line_id is None:
                raise ValueError("an order line has no id")
            item_id = as_order_id(fields.get("order_item_id")) or owners.get(line_id)
            if item_id is None:
                raise ValueError(f"order line {line_id} does not name its item")
            possible = (part.get("meta") or {}).get("possible_status_transitions")
            yield LineState(
                id=line_id,
                item_id=item_id,
                status=_status(fields) or "",
                possible=tuple(str(one).lower() for one in possible) if isinstance(possible, list) else None,
                articles=articles.get(item_id, frozenset()),
            )


def shipment_states(content: Any) -> list[ShipmentState]:
    """The parcels in an answer ``{"shipments": [...]}`` (zDirect docs, *Orders*, split shipments).

    :raises ValueError: if it has another form.
    """
    found = content.get("shipments") if isinstance(content, Mapping) else None
    ids = [as_order_id(one.get("shipment_id")) for one in found] if isinstance(found, list) else [None]
    if not isinstance(found, list) or None in ids:
        raise ValueError("the answer has no list of shipments")
    return [
        ShipmentState(
            id=str(shipment_id),
            merchant_id=as_text(one.get("merchant_specified_shipment_id")),
            line_ids=frozenset(
                filter(None, (as_order_id(line.get("order_line_id")) for line in one.get("order_lines") or []))
            ),
            **_texts(one, *_CODES),
            status=_status(one),
        )
        for shipment_id, one in zip(ids, found, strict=True)
    ]


def listed_orders(content: Any) -> list[tuple[str, str | None]]:
    """Id and number of each order in an answer of the list.

    :raises ValueError: if it has another form.
    """
    data = content.get("data") if isinstance(content, Mapping) else None
    if not isinstance(data, list):
        raise ValueError("the answer has no list of orders")
    found = [_resource(part) for part in data]
    if any(order_id is None for order_id, _ in found):
        raise ValueError("an order of the list has no id")
    return [(str(order_id), as_text(fields.get("order_number"))) for order_id, fields in found]


def _texts(fields: Mapping[str, Any], *names: str) -> dict[str, str | None]:
    return {name: as_text(fields.get(name)) for name in names}


def _status(fields: Mapping[str, Any]) -> str | None:
    return (as_text(fields.get("status")) or "").lower() or None


def _resource(part: Mapping[str, Any]) -> tuple[str | None, Mapping[str, Any]]:
    """Id and attributes of a resource of JSON:API."""
    return as_order_id(part.get("id")), part.get("attributes") or {}
