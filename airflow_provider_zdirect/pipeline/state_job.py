"""A present state to extract, and what came of it, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fsspec import AbstractFileSystem

from airflow_provider_zdirect.client import checked_merchant_id
from airflow_provider_zdirect.datasets.table import Dataset, WindowKind
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.pipeline.fetch_state import plan_state
from airflow_provider_zdirect.storage.layout import FORMATS

NAMED = 20
"""Values that were asked for and not answered, named in results and manifests, at most."""


@dataclass(frozen=True)
class StateJob:
    """Which present state to extract, and where to.

    :param fs: filesystem of the base path.
    :param root: the base path as ``fs`` names it.
    :param base_uri: the base path as people name it, for results and messages.
    :param environment: ``production`` or ``sandbox``, for the lineage columns and the manifest.
    :param since: only what changed from then until now; for datasets that can be asked so, without ``filters``.
    :param filters: comma separated values by field: only these records are asked for.
    :param format: ``parquet`` or ``jsonl``.
    :param max_rejected: invalid records that are tolerated.
    :param replace_with_empty: let an answer without any record end all records of a history.
    :raises ZDirectConfigurationError: if a value is not usable; it names the parameter.
    """

    dataset: Dataset
    merchant_id: str
    fs: AbstractFileSystem
    root: str
    base_uri: str
    environment: str
    since: datetime | None = None
    filters: Mapping[str, str] = field(default_factory=dict)
    format: str = "parquet"
    max_rejected: int = 0
    replace_with_empty: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "merchant_id", checked_merchant_id(self.merchant_id))
        if self.dataset.keeping is None:
            raise ZDirectConfigurationError(
                f"{self.dataset.name} is a dataset of windows, not of present states.", remedy="Use ExtractJob."
            )
        if self.format not in FORMATS:
            raise ZDirectConfigurationError(
                f"format={self.format!r} is not a format.", remedy=f"Use one of: {', '.join(FORMATS)}."
            )
        if self.max_rejected < 0:
            raise ZDirectConfigurationError(
                f"max_rejected={self.max_rejected} is negative.", remedy="Give a number of zero or more."
            )
        if self.since is not None and (self.filters or self.dataset.window is not WindowKind.SINCE):
            raise ZDirectConfigurationError(
                f"{self.dataset.name} cannot be asked for what changed since a time"
                f"{' and by filters at once' if self.filters else ''}.",
                remedy="Leave the time out.",
            )
        if self.since is not None:
            object.__setattr__(self, "since", self.since.astimezone(UTC))
        plan_state(self.dataset, self.since, self.filters)


@dataclass(frozen=True)
class StateResult:
    """What came of it; small enough for XCom.

    :param uri: where the dataset's data of the merchant lie.
    :param current_uri: where those lie that are valid now; None for snapshots.
    :param observed_at: when zDirect answered.
    :param snapshot_time: of when the state is, where the answer says so.
    :param records: valid records of the answer.
    :param stored: whether anything was published; otherwise it was there already, or there was nothing.
    :param unchanged: zDirect said that nothing has changed since the last time.
    :param empty_answer: the answer had no records, and that says nothing: nothing was published.
    :param changes: records that are ``added``, ``changed`` and ``removed`` in a history.
    :param not_answered: values that were asked for and of which no record came.
    :param of_others: records of other merchants, which were left out.
    :param files: URIs of the files that hold the state.
    :param repaired: records that came with damaged texts, which were mended.
    """

    dataset: str
    merchant_id: str
    uri: str
    current_uri: str | None
    manifest: str
    observed_at: datetime
    snapshot_time: datetime | None
    since: datetime | None
    records: int
    rejected: int
    rejected_uri: str | None
    pages: int
    requests: int
    stored: bool
    unchanged: bool
    empty_answer: bool
    changes: Mapping[str, int]
    not_answered: tuple[str, ...]
    of_others: int
    files: tuple[str, ...]
    repaired: int = 0

    def as_dict(self) -> dict[str, Any]:
        """JSON-able; ``not_answered`` is cut to the first twenty, ``not_answered_count`` has the number."""
        return {
            "dataset": self.dataset,
            "merchant_id": self.merchant_id,
            "uri": self.uri,
            "current_uri": self.current_uri,
            "manifest": self.manifest,
            "observed_at": self.observed_at.isoformat(),
            "snapshot_time": _iso(self.snapshot_time),
            "since": _iso(self.since),
            "records": self.records,
            "rejected": self.rejected,
            "rejected_uri": self.rejected_uri,
            "repaired": self.repaired,
            "pages": self.pages,
            "requests": self.requests,
            "stored": self.stored,
            "unchanged": self.unchanged,
            "empty_answer": self.empty_answer,
            "changes": dict(self.changes),
            "not_answered": list(self.not_answered[:NAMED]),
            "not_answered_count": len(self.not_answered),
            "of_others": self.of_others,
            "files": list(self.files),
            "file_count": len(self.files),
        }

    def by_dataset(self) -> dict[str, dict[str, Any]]:
        """As :meth:`as_dict`, for what the asset of the dataset reports."""
        return {self.dataset: self.as_dict()}


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
