# SPDX-License-Identifier: Apache-2.0
"""What the values of arguments mean: each function converts one that was given, or refuses it by its name."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter, ValidationError

from airflow_provider_zdirect.client.merchants import id_or_name
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.merchant_files.cells import UUID
from airflow_provider_zdirect.merchant_files.ean import is_ean13
from airflow_provider_zdirect.windows import parse_instant

_SEPARATORS = re.compile(r"[\s,;]+")
# Years and months have no length of their own: pydantic would take 365 and 30 days.
_ISO_DURATION = re.compile(r"P(?=[\dT])[\d.,WD]*(T[\d.,HMS]+)?", re.ASCII)
_TIMEDELTA = TypeAdapter(timedelta)
LONGEST_DURATION = timedelta(days=3650)
"""Far beyond what zDirect keeps, and near enough to be added to any date."""


def is_literal(value: Any) -> bool:
    """Whether ``value`` is known at parse: not a Jinja template, and not the result of another task."""
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


def literal(value: Any) -> Any:
    """``value``, if it is known at parse and given, else None."""
    return given(value) if is_literal(value) else None


def refusal(what: str, remedy: str) -> ZDirectConfigurationError:
    return ZDirectConfigurationError(f"{what}.", remedy=remedy)


def text(value: Any, name: str) -> str:
    return str(value)


def merchant(value: Any, name: str) -> str:
    """An id or a name; the connection of the task says which names there are."""
    try:
        return id_or_name(str(value))
    except ValueError as error:
        raise refusal(
            f"{name}={str(value)[:60]!r} is not {error}",
            "Give the merchant's BPID as /auth/me lists it, for example 01234567-89ab-cdef-0123-456789abcdef, or one "
            "of the names in the connection.",
        ) from None


def split_entries(text: str) -> list[str]:
    """The parts of a text between commas, semicolons, blanks and line breaks."""
    return [part for part in _SEPARATORS.split(text) if part]


def entries(value: Any, *, name: str, parse: Callable[[str], str]) -> list[str]:
    """The entries of a list, each once and in order: what all lists of ids have in common.

    Blank entries are dropped, and one that holds several, separated by commas, semicolons, blanks or line breaks, is
    split. None, blank text and an empty list are not given: the result is empty. A list of nothing but blanks is
    refused, because it may have been meant to hold something.

    :param value: a list, or text: as a template renders a list, or separated as above.
    :param parse: an entry as it is meant; raises ValueError that says what it is not.
    :raises ZDirectConfigurationError: for any other type, and for an entry that ``parse`` refuses; names it.
    """
    value = given(value)
    if isinstance(value, str):
        text = value.strip()
        value = from_text(text) if text.startswith(("[", "(")) else [text]
        value = [value] if isinstance(value, str) else value
    if value is None:
        return []
    if isinstance(value, AbstractSet):
        value = sorted(value, key=str)
    if not isinstance(value, Sequence) or isinstance(value, bytes | str):
        raise refusal(f"{name}={value!r} is not a list", f"Give {name} as a list of texts, or as text with commas.")
    found: dict[str, None] = {}
    for number, item in enumerate(value, start=1):
        if not isinstance(item, str):
            raise refusal(
                f"{name}: entry {number} is {item!r}, which is not text",
                "Give every entry as text, in quotes; numbers lose leading zeros.",
            )
        for part in split_entries(item):
            try:
                found[parse(part)] = None
            except ValueError as error:
                what = f"{name}: {part[:60]!r} is not {error} (entry {number})"
                raise refusal(what, f"Correct the entry, or remove it from {name}.") from None
    if value and not found:
        raise refusal(f"{name} has only blank entries", f"Give values, or leave {name} empty, without blank entries.")
    return list(found)


def uuid(text: str) -> str:
    """In lower case.

    :raises ValueError: if it is not a UUID.
    """
    if not UUID.fullmatch(text.lower()):
        raise ValueError("a UUID")
    return text.lower()


def uuids(value: Any, name: str) -> tuple[str, ...]:
    return tuple(entries(value, name=name, parse=uuid))


def merchants(value: Any, name: str) -> tuple[str, ...]:
    """Ids and names of merchants, each once."""
    return tuple(entries(value, name=name, parse=id_or_name))


def ean(text: str) -> str:
    """As it is.

    :raises ValueError: if it is not an EAN-13.
    """
    if not is_ean13(text):
        raise ValueError("a valid EAN: 13 digits, of which the last is the check digit")
    return text


def choice(*choices: str) -> Callable[[Any, str], str]:
    """The conversion of an argument that is one of these texts."""

    def convert(value: Any, name: str) -> str:
        if value not in choices:
            raise refusal(f"{name}={value!r} is unknown", f"Use one of: {', '.join(choices)}.")
        return str(value)

    return convert


def instant(value: Any, name: str) -> datetime:
    return parse_instant(value, name=name)


def duration(value: Any, name: str) -> timedelta:
    """A timedelta, or an ISO 8601 duration as text: ``PT48H``, ``P2D``, ``PT1H30M``.

    :raises ZDirectConfigurationError: for anything else, a number above all: it does not say of which unit.
    """
    if isinstance(value, str) and _ISO_DURATION.fullmatch(text := value.strip().upper()):
        with suppress(ValidationError):
            value = _TIMEDELTA.validate_python(text)
    if not isinstance(value, timedelta):
        raise refusal(
            f"{name}={value!r} is not a duration",
            f"Give {name} as a timedelta, such as timedelta(hours=48), or as ISO 8601 text such as 'PT48H' or 'P2D' "
            "(weeks, days, hours, minutes, seconds). A bare number has no unit.",
        )
    if value < timedelta(0):
        raise refusal(f"{name}={value} is negative", f"Give {name} as 0 or more.")
    if value > LONGEST_DURATION:
        raise refusal(f"{name}={value} is too long", f"Give {name} as {LONGEST_DURATION.days} days at most.")
    return value


def span(value: Any, name: str) -> timedelta:
    """A duration, or a number of what the argument's name ends with."""
    text = str(value).strip().upper()
    if isinstance(value, timedelta) or text.startswith("P"):
        return duration(value, name)
    try:
        return duration(f"PT{text}H" if name.endswith("hours") else f"P{text}D", name)
    except ZDirectConfigurationError:
        what = f"{name}={value!r} is not a number of {name.rpartition('_')[2]}"
        raise refusal(what, f"Give {name} as a number, 0 or more, or as a duration.") from None


