"""An answer of JSON:API resources as a page: attributes become records, and what is included becomes parts. No I/O.

Resources belong together by their ``relationships``, or, where these have no data, by the fields that name the owner. A
record that comes without what belongs to it is marked (``_missing``), so that the validation rejects it: half an order
must not look like a whole one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any

import msgspec

from airflow_provider_zdirect.client.paging import Page, malformed
from airflow_provider_zdirect.client.time_walk import Position
from airflow_provider_zdirect.dataset_row import Dataset, Part, TimeWalk
from airflow_provider_zdirect.exceptions import FilterIgnoredError
from airflow_provider_zdirect.models.orders import MISSING

_NOTHING = (b"null", b'""')


class _Reference(msgspec.Struct):
    id: str | int
    type: str = ""


class _Relationship(msgspec.Struct):
    data: list[_Reference] | _Reference | None = None

    def references(self) -> list[_Reference]:
        return self.data if isinstance(self.data, list) else [self.data] if self.data else []


class _Resource(msgspec.Struct):
    id: str | int
    type: str = ""
    attributes: dict[str, msgspec.Raw] | None = None
    relationships: dict[str, _Relationship | None] | None = None

    def fields(self) -> dict[str, msgspec.Raw]:
        """The attributes that say something."""
        return {name: value for name, value in (self.attributes or {}).items() if bytes(value) not in _NOTHING}

    def related(self, relationship: str) -> list[_Reference]:
        found = (self.relationships or {}).get(relationship)
        return found.references() if found else []

    def text(self, name: str) -> str | None:
        """An attribute, if it is a text."""
        value = msgspec.json.decode((self.attributes or {}).get(name, b"null"))
        return value if isinstance(value, str) else None


class _Answer(msgspec.Struct):
    data: list[_Resource] | None
    included: list[_Resource] | None = None
    links: dict[str, Any] | None = None


_Key = tuple[str, str]
"""Type and identity of a resource."""

_Decoder = msgspec.json.Decoder(_Answer)


def parse_resources(body: bytes | bytearray, dataset: Dataset, walk: TimeWalk, position: Position) -> Page:
    """The page in ``body``.

    :param position: of the request that it answers.
    :raises MalformedResponseError: if ``body`` is not such a page.
    :raises FilterIgnoredError: if the records do not come in order of time.
    """
    try:
        answer = _Decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise malformed(dataset, f"the answer is no list of resources ({error})") from None
    resources = answer.data or []
    included = {_key(resource): resource for resource in answer.included or []}
    records, parts = _records(resources, included, dataset)
    times = list(_times(resources, walk))
    for (_, one), (_, other) in pairwise(times):
        if other < one:
            raise FilterIgnoredError(
                f"{dataset.name}: zDirect did not answer in order of {walk.time_key} ({one.isoformat()} stands before "
                f"{other.isoformat()}); pages would have gaps, and nothing was published.",
                remedy="Clear the task to try again; if it stays, report it to Zalando's merchant support.",
            )
    onward = position.next(walk, times, more=bool((answer.links or {}).get("next")))
    return Page(
        [msgspec.Raw(msgspec.json.encode(record)) for record in records.values()],
        onward.as_cursor() if onward else None,
        len(body),
        parts={
            name: [msgspec.Raw(msgspec.json.encode(record)) for record in found.values()]
            for name, found in parts.items()
        },
    )


def _records(
    resources: list[_Resource], included: Mapping[_Key, _Resource], dataset: Dataset
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The records by identity, and those of each part."""
    assert dataset.resources is not None
    assert dataset.latest is not None
    (key_field,) = dataset.latest.identity
    records: dict[str, dict[str, Any]] = {}
    owners = {dataset.name: {_identity(resource.id): resource for resource in resources}}
    inherited: dict[str, dict[str, Any]] = {}
    for identity, resource in owners[dataset.name].items():
        created = resource.text("created_at") or resource.text("order_date")
        record = {key_field: identity, "modified_at": created, **resource.fields()}
        records[identity] = record
        inherited[identity] = {name: record.get(source) for name, source in dataset.resources.inherited.items()}
    levels = {dataset.name: records}
    for part in dataset.resources.parts:
        found = _owned(part, owners[part.owner], included, levels[part.owner])
        levels[part.dataset] = {}
        owners[part.dataset] = {}
        # By owner, so that each record is given what its order says.
        heirs: dict[str, dict[str, Any]] = {}
        for owner, resource in found:
            identity = _identity(resource.id)
            common = inherited[owner]
            levels[part.dataset][identity] = {
                **common,
                part.key: identity,
                "modified_at": resource.text("created_at") or common.get("order_modified_at"),
                part.owner_field: owner,
                **_details(part, resource, included),
                **resource.fields(),
            }
            owners[part.dataset][identity] = resource
            heirs[identity] = common
        inherited = heirs
    return records, {part.dataset: levels[part.dataset] for part in dataset.resources.parts}


def _owned(
    part: Part,
    owners: Mapping[str, _Resource],
    included: Mapping[_Key, _Resource],
    records: Mapping[str, dict[str, Any]],
) -> Iterable[tuple[str, _Resource]]:
    """Owner and resource of every part; what an owner should have and has not is marked in its record."""
    by_owner: dict[str, dict[str, _Resource]] = defaultdict(dict)
    for (kind, identity), resource in included.items():
        if kind == part.resource and (owner := resource.text(part.owner_field)):
            by_owner[_identity(owner)][identity] = resource
    for owner, resource in owners.items():
        found = by_owner[owner]
        missing = []
        for reference in resource.related(part.relationship):
            identity = _identity(reference.id)
            if (part.resource, identity) in included:
                found[identity] = included[part.resource, identity]
            else:
                missing.append(f"{part.resource} {identity}")
        if not found and not missing:
            missing.append(f"any {part.resource}")
        if missing:
            records[owner][MISSING] = missing
        for each in found.values():
            yield owner, each


def _details(part: Part, resource: _Resource, included: Mapping[_Key, _Resource]) -> dict[str, Any]:
    """Lists of attributes; none at all of a relationship whose resources did not come."""
    details = {}
    for name, relationship in part.details.items():
        keys = [(reference.type, _identity(reference.id)) for reference in resource.related(relationship)]
        if keys and all(key in included for key in keys):
            details[name] = [included[key].fields() for key in keys]
    return details


def _times(resources: list[_Resource], walk: TimeWalk) -> Iterable[tuple[str, datetime]]:
    for resource in resources:
        # One without a time is left to the validation.
        if text := resource.text(walk.time_key):
            try:
                at = datetime.fromisoformat(text)
            except ValueError:
                continue
            if at.tzinfo is not None:
                yield _identity(resource.id), at


def _key(resource: _Resource) -> _Key:
    return resource.type, _identity(resource.id)


def _identity(value: str | int) -> str:
    """zDirect writes one and the same UUID in either case, and with blanks."""
    return "".join(str(value).split()).lower()
