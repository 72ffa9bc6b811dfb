# SPDX-License-Identifier: Apache-2.0
"""Answers of JSON:API resources: they become orders, and what is included becomes their items and lines. No I/O.

Resources belong together by their ``relationships``, or, where these have no data, by the fields that name the owner. A
record that comes without what belongs to it is marked (``_missing``), so that the validation rejects it: half an order
must not look like a whole one. So is the owner of a resource that cannot be decoded, which is rejected itself.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_zdirect.datasets.answer import Answer, as_members
from airflow_provider_zdirect.datasets.damaged_json import (
    NULL,
    elements,
    is_null,
    members,
    members_within,
    mended,
    sound_members,
)
from airflow_provider_zdirect.datasets.page import NOT_READABLE, Page, Rejected, malformed
from airflow_provider_zdirect.datasets.paging import TimeWalk
from airflow_provider_zdirect.exceptions import FilterIgnoredError

if TYPE_CHECKING:
    from airflow_provider_zdirect.datasets.dataset import Dataset

MISSING = "_missing"
"""What an answer should have had beside a record, and has not."""

ITEM, LINE = "OrderItem", "OrderLine"
_OWNER_FIELDS = {ITEM: "order_id", LINE: "order_item_id"}
_KEY_FIELDS = {ITEM: "order_item_id", LINE: "order_line_id"}
_BESIDE = {"data", "included", "links", "meta", "jsonapi"}
_NOTHING = (b"null", b'""')
_json = msgspec.json.Encoder().encode


class _Reference(msgspec.Struct):
    id: str | int
    type: str = ""


class _Relationship(msgspec.Struct):
    data: list[_Reference] | _Reference | None = None


class _Relationships(msgspec.Struct):
    order_items: _Relationship | None = None
    order_lines: _Relationship | None = None
    order_line_transitions: _Relationship | None = None


class _Known(msgspec.Struct):
    """The attributes that say what belongs together."""

    order_id: msgspec.Raw = NULL
    order_item_id: msgspec.Raw = NULL
    order_date: msgspec.Raw = NULL
    created_at: msgspec.Raw = NULL
    modified_at: msgspec.Raw = NULL
    order_lines_count: msgspec.Raw = NULL


class _Resource(msgspec.Struct, dict=True):
    id: str | int | None = None
    type: str = ""
    attributes: msgspec.Raw = NULL
    relationships: _Relationships | None = None

    @cached_property
    def known(self) -> _Known:
        """:raises msgspec.DecodeError: if the attributes are not an object."""
        try:
            return _Known() if is_null(self.attributes) else _KnownDecoder.decode(self.attributes)
        except msgspec.DecodeError as error:
            raise msgspec.DecodeError(f"attributes: {error}") from None

    def own(self, name: str) -> msgspec.Raw | None:
        """One of the known attributes as it came; None if it is empty."""
        value: msgspec.Raw = getattr(self.known, name)
        return None if bytes(value) in _NOTHING else value

    def fields(self) -> bytes:
        """The attributes that are not empty, as members of an object."""
        text = bytes(self.attributes)
        if b'""' not in text and b"null" not in text:
            inner = text[1:-1].strip()
            return inner + b"," if inner else b""
        content = members(text, "attributes") if text != b"null" else {}
        return as_members({name: value for name, value in content.items() if bytes(value) not in _NOTHING})

    def record(self, given: bytes, missing: list[str]) -> msgspec.Raw:
        """The attributes as a record.

        :param given: members of the record, unless an attribute has the same name.
        :param missing: what should have come with it.
        """
        mark = as_members({MISSING: _json(missing)}) if missing else b""
        return msgspec.Raw(_object(given + self.fields() + mark))

    def modified(self, otherwise: msgspec.Raw | bytes) -> bytes:
        """As a member: the time of an item or a line that does not say when it was modified."""
        if self.own("modified_at") is not None:
            return b""
        created = self.text("created_at")
        return b'"modified_at":%b,' % (_json(created) if created else otherwise)

    def related(self, relationship: str) -> list[_Reference]:
        found = getattr(self.relationships, relationship, None)
        data = found.data if found else None
        return data if isinstance(data, list) else [data] if data else []

    def text(self, name: str) -> str | None:
        """One of the known attributes, if it is a text."""
        value = _value(getattr(self.known, name, NULL))
        return value if isinstance(value, str) else None

    def time(self, name: str) -> datetime | None:
        """An attribute, if it is a time; the validation sees to all others."""
        try:
            at = datetime.fromisoformat(self.text(name) or "")
        except ValueError:
            return None
        return at if at.tzinfo is not None else None


_Decoder = msgspec.json.Decoder(_Resource)
_ListDecoder = msgspec.json.Decoder(list[_Resource] | None)
_KnownDecoder = msgspec.json.Decoder(_Known)
_Owned = dict[str, _Resource]
"""Resources by identity."""


class _Resources:
    """A list of an answer.

    :param is_sound: whether nothing in the answer is damaged.
    :ivar rejected: what cannot be decoded.
    :ivar repaired: how many had damaged texts that were mended.
    """

    def __init__(self, content: Mapping[str, msgspec.Raw], key: str, is_sound: bool) -> None:
        self.all: list[_Resource] = []
        self.rejected: list[Rejected] = []
        self.repaired = 0
        if is_sound:
            try:
                found = _ListDecoder.decode(content.get(key, NULL)) or []
                if all(each.known for each in found):
                    self.all = found
                    return
            except NOT_READABLE:
                pass
        for raw in elements(content, key):
            try:
                sound = mended(raw)
                resource = _Decoder.decode(sound)
                # Its attributes are an object.
                if resource.known:
                    self.all.append(resource)
            except (ValueError, *NOT_READABLE) as error:
                self.rejected.append(Rejected(bytes(raw), f"resource: {error}"))
            else:
                self.repaired += sound is not raw


class _Included(_Resources):
    """What comes with the orders of an answer."""

    def __init__(self, content: Mapping[str, msgspec.Raw], is_sound: bool) -> None:
        super().__init__(content, "included", is_sound)
        # What has no identity belongs to nothing.
        self._known = {(each.type, _identity(each.id)): each for each in self.all if each.id is not None}
        self._by_owner: defaultdict[tuple[str, str], _Owned] = defaultdict(dict)
        for (kind, identity), each in self._known.items():
            if owner := each.text(_OWNER_FIELDS.get(kind, "")):
                self._by_owner[kind, _identity(owner)][identity] = each

    def owned(self, kind: str, owner: str, resource: _Resource, relationship: str) -> tuple[_Owned, list[str]]:
        """What belongs to an owner, and what should and did not come."""
        found = self._by_owner[kind, owner]
        references = resource.related(relationship)
        missing = []
        if not references and any(owner.encode() in bad.record.lower() for bad in self.rejected):
            missing.append(f"a readable {kind}")
        for identity in (_identity(reference.id) for reference in references):
            if (kind, identity) in self._known:
                found[identity] = self._known[kind, identity]
            else:
                missing.append(f"{kind} {identity}")
        if not found and not missing:
            missing.append(f"any {kind}")
        return found, missing

    def transitions(self, line: _Resource) -> bytes:
        """The member with the attributes of a line's transitions; none if not all of them came."""
        keys = [(reference.type, _identity(reference.id)) for reference in line.related("order_line_transitions")]
        if not keys or not all(key in self._known for key in keys):
            return b""
        return b'"transitions":[%b],' % b",".join(_object(self._known[key].fields()) for key in keys)

    def strays(self, kind: str, records: Mapping[str, Any]) -> list[msgspec.Raw]:
        """Records of what belongs to none of the orders."""
        lost = [identity for known, identity in self._known if known == kind and identity not in records]
        missing = [f"the {_OWNER_FIELDS[kind]}"]
        return [msgspec.Raw(_json({_KEY_FIELDS[kind]: each, MISSING: missing})) for each in lost]


