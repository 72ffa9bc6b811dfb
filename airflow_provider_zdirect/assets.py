"""The Airflow assets that published windows update; other DAGs can be scheduled on them."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import Asset

from airflow_provider_zdirect.datasets import get_dataset


def dataset_asset(name: str) -> Any:
    """The asset of the dataset ``name``, for ``outlets`` and ``schedule``.

    An Asset on Airflow 3, the Dataset that it was called before on 2.11.

    :raises ZDirectConfigurationError: if there is no such dataset.
    """
    # By URI alone, so that it is the same asset as Asset("zdirect://<dataset>") in an author's schedule.
    return Asset(uri=get_dataset(name).asset_uri)
