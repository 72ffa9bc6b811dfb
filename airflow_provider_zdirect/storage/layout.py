"""Where everything lies under the base path. Names only, no I/O.

    <base>/<dataset>/merchant_id=<id>/date=<YYYY-MM-DD>/<from>_<to>-<part>.parquet       published data
    <base>/_manifests/<dataset>/merchant_id=<id>/date=<YYYY-MM-DD>/<from>_<to>.json      complete windows
    <base>/_rejected/<dataset>/merchant_id=<id>/date=<YYYY-MM-DD>/<from>_<to>.jsonl.gz   invalid records
    <base>/_revisions/<dataset>/...                                                      replaced data
    <base>/_changes/<dataset>/...                                                        and what differs
    <base>/_windows/<dataset>/merchant_id=<id>/date=<YYYY-MM-DD>/<from>_<to>.<state>     open, published
    <base>/_parked/<dataset>/merchant_id=<id>/<from>_<to>/...                            late rows of open windows
    <base>/_states/<dataset>/merchant_id=<id>/latest.json                                the last present state
    <base>/_staging/<dataset>/merchant_id=<id>/<from>_<to>-<resume key>/                 pages of unfinished windows

Nothing but published data is ever under ``<base>/<dataset>/``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from airflow_provider_zdirect.windows import Window

FORMATS = {"parquet": "parquet", "jsonl": "jsonl.gz"}
"""Format name to file suffix."""

_PUBLISHED = re.compile(
    r"^(?P<label>[0-9TZ.]+_[0-9TZ.]+)-(?:(?P<fetched>[0-9T.]+Z)-)?(?P<part>[0-9a-f]+)\.(parquet|jsonl\.gz)$"
)
_FETCHED = "%Y%m%dT%H%M%S.%fZ"


def moment(at: datetime) -> Window:
    """What stands for a single time where a window is needed: the microsecond that begins with it."""
    return Window(at, at + timedelta(microseconds=1))


@dataclass(frozen=True)
class PublishedName:
    """What the name of a published file says.

    :param span: no row of the file lies outside.
    :param part: is never given twice, so that a name that was deleted does not come back.
    :param fetched: when the file's rows were fetched; only where a day is replaced as a whole.
    """

    span: Window
    part: str
    fetched: datetime | None = None

    @classmethod
    def parse(cls, path: str) -> PublishedName | None:
        """None if ``path`` is not of a published file."""
        match = _PUBLISHED.match(path.rpartition("/")[2])
        if match is None:
            return None
        fetched = match["fetched"]
        return cls(
            Window.from_label(match["label"]),
            match["part"],
            datetime.strptime(fetched, _FETCHED).replace(tzinfo=UTC) if fetched else None,
        )

    def file_name(self, suffix: str) -> str:
        fetched = f"{self.fetched.strftime(_FETCHED)}-" if self.fetched else ""
        return f"{self.span.label}-{fetched}{self.part}.{suffix}"


@dataclass(frozen=True)
class Layout:
    """The paths of one dataset of one merchant, relative to the base path."""

    dataset: str
    merchant_id: str

    @property
    def merchant(self) -> str:
        """The folder of all published data."""
        return f"{self.dataset}/merchant_id={self.merchant_id}"

    def published(self, day: date) -> str:
        return f"{self.merchant}/date={day.isoformat()}"

    def manifest(self, window: Window) -> str:
        return f"{self._beside('manifests', window.start.date())}/{window.label}.json"

    def rejected(self, window: Window) -> str:
        return f"{self._beside('rejected', window.start.date())}/{window.label}.jsonl.gz"

    def revisions(self, day: date) -> str:
        return self._beside("revisions", day)

    def changes(self, day: date, fetched: datetime) -> str:
        return f"{self._beside('changes', day)}/{fetched.strftime(_FETCHED)}.jsonl.gz"

    def window_marks(self, day: date) -> str:
        return self._beside("windows", day)

    def parked(self, window: Window) -> str:
        return f"_parked/{self.dataset}/merchant_id={self.merchant_id}/{window.label}"

    def latest_state(self) -> str:
        return f"_states/{self.merchant}/latest.json"

    def staging(self, window: Window, resume_key: str) -> str:
        return f"_staging/{self.dataset}/merchant_id={self.merchant_id}/{window.label}-{resume_key}"

    def _beside(self, what: str, day: date) -> str:
        return f"_{what}/{self.published(day)}"
