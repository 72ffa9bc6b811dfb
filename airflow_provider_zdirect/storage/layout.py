# SPDX-License-Identifier: Apache-2.0
"""Where everything lies under the base path. Names only, no I/O.

    <base>/<dataset>/merchant_id=<id>/date=<YYYY-MM-DD>/<from>_<to>-<part>.parquet       published data
    <base>/_manifests/<dataset>/merchant_id=<id>/date=<YYYY-MM-DD>/<from>_<to>.json      complete windows
    <base>/_rejected/<dataset>/merchant_id=<id>/date=<YYYY-MM-DD>/<from>_<to>.jsonl.gz   invalid records
    <base>/_revisions/<dataset>/...                                                      replaced data
    <base>/_changes/<dataset>/.../<fetched>-added<n>-removed<n>-changed<n>-<run>.jsonl.gz    and what differs
    <base>/_windows/<dataset>/merchant_id=<id>/date=<YYYY-MM-DD>/<from>_<to>.announced   windows that were asked for
    <base>/_states/<dataset>/merchant_id=<id>/latest.json                                the last present state
    <base>/_staging/<dataset>/merchant_id=<id>/<from>_<to>-<resume key>/                 pages of unfinished windows
    <base>/_reports/coverage/coverage.parquet, .json, .html                        landed and missing windows
    <base>/_reports/coverage/_index/<dataset>/merchant_id=<id>.json                what its manifests said
    <base>/_reports/intrastat/merchant_id=<id>/month=<YYYY-MM>/...                       pages and CSV for people
    <base>/_erasures/orders/merchant_id=<id>/...                                       who must be forgotten, and proofs
    <base>/_environment/environment.json                                           production or sandbox
    <base>/shipping_documents/merchant_id=<id>/order_id=<id>/...                       PDFs of labels and slips

Nothing but published data is ever under ``<base>/<dataset>/``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from airflow_provider_zdirect.exceptions import WindowError
from airflow_provider_zdirect.windows import EXACT_LABEL_FORMAT, Window

FORMATS = {"parquet": "parquet", "jsonl": "jsonl.gz"}
"""Format name to file suffix."""

_PUBLISHED = re.compile(
    r"^(?P<label>[0-9TZ.]+_[0-9TZ.]+)-(?:(?P<fetched>[0-9T.]+Z)-)?(?P<part>[0-9a-f]+)\.(parquet|jsonl\.gz)$"
)


def windows_folder(what: str, dataset: str) -> str:
    """Where what is kept of each window of a dataset lies, of all merchants.

    :param what: ``manifests`` or ``windows`` (those that were announced).
    """
    return f"_{what}/{dataset}"


def documents_folder(merchant_id: str, order_id: str | None = None) -> str:
    """Where all shipping documents of a merchant's order lie, and nothing else; without an order: of all."""
    folder = f"shipping_documents/merchant_id={merchant_id}"
    return f"{folder}/order_id={order_id}" if order_id else folder


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
        try:
            fetched = parse_fetched(match["fetched"]) if match["fetched"] else None
            return cls(Window.from_label(match["label"]), match["part"], fetched)
        except (ValueError, WindowError):
            return None

    def file_name(self, suffix: str) -> str:
        fetched = f"{text_of_fetched(self.fetched)}-" if self.fetched else ""
        return f"{self.span.label}-{fetched}{self.part}.{suffix}"


def named_window(path: str, ending: str) -> Window | None:
    """The window in the name of a file, such as a manifest; None if ``path`` is not of one."""
    name = path.rpartition("/")[2]
    try:
        return Window.from_label(name.removesuffix(ending)) if name.endswith(ending) else None
    except (ValueError, WindowError):
        return None


def dated(paths: Iterable[str]) -> list[tuple[datetime, str]]:
    """Those of published files whose name says when it was fetched, with that time; the latest last."""
    names = {path: PublishedName.parse(path) for path in paths}
    found = [(name.fetched, name.part, path) for path, name in names.items() if name and name.fetched]
    return [(fetched, path) for fetched, _, path in sorted(found)]


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

    @property
    def revisions_of_all(self) -> str:
        return f"_revisions/{self.merchant}"

    def changes(self, day: date) -> str:
        return self._beside("changes", day)

    @property
    def changes_of_all(self) -> str:
        return f"_changes/{self.merchant}"

    def announced(self, day: date) -> str:
        return self._beside("windows", day)

    def latest_state(self) -> str:
        return f"_states/{self.merchant}/latest.json"

    @property
    def staged(self) -> str:
        """The folder of all unfinished windows."""
        return f"_staging/{self.merchant}"

    def staging(self, window: Window, resume_key: str) -> str:
        return f"{self.staged}/{window.label}-{resume_key}"

    def _beside(self, what: str, day: date) -> str:
        return f"_{what}/{self.published(day)}"


def text_of_fetched(at: datetime) -> str:
    """The time of a fetch in names."""
    return at.strftime(EXACT_LABEL_FORMAT)


def parse_fetched(text: str) -> datetime:
    return datetime.strptime(text, EXACT_LABEL_FORMAT).replace(tzinfo=UTC)
