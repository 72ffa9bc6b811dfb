"""How an answer holds the records of a dataset. No I/O; records stay JSON and are not looked into."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec
from pydantic import ValidationError

from airflow_provider_zdirect.datasets.damaged_json import cut_elements, cut_members, is_utf8, mended, without_mark
from airflow_provider_zdirect.datasets.page import NOT_READABLE, Page, Rejected, malformed, reason_of
from airflow_provider_zdirect.datasets.record import Record
from airflow_provider_zdirect.datasets.selection import as_parameter
from airflow_provider_zdirect.exceptions import MalformedResponseError

if TYPE_CHECKING:
    from airflow_provider_zdirect.datasets.dataset import Dataset
    from airflow_provider_zdirect.datasets.json_api import Part

_ENVELOPE = frozenset({"merchant_id", "query"})
"""Keys beside the records that are known from the docs (Intra-Community and Cross-Border Movements)."""

_Object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_List = msgspec.json.Decoder(list[msgspec.Raw])

NULL = memoryview(b"null")


@dataclass(frozen=True)
class _Reader:
    """How objects and lists are taken apart; what is in them is not looked at."""

    members: Callable[[bytes | bytearray | msgspec.Raw], dict[str, msgspec.Raw]]
    elements: Callable[[bytes | bytearray | msgspec.Raw], list[msgspec.Raw]]

    def records(self, raw: msgspec.Raw, key: str) -> list[msgspec.Raw]:
        if memoryview(raw) == NULL:
            return []
        try:
            return self.elements(raw)
        except NOT_READABLE as error:
            raise malformed(f"{key} is not a list ({error})") from None


_STRICT = _Reader(_Object.decode, _List.decode)
_CUT = _Reader(cut_members, cut_elements)
"""For an answer that is not valid JSON as a whole; slower."""


@dataclass(frozen=True)
class Grouping:
    """Records that come in groups with something in common.

    :param records_key: key of a group's records.
    :param fields: fields that every record of a group is given; for each, the keys of a group that may hold its value,
        the current one first.
    :param keeps_empty: a group without records becomes one record, of what a group has in common.
    """

    records_key: str
    fields: Mapping[str, tuple[str, ...]]
    keeps_empty: bool = False

    def records(
        self, groups: list[msgspec.Raw], fields: Mapping[str, msgspec.Raw], reader: _Reader
    ) -> tuple[list[msgspec.Raw], list[Rejected]]:
        """The records of all groups, each with ``fields``; and what is not a group.

        :raises MalformedResponseError: if nothing is a group; the API has changed then.
        """
        records: list[msgspec.Raw] = []
        rejected: list[Rejected] = []
        last: MalformedResponseError | None = None
        for group in groups:
            try:
                found = list(self._ungrouped(group, reader))
            except MalformedResponseError as error:
                last = error
                rejected.append(Rejected(bytes(group), error.message))
                continue
            records += [_with_fields(record, {**common, **fields}) for common, record in found]
        if last is not None and len(rejected) == len(groups):
            raise last
        return records, rejected

    def _ungrouped(self, group: msgspec.Raw, reader: _Reader) -> Iterator[tuple[dict[str, msgspec.Raw], msgspec.Raw]]:
        """The records of a group, each with what the group has in common: known fields, and all others."""
        try:
            content = reader.members(group)
        except NOT_READABLE as error:
            raise malformed(f"a group of {self.records_key} is not a JSON object ({error})") from None
        understood = {self.records_key, *chain.from_iterable(self.fields.values())}
        common = {key: value for key, value in content.items() if key not in understood}
        for name, keys in self.fields.items():
            if values := [content[key] for key in keys if key in content]:
                common[name] = values[0]
        if self.records_key in content:
            records = reader.records(content[self.records_key], self.records_key)
        elif self.keeps_empty:
            records = []
        else:
            others = ", ".join(sorted(content)[:5]) or "nothing"
            raise malformed(f"a group has no {self.records_key}, but {others}")
        if not records and self.keeps_empty:
            records = [msgspec.Raw(b"{}")]
        for record in records:
            yield common, record


@dataclass(frozen=True)
class Answer:
    """A list of records in an object.

    :param keys: keys that may hold the records, the current one first.
    :param within: key of an object that holds the list of records, where it is not at the top.
    :param may_be_bare_list: whether the answer may be a list, without an object around it.
    :param grouping: how records are grouped; None if they are not.
    :param asked_date_field: field that every record is given, with the date that was asked for.
    :param answered_at_field: field that every record is given, with the time of the answer.
    :param snapshot_time_key: key of the time that the answer is of; every record is given it.
    :param merchant_field: field with the merchant, where an answer holds the records of all merchants.
    :param left_out: fields that are never stored, nor is any unknown one; for what names people only that they be
        forgotten.
    """

    keys: tuple[str, ...]
    within: str | None = None
    may_be_bare_list: bool = False
    grouping: Grouping | None = None
    asked_date_field: str | None = None
    answered_at_field: str | None = None
    snapshot_time_key: str | None = None
    merchant_field: str | None = None
    left_out: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()

    def read(
        self,
        dataset: Dataset,
        body: bytes | bytearray,
        asked: Mapping[str, str],
        cursor: str | None = None,
        answered_at: datetime | None = None,
    ) -> Page:
        """The page in ``body``.

        :param asked: the query that it answers.
        :param cursor: where the page is; None: it is the first one.
        :param answered_at: when the answer came.

        An absent or null list is an empty page (no list key is required by the OpenAPI files), but only if nothing else
        is there that is not understood: a renamed list must not look like "no records".

        One damaged record does not spoil the others: see :mod:`.cutting`.

        :raises MalformedResponseError: if ``body`` is not such a page.
        """
        added = {}
        if self.asked_date_field and "from" in asked:
            added[self.asked_date_field] = asked["from"]
        if self.answered_at_field and answered_at:
            added[self.answered_at_field] = as_parameter(answered_at)
        body = without_mark(body)
        if is_utf8(body):
            try:
                return self._read(dataset, body, added, _STRICT)
            except MalformedResponseError:
                pass
        return self._read(dataset, body, added, _CUT)

    def _read(self, dataset: Dataset, body: bytes | bytearray, added: Mapping[str, str], reader: _Reader) -> Page:
        content = self._content(body, reader)
        lists = {key: reader.records(content[key], key) for key in self.keys if key in content}
        filled = [key for key, records in lists.items() if records]
        if len(filled) > 1:
            raise malformed(f"the answer has records under more than one key ({', '.join(filled)})")
        known = {self.snapshot_time_key, *self.keys, *dataset.paging.keys}
        unknown = sorted(content.keys() - _ENVELOPE - known)
        if not lists and unknown:
            names = ", ".join(key[:40] for key in unknown[:5])
            raise malformed(f"the answer has no {' or '.join(self.keys)}, but {names}")
        cursor = dataset.paging.next(content)
        records = lists[filled[0]] if filled else []
        snapshot_time = self._snapshot_time(content)
        if self.snapshot_time_key and snapshot_time:
            added = {**added, self.snapshot_time_key: snapshot_time}
        fields = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in added.items()}
        rejected: list[Rejected] = []
        repaired = 0
        if self.grouping is not None:
            records, rejected = self.grouping.records(records, fields, reader)
        elif fields:
            records = [_with_fields(record, fields) for record in records]
        if reader is _CUT:
            records, unreadable, repaired = _readable(records, dataset.model)
            rejected += unreadable
        if self.left_out:
            stored = dataset.model.model_fields.keys() - set(self.left_out)
            records = [_only_fields(record, stored) for record in records]
            # What cannot be decoded may hold what is to be left out.
            rejected = [replace(bad, record=b"null") for bad in rejected]
        query = _query(content.get("query"))
        return Page(records, cursor, len(body), query, snapshot_time, rejected=rejected, repaired=repaired)

    def _content(self, body: bytes | bytearray, reader: _Reader) -> dict[str, msgspec.Raw]:
        """The answer's object; a bare list, where the answer may be one, is taken for its records."""
        if self.may_be_bare_list and bytes(body[:100]).lstrip().startswith(b"["):
            return {self.keys[0]: msgspec.Raw(body)}
        try:
            content = reader.members(body)
            inner = content.pop(self.within, None) if self.within else None
            if inner is not None and memoryview(inner) != NULL:
                content |= reader.members(inner)
        except NOT_READABLE as error:
            raise malformed(f"the answer is not a JSON object ({error})") from None
        return content

    def _snapshot_time(self, content: Mapping[str, msgspec.Raw]) -> str | None:
        if self.snapshot_time_key is None or self.snapshot_time_key not in content:
            return None
        try:
            value = msgspec.json.decode(content[self.snapshot_time_key])
        except NOT_READABLE as error:
            raise malformed(f"{self.snapshot_time_key} cannot be read ({error})") from None
        return value if isinstance(value, str) and value else None


