"""What a page needs that is not valid JSON as a whole: records cut out one by one, damaged texts mended. No I/O.

Cutting looks at strings, brackets and commas only, so that no damage within a text or a number disturbs it. Surplus
commas are skipped. Where brackets do not fit together, it is unknown where a record ends: such an answer is malformed,
as one that breaks off is.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

import msgspec

from airflow_provider_zdirect.datasets.page import NOT_READABLE

_ENDS = rb"\s*+(?=[,:\]}]|\Z)"
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_WORD = rb'[^\s"{}\[\],:\\]++' + _ENDS
_SPACE = re.compile(rb"\s*+")
_COMMAS = re.compile(rb"[\s,]*+")
_NAME = re.compile(rb"(" + _STRING + rb")\s*+:\s*+", re.DOTALL)
_SCALAR = re.compile(rb"(?:" + _STRING + _ENDS + rb"|" + _WORD + rb")", re.DOTALL)
_FLAT = re.compile(rb"(?:" + _STRING + _ENDS + rb"|" + _WORD + rb"|[,:\s])*+", re.DOTALL)
"""All up to the next bracket."""
_CLOSED = re.compile(_ENDS)
_PAIRS = {ord("{"): ord("}"), ord("["): ord("]")}

_TEXT = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"(\s*+:)?', re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f]")
_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)
_UTF8_BLOCK = 1024 * 1024
_SKIP = msgspec.json.Decoder(msgspec.Raw)


def without_mark(body: bytes | bytearray) -> bytes | bytearray:
    """The body without a byte order mark, which some senders put before UTF-8."""
    # Not by removeprefix alone, which copies a bytearray in any case.
    return body.removeprefix(codecs.BOM_UTF8) if body.startswith(codecs.BOM_UTF8) else body


def is_utf8(body: bytes | bytearray) -> bool:
    """Whether a body is UTF-8; msgspec does not look into the strings that it skips."""
    if body.isascii():
        return True
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(body), _UTF8_BLOCK):
            decoder.decode(body[start : start + _UTF8_BLOCK])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def cut_members(raw: bytes | bytearray | msgspec.Raw) -> dict[str, msgspec.Raw]:
    """The members of an object, as they came; of a name that is there twice, the last one.

    :raises msgspec.DecodeError: if it cannot be cut.
    """
    return {_name(name): value for name, value in _parts(raw, ord("{"))}


def cut_elements(raw: bytes | bytearray | msgspec.Raw) -> list[msgspec.Raw]:
    """The elements of a list, as they came.

    :raises msgspec.DecodeError: if it cannot be cut.
    """
    return [value for _, value in _parts(raw, ord("["))]


def mended(record: bytes) -> bytes:
    """The record as valid JSON in UTF-8: what it is already, or with its damaged texts mended.

    U+FFFD stands for half a surrogate pair and for bytes that are not UTF-8; a raw control character is escaped.

    :raises ValueError: if that is not enough, with the reason.
    """
    if _is_valid(record):
        return record
    text = record.decode(errors="replace")
    names = [found[1] for found in _TEXT.finditer(text) if found[2]]
    if any("\ufffd" in name or _without_half_pairs(name) != name for name in names):
        raise ValueError("the name of a field is damaged")
    result = _TEXT.sub(_mended_text, text).encode()
    try:
        _SKIP.decode(result)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except msgspec.DecodeError as error:
        raise ValueError(f"it is not valid JSON ({error})") from None
    return result


def _is_valid(record: bytes) -> bool:
    try:
        _SKIP.decode(record)
        record.decode()
    except NOT_READABLE:
        return False
    return True


def _mended_text(found: re.Match[str]) -> str:
    content = _CONTROL.sub(lambda control: f"\\u{ord(control[0]):04x}", found[1])
    return f'"{_without_half_pairs(content)}"{found[2] or ""}'


def _without_half_pairs(text: str) -> str:
    return _ESCAPE.sub(lambda escape: "\\ufffd" if escape[1] else escape[0], text)


def _name(raw: bytes) -> str:
    try:
        return msgspec.json.decode(raw, type=str)
    except NOT_READABLE:
        # Not equal to any name, and still damaged when it is written as JSON.
        return raw.decode(errors="replace") + "\ud800"


def _parts(raw: bytes | bytearray | msgspec.Raw, opening: int) -> Iterator[tuple[bytes, msgspec.Raw]]:
    """Name (empty in a list) and value of each part."""
    source = raw if isinstance(raw, (bytes, bytearray)) else bytes(raw)
    at = _after(_SPACE, source, 0)
    if source[at : at + 1] != bytes([opening]):
        raise msgspec.DecodeError(f"no {chr(opening)} at byte {at}")
    at = _after(_COMMAS, source, at + 1)
    closing = bytes([_PAIRS[opening]])
    is_empty = source[at : at + 1] == closing
    while not is_empty:
        name = b""
        if opening == ord("{"):
            found = _NAME.match(source, at)
            if found is None:
                raise msgspec.DecodeError(f"no name at byte {at}")
            name, at = found[1], found.end()
        end = _end_of_value(source, at)
        yield name, msgspec.Raw(source[at:end])
        at = _after(_SPACE, source, end)
        if source[at : at + 1] == closing:
            break
        if source[at : at + 1] != b",":
            raise msgspec.DecodeError(f"it breaks off at byte {at}")
        at = _after(_COMMAS, source, at)
        if source[at : at + 1] == closing:
            break
    if _after(_SPACE, source, at + 1) != len(source):
        raise msgspec.DecodeError(f"there is more behind byte {at}")


def _end_of_value(source: bytes | bytearray, at: int) -> int:
    if source[at : at + 1] not in (b"{", b"["):
        found = _SCALAR.match(source, at)
        if found is None:
            raise msgspec.DecodeError(f"no value at byte {at}")
        return len(found[0].rstrip()) + at
    # Not by recursion, as it may be nested to any depth.
    open_brackets: list[int] = []
    while True:
        byte = source[at] if at < len(source) else None
        if byte in _PAIRS:
            open_brackets.append(_PAIRS[byte])
        elif open_brackets and byte == open_brackets[-1]:
            open_brackets.pop()
            if _CLOSED.match(source, at + 1) is None:
                raise msgspec.DecodeError(f"a value is followed by another at byte {at + 1}")
            if not open_brackets:
                return at + 1
        else:
            raise msgspec.DecodeError(f"brackets do not match at byte {at}")
        at = _after(_FLAT, source, at + 1)


def _after(pattern: re.Pattern[bytes], source: bytes | bytearray, at: int) -> int:
    """The position behind ``pattern``, which may be empty."""
    found = pattern.match(source, at)
    return found.end() if found else at
