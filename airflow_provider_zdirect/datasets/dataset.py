# SPDX-License-Identifier: Apache-2.0
"""A dataset: what the package knows of it, composed of values that own their behaviour."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from airflow_provider_zdirect.datasets.answer import Answer
from airflow_provider_zdirect.datasets.assumptions import Assumptions
from airflow_provider_zdirect.datasets.endpoint import Endpoint
from airflow_provider_zdirect.datasets.page import Page
from airflow_provider_zdirect.datasets.paging import OnePage
from airflow_provider_zdirect.datasets.publication import Days, Once, Publication
from airflow_provider_zdirect.datasets.record import Record
from airflow_provider_zdirect.datasets.selection import Selection, State, WindowSelection
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError

T = TypeVar("T")


@dataclass(frozen=True)
class Dataset:
    """A row of the table.

    :param source: of these facts.
    :param personal_data: fields that hold personal data.
    :param part_of: the dataset with which this one comes; it cannot be asked for alone.
    :param when_too_many: what to ask instead for a day of which zDirect says that it holds too many records.
    :param variants: the same dataset from another path, by name.
    :param assumes: by name of an assumption about the endpoint: the row with another value of it.
    """

    name: str
    title: str
    model: type[Record]
    endpoint: Endpoint
    selection: Selection
    answer: Answer
    publish: Publication
    source: str
    paging: OnePage = field(default_factory=OnePage)
    personal_data: tuple[str, ...] = ()
    part_of: str | None = None
    when_too_many: Dataset | None = None
    variants: Mapping[str, Dataset] = field(default_factory=dict)
    assumes: Mapping[str, Callable[[Dataset, Any], Dataset]] = field(default_factory=dict)

    @property
    def has_windows(self) -> bool:
        """Whether it is asked for by windows; otherwise the answer is a present state."""
        return isinstance(self.selection, WindowSelection)

    @property
    def windows(self) -> WindowSelection:
        """The selection of a dataset that is asked for by windows."""
        return self._narrowed(self.selection, WindowSelection, "a present state, not a dataset of windows")

    @property
    def states(self) -> State:
        """The selection of a dataset that is a present state."""
        return self._narrowed(self.selection, State, "a dataset of windows, not a present state")

    @property
    def once(self) -> Once:
        """The publication of a dataset whose records are published once each."""
        return self._narrowed(self.publish, Once, "not published record by record")

    @property
    def days(self) -> Days:
        """The publication of a dataset whose days are replaced as a whole."""
        return self._narrowed(self.publish, Days, "not published by day")

    def _narrowed(self, part: object, kind: type[T], otherwise: str) -> T:
        if isinstance(part, kind):
            return part
        raise ZDirectConfigurationError(
            f"{self.name} is {otherwise}.", remedy="Ask for datasets of windows by windows, and for no other."
        )

    def of_latest(self) -> Dataset | None:
        """The row of the latest versions, ``<dataset>_current``."""
        latest = self.publish.latest if isinstance(self.publish, Once) else None
        return replace(self, name=f"{self.name}_current", publish=latest) if latest else None

    def assuming(self, assumptions: Assumptions) -> Dataset:
        """The row with what a deployment assumes instead of the defaults."""
        row = self
        for name, apply in self.assumes.items():
            if name in assumptions.model_fields_set:
                row = apply(row, getattr(assumptions, name))
        return row

    def read(
        self,
        body: bytes | bytearray,
        asked: Mapping[str, str] | None = None,
        cursor: str | None = None,
        answered_at: datetime | None = None,
    ) -> Page:
        """The page in an answer, as :meth:`.Answer.read`."""
        return self.answer.read(self, body, asked or {}, cursor, answered_at)

    def but(self, **parts: Mapping[str, Any]) -> Dataset:
        """The row with other fields in its values: ``but(endpoint={"path": ...})``."""
        return replace(self, **{name: replace(getattr(self, name), **fields) for name, fields in parts.items()})
