"""A present state to extract, and the result, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from airflow_provider_zdirect.datasets.selection import StateRequest
from airflow_provider_zdirect.datasets.table import DATASETS, Dataset
from airflow_provider_zdirect.pipeline.manifest import Result
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.publish.rejected import check_max_rejected
from airflow_provider_zdirect.windows import subject

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
    :raises ZDirectConfigurationError: if a value cannot be used; it names the parameter.
    """

    dataset: Dataset
    place: Place
    since: datetime | None = None
    filters: Mapping[str, str] = field(default_factory=dict)
    max_rejected: int = 0
    replace_with_empty: bool = False

    def __post_init__(self) -> None:
        if self.since is not None:
            object.__setattr__(self, "since", self.since.astimezone(UTC))
        check_max_rejected(self.max_rejected)
        _ = self.requests

    @cached_property
    def requests(self) -> list[StateRequest]:
        """Those that together answer for the state."""
        return self.dataset.states.requests(self.dataset.name, self.since, self.filters)

    @property
    def asked(self) -> tuple[str, list[str]] | None:
        """The field by which records are asked for, and the values; None if all are."""
        asked = [(name, value) for request in self.requests for name, them in request.values.items() for value in them]
        return (asked[0][0], sorted(value for _, value in asked)) if asked else None

    @property
    def what(self) -> str:
        """Dataset and merchant, as log lines and errors begin."""
        return subject(self.dataset.name, self.place.merchant_id)


@dataclass(frozen=True)
class State:
    """What only the manifest of a present state has.

    :param observed_at: when zDirect answered.
    :param snapshot_time: of when the state is, where the answer says so.
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
class StateResult(Result):
    """What a run published of a present state.

    :param changes: how many records were ``added``, ``changed`` and ``removed``.
    """

    state: State
    changes: dict[str, int]

    def manifest_json(self) -> dict[str, Any]:
        """The manifest of a window of one moment, and the state."""
        return {**self.manifest.as_json(), "state": self.state.as_json()}

    def as_dict(self) -> dict[str, Any]:
        """As :meth:`Result.as_dict`; ``current_uri`` is where the records are that are valid now, if all are kept."""
        dataset = self.manifest.dataset
        has_history = DATASETS[dataset].publish.keeps_history
        current = self.place.data_uri(f"{dataset}_current") if has_history else None
        return {**super().as_dict(), "current_uri": current, "changes": self.changes, **self.state.as_json()}
