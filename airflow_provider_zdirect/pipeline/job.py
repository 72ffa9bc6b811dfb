"""What to extract, and what came of it, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fsspec import AbstractFileSystem

from airflow_provider_zdirect.client import checked_merchant_id
from airflow_provider_zdirect.datasets.personal_data import PersonalData
from airflow_provider_zdirect.datasets.table import Dataset, check_stands_alone
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.storage.layout import FORMATS, Layout
from airflow_provider_zdirect.windows import Window


@dataclass(frozen=True)
class ExtractJob:
    """What to extract, and where to.

    :param window: half-open; its records are published.
    :param fs: filesystem of the base path.
    :param root: the base path as ``fs`` names it.
    :param base_uri: the base path as people name it, for results and messages.
    :param environment: ``production`` or ``sandbox``, for the lineage columns and the manifest.
    :param overlap: how far before the window to look for late records; None: as the dataset has it.
    :param format: ``parquet`` or ``jsonl``.
    :param max_rejected: invalid records that are tolerated.
    :param clip_to_retention: fetch what is left of a window that starts before what zDirect keeps.
    :param timezone: where days begin, for endpoints that ask for dates.
    :param replace_with_empty: let an answer without records replace the published ones of a date.
    :param accept_outside: publish records that lie outside of what was asked for, instead of failing.
    :param filters: only records with these values, by field.
    :param personal_data: what becomes of personal data.
    :param resume_key: attempts with the same key continue one another; None: this one continues nothing. Two that run
        at the same time need different keys.
    :raises ZDirectConfigurationError: if a value is not usable; it names the parameter.
    """

    dataset: Dataset
    merchant_id: str
    window: Window
    fs: AbstractFileSystem
    root: str
    base_uri: str
    environment: str
    overlap: timedelta | None = None
    format: str = "parquet"
    max_rejected: int = 0
    clip_to_retention: bool = False
    timezone: str = "UTC"
    replace_with_empty: bool = False
    accept_outside: bool = False
    filters: Mapping[str, str] = field(default_factory=dict)
    personal_data: PersonalData = field(default_factory=PersonalData)
    resume_key: str | None = None

    def __post_init__(self) -> None:
        check_stands_alone(self.dataset)
        object.__setattr__(self, "merchant_id", checked_merchant_id(self.merchant_id))
        if self.format not in FORMATS:
            raise ZDirectConfigurationError(
                f"format={self.format!r} is not a format.", remedy=f"Use one of: {', '.join(FORMATS)}."
            )
        if self.overlap is not None and self.overlap < timedelta(0):
            raise ZDirectConfigurationError(
                f"overlap={self.overlap} is negative.", remedy="Give a duration of zero or more."
            )
        if self.max_rejected < 0:
            raise ZDirectConfigurationError(
                f"max_rejected={self.max_rejected} is negative.", remedy="Give a number of zero or more."
            )
        self.dataset.filter_parameters(self.filters)
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ZDirectConfigurationError(
                f"timezone={self.timezone!r} is not a time zone.", remedy="Give an IANA name such as Europe/Berlin."
            ) from error


@dataclass(frozen=True)
class ExtractResult:
    """What came of it; small enough for XCom.

    :param uri: where the dataset's data of the merchant lie.
    :param records: records of the window.
    :param new_records: those that were not published before.
    :param late_records: records of earlier windows that were found late and published now.
    :param files: URIs of the files that hold the window's records.
    :param changes: what this run has changed, by date, as in the manifest; where the endpoint asks for dates.
    :param parts: by dataset: records of what came with the window's records.
    :param repaired: records that came with damaged texts, which were mended.
    """

    dataset: str
    merchant_id: str
    window: Window
    uri: str
    manifest: str
    records: int
    new_records: int
    late_records: int
    rejected: int
    rejected_uri: str | None
    pages: int
    requests: int
    files: tuple[str, ...]
    changes: tuple[dict[str, Any], ...] = ()
    parts: Mapping[str, int] = field(default_factory=dict)
    repaired: int = 0

    def as_dict(self) -> dict[str, Any]:
        """JSON-able; ``files`` is cut to the first ten, ``file_count`` has the number."""
        return {
            "dataset": self.dataset,
            "merchant_id": self.merchant_id,
            "window_from": self.window.start.isoformat(),
            "window_to": self.window.end.isoformat(),
            "uri": self.uri,
            "manifest": self.manifest,
            "records": self.records,
            "new_records": self.new_records,
            "late_records": self.late_records,
            "rejected": self.rejected,
            "rejected_uri": self.rejected_uri,
            "repaired": self.repaired,
            "pages": self.pages,
            "requests": self.requests,
            "files": list(self.files[:10]),
            "file_count": len(self.files),
            "changes": {kind: sum(change[kind] for change in self.changes) for kind in ("added", "removed", "changed")},
            **({"parts": dict(self.parts)} if self.parts else {}),
        }

    def by_dataset(self) -> dict[str, dict[str, Any]]:
        """As :meth:`as_dict`, for the dataset and each part; of a part what is its own, its manifest has the rest."""
        whole = self.as_dict()
        whole.pop("parts", None)
        base = self.uri.removesuffix(Layout(self.dataset, self.merchant_id).merchant)
        common = {name: whole[name] for name in ("merchant_id", "window_from", "window_to", "rejected")}
        return {self.dataset: whole} | {
            name: {
                "dataset": name,
                **common,
                "uri": f"{base}{Layout(name, self.merchant_id).merchant}",
                "manifest": f"{base}{Layout(name, self.merchant_id).manifest(self.window)}",
                "records": records,
            }
            for name, records in self.parts.items()
        }
