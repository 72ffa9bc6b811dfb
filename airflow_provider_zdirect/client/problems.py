"""Error bodies: the families that zDirect uses, and whatever a gateway in between sends, as two short texts.

zDirect docs: problem+json (ZFS, Stocks, Logistic Centers), JSON:API errors (Orders, Sales Channels),
``{"message"}`` (429 of Orders); OAuth2 ``error``/``error_description`` is likely for the token endpoint.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

LONGEST_TEXT = 300
LARGEST_BODY = 1 << 20


def read_problem(body: bytes | bytearray, *, secrets: Iterable[str] = ()) -> str:
    """Title and detail that ``body`` gives, each of at most :data:`LONGEST_TEXT` characters. Never raises.

    :param secrets: texts that are masked, in case the server echoed them.
    """
    parts = [tidy(text, secrets) for text in _read(body)]
    return ": ".join(dict.fromkeys(part for part in parts if part))


def tidy(text: Any, secrets: Iterable[str] = ()) -> str | None:
    """Foreign text made fit for a log line: one line, printable, short, without ``secrets``."""
    if text is None:
        return None
    line = str(text)
    for secret in filter(None, secrets):
        line = line.replace(secret, "***")
    line = " ".join("".join(c if c.isprintable() else " " for c in line).split())
    if len(line) > LONGEST_TEXT:
        line = line[: LONGEST_TEXT - 1] + "…"
    return line or None


def _read(body: bytes | bytearray) -> tuple[Any, Any]:
    if not body.strip():
        return None, None
    if len(body) <= LARGEST_BODY:
        try:
            content = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
        else:
            return _read_json(content)
    return _read_text(bytes(body[:65536]).decode("utf-8", "replace"))


def _read_json(content: Any) -> tuple[Any, Any]:
    if isinstance(content, str):
        return None, content
    if not isinstance(content, dict):
        return None, None
    errors = content.get("errors")
    if isinstance(errors, list) and errors:
        first = errors[0] if isinstance(errors[0], dict) else {"detail": errors[0]}
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        detail = _first(first, "detail", "code")
        return first.get("title"), f"{detail or ''}{more}".strip() or None
    title = _first(content, "title", "error", "code")
    detail = _first(content, "detail", "error_description", "message")
    return title, detail


def _first(content: dict[str, Any], *names: str) -> Any:
    return next((content[name] for name in names if isinstance(content.get(name), (str, int))), None)


def _read_text(text: str) -> tuple[str | None, str | None]:
    if "<" not in text:
        return None, text
    heading = re.search(r"<(title|h1)[^>]*>(.*?)</\1", text, re.IGNORECASE | re.DOTALL)
    return "HTML page", re.sub(r"<[^>]*>", " ", heading.group(2)) if heading else None