@dataclass(frozen=True)
class OrderAnswer(Answer):
    """Orders with their items and lines. The attributes of a resource are the fields of the record."""

    keys: tuple[str, ...] = ("data",)
    parts: tuple[str, ...] = ("order_items", "order_lines")

    def read(
        self,
        dataset: Dataset,
        body: bytes | bytearray,
        asked: Mapping[str, str],
        cursor: str | None = None,
        answered_at: datetime | None = None,
    ) -> Page:
        """The page in ``body``.

        :raises MalformedResponseError: if ``body`` is not such a page.
        :raises FilterIgnoredError: if the orders do not come in order of time.
        """
        walk = dataset.paging
        assert isinstance(walk, TimeWalk)
        content, is_sound = sound_members(body)
        if is_null(content.get("data", NULL)) and (unknown := content.keys() - _BESIDE):
            raise malformed(f"the answer has no data, but {', '.join(sorted(unknown))[:100]}")
        orders, included = _Resources(content, "data", is_sound), _Included(content, is_sound)
        times = [(_identity(order.id), order.time(walk.time_key)) for order in orders.all]
        # Those that cannot be decoded count for the size of the page.
        times += [(hashlib.sha256(bad.record).hexdigest(), None) for bad in orders.rejected]
        for one, other in pairwise(at for _, at in times if at):
            # Pages are separated by whole seconds.
            if other.replace(microsecond=0) < one.replace(microsecond=0):
                raise FilterIgnoredError(
                    f"{dataset.name}: zDirect did not answer in order of {walk.time_key} ({one.isoformat()} stands "
                    f"before {other.isoformat()}); pages would have gaps, and nothing was published.",
                    remedy="Clear the task to try again; if the error stays, report it to Zalando's merchant support.",
                )
        more = bytes(members_within(content, "links").get("next", NULL)) not in _NOTHING
        onward = walk.onward(walk.position(cursor, asked), times, more)
        records, items, lines = _records(orders.all, included)
        return Page(
            records,
            onward.as_cursor() if onward else None,
            len(body),
            parts=dict(zip(self.parts, (items, lines), strict=True)),
            rejected=orders.rejected + included.rejected,
            repaired=orders.repaired + included.repaired,
        )


