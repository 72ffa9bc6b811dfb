# SPDX-License-Identifier: Apache-2.0
"""Which orders a list shows: the parameters of zDirect docs, *Get orders*. Unknown parameters are ignored."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_zdirect.emulator.answers import wrong_parameter
from airflow_provider_zdirect.emulator.order import ORDER_STATUSES, ORDER_TYPES, Order
from airflow_provider_zdirect.emulator.requests import Call

ORDER_INCLUDES = ("order_transitions", "order_items", "order_lines", "order_lines.order_line_transitions", "shipments")
ITEM_INCLUDES = ("order_lines", "order_lines.order_line_transitions")
SORT_FIELDS = ("order_number", "modified_at", "order_lines_price_amount", "order_lines_count", "order_date")
DEFAULT_SORT = "-modified_at"
TIMES: dict[str, Callable[[datetime, Order], bool]] = {
    "created_after": lambda time, order: order.created_at > time,
    "created_before": lambda time, order: order.created_at < time,
    "last_updated_after": lambda time, order: order.modified_at > time,
    "last_updated_before": lambda time, order: order.modified_at < time,
}
# Parameter, attribute, and what it may be.
CHOICES = (
    ("order_status", "status", ORDER_STATUSES),
    ("order_type", "order_type", ORDER_TYPES),
    ("exported", "exported", ("true", "false")),
)
RETENTION = timedelta(days=365)


def selected(call: Call, orders: Iterable[Order]) -> list[Order]:
    """All that match, in order; those that are equal in it stand by their ids."""
    times, values, sort = _times(call), _values(call), _sort(call.given("sort") or DEFAULT_SORT)
    found = [
        order
        for order in orders
        if is_kept(order, call.now)
        and all(TIMES[name](time, order) for name, time in times.items())
        and all(order.attributes[name] == value for name, value in values.items())
    ]
    found.sort(key=lambda order: order.id)
    for name, is_descending in reversed(sort if call.options.orders_sort == "honoured" else _sort(DEFAULT_SORT)):
        # As shown, times are in one offset and of one length, so that their texts are in order, too.
        found.sort(key=lambda order: order.attributes[name], reverse=is_descending)
    return found


def includes(call: Call, allowed: tuple[str, ...]) -> frozenset[str]:
    """The names in ``include``."""
    names = frozenset(name for name in call.query.get("include", "").split(",") if name)
    unknown = sorted(names - set(allowed))
    if unknown:
        raise wrong_parameter(f"include cannot be {', '.join(unknown)[:60]}", "include")
    return names


def is_kept(order: Order, now: datetime) -> bool:
    """Orders are kept for a year (zDirect docs: Orders API)."""
    return order.created_at > now - RETENTION


def _sort(text: str) -> list[tuple[str, bool]]:
    fields = [(part.removeprefix("-"), part.startswith("-")) for part in text.split(",")]
    for name, _ in fields:
        if name not in SORT_FIELDS:
            raise wrong_parameter(f"sort cannot be {name[:60]}", "sort")
    return fields


def _times(call: Call) -> dict[str, datetime]:
    found = {}
    for name in TIMES:
        if time := call.given_time(name):
            # Seen in practice: the server drops such a filter silently.
            is_odd = "." in call.query[name] or call.query[name][-1] in "Zz"
            wanted = call.options.orders_time_filter
            if wanted == "lenient" or (wanted == "strict" and not is_odd):
                found[name] = time
    return found


def _values(call: Call) -> dict[str, Any]:
    wanted: dict[str, Any] = {name: call.query[name] for name in ("order_number", "locale") if call.given(name)}
    if channel := call.given_uuid("sales_channel_id"):
        wanted["sales_channel_id"] = channel
    for name, field, allowed in CHOICES:
        if value := call.given(name):
            # One page of the docs writes statuses with a capital letter.
            value = value if name == "order_type" else value.lower()
            if value not in allowed:
                raise wrong_parameter(f"{name} must be one of {', '.join(allowed)}", name)
            wanted[field] = value == "true" if name == "exported" else value
    return wanted
