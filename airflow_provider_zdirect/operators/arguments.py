"""An operator's arguments as values: checked when the DAG is parsed, or after rendering if they are templates."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import date, time, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from airflow_provider_zdirect.exceptions import WindowError, ZDirectConfigurationError
from airflow_provider_zdirect.storage.layout import FORMATS
from airflow_provider_zdirect.windows import Window, parse_instant

T = TypeVar("T")
LATER = "{{ known later }}"
"""Stands for an argument of a mapped task that ``partial()`` was not given; it may come by ``expand()``, or not."""

_MERCHANT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
WINDOW_REMEDY = (
    "Give from and to as DAG params, on the command line with --conf "
    '\'{"from": "2026-11-12T00:00:00Z", "to": "2026-11-13T00:00:00Z"}\' (window_from and window_to of the operator)'
)
NO_INTERVAL_REMEDY = (
    f"{WINDOW_REMEDY}, or trigger the run in the UI with a logical date: its data interval is then the last complete "
    "one before. A schedule needs CronDataIntervalTimetable."
)


def is_literal(value: Any) -> bool:
    """Whether ``value`` is known at parse: no Jinja template and no result of another task."""
    if isinstance(value, str):
        return "{{" not in value and "{%" not in value
    if isinstance(value, list | tuple):
        return all(is_literal(item) for item in value)
    if isinstance(value, Mapping):
        return all(is_literal(item) for item in value.values())
    return value is None or isinstance(value, bool | int | float | date | time | timedelta)


def given(value: Any) -> Any:
    """``value``, or None for what a template renders when nothing was given: blank text and ``None``."""
    return None if isinstance(value, str) and value.strip() in ("", "None") else value


def given_text(value: Any) -> str | None:
    """As :func:`given`, as text."""
    value = given(value)
    return None if value is None else str(value)


@contextmanager
def naming(task_id: Any) -> Iterator[None]:
    """Let errors name the task: at parse, nothing else says which of a file's tasks is meant."""
    try:
        yield
    except ZDirectConfigurationError as error:
        error.message = f"Task {task_id}: {error.message}"
        raise


def check_not_empty(value: Any, *, name: str) -> None:
    """Raise if ``value`` is known and blank."""
    if is_literal(value) and given(value) is None:
        raise ZDirectConfigurationError(f"{name} is empty.", remedy=f"Give {name}.")


def literal(value: Any) -> Any:
    """``value``, if it is known at parse and given, else None."""
    return given(value) if is_literal(value) else None


def check(value: Any, parse: Callable[[Any], object]) -> None:
    """Let ``parse`` raise if ``value`` is known, given and wrong."""
    if is_literal(value) and given(value) is not None:
        parse(value)


def check_merchant_id(value: Any) -> None:
    """Raise if ``value`` is no UUID as zDirect writes it, in either case.

    The client's ``checked_merchant_id`` takes the same ones; importing the client would slow the parsing.
    """
    if not _MERCHANT_ID.fullmatch(str(value).strip().lower()):
        raise ZDirectConfigurationError(
            f"merchant_id={value!r} is not a UUID.",
            remedy="Give the merchant's BPID as zDirect shows it, for example "
            "01924c48-49bb-40c2-9c32-ab582e6db6f4, or leave it out for the connection's merchant.",
        )


def file_format(value: Any) -> str:
    if value not in FORMATS:
        raise ZDirectConfigurationError(f"format={value!r} is unknown.", remedy=f"Use one of: {', '.join(FORMATS)}.")
    return str(value)


def duration(value: Any, *, name: str) -> timedelta:
    """A timedelta, or seconds as a number or text."""
    if not isinstance(value, timedelta):
        try:
            value = timedelta(seconds=float(value))
        except (TypeError, ValueError):
            raise ZDirectConfigurationError(
                f"{name}={value!r} is no duration.", remedy=f"Give {name} as a timedelta or in seconds."
            ) from None
    if value < timedelta(0):
        raise ZDirectConfigurationError(f"{name}={value} is negative.", remedy=f"Give {name} as 0 or more.")
    return value


def count(value: Any, *, name: str) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = -1
    if isinstance(value, bool) or number < 0:
        raise ZDirectConfigurationError(
            f"{name}={value!r} is not a count.", remedy=f"Give {name} as a whole number, 0 or more."
        )
    return number


