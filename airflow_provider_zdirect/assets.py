# SPDX-License-Identifier: Apache-2.0
"""The Airflow assets that published data updates; other DAGs can be scheduled on them (docs/assets.md).

Every kind of data has an asset for all places (``zdirect://returned_items``) and one for each base path
(``zdirect://returned_items/s3://bucket/zdirect``). Both get the same events, which say what was published and where.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote
from uuid import UUID

from airflow_provider_zdirect.airflow_sdk import AIRFLOW_V_3_2_PLUS, Asset, AssetAlias
from airflow_provider_zdirect.datasets.table import get_dataset


def dataset_asset(name: str, base_path: str | None = None) -> Any:
    """The asset of the dataset ``name``, for ``outlets`` and ``schedule``.

    An Asset on Airflow 3, the Dataset that it was called before on 2.11.

    :param base_path: only what is published there; None means everywhere.
    :raises ZDirectConfigurationError: if the dataset is unknown.
    """
    return zdirect_asset(get_dataset(name).name, base_path)


def zdirect_asset(name: str, base_path: str | None = None) -> Any:
    """The asset of one kind of data, for ``outlets`` and ``schedule``.

    :param name: a dataset, or ``intrastat``, ``inbound_reconciliation``, ``stock_updates``, ``order_updates``,
        ``shipping_documents``, ``coverage`` or ``order_erasures`` (updated when customers were erased from published
        orders).
    :param base_path: as for :func:`dataset_asset`.
    """
    # By URI alone, so that it is the same asset as Asset("zdirect://<name>") in an author's schedule.
    return Asset(uri=f"zdirect://{name}" + (f"/{quote(place_of(base_path), safe='/:')}" if base_path else ""))


_SAME_SCHEME = {"local": "file", "s3a": "s3"}


def place_of(base_path: str) -> str:
    """A base path as assets and their events name it: a URL without connection id, login and trailing slash."""
    text = base_path.strip()
    scheme, _, path = text.partition("://") if "://" in text else ("file", "", text)
    scheme = _SAME_SCHEME.get(scheme.lower(), scheme.lower())
    if scheme == "file":
        return "file://" + posixpath.normpath("/" + path.lstrip("/"))
    authority, slash, rest = path.partition("/")
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{rest}".rstrip("/")


def connection_in(base_path: str) -> str | None:
    """The storage connection that a base path names: ``my_aws`` of ``s3://my_aws@bucket/zdirect``."""
    authority = base_path.partition("://")[2].partition("/")[0]
    return authority.rpartition("@")[0] or None


def place_alias(name: str) -> Any:
    """The alias through which a task updates the asset of its base path if that is known only when the task runs.

    A DatasetAlias on Airflow 2.11.

    :param name: as for :func:`zdirect_asset`.
    """
    return AssetAlias(f"zdirect_{name}")


def changed_alias(name: str) -> Any:
    """The alias through which a task updates assets only if it changed something, for ``outlets``.

    A DAG that is scheduled on the alias is triggered by such changes alone. A DatasetAlias on Airflow 2.11.

    :param name: as for :func:`zdirect_asset`.
    """
    return AssetAlias(f"zdirect_{name}_changed")


_NESTED = "nested"


def alias_extra(extra: Mapping[str, Any]) -> dict[str, Any]:
    """The extra of an event that goes through an alias; :func:`triggering_changes` undoes the change.

    Airflow 2.11, 3.0 and 3.1.0 hash its values, and lose the event if one is a list or an object.
    """
    if AIRFLOW_V_3_2_PLUS:
        return dict(extra)
    nested = {name: value for name, value in extra.items() if isinstance(value, dict | list)}
    flat = {name: value for name, value in extra.items() if name not in nested}
    return {**flat, _NESTED: json.dumps(nested)} if nested else flat


def triggering_changes(context: Mapping[str, Any], **wanted: Any) -> list[dict[str, Any]]:
    """What the events say by which this run was triggered, oldest first; for tasks of DAGs scheduled on these assets.

    Events of several assets that report the same publication count once.

    :param context: as the task has it.
    :param wanted: only events with these values, for example ``merchant_id`` or ``base_path``; ``merchant_id`` also
        finds events that are about several merchants.
    :raises ValueError: if no event says anything of the kind, or ``merchant_id`` is not an id.
    """
    events = context.get("triggering_asset_events")
    # Assets were called datasets before Airflow 3.
    events = context.get("triggering_dataset_events", {}) if events is None else events
    found = sorted((event for key in events for event in events[key]), key=lambda event: event.timestamp)
    changes: list[dict[str, Any]] = []
    for event in found:
        change = dict(event.extra or {})
        change |= json.loads(change.pop(_NESTED, "{}"))
        if change not in changes:
            changes.append(change)
    for name in wanted:
        if changes and not any(_said(change, name) for change in changes):
            known = ", ".join(sorted(set().union(*changes)))
            raise ValueError(f"{name}: no event of these assets says it; they say {known}.")
    values = {name: _as_said(name, value) for name, value in wanted.items()}
    return [change for change in changes if all(value in _said(change, name) for name, value in values.items())]


def _said(change: Mapping[str, Any], name: str) -> list[Any]:
    """What an event says of a filter's name: nothing, one value, or that of several merchants."""
    if name == "merchant_id" and "merchant_ids" in change:
        return list(change["merchant_ids"])
    return [change[name]] if name in change else []


def _as_said(name: str, value: Any) -> Any:
    if name == "base_path":
        return place_of(value)
    if name == "merchant_id":
        return _as_id(value)
    return value.strip().lower() if name == "environment" else value


def _as_id(value: str) -> str:
    try:
        return str(UUID(value.strip()))
    except ValueError:
        # An event has the name that the merchant had then, if any: by it, changes would be missed silently.
        raise ValueError(
            f"merchant_id={value!r} is not a UUID. Give the merchant's id, which every event has, and not its name."
        ) from None


def with_assets(outlets: Any, assets: Iterable[Any]) -> list[Any]:
    """The author's outlets and those of the assets that are not among them."""
    outlets = [] if outlets is None else list(outlets) if isinstance(outlets, list | tuple) else [outlets]
    return [*outlets, *(asset for asset in assets if asset not in outlets)]


def daily_asset(name: str, base_path: str) -> Any:
    """The asset of a dataset of daily reports that is updated when the report of a day is there for every merchant.

    Where Airflow knows partitions of assets (``add_partitions``, from 3.3), its events carry the report date
    (``2026-11-20``) as partition key; such events trigger only DAGs that are scheduled by partitions. A run that was
    given another connection, base path or other merchants than its DAG has does not update it.

    There is none for all places: days of one place would complete the month of another.

    :param base_path: where the reports land.
    :raises ZDirectConfigurationError: if the dataset is unknown.
    """
    return zdirect_asset(f"{get_dataset(name).name}/daily", base_path)


def update_daily_asset(outlet_events: Any, asset: Any, days: Iterable[str], extra: Mapping[str, Any]) -> None:
    """Put these report dates into the task's event of ``asset``.

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
