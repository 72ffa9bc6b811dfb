# SPDX-License-Identifier: Apache-2.0
"""The manifest of a window: written last, so that its presence means that the window is complete."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_zdirect import __version__
from airflow_provider_zdirect.datasets.publication import History
from airflow_provider_zdirect.datasets.table import DATASETS
from airflow_provider_zdirect.publish.day_changes import COUNTS
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.windows import Window

if TYPE_CHECKING:
    from airflow_provider_zdirect.publish.files import PublishedFile

SUMMARY = (
    "dataset", "merchant_id", "records", "new_records", "late_records", "rejected", "repaired", "pages", "requests",
)  # fmt: skip
"""What a result repeats of its manifest."""

NAMED = 20
"""Values that were asked for and not answered, named in results and manifests, at most."""


@dataclass(frozen=True)
class State:
    """What only the manifest of a present state has.

    :param observed_at: when zDirect answered.
    :param snapshot_time: of when the state is, where the answer says so.
    :param since: only what changed from then on was asked for.
    :param stored: whether anything was published; otherwise it was there already, or there was nothing.
    :param unchanged: zDirect said that nothing has changed since the last time.
    :param empty_answer: the sandbox answered without records; nothing was published.
    :param stock: of a snapshot: ``some``, ``none`` (says zDirect) or ``unknown`` (zDirect did not say).
    :param not_answered: values that were asked for and of which no record came.
    :param of_others: records of other merchants, which were left out.
    """

    observed_at: datetime
    snapshot_time: datetime | None
    since: datetime | None
    stored: bool
    unchanged: bool
    empty_answer: bool
    stock: str | None
    not_answered: list[str]
    of_others: int

    def as_json(self) -> dict[str, Any]:
        """JSON-able; ``not_answered`` is cut to the first twenty, ``not_answered_count`` has the number."""
        said = {name: each.isoformat() if isinstance(each, datetime) else each for name, each in vars(self).items()}
        return {**said, "not_answered": self.not_answered[:NAMED], "not_answered_count": len(self.not_answered)}


@dataclass(frozen=True)
class Manifest:
    """What a run published for a window, or of a present state.

    :param window: the window that was asked for; of a present state the moment that it is of.
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
    :param covered: the part of the window that this run and earlier ones have fetched completely; null: none. With
        ``filters`` a run covers nothing by itself.
    :param covered_by: earlier fetches that cover what this run does not: ``covered`` of each, with ``finished_at``,
        ``rejected``, ``rejected_file``, ``days``, ``empty_because`` and ``changes`` of its manifest.
    :param personal_data: how personal data was treated: ``keep``, ``drop``, ``hash`` with a sign of the key; ``none``
        if the dataset has none.
    :param parts: by dataset: how many records came with the window's records; each has a manifest of its own, which
        counts the same requests.
    :param state: of a present state only.
    """

    dataset: str
    merchant_id: str
    environment: str
    path: str
    window: Window
    format: str
    started_at: str
    finished_at: str = ""
    records: int = 0
    new_records: int = 0
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
    covered: Window | None = None
    covered_by: list[dict[str, Any]] = field(default_factory=list)
    personal_data: str = "none"
    parts: dict[str, int] = field(default_factory=dict)
    state: State | None = None

    @property
    def file_bytes(self) -> int:
        """The size of the files that hold the records."""
        return sum(file.bytes for file in self.files)

    def of_part(self, dataset: str, **published: Any) -> Manifest:
        """The manifest of a part. What was rejected or repaired is counted once, with the whole.

        :param published: fields that say what was published.
        """
        return replace(self, dataset=dataset, rejected=0, rejected_file=None, repaired=0, **published)

    def as_json(self) -> dict[str, Any]:
        return {
            **{name: value for name, value in asdict(self).items() if name != "state"},
            "window": _span(self.window),
            "clipped": _span(self.clipped) if self.clipped else None,
            "covered": _span(self.covered) if self.covered else None,
            "first": self.first.isoformat() if self.first else None,
            "last": self.last.isoformat() if self.last else None,
            "package_version": __version__,
            **({"state": self.state.as_json()} if self.state else {}),
        }


@dataclass(frozen=True)
class ExtractResult:
    """What a run published, and where; as a dictionary small enough for XCom.

    :param changes: how many records or rows the run ``added``, ``removed`` and ``changed``, where days or states are
        compared.
    :param parts: the manifests of the dataset's parts.
    """

    place: Place
    manifest: Manifest
    changes: Mapping[str, int]
    parts: tuple[Manifest, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """JSON-able; ``files`` is cut to the first ten, ``file_count`` has the number. Of a present state
        ``current_uri`` is where the records are that are valid now, if all versions are kept."""
        manifest, rejected = self.manifest, self.manifest.rejected_file
        found = {
            **{name: getattr(manifest, name) for name in SUMMARY},
            **where(self.place, manifest.dataset, manifest.window),
            "rejected_uri": None if rejected is None else self.place.uri_of(rejected),
            "files": [self.place.uri_of(file.path) for file in manifest.files[:10]],
            **_files(manifest),
            "changes": dict(self.changes),
        }
        if manifest.state is not None:
            keeps_history = isinstance(DATASETS[manifest.dataset].publish, History)
            current = self.place.data_uri(f"{manifest.dataset}_current") if keeps_history else None
            return {**found, "current_uri": current, **manifest.state.as_json()}
        window = manifest.window
        found |= {"window_from": window.start.isoformat(), "window_to": window.end.isoformat()}
        return found | {"parts": dict(manifest.parts)} if manifest.parts else found

    def by_dataset(self) -> dict[str, dict[str, Any]]:
        """What the asset of each dataset reports; that of a part only what differs, its manifest has the rest."""
        whole = self.as_dict()
        whole.pop("parts", None)
        reports = {self.manifest.dataset: whole}
        for part in self.parts:
            common = {each: whole[each] for each in ("merchant_id", "window_from", "window_to", "rejected")}
            own = {name: getattr(part, name) for name in ("dataset", "records", "new_records")}
            reports[part.dataset] = common | own | where(self.place, part.dataset, part.window) | _files(part)
        return reports


def where(place: Place, dataset: str, window: Window) -> dict[str, str]:
    """The URIs of the merchant's data and of the window's manifest, as results name them."""
    return {"uri": place.data_uri(dataset), "manifest": place.uri_of(place.layout(dataset).manifest(window))}


def _files(manifest: Manifest) -> dict[str, int]:
    return {"file_count": len(manifest.files), "file_bytes": manifest.file_bytes}


def count_changes(changes: Iterable[dict[str, Any]]) -> dict[str, int]:
    """How many rows were added, removed and changed, over all of them."""
    counted = list(changes)
    return {kind: sum(change[kind] for change in counted) for kind in COUNTS}


def _span(window: Window) -> dict[str, str]:
    return {"from": window.start.isoformat(), "to": window.end.isoformat()}
