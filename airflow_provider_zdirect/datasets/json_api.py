"""Answers of JSON:API resources: attributes become records, and what is included becomes parts. No I/O.

Resources belong together by their ``relationships``, or, where these have no data, by the fields that name the owner. A
record that comes without what belongs to it is marked (``_missing``), so that the validation rejects it: half an order
must not look like a whole one. So is the owner of a resource that cannot be decoded, which is rejected itself.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_zdirect.datasets.answer import Answer
from airflow_provider_zdirect.datasets.damaged_json import cut_elements, cut_members, is_utf8, mended, without_mark
from airflow_provider_zdirect.datasets.page import NOT_READABLE, Page, Rejected, malformed
from airflow_provider_zdirect.datasets.paging import TimeWalk
from airflow_provider_zdirect.exceptions import FilterIgnoredError

if TYPE_CHECKING:
    from airflow_provider_zdirect.datasets.dataset import Dataset

MISSING = "_missing"
"""What an answer should have had beside a record, and has not."""

_NOTHING = (b"null", b'""')


@dataclass(frozen=True)
class Part:
    """Records that come with those of another dataset, in the same answer, and become a dataset of their own.

    :param resource: their ``type`` (JSON:API).
    :param key: field that is given their ``id``.
    :param owner: dataset of what they belong to, which names them in ``relationship``.
    :param owner_field: field with what they belong to.
    :param details: by field: a relationship whose resources become a list in it.
    """

    dataset: str
    resource: str
    key: str
    owner: str
    owner_field: str
    relationship: str
    details: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


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
        value = _value((self.attributes or {}).get(name, b"null"))
        return value if isinstance(value, str) else None


class _Answer(msgspec.Struct):
    data: list[_Resource] | None = None
    included: list[_Resource] | None = None
    links: dict[str, Any] | None = None


_Key = tuple[str, str]
"""Type and identity of a resource."""

_Decoder = msgspec.json.Decoder(_Answer)
_ResourceDecoder = msgspec.json.Decoder(_Resource)
_LISTS = ("data", "included")
_BESIDE = {*_LISTS, "links", "meta", "jsonapi"}


@dataclass
class _Read:
    """An answer.

    :param unread: resources of ``data`` that cannot be decoded.
    :param unread_parts: those of ``included``.
    :param repaired: resources with damaged texts that were mended.
    """

    answer: _Answer
    unread: list[Rejected] = field(default_factory=list)
    unread_parts: list[Rejected] = field(default_factory=list)
    repaired: int = 0


@dataclass(frozen=True)
class Resources(Answer):
    """An answer of JSON:API resources, whose attributes are the fields of the records.

    :param key: field that is given the ``id`` of a record.
    :param inherited: by field of every part: the field of the main record that it is taken from.
    :param counted: a part, and the field of the main record with the number of its records.
    """

    keys: tuple[str, ...] = ("data",)
    key: str = ""
    inherited: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    counted: tuple[str, str] = ("", "")

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
        :raises FilterIgnoredError: if the records do not come in order of time.
        """
        walk = dataset.paging
        assert isinstance(walk, TimeWalk)
        body = without_mark(body)
        read = _read(body)
        answer = read.answer
        resources = answer.data or []
        # What has no identity belongs to nothing.
        included = {_key(resource): resource for resource in answer.included or [] if resource.id is not None}
        records, parts = self._records(dataset.name, resources, included, read.unread_parts)
        times = [(_identity(resource.id), _time(resource, walk)) for resource in resources]
        # They count for the size of the page.
        times += [(hashlib.sha256(bad.record).hexdigest(), None) for bad in read.unread]
        for one, other in pairwise(at for _, at in times if at):
            # Pages are separated by whole seconds.
            if other.replace(microsecond=0) < one.replace(microsecond=0):
                raise FilterIgnoredError(
                    f"{dataset.name}: zDirect did not answer in order of {walk.time_key} ({one.isoformat()} stands "
                    f"before {other.isoformat()}); pages would have gaps, and nothing was published.",
                    remedy="Clear the task to try again; if the error stays, report it to Zalando's merchant support.",
                )
        onward = walk.onward(walk.position(cursor, asked), times, more=bool((answer.links or {}).get("next")))
        return Page(
            [msgspec.Raw(msgspec.json.encode(record)) for record in records.values()],
            onward.as_cursor() if onward else None,
            len(body),
            parts={
                name: [msgspec.Raw(msgspec.json.encode(record)) for record in found.values()]
                for name, found in parts.items()
            },
            rejected=read.unread + read.unread_parts,
            repaired=read.repaired,
        )

    def _records(
        self,
        name: str,
        resources: list[_Resource],
        included: Mapping[_Key, _Resource],
        unread: Sequence[Rejected],
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """The records by identity, and those of each part."""
        records: dict[str, dict[str, Any]] = {}
        owners: dict[str, dict[str, _Resource]] = {name: {}}
        # The record that each resource belongs to in the end, and what it is given by it.
        roots: dict[str, tuple[str, dict[str, Any]]] = {}
        for resource in resources:
            identity = _identity(resource.id if resource.id is not None else resource.text(self.key))
            created = resource.text("created_at") or resource.text("order_date")
            records[identity] = {self.key: identity, "modified_at": created, **resource.fields()}
            owners[name][identity] = resource
            common = {field: records[identity].get(source) for field, source in self.inherited.items()}
            roots[identity] = identity, common
        levels = {name: records}
        for part in self.parts:
            level: dict[str, dict[str, Any]] = {}
            heirs: dict[str, tuple[str, dict[str, Any]]] = {}
            owners[part.dataset] = {}
            for owner, found, missing in _owned(part, owners[part.owner], included, unread):
                root, common = roots[owner]
                if missing:
                    # Half an order is not an order: it is marked as well as what lacks something.
                    for record in (levels[part.owner][owner], records[root]):
                        record[MISSING] = sorted({*record.get(MISSING, []), *missing})
                for identity, each in found.items():
                    level[identity] = {
                        **common,
                        part.key: identity,
                        "modified_at": each.text("created_at") or common.get("order_modified_at"),
                        part.owner_field: owner,
                        **_details(part, each, included),
                        **each.fields(),
                    }
                    heirs[identity] = root, common
                owners[part.dataset].update(found)
            for kind, identity in included:
                if kind == part.resource and identity not in level:
                    level[identity] = {part.key: identity, MISSING: [f"the {part.owner_field}"]}
            levels[part.dataset], roots = level, heirs
        part_name, count_field = self.counted
        there = Counter(roots[identity][0] for identity in levels[part_name] if identity in roots)
        for identity, record in records.items():
            said = _number(record.get(count_field))
            if there[identity] < said:
                record.setdefault(MISSING, [f"{said - there[identity]} of {said} {part_name}"])
        return records, {part.dataset: levels[part.dataset] for part in self.parts}


def _read(body: bytes | bytearray) -> _Read:
    """The answer; resource by resource, if it cannot be decoded as a whole."""
    if is_utf8(body):
        try:
            answer = _Decoder.decode(body)
        except NOT_READABLE:
            pass
        else:
            if answer.data is None:
                _check_names(cut_members(body))
            return _Read(answer)
    try:
        content = cut_members(body)
        lists = {key: cut_elements(content[key]) for key in _LISTS if content.get(key, b"null") != b"null"}
        links = msgspec.json.decode(mended(bytes(content.get("links", b"null"))), type=dict[str, Any] | None)
    except (ValueError, *NOT_READABLE) as error:
        raise malformed(f"the answer is not a list of resources ({error})") from None
    if "data" not in lists:
        _check_names(content)
    read = _Read(_Answer(links=links))
    for key, unread in zip(_LISTS, (read.unread, read.unread_parts), strict=True):
        found = [_resource(bytes(raw), unread, read) for raw in lists.get(key, ())]
        setattr(read.answer, key, [resource for resource in found if resource])
    return read


def _check_names(content: Mapping[str, msgspec.Raw]) -> None:
    if unknown := content.keys() - _BESIDE:
        raise malformed(f"the answer has no data, but {', '.join(sorted(unknown))[:100]}")


def _resource(source: bytes, unread: list[Rejected], read: _Read) -> _Resource | None:
    try:
        sound = mended(source)
        resource = _ResourceDecoder.decode(sound)
    except (ValueError, *NOT_READABLE) as error:
        unread.append(Rejected(source, f"resource: {error}"))
        return None
    read.repaired += sound is not source
    return resource


def _owned(
    part: Part, owners: Mapping[str, _Resource], included: Mapping[_Key, _Resource], unread: Sequence[Rejected]
) -> Iterator[tuple[str, dict[str, _Resource], list[str]]]:
    """Of each owner, what belongs to it by identity, and what should and did not come."""
    by_owner: dict[str, dict[str, _Resource]] = defaultdict(dict)
    for (kind, identity), resource in included.items():
        if kind == part.resource and (owner := resource.text(part.owner_field)):
            by_owner[_identity(owner)][identity] = resource
    for owner, resource in owners.items():
        found = by_owner[owner]
        missing = []
        references = resource.related(part.relationship)
        if not references and any(owner.encode() in bad.record.lower() for bad in unread):
            missing.append(f"a readable {part.resource}")
        for reference in references:
            identity = _identity(reference.id)
            if (part.resource, identity) in included:
                found[identity] = included[part.resource, identity]
            else:
                missing.append(f"{part.resource} {identity}")
        if not found and not missing:
            missing.append(f"any {part.resource}")
        yield owner, found, missing


def _details(part: Part, resource: _Resource, included: Mapping[_Key, _Resource]) -> dict[str, Any]:
    """Lists of attributes; none at all of a relationship whose resources did not come."""
    details = {}
    for name, relationship in part.details.items():
        keys = [(reference.type, _identity(reference.id)) for reference in resource.related(relationship)]
        if keys and all(key in included for key in keys):
            details[name] = [included[key].fields() for key in keys]
    return details


def _time(resource: _Resource, walk: TimeWalk) -> datetime | None:
    # One without a time is left to the validation.
    try:
        at = datetime.fromisoformat(resource.text(walk.time_key) or "")
    except ValueError:
        return None
    return at if at.tzinfo is not None else None


def _key(resource: _Resource) -> _Key:
    return resource.type, _identity(resource.id)


def _identity(value: Any) -> str:
    """zDirect writes one and the same UUID in either case, and with blanks."""
    return "".join(str("" if value is None else value).split()).lower()


def _number(value: Any) -> int:
    """A count, if it is one."""
    found = _value(value) if value is not None else 0
    return found if isinstance(found, int) else 0


def _value(raw: msgspec.Raw | bytes) -> Any:
    """The decoded attribute; None if it cannot be decoded, which is left to the validation."""
    try:
        return msgspec.json.decode(raw)
    except NOT_READABLE:
        return None
