# SPDX-License-Identifier: Apache-2.0
"""How a dataset is published: each record or version once, by day, as snapshots, or as a history."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True)
class Publication:
    """The base of all.

    :param identity: fields that together identify a record; empty if nothing does.
    :param time_field: field that places a record in time; blank for a history.
    :param refuses_empty: whether a present state without records is an error; otherwise it means that there is nothing.
    :param ends_all: whether an answer without records may end all that are known; not where it may be an error.
    """

    identity: tuple[str, ...]
    time_field: str = ""
    refuses_empty: bool = field(default=False, kw_only=True)
    ends_all: bool = field(default=False, kw_only=True)


@dataclass(frozen=True)
class Once(Publication):
    """Each record once, whatever windows it came in; or each version, where the identity holds its time.

    :param replaces_known: whether a changed record replaces the published one; not where the path gives fewer fields.
    :param window_field: field with the time that decides to which window a record belongs, where it is not the time
        field.
    :param version_field: time of the version; the latest one is published, and of equal ones the last that was fetched.
    :param latest: how the latest versions are published besides, under ``<dataset>_current``.
    """

    replaces_known: bool = True
    window_field: str | None = None
    version_field: str | None = None
    latest: Once | None = None

    @property
    def placed_by(self) -> str:
        """The field with the time that decides to which window a record belongs."""
        return self.window_field or self.time_field


@dataclass(frozen=True)
class Days(Publication):
    """A fetched day replaces the published one as a whole. The identity only drops what one answer holds twice.

    :param alike: fields by which a changed row is recognised, where nothing identifies it.
    :param fetch_again: so long after its end a day is to be fetched once more, because not all of it may be there
        before; zero: it is not.
    """

    alike: tuple[str, ...] = ()
    fetch_again: timedelta = timedelta(0)

    @property
    def compared_by(self) -> tuple[str, ...]:
        return self.identity or self.alike


@dataclass(frozen=True)
class Snapshots(Publication):
    """Each present state as a whole, by its time."""


@dataclass(frozen=True)
class History(Publication):
    """Each version of a record once, with from when until when it was seen; the latest in ``<dataset>_current``."""
