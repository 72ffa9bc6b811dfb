# SPDX-License-Identifier: Apache-2.0
"""The versions of records, and what an observation makes of them. Pure values, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain


@dataclass(frozen=True, slots=True)
class Version:
    """A record as it was seen from one observation until the one in which it was another, or gone.

    :param key: names the record.
    :param content: a number that is the same for the same content, within one history.
    :param valid_to: None: it still is so.
    :param row: the number of its row; two of the same content may have different ones.
    """

    key: str
    valid_from: datetime
    content: int
    valid_to: datetime | None = None
    row: int = field(default=-1, compare=False)


def observe(
    history: Iterable[Version],
    observed: Iterable[Version],
    at: datetime,
    in_scope: Callable[[Version], bool] = lambda version: True,
) -> list[Version]:
    """The history after an observation that is later than all of it.

    :param history: versions of each record do not overlap.
    :param observed: all records in scope, as they are from ``at`` on.
    :param in_scope: which of the known versions the observation would have seen, if they were still there.
    """
    versions, now = [], {version.key: version for version in observed}
    for version in history:
        seen = now.get(version.key)
        if version.valid_to is not None or (seen is None and not in_scope(version)):
            versions.append(version)
        elif seen is not None and seen.content == version.content:
            versions.append(version)
            del now[version.key]
        else:
            versions.append(replace(version, valid_to=at))
    return _in_order([*versions, *now.values()])


def as_one(histories: Sequence[Iterable[Version]]) -> list[Version]:
    """One history of all that happened in several: of each record the beginnings and ends, in the order of time.

    One of them may be the beginning of another; then it is the other.
    """
    if len(histories) == 1:
        return _in_order(histories[0])
    # What begins at a time is what is true then, even if something else ends.
    events: dict[str, dict[datetime, tuple[bool, int, int]]] = {}
    for version in chain.from_iterable(histories):
        times = events.setdefault(version.key, {})
        begins = (True, version.content, version.row)
        times[version.valid_from] = max(times.get(version.valid_from, begins), begins)
        if version.valid_to is not None:
            times.setdefault(version.valid_to, (False, 0, -1))
    versions: list[Version] = []
    for key, times in events.items():
        current: Version | None = None
        for at, (is_beginning, content, row) in sorted(times.items()):
            if current is not None and is_beginning and current.content == content:
                continue
            if current is not None:
                versions.append(replace(current, valid_to=at))
            current = Version(key, at, content, None, row) if is_beginning else None
        if current is not None:
            versions.append(current)
    return _in_order(versions)


def _in_order(versions: Iterable[Version]) -> list[Version]:
    return sorted(versions, key=lambda version: (version.key, version.valid_from))
