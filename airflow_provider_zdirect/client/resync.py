"""A page in which a record is damaged so that nobody can see where it ends, without that record. No I/O.

The cause is an unescaped quote, or a missing comma or bracket. The records before it are whole. Reading goes on at the
first place from which all the rest of the page fits together, to its last byte. What lies between is left out and
handed back. A page that breaks off has no such place.

Brackets alone could make a list within the damaged record pass for the list of records, or half of a record for a whole
one. So the square brackets of what is left out have to balance. Where the others do not, reading goes on only at an
object that begins with a name that records of the page begin with (within one record, a name stands once), or one
object later.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise

import msgspec

from airflow_provider_zdirect.client.cutting import SPACE, STRING

_ENDS = rb"\s*+(?=[,\]}]|\Z)"
_SCALAR = rb"(?:" + STRING + rb'|[^\s"{}\[\],:\\]++)' + _ENDS
_NAME = STRING + rb"\s*+:\s*+"
_GAP = rb"[\s,]*+"
_COMMAS = re.compile(_GAP)
_ELEMENT = re.compile(_SCALAR, re.DOTALL)
_ELEMENTS = re.compile(rb"(?:" + _GAP + _SCALAR + rb")*+" + _GAP + rb"(?=([\[{])?)", re.DOTALL)
_MEMBERS = re.compile(
    rb"(?:" + _GAP + _NAME + _SCALAR + rb")*+" + _GAP + rb"(?:" + _NAME + rb"(?=([\[{])))?", re.DOTALL
)
"""All up to the next bracket; the group is an opening one that may stand there."""
_CLOSED = re.compile(_ENDS)
_ONWARD = re.compile(rb",\s*+(?=\{)|(?=\])")
_LIST_END = re.compile(rb"\]\s*+(?:\}|\Z|,\s*+" + _NAME + rb")", re.DOTALL)
_TEXT = re.compile(STRING, re.DOTALL)
_FIRST_NAME = re.compile(rb"\{\s*+(" + STRING + rb")", re.DOTALL)
_CLOSING = {ord("{"): ord("}"), ord("["): ord("]")}

_EFFORT = 4
"""Bytes that are read at most, for each byte of the page, to find where a damaged record ends."""

_Place = tuple[int, bytes]
"""A byte, and the brackets that are open there."""


class _BreaksOff(msgspec.DecodeError):
    pass


@dataclass
class _Walk:
    """How far a page fits together.

    :param at: where it does not any more; the end, if it does.
    :param around: the brackets that are open there; none if it fits together to its end.
    :param starts: of elements of lists of records, with the brackets around.
    """

    at: int
    around: bytes
    starts: list[_Place] = field(default_factory=list)


def without_damaged(source: bytes | bytearray, shape: bytes) -> tuple[bytes, list[bytes]]:
    """The page without its damaged stretch, and that stretch by records, as far as these can be told apart.

    :param shape: the brackets around a record, from the outside in: ``{[`` for a list in an object. A list around
        another one is a list of groups, and a group is left out where its record cannot be.
    :raises msgspec.DecodeError: if there is no such stretch, or if it is not certain where it ends.
    """
    walk = _walk(source, 0, b"", shape)
    _check_is_complete(source, walk)
    for level in range(min(len(walk.around), len(shape)), 0, -1):
        around = walk.around[:level]
        if around.endswith(b"[") and shape.startswith(around):
            try:
                return _left_out(source, around, _of_last_list(walk.starts, around), shape)
            except _BreaksOff:
                raise
            except msgspec.DecodeError:
                continue
    raise msgspec.DecodeError(f"it does not fit together at byte {walk.at}")


def _left_out(source: bytes | bytearray, around: bytes, starts: list[int], shape: bytes) -> tuple[bytes, list[bytes]]:
    """The same for a list.

    :param around: the brackets around its elements.
    :param starts: of its elements, up to the damaged one.
    """
    if not starts:
        raise msgspec.DecodeError("no record is damaged")
    names = {name for at in starts if (name := _first_name(source, at))}
    start = starts[-1]
    text = _TEXT.match(source, start)
    if text is not None and len(starts) == 1:
        names.add(text[0])
    elif text is not None and text[0] not in names:
        # A bracket too much may have closed the record before it too early.
        start = starts[-2]
    failed: set[_Place] = set()
    whole: set[_Place] = set()
    records: set[int] = set()
    balance = dict.fromkeys((b"{", b"}", b"[", b"]"), 0)
    counted, effort = start, _EFFORT * len(source)
    for onward in _ONWARD.finditer(source, start + 1):
        at = onward.end()
        for bracket in balance:
            balance[bracket] += source.count(bracket, counted, at)
        counted = at
        is_end = source[at : at + 1] == b"]"
        if (at, around) in failed or balance[b"["] > balance[b"]"]:
            continue
        walk = _Walk(at, b"") if (at, around) in whole else _walk(source, at, around, shape, failed)
        _check_is_complete(source, walk)
        # Square brackets that do not balance may be the end of this list and the start of another one.
        is_certain = balance[b"["] == balance[b"]"] and (
            is_end or balance[b"{"] == balance[b"}"] or (at, around) in whole or _first_name(source, at) in names
        )
        if is_certain and not walk.around:
            cuts = [start, *sorted(each for each in records if start < each < at), at]
            damaged = [bytes(source[one:other]).rstrip(b", \t\r\n") for one, other in pairwise(cuts)]
            return bytes(source[:start] + source[at:]), damaged
        effort -= walk.at - at
        is_left = is_end and _LIST_END.match(source, at) is not None
        # What follows the end of the list belongs to another one.
        if is_left or effort < 0:
            break
        (failed if walk.around else whole).update(walk.starts)
        if walk.around.startswith(around):
            # Another damaged record stopped it: those before it were records, too.
            here = [each for each, place in walk.starts if place == around]
            records.update(each for each in here if _first_name(source, each) in names)
    raise msgspec.DecodeError("it is not certain where the damaged record ends")


def _of_last_list(starts: list[_Place], around: bytes) -> list[int]:
    """Starts of the elements of the last list with these brackets around it."""
    found: list[int] = []
    for at, place in reversed(starts):
        if place == around:
            found.append(at)
        elif len(place) < len(around):
            break
    return found[::-1]


def _check_is_complete(source: bytes | bytearray, walk: _Walk) -> None:
    if walk.around and walk.at == len(source):
        raise _BreaksOff(f"it breaks off at byte {walk.at}")


def _first_name(source: bytes | bytearray, at: int) -> bytes | None:
    found = _FIRST_NAME.match(source, at)
    return found[1] if found else None


def _after(pattern: re.Pattern[bytes], source: bytes | bytearray, at: int) -> int:
    found = pattern.match(source, at)
    return found.end() if found else at


def _walk(source: bytes | bytearray, at: int, around: bytes, shape: bytes, failed: set[_Place] | None = None) -> _Walk:
    """Go on from ``at``, within the brackets ``around`` (none: at the start), for as long as all fits together.

    :param failed: places from which it does not, where all records have to be objects; None if they need not be.
    """
    starts: list[_Place] = []
    opened = bytearray(around)
    if not opened:
        at = _after(SPACE, source, at)
        opened += source[at : at + 1]
        at += 1
        if opened not in (b"{", b"["):
            return _Walk(at, b"?", starts)
    while opened:
        opening: bytes | None = None
        if opened[-1] == ord("[") and shape.startswith(opened):
            at = _after(_COMMAS, source, at)
            opening = bytes(source[at : at + 1])
            if opening not in (b"]", b""):
                place = at, bytes(opened)
                if failed is not None and (place in failed or opening != b"{"):
                    return _Walk(at, place[1], starts)
                starts.append(place)
                if opening not in (b"{", b"["):
                    end = _after(_ELEMENT, source, at)
                    if end == at:
                        return _Walk(at, place[1], starts)
                    at = end
                    continue
        elif found := (_MEMBERS if opened[-1] == ord("{") else _ELEMENTS).match(source, at):
            at, opening = found.end(), found[1]
        if opening in (b"{", b"["):
            opened += opening
        elif at < len(source) and source[at] == _CLOSING[opened[-1]] and _CLOSED.match(source, at + 1):
            opened.pop()
        else:
            return _Walk(at, bytes(opened), starts)
        at += 1
    at = _after(SPACE, source, at)
    return _Walk(at, b"" if at == len(source) else b"?", starts)
