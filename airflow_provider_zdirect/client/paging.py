"""One page of an answer: records as raw JSON, and where the next page is. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from airflow_provider_zdirect.datasets import Cursor, Dataset, Grouping
from airflow_provider_zdirect.exceptions import MalformedResponseError

_ENVELOPE = frozenset({"merchant_id", "query"})
"""Keys beside the records that are known from the docs (Intra-Community and Cross-Border Movements)."""

_Object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_Objects = dict[str, msgspec.Raw] | None
_List = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True)
class Page:
    """Records of one answer, in the server's order.

    :param parts: records that came with them, by the dataset that they are of.
    :param records: each as JSON, not yet decoded: a slice of the answer's own bytes, so that 100,000 records cost
        100,000 small views and no dicts (they keep the answer's body alive); a copy where something was added.
    :param next_cursor: where the next page is, or None at the end.
    :param size: bytes of the body.
    :param query: what the server says it was asked (``from``, ``to``, ...), where it says so.
    :param snapshot_time: of when the records are, as the answer says it, where the dataset has such a key.
    :param etag: the answer's ETag.
    :param unchanged: the answer is the one that was known, and its records were not sent again.
    """

    records: list[msgspec.Raw] = field(repr=False)
    next_cursor: str | None
    size: int
    query: Mapping[str, Any] = field(default_factory=dict)
    snapshot_time: str | None = None
    etag: str | None = None
    unchanged: bool = False
    parts: Mapping[str, list[msgspec.Raw]] = field(default_factory=dict, repr=False)


def parse_page(body: bytes | bytearray, dataset: Dataset, added: Mapping[str, str] | None = None) -> Page:
    """The page in ``body``.

    :param added: texts that every record is given, by field.

    An absent or null list is an empty page (no list key is required by the OpenAPI files), but only if nothing else
    is there that is not understood: a renamed list must not look like "no records".

    :raises MalformedResponseError: if ``body`` is not such a page.
    """
    content = _content(body, dataset)
    lists = {key: _records(content[key], key, dataset) for key in dataset.record_keys if key in content}
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
    fields = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in (added or {}).items()}
    snapshot_time = _snapshot_time(content, dataset)
    if dataset.snapshot_time_key and snapshot_time:
        fields[dataset.snapshot_time_key] = msgspec.Raw(msgspec.json.encode(snapshot_time))
    if dataset.grouping is not None:
        records = [
            _with_fields(record, {**common, **fields})
            for group in records
            for common, record in _ungrouped(group, dataset.grouping, dataset)
        ]
    elif fields:
        records = [_with_fields(record, fields) for record in records]
    if dataset.left_out:
        records = [_without_fields(record, dataset) for record in records]
    return Page(records, cursor, len(body), _query(content.get("query")), snapshot_time)


def _content(body: bytes | bytearray, dataset: Dataset) -> dict[str, msgspec.Raw]:
    """The answer's object; a bare list, where the dataset may come as one, is taken for its records."""
    if dataset.may_be_bare_list and bytes(body[:100]).lstrip().startswith(b"["):
        return {dataset.record_keys[0]: msgspec.Raw(body)}
    try:
        content = _Object.decode(body)
        inner = content.pop(dataset.records_within, None) if dataset.records_within else None
        if inner is not None and memoryview(inner) != b"null":
            content |= _Object.decode(inner)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise malformed(dataset, f"the answer is no JSON object ({error})") from None
    return content


def _snapshot_time(content: Mapping[str, msgspec.Raw], dataset: Dataset) -> str | None:
    if dataset.snapshot_time_key is None or dataset.snapshot_time_key not in content:
        return None
    value = msgspec.json.decode(content[dataset.snapshot_time_key])
    return value if isinstance(value, str) and value else None


def _ungrouped(
    group: msgspec.Raw, grouping: Grouping, dataset: Dataset
) -> Iterator[tuple[dict[str, msgspec.Raw], msgspec.Raw]]:
    """The records of a group, each with what the group has in common: known fields, and whatever else it says."""
    try:
        content = _Object.decode(group)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise malformed(dataset, f"a group of {grouping.records_key} is no JSON object ({error})") from None
    understood = {grouping.records_key, *chain.from_iterable(grouping.fields.values())}
    common = {key: value for key, value in content.items() if key not in understood}
    for name, keys in grouping.fields.items():
        values = [content[key] for key in keys if key in content]
        if values:
            common[name] = values[0]
    if grouping.records_key in content:
        records = _records(content[grouping.records_key], grouping.records_key, dataset)
    elif grouping.keeps_empty:
        records = []
    else:
        raise malformed(dataset, f"a group has no {grouping.records_key}, but {', '.join(sorted(content)[:5])}")
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
    members = b",".join(msgspec.json.encode(name) + b":" + bytes(value) for name, value in fields.items())
    rest = source[1:].lstrip()
    return msgspec.Raw(b"{" + members + (b"" if rest.startswith(b"}") else b",") + rest)


def _without_fields(record: msgspec.Raw, dataset: Dataset) -> msgspec.Raw:
    try:
        content = _Object.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # It is not what it should be, so nobody knows what it holds.
        return msgspec.Raw(b"null")
    # Nor does anybody know what an unknown field holds, where records are about people who want to be forgotten.
    known = dataset.model.model_fields.keys() - set(dataset.left_out)
    return msgspec.Raw(msgspec.json.encode({name: value for name, value in content.items() if name in known}))


def _records(raw: msgspec.Raw, key: str, dataset: Dataset) -> list[msgspec.Raw]:
    if memoryview(raw) == b"null":
        return []
    try:
        return _List.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise malformed(dataset, f"{key} is no list ({error})") from None


def _next(content: Mapping[str, msgspec.Raw], paging: Cursor, dataset: Dataset) -> str | None:
    """The cursor of the next page, from wherever the answer has it."""
    if paging.next_within is not None:
        try:
            content = msgspec.json.decode(content.get(paging.next_within, b"null"), type=_Objects) or {}
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
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
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
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
    except (msgspec.DecodeError, UnicodeDecodeError):
        # It is for information; what is no object says nothing.
        return {}


def malformed(dataset: Dataset, what: str) -> MalformedResponseError:
    """The error for an answer that cannot be understood."""
    return MalformedResponseError(
        f"{dataset.name}: {what}.",
        remedy="Nothing, if it passes with the retry; otherwise the API has changed: update the provider or report it.",
        retry_after=dataset.refetch_delay,
    )
