# SPDX-License-Identifier: Apache-2.0
"""One order with its items, lines and shipments, and what may happen to them (zDirect docs: Orders)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from airflow_provider_zdirect.emulator.clock import order_time, whole_millisecond

INITIAL, APPROVED, FULFILLED = "initial", "approved", "fulfilled"
ORDER_STATUSES = (INITIAL, APPROVED, FULFILLED)
RESERVED, SHIPPED, RETURNED, CANCELED = "reserved", "shipped", "returned", "canceled"
LINE_STATUSES = (INITIAL, RESERVED, SHIPPED, RETURNED, CANCELED)
# An order is fulfilled when each of its lines is so.
DONE = (SHIPPED, RETURNED, CANCELED)
NEXT: dict[str, tuple[str, ...]] = {INITIAL: (RESERVED,), RESERVED: (SHIPPED, CANCELED), SHIPPED: (RETURNED,)}
PARTNER, ZALANDO = "PartnerFulfilled", "ZalandoFulfilled"
ORDER_TYPES = (PARTNER, ZALANDO)
CHOICES = {"status": ORDER_STATUSES, "order_type": ORDER_TYPES}
# They follow from the rest of an order, or from what happens to it.
NOT_TO_SET = ("merchant_id", "order_id", "order_lines_count", "created_at", "modified_by", "modified_at")
TRACKING = ("tracking_number", "return_tracking_number")
BY_LINES, BY_SHIPMENTS = "lines", "shipments"
# zDirect docs: Returns.
REASONS = {
    0: "UNKNOWN_CAUSE",
    1: "DISLIKE",
    2: "SIZE_BIG",
    3: "SIZE_SMALL",
    4: "VALUE_FOR_MONEY",
    5: "DELIVERY_TOO_LATE",
    6: "NOT_LIKE_IMAGINED",
    9: "ARTICLE_WRONG",
    10: "DEFECTIVE",
}


class Transition(NamedTuple):
    """A change of status, of an order or a line."""

    id: str
    attributes: dict[str, Any]


@dataclass(slots=True)
class Line:
    """One sold piece."""

    id: str
    attributes: dict[str, Any]
    transitions: list[Transition] = field(default_factory=list)

    @property
    def status(self) -> str:
        return str(self.attributes["status"])


@dataclass(slots=True)
class Item:
    """The pieces of one article."""

    id: str
    attributes: dict[str, Any]
    lines: list[Line]

    def count(self) -> None:
        """Set the quantities anew: of each status the lines that have it, and of ``initial`` all."""
        statuses = [line.attributes["status"] for line in self.lines]
        self.attributes["quantity_initial"] = len(statuses)
        for status in LINE_STATUSES[1:]:
            self.attributes[f"quantity_{status}"] = statuses.count(status)


@dataclass(slots=True)
class Shipment:
    """A parcel. The first of an order is the default one."""

    id: str
    attributes: dict[str, Any]

    @property
    def line_ids(self) -> list[str]:
        return [line["order_line_id"] for line in self.attributes["order_lines"]]

    def touch(self, at: datetime, changes: dict[str, Any]) -> None:
        self.attributes.update(changes, modified_at=order_time(at))


@dataclass(slots=True)
class Order:
    """The order as it is now.

    :param attributes: as they are shown; times and identifiers are in there too.
    :param flow: whether the partner ships it by lines or by shipments, empty before that.
    :param pending: tracking numbers that take effect later, with that moment.
    """

    id: str
    merchant_id: str
    attributes: dict[str, Any]
    items: list[Item]
    created_at: datetime
    modified_at: datetime
    transitions: list[Transition] = field(default_factory=list)
    shipments: list[Shipment] = field(default_factory=list)
    shipped_without_tracking: bool = False
    flow: str = ""
    pending: list[tuple[datetime, dict[str, str]]] = field(default_factory=list)
    moves: int = 0

    @property
    def status(self) -> str:
        return str(self.attributes["status"])

    @property
    def is_partner_fulfilled(self) -> bool:
        return bool(self.attributes["order_type"] == PARTNER)

    def lines(self) -> Iterator[tuple[Item, Line]]:
        for item in self.items:
            for line in item.lines:
                yield item, line

    def line(self, line_id: str) -> tuple[Item, Line] | None:
        return next((found for found in self.lines() if found[1].id == line_id), None)

    def known_line(self, line_id: str) -> tuple[Item, Line]:
        """:raises ValueError: if there is no such line."""
        found = self.line(line_id)
        if found is None:
            raise ValueError(f"order {self.id} has no line {line_id}")
        return found

    def set_fields(self, attributes: Mapping[str, Any]) -> None:
        """:raises ValueError: for fields that an order does not have or that follow from others, or a wrong status."""
        unknown = set(attributes) - (set(self.attributes) - set(NOT_TO_SET))
        if unknown:
            raise ValueError(f"an order has no field {', '.join(sorted(unknown))} that can be set")
        for name, allowed in CHOICES.items():
            if attributes.get(name, allowed[0]) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}")
        for name, value in attributes.items():
            self.attributes[name] = order_time(value) if isinstance(value, datetime) else value

    def possible_transitions(self, line: Line) -> tuple[str, ...]:
        """The statuses that the partner may give a line."""
        if self.status == INITIAL and not self.attributes["exported"]:
            return (RESERVED,) if line.status == INITIAL else ()
        return NEXT.get(line.status, ())

    def touch(self, at: datetime, by: str = "") -> None:
        self.modified_at = whole_millisecond(at)
        self.attributes["modified_at"] = order_time(self.modified_at)
        self.attributes["modified_by"] = by

    def transition(self, original: str, final: str, at: datetime, by: str, reason: int | None = None) -> Transition:
        """A new one, not yet in any list. Its id is a number that no other transition has."""
        self.moves += 1
        statuses: dict[str, Any] = {"original_status": original, "final_status": final}
        attributes = {**statuses, "created_at": order_time(at), "created_by": by}
        if reason is not None:
            attributes["transition_reason"] = {"code": str(reason), "description": REASONS[reason]}
        return Transition(f"{int(self.id[:8] + self.id[9:13], 16)}{self.moves:03d}", attributes)

    def move(self, status: str, at: datetime, by: str = "system") -> None:
        """Another status of the order itself."""
        self.transitions.append(self.transition(self.status, status, at, by))
        self.attributes["status"] = status
        self.touch(at, by)

    def move_line(self, line_id: str, status: str, at: datetime, by: str, reason: int | None = None) -> None:
        """Another status of a line, whether it is allowed or not; the order may be fulfilled by it."""
        item, line = self.known_line(line_id)
        line.transitions.append(self.transition(line.status, status, at, by, reason))
        changed = {"modified_by": by, "modified_at": order_time(at)}
        line.attributes.update(changed, status=status)
        item.count()
        item.attributes.update(changed)
        self.touch(at, by)
        if self.status != FULFILLED and all(line.status in DONE for _, line in self.lines()):
            self.move(FULFILLED, at, by)
            self._close_default_shipment(at)

    def _close_default_shipment(self, at: datetime) -> None:
        first = self.shipments[0]
        if self.flow != BY_SHIPMENTS and first.attributes["status"] == INITIAL:
            all_canceled = all(line.status == CANCELED for _, line in self.lines())
            first.touch(at, {"status": CANCELED if all_canceled else SHIPPED})

    def settle(self, now: datetime, first_counts: bool) -> bool:
        """Let the tracking numbers take effect that are due; whether there is more to come.

        :param first_counts: of each only the first that is not empty counts.
        """
        while self.pending and self.pending[0][0] <= now:
            due, numbers = self.pending.pop(0)
            if first_counts:
                numbers = {name: number for name, number in numbers.items() if not self.attributes[name]}
            if numbers:
                self.attributes.update(numbers)
                self.shipments[0].touch(due, numbers)
                # A test may have said that it was modified later than that.
                self.touch(max(due, self.modified_at), self.attributes["modified_by"])
        return bool(self.pending)

    def as_truth(self) -> dict[str, Any]:
        """All of it in the field names of the API."""
        items = [
            {**item.attributes, "lines": [{**line.attributes, **_history(line.transitions)} for line in item.lines]}
            for item in self.items
        ]
        return {
            **self.attributes,
            **_history(self.transitions),
            "items": items,
            "shipments": [dict(shipment.attributes) for shipment in self.shipments],
            "shipped_without_tracking": self.shipped_without_tracking,
        }


def _history(transitions: list[Transition]) -> dict[str, Any]:
    return {"transitions": [dict(transition.attributes) for transition in transitions]}
