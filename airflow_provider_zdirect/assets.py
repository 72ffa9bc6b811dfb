"""The Airflow assets that published windows and reports update; other DAGs can be scheduled on them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow.providers.common.compat.sdk import Asset, AssetAlias

from airflow_provider_zdirect.datasets import get_dataset


def dataset_asset(name: str) -> Any:
    """The asset of the dataset ``name``, for ``outlets`` and ``schedule``.

    An Asset on Airflow 3, the Dataset that it was called before on 2.11.

    :raises ZDirectConfigurationError: if there is no such dataset.
    """
    # By URI alone, so that it is the same asset as Asset("zdirect://<dataset>") in an author's schedule.
    return Asset(uri=get_dataset(name).asset_uri)


def changed_alias(name: str) -> Any:
    """The alias through which a task updates the dataset's asset only if it changed something, for ``outlets``.

    A DAG that is scheduled on the alias is triggered by such changes alone. A DatasetAlias on Airflow 2.11.

    :raises ZDirectConfigurationError: if there is no such dataset.
    """
    return AssetAlias(f"zdirect_{get_dataset(name).name}_changed")


def intrastat_asset() -> Any:
    """The asset that every Intrastat report updates, for ``outlets`` and ``schedule``."""
    return Asset(uri="zdirect://intrastat")


def inbound_asset() -> Any:
    """The asset that every inbound reconciliation updates, for ``outlets`` and ``schedule``."""
    return Asset(uri="zdirect://inbound_reconciliation")


def stock_updates_asset() -> Any:
    """The asset that every run of stock updates tells its counts, for ``outlets`` and ``schedule``."""
    return Asset(uri="zdirect://stock_updates")


def shipping_documents_asset() -> Any:
    """The asset that every fetch of shipping documents updates, for ``outlets`` and ``schedule``."""
    return Asset(uri="zdirect://shipping_documents")


def order_updates_asset() -> Any:
    """The asset that every update of orders updates, for ``outlets`` and ``schedule``."""
    return Asset(uri="zdirect://order_updates")


def erasure_asset() -> Any:
    """The asset that says that customers were erased from published orders, for ``schedule``."""
    return Asset(uri="zdirect://order_erasures")


def erasure_alias() -> Any:
    """The alias through which a task updates that asset only if it erased something, for ``outlets``."""
    return AssetAlias("zdirect_order_erasures_changed")


def with_assets(outlets: Any, assets: Iterable[Any]) -> list[Any]:
    """The author's outlets and those of the assets that are not among them."""
    outlets = [] if outlets is None else list(outlets) if isinstance(outlets, list | tuple) else [outlets]
    return [*outlets, *(asset for asset in assets if asset not in outlets)]


def daily_asset(name: str) -> Any:
    """The asset that says of a dataset of daily reports: the report of a day is there, for every merchant.

    Where Airflow knows partitions of assets (``add_partitions``, from 3.3), its events carry the report date
    (``2026-11-20``) as partition key; such events trigger only DAGs that are scheduled by partitions. A run that was
    given another connection, base path or other merchants than its DAG has does not tell it.

    :raises ZDirectConfigurationError: if there is no such dataset.
    """
    return Asset(uri=f"{get_dataset(name).asset_uri}/daily")


def tell_daily_asset(outlet_events: Any, asset: Any, days: Iterable[str], extra: dict[str, Any]) -> None:
    """Let the task's event of ``asset`` be about these report dates.

    :param outlet_events: as the task's context has them.
    :param days: ISO dates.
    """
    days = sorted(set(days))
    event = outlet_events[asset]
    event.extra = {"report_dates": days, **extra}
    if hasattr(event, "add_partitions"):
        event.add_partitions(days)


def monthly_schedule(asset: Any) -> Any:
    """Once for each month, when the daily asset has been updated for all its days.

    With Airflow's partition rollup (3.3), the run has the month (``2026-11``) as its partition key. Without it, the run
    comes on the 7th, when the last report of the month before has landed even if it is empty, and its data interval
    starts in that month.
    """
    try:
        from airflow.sdk import MonthWindow, PartitionedAssetTimetable, RollupMapper, StartOfMonthMapper
    except ImportError:
        from airflow.timetables.interval import CronDataIntervalTimetable

        # EMPTY_IS_CERTAIN_AFTER 12:00 UTC of the 1st, and some hours for the last look and the landing.
        return CronDataIntervalTimetable("0 18 7 * *", timezone="UTC")
    mapper = RollupMapper(upstream_mapper=StartOfMonthMapper(input_format="%Y-%m-%d"), window=MonthWindow())
    return PartitionedAssetTimetable(assets=asset, default_partition_mapper=mapper)
