# SPDX-License-Identifier: Apache-2.0
"""A list that is given instead of a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError

MOST_IN_A_LIST = 1_000
"""Entries of a list, which goes through Airflow's database; give more as a file."""


def given_list(items: Any, *, name: str, example: str, path: str) -> list[Any]:
    """The entries of a list.

    :param name: the list's parameter, for errors.
    :param path: the parameter for a file instead.
    :raises ZDirectConfigurationError: if it is not a list, or too long.
    """
    if not isinstance(items, Iterable) or isinstance(items, str | bytes | Mapping):
        raise ZDirectConfigurationError(
            f"{name} is not a list, but {type(items).__name__}.",
            remedy=f"Give {name} as {example}, or a file as {path}.",
        )
    # The results of mapped tasks are fetched while they are gone through.
    entries = list(items)
    if len(entries) > MOST_IN_A_LIST:
        raise ZDirectConfigurationError(
            f"{name} has {len(entries)} entries; a list may have {MOST_IN_A_LIST}: Airflow keeps it in its database.",
            remedy=f"Write them to a CSV, Parquet or JSON-lines file, and give it as {path}.",
        )
    return entries
