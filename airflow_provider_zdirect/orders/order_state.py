"""An order as it is at zDirect at one moment, as far as it takes part in updates. Nothing personal is kept of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

ZALANDO_FULFILLED = "ZalandoFulfilled"
INITIAL, APPROVED = "initial", "approved"


@dataclass(frozen=True)
class LineState:
    """One piece.

    :param possible: the next statuses that zDirect allows; None if it did not say.
    """

    id: str
    item_id: str
    status: str
    possible: tuple[str, ...] | None


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
    """The order.

    :param articles: ids of lines by what names their article: the merchant's identifier and Zalando's.
    :param modified_at: None if it is not told.
    :param merchant_id: whose it is, in lower case; None if it is not told.
    """

    id: str
    number: str | None
    order_type: str | None
    status: str | None
    exported: bool
    merchant_order_id: str | None
    tracking_number: str | None
    return_tracking_number: str | None
    lines: Mapping[str, LineState]
    articles: Mapping[str, frozenset[str]]
    modified_at: datetime | None = None
    merchant_id: str | None = None


def order_state(content: Any) -> OrderState:
    """The order in an answer with ``include=order_items,order_lines`` (zDirect docs, *Orders*, getting orders).

    :raises ValueError: if it is none.
    """
    data = content.get("data") if isinstance(content, Mapping) else None
    if not isinstance(data, Mapping) or not isinstance(data.get("attributes"), Mapping):
        raise ValueError("the answer is no order")
    told = data["attributes"]
    order_id = _id(data.get("id") or told.get("order_id"))
    if order_id is None:
        raise ValueError("the order has no id")
    included = [part for part in content.get("included") or [] if isinstance(part, Mapping)]
    items = {item_id: _attributes(part) for part in _of_type(included, "OrderItem") if (item_id := _own_id(part))}
    owners = _owners(included)
    lines: dict[str, LineState] = {}
    articles: dict[str, set[str]] = {}
    for part in _of_type(included, "OrderLine"):
        line_id, attributes = _own_id(part), _attributes(part)
        if line_id is None:
            raise ValueError("an order line has no id")
        item_id = _id(attributes.get("order_item_id")) or owners.get(line_id)
        if item_id is None:
            raise ValueError(f"order line {line_id} does not say of which item it is")
        lines[line_id] = LineState(
            line_id, item_id, str(_text(attributes.get("status")) or "").lower(), _possible(part)
        )
        for name in ("external_id", "article_id"):
            if article := _text(items.get(item_id, {}).get(name)):
                articles.setdefault(article, set()).add(line_id)
    return OrderState(
        id=order_id,
        number=_text(told.get("order_number")),
        order_type=_text(told.get("order_type")),
        status=(_text(told.get("status")) or "").lower() or None,
        exported=told.get("exported") in (True, "true"),
        merchant_order_id=_text(told.get("merchant_order_id")),
        tracking_number=_text(told.get("tracking_number")),
        return_tracking_number=_text(told.get("return_tracking_number")),
        lines=lines,
        articles={article: frozenset(found) for article, found in articles.items()},
        modified_at=_instant(told.get("modified_at")),
        merchant_id=_id(told.get("merchant_id")),
    )


def shipment_states(content: Any) -> list[ShipmentState]:
    """The parcels in an answer ``{"shipments": [...]}`` (zDirect docs, *Orders*, split shipments).

    :raises ValueError: if it is none.
    """
    found = content.get("shipments") if isinstance(content, Mapping) else None
    if not isinstance(found, list) or not all(
        isinstance(one, Mapping) and _id(one.get("shipment_id")) for one in found
    ):
        raise ValueError("the answer has no list of shipments")
    return [
        ShipmentState(
            id=_id(one["shipment_id"]) or "",
            merchant_id=_text(one.get("merchant_specified_shipment_id")),
            line_ids=frozenset(
                line_id
                for line in one.get("order_lines") or []
                if isinstance(line, Mapping) and (line_id := _id(line.get("order_line_id")))
            ),
            tracking_number=_text(one.get("tracking_number")),
            return_tracking_number=_text(one.get("return_tracking_number")),
            status=(_text(one.get("status")) or "").lower() or None,
        )
        for one in found
    ]


def listed_orders(content: Any) -> list[tuple[str, str | None]]:
    """Id and number of each order in an answer of the list.

    :raises ValueError: if it is none.
    """
    data = content.get("data") if isinstance(content, Mapping) else None
    if not isinstance(data, list):
        raise ValueError("the answer has no list of orders")
    found = []
    for part in data:
        order_id = _own_id(part) if isinstance(part, Mapping) else None
        if order_id is None:
            raise ValueError("an order of the list has no id")
        found.append((order_id, _text(_attributes(part).get("order_number"))))
    return found


def _of_type(included: list[Mapping[str, Any]], kind: str) -> list[Mapping[str, Any]]:
    return [part for part in included if part.get("type") == kind]


def _owners(included: list[Mapping[str, Any]]) -> dict[str, str]:
    """The item of each line, by what the items say."""
    owners: dict[str, str] = {}
    for part in _of_type(included, "OrderItem"):
        related = (part.get("relationships") or {}).get("order_lines") or {}
        for line in related.get("data") or []:
            line_id, item_id = _id(line.get("id")), _own_id(part)
            if line_id and item_id:
                owners[line_id] = item_id
    return owners


def _possible(part: Mapping[str, Any]) -> tuple[str, ...] | None:
    possible = (part.get("meta") or {}).get("possible_status_transitions")
    return tuple(str(status).lower() for status in possible) if isinstance(possible, list) else None


def _attributes(part: Mapping[str, Any]) -> Mapping[str, Any]:
    attributes = part.get("attributes")
    return attributes if isinstance(attributes, Mapping) else {}


def _own_id(part: Mapping[str, Any]) -> str | None:
    return _id(part.get("id"))


def _id(value: Any) -> str | None:
    # Real answers have UUIDs in upper case, and with a blank in them.
    return "".join(str(value).split()).lower() or None if value else None


def _instant(value: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(value).strip())
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _text(value: Any) -> str | None:
    """What is not set comes as an empty text, or as nothing."""
    return None if value is None else str(value).strip() or None
