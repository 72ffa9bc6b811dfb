# SPDX-License-Identifier: Apache-2.0
"""What to extract, and where to, as a value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from airflow_provider_zdirect.datasets.personal_data import PersonalData
from airflow_provider_zdirect.datasets.table import Dataset, check_stands_alone
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.windows import Window


@dataclass(frozen=True)
class ExtractJob:
    """A window of a dataset, or its present state.

    :param window: half-open; its records are published. Of a present state: what changed since its start; None: all.
    :param overlap: how far before the window to look for late records; None: as the dataset has it.
    :param max_rejected: invalid records that are tolerated.
    :param clip_to_retention: fetch what is left of a window that starts before what zDirect keeps.
    :param timezone: where days begin, for endpoints that ask for dates.
    :param replace_with_empty: let an answer without records replace the published ones of a date, or end all records
        of a history.
    :param accept_outside: publish records that lie outside of what was asked for, instead of failing.
    :param filters: only records with these values, by field; of a present state several, separated by commas,
        semicolons or blanks.
    :param personal_data: how personal data is treated.
    :param resume_key: attempts at a window with the same key continue one another; None: this one continues nothing.
        Two that run at the same time need different keys.
    :param note_progress: is given a line about the progress now and then, in a fetch that takes long.
    :raises ZDirectConfigurationError: if a value cannot be used; it names the parameter.
    """

    place: Place
    dataset: Dataset
    window: Window | None = None
    overlap: timedelta | None = None
    max_rejected: int = 0
    clip_to_retention: bool = False
    timezone: str = "UTC"
    replace_with_empty: bool = False
    accept_outside: bool = False
    filters: Mapping[str, str] = field(default_factory=dict)
    personal_data: PersonalData = field(default_factory=PersonalData)
    resume_key: str | None = None
    note_progress: Callable[[str], object] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_stands_alone(self.dataset)
        if self.overlap is not None and self.overlap < timedelta(0):
            raise ZDirectConfigurationError(
                f"overlap={self.overlap} is negative.", remedy="Give a duration of zero or more."
            )
        if self.max_rejected < 0:
            raise ZDirectConfigurationError(
                f"max_rejected={self.max_rejected} is negative.", remedy="Give a number of zero or more."
            )
        if not self.dataset.has_windows:
            since = self.window.start if self.window else None
            self.dataset.states.requests(self.dataset.name, since, self.filters)
        elif self.window is None:
            raise ZDirectConfigurationError(
                f"{self.dataset.name} is a dataset of windows, and no window is given.", remedy="Give a window."
            )
        else:
            self.dataset.selection.filter_parameters(self.dataset.name, self.filters)
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ZDirectConfigurationError(
                f"timezone={self.timezone!r} is not a time zone.", remedy="Give an IANA name such as Europe/Berlin."
            ) from error

    @property
    def what(self) -> str:
        """Dataset, merchant and window, as log lines and errors begin."""
        return self.place.subject(self.dataset.name, self.window if self.dataset.has_windows else None)
