"""The manifest of a window: written last, so that its presence means that the window is complete."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from airflow_provider_zdirect import __version__
from airflow_provider_zdirect.publish.day_changes import COUNTS
from airflow_provider_zdirect.publish.files import PublishedFile
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.windows import Window

SUMMARY = (
    "dataset", "merchant_id", "records", "new_records", "late_records", "rejected", "repaired", "pages", "requests",
)  # fmt: skip
"""What a result repeats of its manifest."""


@dataclass(frozen=True)
class Manifest:
    """What a run published for a window.

    :param window: the window that was asked for.
    :param records: records of the window in zDirect's answers, each once.
    :param new_records: those among them that were not published before.
    :param started_at: when the first attempt began, ISO 8601.
    :param clipped: the window's front part that zDirect no longer keeps, if clipping was allowed.
    :param days: the dates that were asked for, where the endpoint asks for dates, each with the time at which its last
        page came; each was replaced as a whole.
    :param empty_because: those of them whose daily report was empty, each with why that is certain; null: it is not, as
        the report may not have been made yet.
    :param overlap_seconds: how far before the window late records were looked for.
    :param late_records: records of other announced windows that this run published for the first time.
    :param rejected_file: where the invalid records are.
    :param repaired: records that came with damaged texts, which were repaired (U+FFFD stands for what was damaged).
    :param outside: records outside of what was asked for (see ``docs/exactly-once.md``).
    :param requests: HTTP requests, over all attempts.
    :param bytes: bytes of the answers, over all attempts.
    :param first: time of the earliest record.
    :param files: the files that hold the window's records, with how many of them each.
    :param late_files: files with the late records that this run published.
    :param changes: every publication of a date so far, by this run or others, where the endpoint asks for dates, as the
        names of the files under ``_changes`` say: ``date``, ``fetched_at``, ``run`` (who), ``added``, ``removed`` and
        ``changed`` rows, and the ``file`` with them (null for the first publication).
    :param filters: only records with these values were asked for.
    :param personal_data: how personal data was treated: ``keep``, ``drop``, ``hash`` with a sign of the key; ``none``
        if the dataset has none.
    :param parts: by dataset: how many records came with the window's records; each has a manifest of its own, which
        counts the same requests.
    """

    dataset: str
    merchant_id: str
    environment: str
    path: str
    window: Window
    format: str
    records: int
    new_records: int
    started_at: str
    finished_at: str
    clipped: Window | None = None
    days: dict[str, str] = field(default_factory=dict)
    empty_because: dict[str, str | None] = field(default_factory=dict)
    overlap_seconds: float = 0.0
    late_records: int = 0
    rejected: int = 0
    rejected_file: str | None = None
    repaired: int = 0
    outside: int = 0
    pages: int = 0
    requests: int = 0
    bytes: int = 0
    first: datetime | None = None
    last: datetime | None = None
    files: list[PublishedFile] = field(default_factory=list)
    late_files: list[PublishedFile] = field(default_factory=list)
    changes: list[dict[str, Any]] = field(default_factory=list)
    filters: dict[str, str] = field(default_factory=dict)
    personal_data: str = "none"
    parts: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "window": _span(self.window),
            "clipped": _span(self.clipped) if self.clipped else None,
            "first": self.first.isoformat() if self.first else None,
            "last": self.last.isoformat() if self.last else None,
            "package_version": __version__,
        }


@dataclass(frozen=True)
class Result:
    """What a run published, and where; as a dictionary small enough for XCom."""

    place: Place
    manifest: Manifest

    def as_dict(self) -> dict[str, Any]:
        """JSON-able; ``files`` is cut to the first ten, ``file_count`` has the number."""
        manifest, rejected = self.manifest, self.manifest.rejected_file
        return {
            **{name: getattr(manifest, name) for name in SUMMARY},
            **where(self.place, manifest.dataset, manifest.window),
            "rejected_uri": None if rejected is None else self.place.uri_of(rejected),
            "files": [self.place.uri_of(file.path) for file in manifest.files[:10]],
            "file_count": len(manifest.files),
        }

    def by_dataset(self) -> dict[str, dict[str, Any]]:
        """What the asset of each dataset reports; that of a part only what differs, its manifest has the rest."""
        whole = self.as_dict()
        whole.pop("parts", None)
        reports = {self.manifest.dataset: whole}
        for name, records in self.manifest.parts.items():
            common = {each: whole[each] for each in ("merchant_id", "window_from", "window_to", "rejected")}
            own = {"dataset": name, **where(self.place, name, self.manifest.window), "records": records}
            reports[name] = common | own
        return reports


@dataclass(frozen=True)
class ExtractResult(Result):
    """What a run published for a window.

    :param changes: what this run has changed, by date, as in the manifest; where the endpoint asks for dates.
    """

    changes: tuple[dict[str, Any], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As :meth:`Result.as_dict`."""
        window, parts = self.manifest.window, self.manifest.parts
        return {
            **super().as_dict(),
            "window_from": window.start.isoformat(),
            "window_to": window.end.isoformat(),
            "changes": count_changes(self.changes),
            **({"parts": dict(parts)} if parts else {}),
        }


def where(place: Place, dataset: str, window: Window) -> dict[str, str]:
    """The URIs of the merchant's data and of the window's manifest, as results name them."""
    return {"uri": place.data_uri(dataset), "manifest": place.uri_of(place.layout(dataset).manifest(window))}


def count_changes(changes: Iterable[dict[str, Any]]) -> dict[str, int]:
    """How many rows were added, removed and changed, over all of them."""
    counted = list(changes)
    return {kind: sum(change[kind] for change in counted) for kind in COUNTS}


def _span(window: Window) -> dict[str, str]:
    return {"from": window.start.isoformat(), "to": window.end.isoformat()}
