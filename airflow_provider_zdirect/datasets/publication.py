"""How a dataset is published: each record or version once, by day, as snapshots, or as a history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Publication:
    """The base of all.

    :param identity: fields that together identify a record; empty if nothing does.
    :param time_field: field that places a record in time; blank for a history.
    """

    identity: tuple[str, ...]
    time_field: str = ""

    by_day: ClassVar[bool] = False
    keeps_history: ClassVar[bool] = False

    @property
    def refuses_empty(self) -> bool:
        """Whether a present state without records is an error."""
        return False

    @property
    def ends_all(self) -> bool:
        """Whether an answer without records may end all that are known."""
        return False


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
    """

    alike: tuple[str, ...] = ()
    by_day: ClassVar[bool] = True

    @property
    def compared_by(self) -> tuple[str, ...]:
        return self.identity or self.alike


@dataclass(frozen=True)
class Snapshots(Publication):
    """Each present state as a whole, by its time.

    :param when_empty: what a snapshot without records means: that there is no stock (``zero``), or nothing
        (``refuse``).
    """

    when_empty: str = "zero"

    @property
    def refuses_empty(self) -> bool:
        return self.when_empty == "refuse"


@dataclass(frozen=True)
class History(Publication):
    """Each version of a record once, with from when until when it was seen; the latest in ``<dataset>_current``.

    :param may_become_empty: whether an answer without records may end all that are known; where it is no sign of an
        error.
    """

    may_become_empty: bool = False
    keeps_history: ClassVar[bool] = True

    @property
    def ends_all(self) -> bool:
        return self.may_become_empty