def _readable(records: list[msgspec.Raw], model: type[Record]) -> tuple[list[msgspec.Raw], list[Rejected], int]:
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
                model.model_validate_json(sound)
            except ValidationError as error:
                rejected.append(Rejected(source, reason_of(error)))
                continue
        repaired += sound is not source
        readable.append(msgspec.Raw(sound))
    return readable, rejected, repaired


def _with_fields(record: msgspec.Raw, fields: Mapping[str, msgspec.Raw]) -> msgspec.Raw:
    source = bytes(record)
    if not fields or not source.startswith(b"{"):
        # What is not an object is left to the validation, which keeps it as it came.
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


def _only_fields(record: msgspec.Raw, known: set[str]) -> msgspec.Raw:
    """The record with these fields only: an unknown one may hold anything, where records are about people who want to
    be forgotten."""
    try:
        content = _Object.decode(record)
    except NOT_READABLE:
        # What it holds is unknown as well.
        return msgspec.Raw(b"null")
    return msgspec.Raw(msgspec.json.encode({name: value for name, value in content.items() if name in known}))


def _query(raw: msgspec.Raw | None) -> dict[str, Any]:
    try:
        return msgspec.json.decode(raw or b"{}", type=dict[str, Any])
    except NOT_READABLE:
        # It is for information only.
        return {}
