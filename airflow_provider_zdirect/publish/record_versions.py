"""The versions of records, and what an observation makes of them. Pure values, no I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain


@dataclass(frozen=True, slots=True)
class Version:
    """A record as it was seen from one observation until the one in which it was another, or gone.

    :param key: names the record.
    :param digest: of its content, 64 bits.
    :param valid_to: None: it still is so.
    :param row: where its row is; two of the same content may have different ones.
    """

    key: str
    valid_from: datetime
    digest: int
    valid_to: datetime | None = None
    row: int = field(default=-1, compare=False)


@dataclass(frozen=True, slots=True)
class Seen:
    """The content of an observed record.

    :param row: where its row is.
    """

    digest: int
    row: int = -1


def observe(
    history: Iterable[Version],
    observed: Mapping[str, Seen],
    at: datetime,
    in_scope: Callable[[str], bool] = lambda key: True,
) -> list[Version]:
    """The history after an observation that is later than all of it.

    :param history: versions of each record do not overlap.
    :param observed: all records in scope, by key.
    :param in_scope: which of the known records the observation would have seen, if they were still there.
    """
    versions, missing = [], dict(observed)
    for version in history:
        if version.valid_to is not None or (version.key not in observed and not in_scope(version.key)):
            versions.append(version)
        elif version.key in observed and observed[version.key].digest == version.digest:
            versions.append(version)
            del missing[version.key]
        else:
            versions.append(replace(version, valid_to=at))
    versions += [Version(key, at, seen.digest, None, seen.row) for key, seen in missing.items()]
    return in_order(versions)


def as_one(histories: Sequence[Iterable[Version]]) -> list[Version]:
    """One history of all that happened in several: of each record the beginnings and ends, in the order of time.

    One of them may be the beginning of another; then it is the other.
    """
    if len(histories) == 1:
        return in_order(histories[0])
    # What begins at a time is what is true then, even if something else ends.
    events: dict[str, dict[datetime, tuple[bool, int, int]]] = {}
    for version in chain.from_iterable(histories):
        times = events.setdefault(version.key, {})
        begins = (True, version.digest, version.row)
        times[version.valid_from] = max(times.get(version.valid_from, begins), begins)
        if version.valid_to is not None:
            times.setdefault(version.valid_to, (False, 0, -1))
    versions: list[Version] = []
    for key, times in events.items():
        current: Version | None = None
        for at, (is_beginning, digest, row) in sorted(times.items()):
            if current is not None and is_beginning and current.digest == digest:
                continue
            if current is not None:
                versions.append(replace(current, valid_to=at))
            current = Version(key, at, digest, None, row) if is_beginning else None
        if current is not None:
            versions.append(current)
    return in_order(versions)


def digest_of(contents: Iterable[tuple[str, int]]) -> str:
    """One for a set of records.

    :param contents: key and digest of each.
    """
    found = hashlib.blake2b(digest_size=16)
    for key, digest in sorted(contents):
        found.update(key.encode("utf-8", "surrogatepass") + b"\x1e" + digest.to_bytes(8, "big", signed=True))
    return found.hexdigest()


def in_order(versions: Iterable[Version]) -> list[Version]:
    return sorted(versions, key=lambda version: (version.key, version.valid_from))
