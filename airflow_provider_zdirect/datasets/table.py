# SPDX-License-Identifier: Apache-2.0
"""The datasets table: one row per dataset. ``docs/datasets.md`` is generated from it.

The rows stand beside the models of their records, one file per API. An endpoint that fits is one row and one model
there, and its name here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from airflow_provider_zdirect.datasets.announced_returns import ANNOUNCED_RETURNS
from airflow_provider_zdirect.datasets.dataset import Dataset
from airflow_provider_zdirect.datasets.inbound import SHIPPING_NOTICES, TOURS
from airflow_provider_zdirect.datasets.inventory import ITEM_QUANTITIES, ITEM_QUANTITY_SNAPSHOTS
from airflow_provider_zdirect.datasets.movement_reports import CROSS_BORDER_MOVEMENTS, INTRA_COMMUNITY_MOVEMENTS
from airflow_provider_zdirect.datasets.orders import (
    ORDER_DELETION_REQUESTS,
    ORDER_ITEMS,
    ORDER_LINES,
    ORDERS,
)
from airflow_provider_zdirect.datasets.reference_data import LOGISTIC_CENTERS, SALES_CHANNELS, STOCK_LOCATIONS
from airflow_provider_zdirect.datasets.stock_movements import LIQUIDATED_ITEMS, RECEIVED_ITEMS, RETURNED_ITEMS
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError

__all__ = ["DATASETS", "WITH_WINDOWS", "Dataset", "check_stands_alone", "get_dataset", "published_with"]

DATASETS: Mapping[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        RECEIVED_ITEMS,
        RETURNED_ITEMS,
        LIQUIDATED_ITEMS,
        INTRA_COMMUNITY_MOVEMENTS,
        CROSS_BORDER_MOVEMENTS,
        ITEM_QUANTITY_SNAPSHOTS,
        ITEM_QUANTITIES,
        STOCK_LOCATIONS,
        SALES_CHANNELS,
        LOGISTIC_CENTERS,
        SHIPPING_NOTICES,
        TOURS,
        ORDERS,
        ORDER_ITEMS,
        ORDER_LINES,
        ANNOUNCED_RETURNS,
        ORDER_DELETION_REQUESTS,
    )
}

WITH_WINDOWS: Mapping[str, Dataset] = {
    name: dataset for name, dataset in DATASETS.items() if dataset.has_windows and dataset.part_of is None
}
"""Those that are asked for by windows, and not only with another; by name."""

_PATH = re.compile(r"(/([A-Za-z0-9_~-][A-Za-z0-9._~-]*|\{merchant_id\}))+")


def get_dataset(name: str, variant: str | None = None, path: str | None = None) -> Dataset:
    """The row of the table with that name.

    :param variant: name of another path for the same dataset, for example ``legacy`` for ``received_items``.
    :param path: a path to use instead of the row's own, with ``{merchant_id}`` in it; for the deprecated
        ``single_request`` it is the one that is asked where a day holds too many records.
    :raises ZDirectConfigurationError: if the dataset or variant is unknown, or the path is not valid.
    """
    dataset = DATASETS.get(name)
    if dataset is None:
        raise ZDirectConfigurationError(
            f"dataset={name!r} is not a dataset of this provider.",
            remedy=f"Use one of: {', '.join(row.name for row in DATASETS.values() if row.part_of is None)}.",
        )
    if variant is not None:
        if variant not in dataset.variants:
            raise ZDirectConfigurationError(
                f"variant={variant!r} is not a variant of {name}.",
                remedy=f"Leave it out, or use one of: {', '.join(dataset.variants) or '(there is none)'}.",
            )
        dataset = dataset.variants[variant]
    if path is None:
        return dataset
    own = dataset.endpoint.path
    if not _PATH.fullmatch(path) or path.count("{merchant_id}") != own.count("{merchant_id}"):
        raise ZDirectConfigurationError(
            f"path={path[:100]!r} is not a path of {name}.",
            remedy=f"Give it without host and query, as {own}, or leave it out.",
        )
    if dataset.when_too_many is not None:
        return replace(dataset, when_too_many=dataset.when_too_many.but(endpoint={"path": path}))
    return dataset.but(endpoint={"path": path})


def check_stands_alone(dataset: Dataset) -> None:
    """Raise ZDirectConfigurationError if the dataset cannot be asked for without another."""
    if dataset.part_of is not None:
        raise ZDirectConfigurationError(
            f"dataset={dataset.name!r} comes with the {dataset.part_of}, in the same requests.",
            remedy=f"Use dataset={dataset.part_of!r}; it publishes both.",
        )


def published_with(name: str) -> tuple[str, ...]:
    """The datasets that a fetch of ``name`` publishes: itself, and what comes with it.

    :raises ZDirectConfigurationError: if the dataset is unknown.
    """
    return (name, *get_dataset(name).answer.parts)
