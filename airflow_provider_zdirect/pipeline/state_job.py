"""A present state to extract, and the result, as values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from airflow_provider_zdirect.datasets.dataset import as_parameter
from airflow_provider_zdirect.datasets.table import Dataset, WindowKind
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.publish.place import Place

DIGITS = {"ean": 13, "zalando_advice_id": 8}
"""Digits of the values that records can be asked for by (zDirect: ``^[0-9]{13}$``, ``^[0-9]{8}$``)."""

NAMED = 20
"""Values that were asked for and not answered, named in results and manifests, at most."""


@dataclass(frozen=True)
class StateRequest:
    """One request of a state.

    :param values: the records that it asks for have one of these values in the dataset's batched filter; empty: it asks
        for all.
    """

    parameters: Mapping[str, str]
    values: frozenset[str] = frozenset()


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
        if self.dataset.keeping is None:
            raise ZDirectConfigurationError(
                f"{self.dataset.name} is a dataset of windows, not of present states.", remedy="Use ExtractJob."
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
        _ = self.requests

    @cached_property
    def requests(self) -> list[StateRequest]:
        """Those that together answer for the state."""
        dataset = self.dataset
        dataset.filter_parameters(self.filters)
        given = {name: _values(dataset, name, text) for name, text in self.filters.items() if text.strip()}
        if given:
            assert dataset.batched_filter is not None
            ((name, values),) = given.items()
            size = dataset.batched_filter[1]
            batches = [values[start : start + size] for start in range(0, len(values), size)]
            return [StateRequest({dataset.filters[name]: ",".join(batch)}, frozenset(batch)) for batch in batches]
        if dataset.window is not WindowKind.SINCE:
            return [StateRequest({})]
        if self.since is None:
            raise ZDirectConfigurationError(
                f"{dataset.name} is neither asked for a time nor for {', '.join(dataset.filters)}.",
                remedy=f"Give a window, whose start is the time, or filters with {', '.join(dataset.filters)}.",
            )
        return [StateRequest({dataset.since_parameter: as_parameter(self.since)})]

    @property
    def asked(self) -> tuple[str, list[str]] | None:
        """The field by which records are asked for, and the values; None if all are."""
        values = sorted(value for request in self.requests for value in request.values)
        return (self.dataset.batched_filter[0], values) if values and self.dataset.batched_filter else None

    @property
    def what(self) -> str:
        """Dataset and merchant, for errors."""
        return f"{self.dataset.name} of merchant {self.place.merchant_id}"


def _values(dataset: Dataset, name: str, text: str) -> list[str]:
    values = list(dict.fromkeys(value for value in re.split(r"[\s,;]+", text) if value))
    if not values:
        raise ZDirectConfigurationError(
            f"filters: {name}={text!r} of {dataset.name} holds no value.",
            remedy=f"Give values, or leave {name} out for all records.",
        )
    digits = DIGITS.get(name)
    wrong = [value for value in values if digits and not re.fullmatch(rf"[0-9]{{{digits}}}", value)]
    if wrong:
        raise ZDirectConfigurationError(
            f"filters: {name} {', '.join(map(repr, wrong[:5]))} of {dataset.name} "
            f"{'does' if len(wrong) == 1 else 'do'} not have {digits} digits.",
            remedy="Give them as text, with leading zeros; numbers lose these.",
        )
    return values


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
