# SPDX-License-Identifier: Apache-2.0
"""How an answer holds the records of a dataset. No I/O; records stay JSON and are not looked into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec
from pydantic import ValidationError

from airflow_provider_zdirect.datasets.damaged_json import (
    NULL,
    elements,
    members,
    members_within,
    mended,
    sound_members,
)
from airflow_provider_zdirect.datasets.page import NOT_READABLE, Page, Rejected, decoded, malformed, reason_of
from airflow_provider_zdirect.datasets.record import Record
from airflow_provider_zdirect.datasets.selection import as_parameter
from airflow_provider_zdirect.exceptions import MalformedResponseError

if TYPE_CHECKING:
    from airflow_provider_zdirect.datasets.dataset import Dataset

_ENVELOPE = frozenset({"merchant_id", "query"})
"""Keys beside the records that are known from the docs (Intra-Community and Cross-Border Movements)."""

_BOM_AND_BLANKS = b"\xef\xbb\xbf \t\r\n"


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

    def records(self, groups: Sequence[msgspec.Raw], given: bytes) -> tuple[list[msgspec.Raw], list[Rejected]]:
        """The records of all groups, each with what is ``given``; and what is not a group.

        :param given: members, as :func:`as_members` makes them.
        :raises MalformedResponseError: if nothing is a group; the API has changed then.
        """
        records: list[msgspec.Raw] = []
        rejected: list[Rejected] = []
        for group in groups:
            try:
                records += self._ungrouped(group, given)
            except MalformedResponseError as error:
                rejected.append(Rejected(bytes(group), error.message))
                if len(rejected) == len(groups):
                    raise
        return records, rejected

    def _ungrouped(self, group: msgspec.Raw, given: bytes) -> list[msgspec.Raw]:
        """The records of a group, each with what the group has in common: known fields, and all others."""
        content = members(group, f"a group of {self.records_key}")
        if self.records_key not in content and not self.keeps_empty:
            others = ", ".join(sorted(content)[:5]) or "nothing"
            raise malformed(f"a group has no {self.records_key}, but {others}")
        common = {key: value for key, value in content.items() if key not in self._understood}
        for name, keys in self.fields.items():
            for key in keys:
                if key in content:
                    common[name] = content[key]
                    break
        records = elements(content, self.records_key)
        if not records and self.keeps_empty:
            records = [msgspec.Raw(b"{}")]
        return with_members(records, as_members(common) + given)

    @cached_property
    def _understood(self) -> frozenset[str]:
        return frozenset({self.records_key, *chain.from_iterable(self.fields.values())})


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
    :param parts: datasets whose records come with these.
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
    parts: tuple[str, ...] = ()

    def read(
        self,
        dataset: Dataset,
        body: bytes | bytearray,
        asked: Mapping[str, str],
        cursor: str | None = None,
        answered_at: datetime | None = None,
    ) -> Page:
        """The page in ``body``.

        An absent or null list is an empty page (no list key is required by the OpenAPI files), but only if nothing else
        is there that is not understood: a renamed list must not look like "no records".

        One damaged record does not spoil the others (:mod:`.damaged_json`).

        :param asked: the query that it answers.
        :param cursor: where the page is; None: it is the first one.
        :param answered_at: when the answer came.
        :raises MalformedResponseError: if ``body`` is not such a page.
        """
        content, is_sound = self._content(body)
        lists = {key: elements(content, key) for key in self.keys if key in content}
        filled = [key for key, records in lists.items() if records]
        if len(filled) > 1:
            raise malformed(f"the answer has records under more than one key ({', '.join(filled)})")
        known = {self.within, self.snapshot_time_key, *self.keys, *dataset.paging.keys}
        unknown = sorted(content.keys() - _ENVELOPE - known)
        if not lists and unknown:
            names = ", ".join(key[:40] for key in unknown[:5])
            raise malformed(f"the answer has no {' or '.join(self.keys)}, but {names}")
        next_cursor = dataset.paging.next(content)
        time = decoded(content, self.snapshot_time_key) if self.snapshot_time_key else None
        snapshot_time = time if isinstance(time, str) and time else None
        given = {
            self.asked_date_field: asked.get("from"),
            self.answered_at_field: as_parameter(answered_at) if answered_at else None,
            self.snapshot_time_key: snapshot_time,
        }
        fields = as_members({name: msgspec.json.encode(value) for name, value in given.items() if name and value})
        records = lists[filled[0]] if filled else []
        rejected: list[Rejected] = []
        repaired = 0
        if self.grouping is not None:
            records, rejected = self.grouping.records(records, fields)
        else:
            records = with_members(records, fields)
        if not is_sound:
            records, unreadable, repaired = _readable(records, dataset.model)
            rejected += unreadable
        if self.left_out:
            records = [_only_fields(record, dataset.model.model_fields) for record in records]
            # What cannot be decoded may hold what is to be left out.
            rejected = [replace(bad, record=b"null") for bad in rejected]
        query = _query(content)
        return Page(records, next_cursor, len(body), query, snapshot_time, rejected=rejected, repaired=repaired)

    def _content(self, body: bytes | bytearray) -> tuple[dict[str, msgspec.Raw], bool]:
        """As :func:`.sound_members`; a bare list, where the answer may be one, is taken for its records."""
        if self.may_be_bare_list and body[:100].lstrip(_BOM_AND_BLANKS).startswith(b"["):
            return {self.keys[0]: msgspec.Raw(body)}, False
        content, is_sound = sound_members(body)
        if self.within is not None:
            content |= members_within(content, self.within)
        return content, is_sound


def _readable(records: list[msgspec.Raw], model: type[Record]) -> tuple[list[msgspec.Raw], list[Rejected], int]:
    """Those that can be decoded, if need be mended; the others, as they came; and how many were mended."""
    readable, rejected, repaired = [], [], 0
    for record in records:
        try:
            sound = mended(record)
            if sound is not record:
                # Here, because a record that is rejected all the same is kept as it came.
                model.model_validate_json(bytes(sound))
                repaired += 1
        except ValidationError as error:
            rejected.append(Rejected(bytes(record), reason_of(error)))
        except ValueError as error:
            rejected.append(Rejected(bytes(record), f"record: {error}"))
        else:
            readable.append(sound)
    return readable, rejected, repaired


def as_members(fields: Mapping[str, msgspec.Raw | bytes]) -> bytes:
    """Members of a JSON object, each with a comma behind it."""
    return b"".join([_name(name) + bytes(value) + b"," for name, value in fields.items()])


@lru_cache
def _name(name: str) -> bytes:
    return msgspec.json.encode(name) + b":"


def with_members(records: list[msgspec.Raw], given: bytes) -> list[msgspec.Raw]:
    """The records with what is given to each of them, where it has no such field of its own.

    What is not an object is left to the validation, which keeps it as it came.

    :param given: members, as :func:`as_members` makes them.
    """
    if not given:
        return records
    # The record's own fields stand behind them, and the last one of a name counts.
    start = b"{" + given
    return [
        msgspec.Raw(start + source[1:]) if (source := bytes(record)).startswith(b'{"') else _begun(start, record)
        for record in records
    ]


def _begun(start: bytes, record: msgspec.Raw) -> msgspec.Raw:
    source = bytes(record)
    if not source.startswith(b"{"):
        return record
    rest = source[1:].lstrip()
    return msgspec.Raw((start[:-1] if rest.startswith(b"}") else start) + rest)


def _only_fields(record: msgspec.Raw, known: Mapping[str, Any]) -> msgspec.Raw:
    """The record with these fields only: an unknown one may hold anything, where records are about people who want to
    be forgotten."""
    try:
        content = members(record, "the record")
    except MalformedResponseError:
        # What it holds is unknown as well.
        return NULL
    return msgspec.Raw(msgspec.json.encode({name: value for name, value in content.items() if name in known}))


def _query(content: Mapping[str, msgspec.Raw]) -> dict[str, Any]:
    try:
        return msgspec.json.decode(content.get("query", b"{}"), type=dict[str, Any])
    except NOT_READABLE:
        # It is for information only.
        return {}
