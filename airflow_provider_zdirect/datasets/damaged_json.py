# SPDX-License-Identifier: Apache-2.0
"""Objects and lists of an answer taken apart, also where it is not valid JSON as a whole. No I/O.

Such an answer is cut into its parts by strings, brackets and commas alone, so that no damage within a text or a number
disturbs it; surplus commas are skipped. Where brackets do not fit together, it is unknown where a record ends: such an
answer is malformed, as one that breaks off is.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping

import msgspec

from airflow_provider_zdirect.datasets.page import NOT_READABLE, malformed

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_ENDS = rb"\s*+(?=[,:\]}]|\Z)"
_SCALAR = rb"(?:" + _STRING + rb'|[^\s"{}\[\],:\\]++)' + _ENDS
_UP_TO_SIGN = re.compile(rb"(?:" + _SCALAR + rb"|\s)*+", re.DOTALL)
_UP_TO_BRACKET = re.compile(rb"(?:" + _SCALAR + rb"|[,:\s])*+", re.DOTALL)
_CLOSED = re.compile(_ENDS)
_START = re.compile(rb"(?:\xef\xbb\xbf)?\s*+")
_MEMBER = re.compile(rb"(" + _STRING + rb")\s*+:\s*+(.+)", re.DOTALL)
_CLOSING = {ord("{"): ord("}"), ord("["): ord("]")}

_TEXT = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"(\s*+:)?', re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f]")
_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)

_Skip = msgspec.json.Decoder(msgspec.Raw)
_Members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_Elements = msgspec.json.Decoder(list[msgspec.Raw])

_DECODED_BYTES = 2**20

NULL = msgspec.Raw(b"null")
_Source = bytes | bytearray | msgspec.Raw


def is_null(raw: msgspec.Raw) -> bool:
    return memoryview(raw) == memoryview(NULL)


def members(raw: _Source, what: str) -> dict[str, msgspec.Raw]:
    """The members of an object, as they came; of a name that is there twice, the last one.

    :raises MalformedResponseError: if it is not one.
    """
    try:
        return _Members.decode(raw)
    except NOT_READABLE:
        pass
    try:
        return cut_members(raw)
    except msgspec.DecodeError as error:
        raise malformed(f"{what} is not a JSON object ({error})") from None


def members_within(content: Mapping[str, msgspec.Raw], key: str) -> dict[str, msgspec.Raw]:
    """The members of an object in an object; none if it is absent or null."""
    inner = content.get(key, NULL)
    return {} if is_null(inner) else members(inner, key)


def elements(content: Mapping[str, msgspec.Raw], key: str) -> list[msgspec.Raw]:
    """The elements of a list in an object, as they came; none if it is absent or null.

    :raises MalformedResponseError: if it is not a list.
    """
    raw = content.get(key, NULL)
    if is_null(raw):
        return []
    try:
        return _Elements.decode(raw)
    except NOT_READABLE:
        pass
    try:
        return cut_elements(raw)
    except msgspec.DecodeError as error:
        raise malformed(f"{key} is not a list ({error})") from None


def sound_members(body: bytes | bytearray) -> tuple[dict[str, msgspec.Raw], bool]:
    """The members of an answer, and whether nothing in it can be damaged, so that its records need not be looked at.

    :raises MalformedResponseError: if it is not an object.
    """
    try:
        return _Members.decode(body), _is_utf8(body)
    except NOT_READABLE:
        return members(body, "the answer"), False


def _is_utf8(body: bytes | bytearray) -> bool:
    """msgspec does not look at the strings that it skips."""
    pieces = (bytes(memoryview(body)[start : start + _DECODED_BYTES]) for start in range(0, len(body), _DECODED_BYTES))
    try:
        return body.isascii() or all(True for _ in codecs.iterdecode(pieces, "utf-8"))
    except UnicodeDecodeError:
        return False


def mended(record: msgspec.Raw) -> msgspec.Raw:
    """The record as valid JSON in UTF-8: itself, or with its damaged texts mended.

    U+FFFD stands for half a surrogate pair and for bytes that are not UTF-8; a raw control character is escaped.

    :raises ValueError: if that is not enough, with the reason.
    """
    try:
        _Skip.decode(record)
        str(record, "utf-8")
    except NOT_READABLE:
        pass
    else:
        return record
    text = bytes(record).decode("utf-8-sig", errors="replace")
    names = [found[1] for found in _TEXT.finditer(text) if found[2]]
    if any("\ufffd" in name or _without_half_pairs(name) != name for name in names):
        raise ValueError("the name of a field is damaged")
    try:
        return _Skip.decode(_TEXT.sub(_mended_text, text).encode())
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except msgspec.DecodeError as error:
        raise ValueError(f"it is not valid JSON ({error})") from None


def _mended_text(found: re.Match[str]) -> str:
    content = _CONTROL.sub(lambda control: f"\\u{ord(control[0]):04x}", found[1])
    return f'"{_without_half_pairs(content)}"{found[2] or ""}'


def _without_half_pairs(text: str) -> str:
    return _ESCAPE.sub(lambda escape: "\\ufffd" if escape[1] else escape[0], text)


def cut_members(raw: _Source) -> dict[str, msgspec.Raw]:
    """The members of an object that is not valid JSON.

    :raises msgspec.DecodeError: if it cannot be cut.
    """
    found = {}
    for part in _cut(raw, "{"):
        member = _MEMBER.fullmatch(part)
        if member is None:
            raise msgspec.DecodeError("a member has no name or no value")
        try:
            found[msgspec.json.decode(member[1], type=str)] = msgspec.Raw(member[2])
        except NOT_READABLE:
            # It might be any name, and what is called so would be taken for absent.
            raise msgspec.DecodeError("the name of a member is damaged") from None
    return found


def cut_elements(raw: _Source) -> list[msgspec.Raw]:
    """The elements of a list that is not valid JSON.

    :raises msgspec.DecodeError: if it cannot be cut.
    """
    return [msgspec.Raw(part) for part in _cut(raw, "[")]


def _cut(raw: _Source, opening: str) -> Iterator[bytes]:
    """What stands between the outermost brackets and commas."""
    source = bytes(raw)
    at = start = _after(_START, source, 0)
    if source[at : at + 1] != opening.encode():
        raise msgspec.DecodeError(f"no {opening} at byte {at}")
    # Not by recursion, as it may be nested to any depth.
    closing: list[int] = []
    has_colon = False
    while True:
        byte = source[at] if at < len(source) else None
        if byte in _CLOSING:
            closing.append(_CLOSING[byte])
            start = at + 1 if len(closing) == 1 else start
        elif byte == ord(","):
            if part := source[start:at].strip():
                yield part
            start, has_colon = at + 1, False
        elif byte == ord(":") and opening == "{" and not has_colon:
            has_colon = True
        elif byte == closing[-1]:
            closing.pop()
            if not closing:
                break
            if _CLOSED.match(source, at + 1) is None:
                raise msgspec.DecodeError(f"a value is followed by another at byte {at + 1}")
        else:
            raise msgspec.DecodeError(f"it breaks off, or brackets do not match, at byte {at}")
        at = _after(_UP_TO_SIGN if len(closing) == 1 else _UP_TO_BRACKET, source, at + 1)
    if part := source[start:at].strip():
        yield part
    if source[at + 1 :].strip():
        raise msgspec.DecodeError(f"there is more behind byte {at}")


def _after(pattern: re.Pattern[bytes], source: bytes, at: int) -> int:
    """The position behind ``pattern``, which may be empty."""
    found = pattern.match(source, at)
    return found.end() if found else at
