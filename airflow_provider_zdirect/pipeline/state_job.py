"""A present state to extract, and the result, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from airflow_provider_zdirect.datasets.selection import StateRequest
from airflow_provider_zdirect.datasets.table import Dataset
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.publish.place import Place

NAMED = 20
"""Values that were asked for and not answered, named in results and manifests, at most."""


@dataclass(frozen=True)
class StateJob:
    """Which present state to extract, and where to.

    :param since: only what changed from then until now; for datasets that can be asked so, without ``filters``.
    :param filters: only these records: values by field, separated by commas, semicolons or blanks; repeated ones are
        asked for once.
    :param max_rejected: invalid records that are tolerated.
    :param replace_with_empty: let an answer without any record end all records of a history.
    :raises ZDirectConfigurationError: if a value is not usable; it names the parameter.
    """

    dataset: Dataset
    place: Place
    since: datetime | None = None
    filters: Mapping[str, str] = field(default_factory=dict)
    max_rejected: int = 0
    replace_with_empty: bool = False

    def __post_init__(self) -> None:
        if self.max_rejected < 0:
            raise ZDirectConfigurationError(
                f"max_rejected={self.max_rejected} is negative.", remedy="Give a number of zero or more."
            )
        if self.since is not None:
            object.__setattr__(self, "since", self.since.astimezone(UTC))
        _ = self.requests

    @cached_property
    def requests(self) -> list[StateRequest]:
        """Those that together answer for the state."""
        return self.dataset.states.requests(self.dataset.name, self.since, self.filters)

    @property
    def asked(self) -> tuple[str, list[str]] | None:
        """The field by which records are asked for, and the values; None if all are."""
        values = sorted(value for request in self.requests for value in request.values)
        filtered = self.dataset.states.batched_filter
        return (filtered[0], values) if values and filtered else None

    @property
    def what(self) -> str:
        """Dataset and merchant, for errors."""
        return f"{self.dataset.name} of merchant {self.place.merchant_id}"


@dataclass(frozen=True)
class StateResult:
    """The result of an extraction; small enough for XCom.

    :param uri: where the dataset's data of the merchant lie.
    :param current_uri: where those lie that are valid now; None for snapshots.
    :param observed_at: when zDirect answered.
    :param snapshot_time: of when the state is, where the answer says so.
    :param records: valid records of the answer.
    :param stored: whether anything was published; otherwise it was there already, or there was nothing.
    :param unchanged: zDirect said that nothing has changed since the last time.
    :param empty_answer: the answer had no records, and that says nothing: nothing was published.
    :param changes: records that are ``added``, ``changed`` and ``removed``.
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
    repaired: int
    pages: int
    requests: int
    stored: bool
    unchanged: bool
    empty_answer: bool
    changes: dict[str, int]
    not_answered: list[str]
    of_others: int
    files: list[str]

    def as_dict(self) -> dict[str, Any]:
        """JSON-able; ``not_answered`` is cut to the first twenty, ``not_answered_count`` has the number."""
        times = {name: getattr(self, name) for name in ("observed_at", "snapshot_time", "since")}
        return {
            **asdict(self),
            **{name: time and time.isoformat() for name, time in times.items()},
            "not_answered": self.not_answered[:NAMED],
            "not_answered_count": len(self.not_answered),
            "file_count": len(self.files),
        }

    def by_dataset(self) -> dict[str, dict[str, Any]]:
        """As :meth:`as_dict`, for what the asset of the dataset reports."""
        return {self.dataset: self.as_dict()}
