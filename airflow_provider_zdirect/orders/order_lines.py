# SPDX-License-Identifier: Apache-2.0
"""The lines of an order: which of them a row means, and which statuses they can have next.

Statuses (zDirect docs, *Orders*): ``meta.possible_status_transitions`` of a line has the next ones; while its order is
``initial`` and not exported, only ``reserved`` is possible.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set

from airflow_provider_zdirect.exceptions import ConflictError
from airflow_provider_zdirect.orders.order_state import APPROVED, INITIAL, LineState, OrderState
from airflow_provider_zdirect.orders.update_rows import CANCELED, RESERVED, RETURNED, SHIPPED, OrderUpdate

PASSED = {
    RESERVED: (RESERVED, SHIPPED, RETURNED),
    SHIPPED: (SHIPPED, RETURNED),
    CANCELED: (CANCELED,),
    RETURNED: (RETURNED,),
}
"""Statuses of a line in which the wanted one has been reached."""

NEXT = {INITIAL: (RESERVED,), RESERVED: (SHIPPED, CANCELED), SHIPPED: (RETURNED,)}
"""Possible statuses, where zDirect does not name them."""


def find_lines(
    updates: Iterable[OrderUpdate],
    order: OrderState,
    wrong: Set[str],
    lines_of: Callable[[OrderUpdate, OrderState], list[str]],
) -> tuple[dict[OrderUpdate, list[str]], dict[OrderUpdate, str]]:
    """The ids of the lines that rows mean, and what is wrong with the other rows.

    :param wrong: ids and numbers of orders that invalid rows name.
    :param lines_of: the lines of one row; raises ValueError if there are none, or it is not clear which.
    """
    lines: dict[OrderUpdate, list[str]] = {}
    problems: dict[OrderUpdate, str] = {}
    for update in updates:
        try:
            lines[update] = lines_of(update, order)
        except ValueError as error:
            problems[update] = str(error)
    if problems or wrong & {order.id, order.order_number}:
        doubt = "another row of the order is wrong, or names no line of it, and may mean one of these lines"
        for_all = [update for update in lines if (update.status or update.shipment) and not update.names_lines]
        problems |= dict.fromkeys(for_all, doubt)
    return {update: found for update, found in lines.items() if update not in problems}, problems


def lines_of(update: OrderUpdate, order: OrderState) -> list[str]:
    """The lines whose status a row sets."""
    if update.shipment is not None:
        raise ValueError("a shipment is given, but the order is not shipped in parcels; split_shipments=True allows it")
    if update.status is None:
        return []
    if update.status == CANCELED and not update.names_lines:
        return list(order.lines)
    found = named_lines(update, order)
    if update.external_id is None:
        return found
    left = [one for one in found if update.status == CANCELED or order.lines[one].status != CANCELED]
    if update.status in (CANCELED, RETURNED) and len(left) > 1:
        hint = f"name those that are {update.status} by order_line_id"
        raise ValueError(f"the order has {len(left)} pieces of that article; {hint}")
    if not left:
        raise ValueError("all lines of that article are canceled")
    return left


def named_lines(update: OrderUpdate, order: OrderState) -> list[str]:
    """The lines that a row names; if none, all that are not canceled."""
    lines = order.lines.values()
    if update.order_line_id is not None:
        found = [line.id for line in lines if line.id == update.order_line_id]
        problem = "the order has no such line"
    elif update.external_id is not None:
        found = [line.id for line in lines if update.external_id in line.articles]
        problem = "the order has no line with that external_id"
    else:
        found = [line.id for line in lines if line.status != CANCELED]
        problem = "all lines of the order are canceled"
    if not found:
        raise ValueError(problem)
    return found


def line_of(order: OrderState, line_id: str) -> LineState:
    """The line, as it was read last; ConflictError if the order does not have it any more."""
    if line_id not in order.lines:
        raise ConflictError("the order does not have the line any more")
    return order.lines[line_id]


def steps_to(status: str, line: LineState, order: OrderState, *, exported: bool | None = None) -> tuple[str, ...]:
    """The statuses to set, in order, until a line has ``status``; none if it has.

    :param exported: whether the order will be exported by then; None: as it is.
    :raises ConflictError: if that is impossible.
    """
    if line.status in PASSED[status]:
        return ()
    exported = order.exported if exported is None else exported
    waiting = order.status == INITIAL and not exported
    possible = line.possible
    if possible is None or exported != order.exported:
        # What zDirect names holds for the current state only.
        possible = NEXT.get(line.status, ()) if not waiting or line.status == INITIAL else ()
    if status in possible:
        return (status,)
    if RESERVED in possible and order.status == APPROVED and status in (SHIPPED, CANCELED):
        return (RESERVED, status)
    if order.status == INITIAL:
        raise ConflictError(f"the order is not approved yet, and its line cannot become {status}")
    raise ConflictError(f"the line is {line.status}, and cannot become {status}")
