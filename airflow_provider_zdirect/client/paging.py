"""One page of an answer: records as raw JSON, and where the next page is. No I/O."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
from pydantic import ValidationError

from airflow_provider_zdirect.client.cutting import cut_elements, cut_members, is_utf8, mended, without_mark
from airflow_provider_zdirect.datasets.rejected import NOT_READABLE, Rejected, reason_of
from airflow_provider_zdirect.datasets.table import Cursor, Dataset, Grouping
from airflow_provider_zdirect.exceptions import MalformedResponseError

_ENVELOPE = frozenset({"merchant_id", "query"})
"""Keys beside the records that are known from the docs (Intra-Community and Cross-Border Movements)."""

_Object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_Objects = dict[str, msgspec.Raw] | None
_List = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True)
class _Reader:
    """How objects and lists are taken apart; what is in them is not looked at."""

    members: Callable[[bytes | bytearray | msgspec.Raw], dict[str, msgspec.Raw]]
    elements: Callable[[bytes | bytearray | msgspec.Raw], list[msgspec.Raw]]


_STRICT = _Reader(_Object.decode, _List.decode)
_CUT = _Reader(cut_members, cut_elements)
"""For an answer that is not valid JSON as a whole; slower."""


@dataclass(frozen=True)
class Page:
    """Records of one answer, in the server's order.

    :param parts: records that came with them, by the dataset that they are of.
    :param records: each as JSON, not yet decoded: a slice of the answer's own bytes, so that 100,000 records cost
        100,000 small views and no dicts (they keep the answer's body alive); a copy where something was added or
        mended. Each is valid JSON in UTF-8.
    :param next_cursor: where the next page is, or None at the end.
    :param size: bytes of the body.
    :param query: what the server says it was asked (``from``, ``to``, ...), where it says so.
    :param snapshot_time: of when the records are, as the answer says it, where the dataset has such a key.
    :param etag: the answer's ETag.
    :param unchanged: the answer is the one that was known, and its records were not sent again.
    :param rejected: what could be cut out as a record, or a part of one, and not be decoded.
    :param repaired: records, and parts, with damaged texts that were mended (U+FFFD stands for what was damaged).
    """

    records: list[msgspec.Raw] = field(repr=False)
    next_cursor: str | None
    size: int
    query: Mapping[str, Any] = field(default_factory=dict)
    snapshot_time: str | None = None
    etag: str | None = None
    unchanged: bool = False
    parts: Mapping[str, list[msgspec.Raw]] = field(default_factory=dict, repr=False)
    rejected: list[Rejected] = field(default_factory=list, repr=False)
    repaired: int = 0


def parse_page(body: bytes | bytearray, dataset: Dataset, added: Mapping[str, str] | None = None) -> Page:
    """The page in ``body``.

    :param added: texts that every record is given, by field.

    An absent or null list is an empty page (no list key is required by the OpenAPI files), but only if nothing else
    is there that is not understood: a renamed list must not look like "no records".

    One damaged record does not spoil the others: see :mod:`.cutting`.

    :raises MalformedResponseError: if ``body`` is not such a page.
    """
    body = without_mark(body)
    if is_utf8(body):
        try:
            return _parse(body, dataset, added or {}, _STRICT)
        except MalformedResponseError:
            pass
    return _parse(body, dataset, added or {}, _CUT)


def _parse(body: bytes | bytearray, dataset: Dataset, added: Mapping[str, str], reader: _Reader) -> Page:
    content = _content(body, dataset, reader)
    lists = {key: _records(content[key], key, dataset, reader) for key in dataset.record_keys if key in content}
    filled = [key for key, records in lists.items() if records]
    if len(filled) > 1:
        raise malformed(dataset, f"the answer has records under more than one key ({', '.join(filled)})")
    paging = dataset.cursor or Cursor(limit=None)
    known = {paging.next_key, paging.next_within, dataset.snapshot_time_key, *dataset.record_keys}
    unknown = sorted(content.keys() - _ENVELOPE - known)
    if not lists and unknown:
        names = ", ".join(key[:40] for key in unknown[:5])
        raise malformed(dataset, f"the answer has no {' or '.join(dataset.record_keys)}, but {names}")
    cursor = _next(content, paging, dataset)
    if cursor is not None and dataset.paging is None:
        raise malformed(dataset, "the answer names a next page, although this endpoint is not known to page")
    records = lists[filled[0]] if filled else []
    fields = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in added.items()}
    snapshot_time = _snapshot_time(content, dataset)
    if dataset.snapshot_time_key and snapshot_time:
        fields[dataset.snapshot_time_key] = msgspec.Raw(msgspec.json.encode(snapshot_time))
    rejected: list[Rejected] = []
    repaired = 0
    if dataset.grouping is not None:
        records, rejected = _of_groups(records, dataset.grouping, fields, dataset, reader)
    elif fields:
        records = [_with_fields(record, fields) for record in records]
    if reader is _CUT:
        records, unreadable, repaired = _readable(records, dataset)
        rejected += unreadable
    if dataset.left_out:
        records = [_without_fields(record, dataset) for record in records]
        # What cannot be decoded may hold what is to be left out.
        rejected = [replace(bad, record=b"null") for bad in rejected]
    query = _query(content.get("query"))
    return Page(records, cursor, len(body), query, snapshot_time, rejected=rejected, repaired=repaired)


def _readable(records: list[msgspec.Raw], dataset: Dataset) -> tuple[list[msgspec.Raw], list[Rejected], int]:
    """Those that can be decoded, if need be mended; the others, as they came; and how many were mended."""
    readable, rejected, repaired = [], [], 0
    for record in records:
        source = bytes(record)
        try:
            sound = mended(source)
        except ValueError as error:
            rejected.append(Rejected(source, f"record: {error}"))
            continue
        if sound is not source:
            try:
                dataset.model.model_validate_json(sound)
            except ValidationError as error:
                rejected.append(Rejected(source, reason_of(error)))
                continue
        repaired += sound is not source
        readable.append(msgspec.Raw(sound))
    return readable, rejected, repaired


def _is_bare_list(body: bytes | bytearray, dataset: Dataset) -> bool:
    return dataset.may_be_bare_list and bytes(body[:100]).lstrip().startswith(b"[")


def _content(body: bytes | bytearray, dataset: Dataset, reader: _Reader) -> dict[str, msgspec.Raw]:
    """The answer's object; a bare list, where the dataset may come as one, is taken for its records."""
    if _is_bare_list(body, dataset):
        return {dataset.record_keys[0]: msgspec.Raw(body)}
    try:
        content = reader.members(body)
        inner = content.pop(dataset.records_within, None) if dataset.records_within else None
        if inner is not None and memoryview(inner) != b"null":
            content |= reader.members(inner)
    except NOT_READABLE as error:
        raise malformed(dataset, f"the answer is no JSON object ({error})") from None
    return content


def _snapshot_time(content: Mapping[str, msgspec.Raw], dataset: Dataset) -> str | None:
    if dataset.snapshot_time_key is None or dataset.snapshot_time_key not in content:
        return None
    try:
        value = msgspec.json.decode(content[dataset.snapshot_time_key])
    except NOT_READABLE as error:
        raise malformed(dataset, f"{dataset.snapshot_time_key} cannot be read ({error})") from None
    return value if isinstance(value, str) and value else None


def _of_groups(
    groups: list[msgspec.Raw],
    grouping: Grouping,
    fields: Mapping[str, msgspec.Raw],
    dataset: Dataset,
    reader: _Reader,
) -> tuple[list[msgspec.Raw], list[Rejected]]:
    """The records of all groups, and the groups that are none.

    :raises MalformedResponseError: if no group is one; the API has changed then.
    """
    records: list[msgspec.Raw] = []
    rejected: list[Rejected] = []
    last: MalformedResponseError | None = None
    for group in groups:
        try:
            found = list(_ungrouped(group, grouping, dataset, reader))
        except MalformedResponseError as error:
            last = error
            rejected.append(Rejected(bytes(group), error.message))
            continue
        records += [_with_fields(record, {**common, **fields}) for common, record in found]
    if last is not None and len(rejected) == len(groups):
        raise last
    return records, rejected


def _ungrouped(
    group: msgspec.Raw, grouping: Grouping, dataset: Dataset, reader: _Reader
) -> Iterator[tuple[dict[str, msgspec.Raw], msgspec.Raw]]:
    """The records of a group, each with what the group has in common: known fields, and whatever else it says."""
    try:
        content = reader.members(group)
    except NOT_READABLE as error:
        raise malformed(dataset, f"a group of {grouping.records_key} is no JSON object ({error})") from None
    understood = {grouping.records_key, *chain.from_iterable(grouping.fields.values())}
    common = {key: value for key, value in content.items() if key not in understood}
    for name, keys in grouping.fields.items():
        values = [content[key] for key in keys if key in content]
        if values:
            common[name] = values[0]
    if grouping.records_key in content:
        records = _records(content[grouping.records_key], grouping.records_key, dataset, reader)
    elif grouping.keeps_empty:
        records = []
    else:
        others = ", ".join(sorted(content)[:5]) or "nothing"
        raise malformed(dataset, f"a group has no {grouping.records_key}, but {others}")
    if not records and grouping.keeps_empty:
        records = [msgspec.Raw(b"{}")]
    for record in records:
        yield common, record


def _with_fields(record: msgspec.Raw, fields: Mapping[str, msgspec.Raw]) -> msgspec.Raw:
    source = bytes(record)
    if not fields or not source.startswith(b"{"):
        # What is no object is left to the validation, which keeps it as it came.
        return record
    # The record's own fields stand behind them, and the last one of a name counts.
    members = b",".join(_name(name) + b":" + bytes(value) for name, value in fields.items())
    rest = source[1:].lstrip()
    return msgspec.Raw(b"{" + members + (b"" if rest.startswith(b"}") else b",") + rest)


def _name(name: str) -> bytes:
    try:
        return msgspec.json.encode(name)
    except UnicodeEncodeError:
        # A damaged one, for which the record is rejected.
        return json.dumps(name).encode()


def _without_fields(record: msgspec.Raw, dataset: Dataset) -> msgspec.Raw:
    try:
        content = _Object.decode(record)
    except NOT_READABLE:
        # It is not what it should be, so nobody knows what it holds.
        return msgspec.Raw(b"null")
    # Nor does anybody know what an unknown field holds, where records are about people who want to be forgotten.
    known = dataset.model.model_fields.keys() - set(dataset.left_out)
    return msgspec.Raw(msgspec.json.encode({name: value for name, value in content.items() if name in known}))


def _records(raw: msgspec.Raw, key: str, dataset: Dataset, reader: _Reader) -> list[msgspec.Raw]:
    if memoryview(raw) == b"null":
        return []
    try:
        return reader.elements(raw)
    except NOT_READABLE as error:
        raise malformed(dataset, f"{key} is no list ({error})") from None


def _next(content: Mapping[str, msgspec.Raw], paging: Cursor, dataset: Dataset) -> str | None:
    """The cursor of the next page, from wherever the answer has it."""
    if paging.next_within is not None:
        try:
            content = msgspec.json.decode(content.get(paging.next_within, b"null"), type=_Objects) or {}
        except NOT_READABLE as error:
            raise malformed(dataset, f"{paging.next_within} cannot be read ({error})") from None
    cursor = _cursor(content.get(paging.next_key), dataset)
    if cursor is None or not paging.next_is_link:
        return cursor
    # Only the cursor is taken from the address; it is sent to the host that we know, not to one that an answer names.
    # Not by parse_qsl, which takes a plus for a blank: cursors may have one, and have no blanks.
    parameters = (part.partition("=") for part in urlsplit(cursor).query.split("&"))
    found = {unquote(name): unquote(value) for name, _, value in parameters}.get(paging.parameter)
    if not found:
        raise malformed(dataset, f"the address of the next page has no {paging.parameter}")
    return found


def _cursor(raw: msgspec.Raw | None, dataset: Dataset) -> str | None:
    """Absent, null and empty alike are the end; a number is taken as it is written."""
    if raw is None:
        return None
    try:
        value = msgspec.json.decode(raw)
    except NOT_READABLE as error:
        raise malformed(dataset, f"the cursor cannot be read ({error})") from None
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return bytes(raw).decode()
    raise malformed(dataset, f"the cursor is a {type(value).__name__}")


def _query(raw: msgspec.Raw | None) -> dict[str, Any]:
    try:
        return msgspec.json.decode(raw or b"{}", type=dict[str, Any])
    except NOT_READABLE:
        # It is for information; what is no object says nothing.
        return {}


def malformed(dataset: Dataset, what: str) -> MalformedResponseError:
    """The error for an answer that cannot be understood."""
    return MalformedResponseError(
        f"{dataset.name}: {what}.",
        remedy="Nothing, if it passes with the retry; otherwise the API has changed: update the provider or report it.",
        retry_after=dataset.refetch_delay,
    )