def _records(resources: list[_Resource], included: _Included) -> tuple[list[msgspec.Raw], ...]:
    """The orders, items and lines."""
    orders: dict[str, msgspec.Raw] = {}
    items: dict[str, msgspec.Raw] = {}
    lines: dict[str, msgspec.Raw] = {}
    for order in resources:
        order_id = _identity(order.id if order.id is not None else order.text("order_id"))
        created = _json(order.text("created_at") or order.text("order_date"))
        key = b'"order_id":%b,' % _json(order_id)
        modified_at = order.own("modified_at") or created
        # What is not content stands first, see record_hashes.
        of_order = b'"order_modified_at":%b,%b"order_date":%b,' % (modified_at, key, order.own("order_date") or NULL)
        own_items, missing = included.owned(ITEM, order_id, order, "order_items")
        own_lines: set[str] = set()
        for item_id, item in own_items.items():
            of_item = b'%b"order_item_id":%b,' % (of_order, _json(item_id))
            lines_of_item, missing_lines = included.owned(LINE, item_id, item, "order_lines")
            own_lines |= lines_of_item.keys()
            for line_id, line in lines_of_item.items():
                given = b'%b"order_line_id":%b,%b' % (of_item, _json(line_id), included.transitions(line))
                lines[line_id] = line.record(given + line.modified(modified_at), [])
            # Half an order is not an order: it is marked as well as the item that lacks something.
            items[item_id] = item.record(of_item + item.modified(modified_at), missing_lines)
            missing = missing + missing_lines
        said = _value(order.own("order_lines_count") or NULL)
        if not missing and isinstance(said, int) and len(own_lines) < said:
            missing = [f"{said - len(own_lines)} of {said} order_lines"]
        orders[order_id] = order.record(b'%b"modified_at":%b,' % (key, created), missing)
    return (
        list(orders.values()),
        [*items.values(), *included.strays(ITEM, items)],
        [*lines.values(), *included.strays(LINE, lines)],
    )


def _object(fields: bytes) -> bytes:
    """A JSON object of members with a comma behind each."""
    return b"{" + fields[:-1] + b"}"


def _identity(value: Any) -> str:
    """zDirect writes one and the same UUID in either case, and with blanks."""
    return "".join(str("" if value is None else value).split()).lower()


def _value(raw: msgspec.Raw) -> Any:
    """The decoded attribute; None if it cannot be decoded, which is left to the validation."""
    try:
        return msgspec.json.decode(raw)
    except NOT_READABLE:
        return None
