# SPDX-License-Identifier: Apache-2.0
"""A task's data as values: where they come from and go to, and how much was published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_zdirect.datasets.publication import History
from airflow_provider_zdirect.datasets.table import DATASETS


@dataclass(frozen=True)
class Flow:
    """Where a task's data come from and go to, for lineage.

    :param fetched: what it fetches from zDirect: datasets, or names of its own for other things.
    :param sent: what it changes at zDirect, likewise.
    :param read: tables under the base path.
    :param published: tables and folders under the base path.
    :param files: the merchant's files that it reads, as the author names them; None for those that are not given.
    """

    fetched: Sequence[str] = ()
    sent: Sequence[str] = ()
    read: Sequence[str] = ()
    published: Sequence[str] = ()
    files: Sequence[str | None] = ()


@dataclass(frozen=True)
class Published:
    """How much a task has published of a table.

    :param records: records of its window or state, or rows of a table of its own.
    :param rejected: invalid records that are not among them, or rows that were not applied.
    :param files: the files that hold the records; None if they were not counted.
    :param bytes: of these files.
    """

    records: int
    rejected: int = 0
    files: int | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What a task has done.

    :param summary: its result: small, JSON-able values without personal data.
    :param changed: by the name of each asset that was updated, what its events say.
    :param published: how much, by table; for lineage and metrics.
    """

    summary: dict[str, Any]
    changed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    published: Mapping[str, Published] = field(default_factory=dict)


def with_current(*names: str) -> Iterator[str]:
    """The tables of these datasets: each, and ``<name>_current`` if it has one."""
    for name in names:
        dataset = DATASETS[name]
        yield name
        if dataset.of_latest() is not None or isinstance(dataset.publish, History):
            yield f"{name}_current"