def count(value: Any, name: str) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = -1
    if isinstance(value, bool) or number < 0 or (isinstance(value, float) and value != number):
        raise refusal(f"{name}={value!r} is not a count", f"Give {name} as a whole number, 0 or more.")
    return number


def flag(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text not in ("true", "false"):
        raise refusal(f"{name}={value!r} is neither true nor false", "Give one of the two.")
    return text == "true"


def from_text(value: Any) -> Any:
    """What a template rendered as text, read as JSON or as Python writes it; anything else as it is."""
    if not isinstance(value, str):
        return value
    with suppress(ValueError, RecursionError):
        return json.loads(value)
    with suppress(ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return ast.literal_eval(value.strip())
    return value


def mapping(value: Any, name: str) -> dict[str, str]:
    """Texts by name, from a mapping or what :func:`from_text` takes for one; blank values are left out.

    :raises ZDirectConfigurationError: if it is anything else.
    """
    value = from_text(given(value))
    if value is None:
        return {}
    if not isinstance(value, Mapping) or any(isinstance(item, Mapping) for item in value.values()):
        raise refusal(f"{name}={value!r} is not a mapping", f'Give {name} as {{"name": "value"}}, or leave it out.')
    for key, item in value.items():
        if isinstance(item, list | tuple) and not item:
            # Not taken for "not given", which would mean all: whoever gives a list wants what is in it.
            raise refusal(f"{name}[{key!r}] is an empty list", "Give values, or leave it out (or blank) for all.")
    return {
        str(key): ",".join(map(str, item)) if isinstance(item, list | tuple) else str(item)
        for key, item in value.items()
        if given(item) is not None
    }


def time_zone(value: Any, name: str) -> str:
    try:
        ZoneInfo(str(value))
    except (KeyError, ValueError, OSError):
        raise refusal(
            f"{name}={value!r} is not a time zone", "Give an IANA name such as Europe/Berlin, or UTC."
        ) from None
    return str(value)
