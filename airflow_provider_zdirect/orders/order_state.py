# SPDX-License-Identifier: Apache-2.0
"""The state of an order at zDirect at one moment, as far as updates need it; without personal data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_provider_zdirect.erasure.ledger import as_order_id, as_text, as_time

PARTNER_FULFILLED, ZALANDO_FULFILLED = "PartnerFulfilled", "ZalandoFulfilled"
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

    :raises LookupError, ValueError, TypeError, AttributeError: if it has another form.
    """
    order_id, fields = _resource(content["data"])
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
    articles: dict[str, frozenset[str]] = {}
    owners: dict[str | None, str] = {}
    for part in included:
        if part["type"] == "OrderItem":
            item_id, fields = _resource(part)
            articles[item_id] = frozenset(filter(None, _texts(fields, "external_id", "article_id").values()))
            related = (part.get("relationships") or {}).get("order_lines") or {}
            owners |= {as_order_id(line.get("id")): item_id for line in related.get("data") or []}
    for part in included:
        if part["type"] == "OrderLine":
            line_id, fields = _resource(part)
            # A line need not name its item.
            item_id = as_order_id(fields.get("order_item_id")) or owners[line_id]
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

    :raises: as :func:`order_state`.
    """
    return [
        ShipmentState(
            id=_id(one["shipment_id"]),
            merchant_id=as_text(one.get("merchant_specified_shipment_id")),
            line_ids=frozenset(_id(line["order_line_id"]) for line in one.get("order_lines") or []),
            **_texts(one, *_CODES),
            status=_status(one),
        )
        for one in content["shipments"]
    ]


def listed_orders(content: Any) -> list[tuple[str, str | None]]:
    """Id and number of each order in an answer of the list.

    :raises: as :func:`order_state`.
    """
    return [(order_id, as_text(fields.get("order_number"))) for order_id, fields in map(_resource, content["data"])]


def _texts(fields: Mapping[str, Any], *names: str) -> dict[str, str | None]:
    return {name: as_text(fields.get(name)) for name in names}


def _status(fields: Mapping[str, Any]) -> str | None:
    return (as_text(fields.get("status")) or "").lower() or None


def _id(value: Any) -> str:
    if (found := as_order_id(value)) is None:
        raise ValueError("an id is blank")
    return found


def _resource(part: Any) -> tuple[str, Mapping[str, Any]]:
    """Id and attributes of a resource of JSON:API."""
    return _id(part["id"]), part["attributes"]