def flag(value: Any, *, name: str) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text not in ("true", "false"):
        raise ZDirectConfigurationError(f"{name}={value!r} is neither true nor false.", remedy="Give one of the two.")
    return text == "true"


def check_flag(value: Any, *, name: str) -> None:
    """As :func:`flag`, for what is known at parse."""
    check(value, lambda known: flag(known, name=name))


def from_text(value: Any) -> Any:
    """What a template made a text of, as JSON or as Python writes it; anything else as it is."""
    if not isinstance(value, str):
        return value
    with suppress(ValueError, RecursionError):
        return json.loads(value)
    with suppress(ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return ast.literal_eval(value.strip())
    return value


def mapping(value: Any, *, name: str) -> dict[str, str]:
    """Texts by name, from a mapping or what :func:`from_text` takes for one; blank values are left out.

    :raises ZDirectConfigurationError: if it is anything else.
    """
    value = from_text(given(value))
    if value is None:
        return {}
    if not isinstance(value, Mapping) or any(isinstance(item, Mapping) for item in value.values()):
        raise ZDirectConfigurationError(
            f"{name}={value!r} is no mapping.", remedy=f'Give {name} as {{"name": "value"}}, or leave it out.'
        )
    for key, item in value.items():
        if isinstance(item, list | tuple) and not item:
            # Not taken for "not given", which would mean all: whoever gives a list wants what is in it.
            raise ZDirectConfigurationError(
                f"{name}[{key!r}] is an empty list.", remedy="Give values, or leave it out (or blank) for all."
            )
    return {
        str(key): ",".join(map(str, item)) if isinstance(item, list | tuple) else str(item)
        for key, item in value.items()
        if given(item) is not None
    }


def literal_mapping(value: Any, *, name: str) -> dict[str, str]:
    """As :func:`mapping`, of the values that are known at parse."""
    if isinstance(value, Mapping):
        value = {key: item for key, item in value.items() if is_literal(item)}
    return mapping(value, name=name) if is_literal(value) else {}


def time_zone(value: Any) -> str:
    try:
        ZoneInfo(str(value))
    except (KeyError, ValueError, OSError):
        raise ZDirectConfigurationError(
            f"timezone={value!r} is not a time zone.", remedy="Give an IANA name such as Europe/Berlin, or UTC."
        ) from None
    return str(value)


def window(window_from: Any, window_to: Any) -> Window | None:
    """The window from ``window_from`` to ``window_to``; None if neither is given.

    :raises WindowError: if one is missing, naive or no time, or the window is zero-width or inverted.
    """
    window_from, window_to = given(window_from), given(window_to)
    if window_from is None and window_to is None:
        return None
    for name, value, other in (
        ("window_from", window_from, "window_to"),
        ("window_to", window_to, "window_from"),
    ):
        if value is None:
            raise ZDirectConfigurationError(
                f"{other} is given and {name} is not.",
                remedy="Give both, or neither for the run's data interval.",
            )
    return Window(parse_instant(window_from, name="window_from"), parse_instant(window_to, name="window_to"))


def run_interval(context: Mapping[str, Any]) -> Window:
    """The run's data interval.

    :raises WindowError: if it has none, or one that is not its logical date's.
    """
    start, end = context.get("data_interval_start"), context.get("data_interval_end")
    if start is None or end is None:
        raise WindowError(
            "This run has no data interval, and from and to (window_from, window_to) are not given.",
            remedy=NO_INTERVAL_REMEDY,
        )
    logical_date = context.get("logical_date")
    if logical_date is not None and logical_date < start:
        # Airflow 3's command line: the interval is the last one before the present, whatever the logical date is.
        raise WindowError(
            f"The run's logical date is {logical_date.isoformat()}, and its data interval begins after it, at "
            f"{start.isoformat()}: `airflow dags trigger --logical-date` does not choose the interval.",
            remedy=f"{WINDOW_REMEDY}.",
        )
    return Window(start, end)


def check_window(window_from: Any, window_to: Any) -> None:
    """As :func:`window`, for what is known at parse: a template may still turn out to be blank or right."""
    if is_literal(window_from) and is_literal(window_to):
        window(window_from, window_to)
        return
    check(window_from, lambda value: parse_instant(value, name="window_from"))
    check(window_to, lambda value: parse_instant(value, name="window_to"))
