# SPDX-License-Identifier: Apache-2.0
"""The shape of JSON: which paths there are, of which types and forms, and how often. Never a value of it."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from airflow_provider_zdirect.words import counted

LONGEST_NAME = 40
MOST_NAMES = 60
"""Names of fields that are shown of one path; more are most likely keys of a map, which are values."""

DEEPEST = 20
OTHER = "(other)"
"""Stands for the name of a field that may be a value."""

_NAME = re.compile(r"(?!(.*[0-9]){3})[A-Za-z_][A-Za-z0-9_-]*")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_FORMS = (
    (re.compile(r"[0-9]+[.,][0-9]+|-[0-9]+([.,][0-9]+)?"), "text of a number"),
    (re.compile(r"[A-Z][A-Z0-9_]*"), "word in capitals"),
    (re.compile(r"[a-z][a-z0-9_]*"), "word in small letters"),
    (re.compile(r"https?://.*"), "address"),
)


def shape_of(value: Any) -> dict[str, dict[str, int]]:
    """By path: how many values it has of each form. ``$`` is the whole, ``[]`` an element of a list.

    :param value: decoded JSON.
    """
    found: dict[str, Counter[str]] = {}
    names: dict[str, set[str]] = {}
    waiting = [("$", value, 0)]
    while waiting:
        path, each, depth = waiting.pop()
        found.setdefault(path, Counter())[form_of(each)] += 1
        if depth == DEEPEST:
            continue
        if isinstance(each, dict):
            for name, member in each.items():
                shown, before = field_name(name), names.setdefault(path, set())
                if shown not in before and len(before) >= MOST_NAMES:
                    shown = OTHER
                before.add(shown)
                waiting.append((f"{path}.{shown}", member, depth + 1))
        elif isinstance(each, list):
            waiting += [(f"{path}[]", member, depth + 1) for member in each]
    return {path: dict(sorted(forms.items())) for path, forms in sorted(found.items())}


def field_name(name: str) -> str:
    """The name of a field; what may be a value instead (an id, an address) is not shown."""
    return name if len(name) <= LONGEST_NAME and _NAME.fullmatch(name) else OTHER


def form_of(value: Any) -> str:
    """The type of a value and, of a text, what it looks like: ``9999-99-99T99:99:99Z``, ``text of 13 digits``."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "negative integer" if value < 0 else "integer"
        case float():
            return "negative number" if value < 0 else "number"
        case list():
            return "list" if value else "empty list"
        case dict():
            return "object" if value else "empty object"
        case str():
            return _form_of_text(value)
    return type(value).__name__


def _form_of_text(text: str) -> str:
    if not text.strip():
        return "blank text" if text else "empty text"
    if _UUID.fullmatch("".join(text.split())):
        return "uuid" if text == "".join(text.split()).lower() else "uuid with blanks or capitals"
    if _TIME.fullmatch(text):
        return re.sub("[0-9]", "9", text)
    if text.isascii() and text.isdigit():
        return f"text of {counted(len(text), 'digit')}"
    return next((form for pattern, form in _FORMS if pattern.fullmatch(text)), "text")
