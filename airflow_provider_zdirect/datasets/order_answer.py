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
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_zdirect.datasets.answer import Answer
from airflow_provider_zdirect.datasets.damaged_json import NULL, elements, is_null, members, members_within, mended
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


class _Reference(msgspec.Struct):
    id: str | int
    type: str = ""


class _Relationship(msgspec.Struct):
    data: list[_Reference] | _Reference | None = None


class _Resource(msgspec.Struct):
    id: str | int | None = None
    type: str = ""
    attributes: dict[str, msgspec.Raw] | None = None
    relationships: dict[str, _Relationship | None] | None = None

    def fields(self) -> dict[str, msgspec.Raw]:
        """The attributes that are not empty."""
        return {name: value for name, value in (self.attributes or {}).items() if bytes(value) not in _NOTHING}

    def related(self, relationship: str) -> list[_Reference]:
        found = (self.relationships or {}).get(relationship)
        data = found.data if found else None
        return data if isinstance(data, list) else [data] if data else []

    def text(self, name: str) -> str | None:
        """An attribute, if it is a text."""
        value = _value((self.attributes or {}).get(name, NULL))
        return value if isinstance(value, str) else None

    def time(self, name: str) -> datetime | None:
        """An attribute, if it is a time; the validation sees to all others."""
        try:
            at = datetime.fromisoformat(self.text(name) or "")
        except ValueError:
            return None
        return at if at.tzinfo is not None else None


_Decoder = msgspec.json.Decoder(_Resource)
_Owned = dict[str, _Resource]
"""Resources by identity."""


class _Resources:
    """A list of an answer.

    :ivar rejected: what cannot be decoded.
    :ivar repaired: how many had damaged texts that were mended.
    """

    def __init__(self, content: Mapping[str, msgspec.Raw], key: str) -> None:
        self.all: list[_Resource] = []
        self.rejected: list[Rejected] = []
        self.repaired = 0
        for raw in elements(content, key):
            try:
                sound = mended(raw)
                self.all.append(_Decoder.decode(sound))
            except (ValueError, *NOT_READABLE) as error:
                self.rejected.append(Rejected(bytes(raw), f"resource: {error}"))
            else:
                self.repaired += sound is not raw


class _Included(_Resources):
    """What comes with the orders of an answer."""

    def __init__(self, content: Mapping[str, msgspec.Raw]) -> None:
        super().__init__(content, "included")
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

    def fields(self, references: list[_Reference]) -> list[dict[str, msgspec.Raw]] | None:
        """The attributes of resources; None if not all of them came."""
        keys = [(reference.type, _identity(reference.id)) for reference in references]
        return [self._known[key].fields() for key in keys] if all(key in self._known for key in keys) else None

    def strays(self, kind: str, records: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Records of what belongs to none of the orders."""
        lost = [identity for known, identity in self._known if known == kind and identity not in records]
        return {each: {_KEY_FIELDS[kind]: each, MISSING: [f"the {_OWNER_FIELDS[kind]}"]} for each in lost}


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
        content = members(body, "the answer")
        if is_null(content.get("data", NULL)) and (unknown := content.keys() - _BESIDE):
            raise malformed(f"the answer has no data, but {', '.join(sorted(unknown))[:100]}")
        orders, included = _Resources(content, "data"), _Included(content)
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
        records, items, lines = (
            [msgspec.Raw(msgspec.json.encode(record)) for record in found.values()]
            for found in _records(orders.all, included)
        )
        return Page(
            records,
            onward.as_cursor() if onward else None,
            len(body),
            parts=dict(zip(self.parts, (items, lines), strict=True)),
            rejected=orders.rejected + included.rejected,
            repaired=orders.repaired + included.repaired,
        )


def _records(resources: list[_Resource], included: _Included) -> tuple[dict[str, dict[str, Any]], ...]:
    """The orders, items and lines, each by identity."""
    orders: dict[str, dict[str, Any]] = {}
    items: dict[str, dict[str, Any]] = {}
    lines: dict[str, dict[str, Any]] = {}
    for resource in resources:
        order_id = _identity(resource.id if resource.id is not None else resource.text("order_id"))
        created = resource.text("created_at") or resource.text("order_date")
        order: dict[str, Any] = {"order_id": order_id, "modified_at": created, **resource.fields()}
        of_order = {
            "order_id": order_id,
            "order_date": order.get("order_date"),
            "order_modified_at": order["modified_at"],
        }
        own_items, missing = included.owned(ITEM, order_id, resource, "order_items")
        own_lines: set[str] = set()
        for item_id, item in own_items.items():
            items[item_id] = _part(item, {**of_order, "order_item_id": item_id})
            lines_of_item, missing_lines = included.owned(LINE, item_id, item, "order_lines")
            own_lines |= lines_of_item.keys()
            for line_id, line in lines_of_item.items():
                transitions = included.fields(line.related("order_line_transitions"))
                given = {**of_order, "order_item_id": item_id, "order_line_id": line_id}
                lines[line_id] = _part(line, {**given, "transitions": transitions} if transitions else given)
            if missing_lines:
                # Half an order is not an order: it is marked as well as the item that lacks something.
                items[item_id][MISSING] = missing_lines
                missing = missing + missing_lines
        said = _value(order.get("order_lines_count", NULL))
        if not missing and isinstance(said, int) and len(own_lines) < said:
            missing = [f"{said - len(own_lines)} of {said} order_lines"]
        orders[order_id] = {**order, MISSING: missing} if missing else order
    return orders, {**items, **included.strays(ITEM, items)}, {**lines, **included.strays(LINE, lines)}


def _part(resource: _Resource, given: dict[str, Any]) -> dict[str, Any]:
    """The record of an item or a line.

    :param given: what it is given by its order and its place in it.
    """
    modified_at = resource.text("created_at") or given["order_modified_at"]
    return {**given, "modified_at": modified_at, **resource.fields()}


def _identity(value: Any) -> str:
    """zDirect writes one and the same UUID in either case, and with blanks."""
    return "".join(str("" if value is None else value).split()).lower()


def _value(raw: msgspec.Raw) -> Any:
    """The decoded attribute; None if it cannot be decoded, which is left to the validation."""
    try:
        return msgspec.json.decode(raw)
    except NOT_READABLE:
        return None
