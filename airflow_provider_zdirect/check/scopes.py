# SPDX-License-Identifier: Apache-2.0
"""Which datasets the scopes of an app allow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from airflow_provider_zdirect.datasets.table import DATASETS, Dataset


def granted_as(scope: str, granted: Iterable[str]) -> str | None:
    """How zDirect spells a scope that the app has; None if the app does not have it.

    Unconfirmed: whether zDirect writes ``orders/read`` or ``orders.read``; its specifications do both. A scope that
    begins with a slash is the known end of a longer one.

    :param scope: as the table of datasets has it.
    """
    wanted = _plain(scope)
    ending = f"/{wanted}" if scope.startswith("/") else None
    for each in granted:
        if _plain(each) == wanted or (ending and _plain(each).endswith(ending)):
            return each
    return None


def by_scope(names: Iterable[str]) -> Mapping[str, list[Dataset]]:
    """The datasets by the scope that they need; what comes with another dataset is left out."""
    found: dict[str, list[Dataset]] = {}
    for name in names:
        dataset = DATASETS[name]
        if dataset.part_of is None:
            found.setdefault(dataset.endpoint.scope, []).append(dataset)
    return found


def _plain(scope: str) -> str:
    return scope.strip().lower().replace(".", "/").strip("/")
