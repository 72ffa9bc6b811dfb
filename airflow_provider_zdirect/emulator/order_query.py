"""Which orders a list shows: the parameters of zDirect docs, *Get orders*."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from airflow_provider_zdirect.emulator.answers import wrong_parameter
from airflow_provider_zdirect.emulator.options import Options
from airflow_provider_zdirect.emulator.order import ORDER_STATUSES, ORDER_TYPES, Order
from airflow_provider_zdirect.emulator.requests import parse_time, parse_uuid

ORDER_INCLUDES = ("order_transitions", "order_items", "order_lines", "order_lines.order_line_transitions", "shipments")
ITEM_INCLUDES = ("order_lines", "order_lines.order_line_transitions")
SORT_FIELDS = ("order_number", "modified_at", "order_lines_price_amount", "order_lines_count", "order_date")
DEFAULT_SORT = "-modified_at"
DEFAULT_PAGE = 50
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
NUMBER = re.compile(r"[0-9]{1,9}")
RETENTION = timedelta(days=365)


@dataclass(frozen=True)
class OrderQuery:
    """Filters, order and page of one list."""

    tests: tuple[Callable[[Order], bool], ...]
    sort: tuple[tuple[str, bool], ...]
    number: int
    size: int

    @classmethod
    def of(cls, query: Mapping[str, str], options: Options) -> OrderQuery:
        """:raises ProblemError: 400 for a value that does not fit. Unknown parameters are ignored."""
        sort = query.get("sort") or DEFAULT_SORT
        checked = _sort(sort)
        return cls(
            tests=(*_time_tests(query, options), *_value_tests(query)),
            sort=checked if options.orders_sort == "honoured" else _sort(DEFAULT_SORT),
            number=_number(query, "page[number]", 0, 0),
            size=min(_number(query, "page[size]", DEFAULT_PAGE, 1), options.orders_page_limit),
        )

    def selected(self, orders: Iterable[Order]) -> list[Order]:
        """All that match, in order; those that are equal in it stand by their ids."""
        found = [order for order in orders if all(test(order) for test in self.tests)]
        found.sort(key=lambda order: order.id)
        for name, is_descending in reversed(self.sort):
            found.sort(key=_sort_key(name), reverse=is_descending)
        return found

    def page(self, found: list[Order]) -> list[Order]:
        return found[self.number * self.size : (self.number + 1) * self.size]


def includes(query: Mapping[str, str], allowed: tuple[str, ...]) -> frozenset[str]:
    """The names in ``include``."""
    names = frozenset(name for name in query.get("include", "").split(",") if name)
    unknown = sorted(names - set(allowed))
    if unknown:
        raise wrong_parameter(f"include cannot be {', '.join(unknown)[:60]}", "include")
    return names


def is_kept(order: Order, now: datetime) -> bool:
    """Orders are kept for a year (zDirect docs: Orders API)."""
    return order.created_at > now - RETENTION


def _sort(text: str) -> tuple[tuple[str, bool], ...]:
    fields = []
    for part in text.split(","):
        name = part.removeprefix("-")
        if name not in SORT_FIELDS:
            raise wrong_parameter(f"sort cannot be {name[:60]}", "sort")
        fields.append((name, part.startswith("-")))
    return tuple(fields)


def _sort_key(name: str) -> Callable[[Order], Any]:
    if name == "modified_at":
        return lambda order: order.modified_at
    return lambda order: order.attributes[name]


def _number(query: Mapping[str, str], name: str, default: int, least: int) -> int:
    text = query.get(name)
    if not text:
        return default
    if not NUMBER.fullmatch(text) or int(text) < least:
        raise wrong_parameter(f"{name} must be a whole number, {least} or more: {text[:60]}", name)
    return int(text)


def _time_tests(query: Mapping[str, str], options: Options) -> list[Callable[[Order], bool]]:
    tests: list[Callable[[Order], bool]] = []
    for name, test in TIMES.items():
        if text := query.get(name):
            time = parse_time(text, name)
            # Seen in practice: the server drops such a filter silently.
            is_odd = "." in text or text[-1] in "Zz"
            if options.orders_time_filter == "lenient" or (options.orders_time_filter == "strict" and not is_odd):
                tests.append(partial(test, time))
    return tests


def _value_tests(query: Mapping[str, str]) -> list[Callable[[Order], bool]]:
    wanted: dict[str, Any] = {name: query[name] for name in ("order_number", "locale") if query.get(name)}
    if channel := query.get("sales_channel_id"):
        wanted["sales_channel_id"] = parse_uuid(channel, "sales_channel_id")
    for name, field, allowed in CHOICES:
        if value := query.get(name):
            # One page of the docs writes statuses with a capital letter.
            value = value if name == "order_type" else value.lower()
            if value not in allowed:
                raise wrong_parameter(f"{name} must be one of {', '.join(allowed)}", name)
            wanted[field] = value == "true" if name == "exported" else value
    return [lambda order: all(order.attributes[name] == value for name, value in wanted.items())]
