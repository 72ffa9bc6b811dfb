# SPDX-License-Identifier: Apache-2.0
"""What the parameters of a run mean: its merchants, its window, its tasks; and the check of them all."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_zdirect.airflow_sdk import conf
from airflow_provider_zdirect.exceptions import WindowError, ZDirectConfigurationError
from airflow_provider_zdirect.intrastat.selection import Month
from airflow_provider_zdirect.operators.argument_table import path
from airflow_provider_zdirect.operators.arguments import ean, entries, given, merchants, uuids
from airflow_provider_zdirect.operators.compact import compacted_datasets
from airflow_provider_zdirect.operators.intrastat import country_codes
from airflow_provider_zdirect.operators.run_context import fixed_window, refuse_in_backfill, run_interval, run_type
from airflow_provider_zdirect.windows import Window, parse_instant
from airflow_provider_zdirect.words import counted

CHECKS: dict[str, Callable[[Any, str], Any]] = {
    "base_path": path,
    "merchant_ids": merchants,
    "eans": lambda value, name: entries(value, name=name, parse=ean),
    "countries": country_codes,
    "datasets": compacted_datasets,
    "sales_channel_ids": uuids,
}
"""How the parameters are read that several tasks take; what cannot be read is refused."""


def check_params(context: Mapping[str, Any], **checks: Callable[[Any, str], Any]) -> Mapping[str, Any]:
    """The run's parameters, all of them readable, and none that fixes one window for all runs of a backfill.

    The first task of a run calls it, so that no other task starts if one is wrong.

    :param checks: how parameters are read that mean something else in this DAG, or are in no other.
    """
    params: Mapping[str, Any] = context["params"]
    _check_names(context)
    for name, parse in {**CHECKS, **checks}.items():
        if name in params:
            parse(params[name], name)
    month = given(params["month"]) if "month" in params else None
    asked = None if month is None else Month.parse(month)
    if run_type(context) == "backfill":
        if (fixed := fixed_window(params)) and (len(fixed) == 1 or window_of(params, context) != run_interval(context)):
            refuse_in_backfill(fixed, run_interval(context))
        if asked is not None and asked != (of_run := _month_of_run(context)):
            refuse_in_backfill({"month": month}, of_run)
    return params


def _check_names(context: Mapping[str, Any]) -> None:
    """Refuse a misspelt parameter, such as ``merchant_id`` for ``merchant_ids``, which would have no effect.

    Names that resemble no parameter are left alone: the configuration of a run may also hold notes.
    """
    known = list(getattr(context.get("dag"), "params", None) or context["params"])
    for name in getattr(context.get("dag_run"), "conf", None) or {}:
        if name not in known and (nearest := difflib.get_close_matches(str(name).lower(), known, n=1)):
            raise ZDirectConfigurationError(
                f"The configuration of this run has {name!r}, which is not a parameter of the DAG. Did you mean "
                f"{nearest[0]!r}?",
                remedy=f"Correct or remove it. The parameters are {', '.join(known)}.",
            )


def _month_of_run(context: Mapping[str, Any]) -> Month:
    names = ("partition_key", "data_interval_start", "data_interval_end")
    return Month.of_run(*(context.get(name) for name in names))


def merchants_of(params: Mapping[str, Any]) -> list[str]:
    """The merchants of a run: the parameter, else the connection's, else all that ``/auth/me`` lists.

    :returns: their ids, also of those that are given by name: a name may be another merchant's when a task is cleared.
    """
    from airflow_provider_zdirect.hooks.zdirect import ZDirectHook

    return list(ZDirectHook(params["conn_id"]).named_merchants(merchants(params["merchant_ids"], "merchant_ids")))


def window_of(params: Mapping[str, Any], context: Mapping[str, Any]) -> Window:
    """The window from ``from`` and ``to``, else the run's data interval."""
    start, end = given(params["from"]), given(params["to"])
    if (start is None) != (end is None):
        raise WindowError("Only one of from and to is given.", remedy="Give both, or neither.")
    if start is not None:
        return Window(parse_instant(start, name="from"), parse_instant(end, name="to"))
    return run_interval(context)


def days_by_merchant(window: Window, merchant_ids: list[str]) -> list[dict[str, str]]:
    """Arguments of one extract task per UTC day and merchant, oldest day first; no more than Airflow maps over."""
    days = [day for date in window.utc_dates() if (day := window.intersection(Window.of_day(date)))]
    tasks = [
        {"merchant_id": merchant_id, "window_from": day.start.isoformat(), "window_to": day.end.isoformat()}
        for day in days
        for merchant_id in merchant_ids
    ]
    most = conf.getint("core", "max_map_length", fallback=1024)
    if len(tasks) > most:
        raise ZDirectConfigurationError(
            f"The window {window} for {counted(len(merchant_ids), 'merchant')} makes {counted(len(tasks), 'task')}, "
            f"and Airflow maps over {most} at most.",
            remedy="Run it in parts, or raise [core] max_map_length.",
        )
    return tasks


def reports_by_merchant(window: Window, merchant_ids: list[str]) -> list[dict[str, str]]:
    """As :func:`days_by_merchant`, with the ``report_date`` of each day."""
    tasks = days_by_merchant(window, merchant_ids)
    return [{"report_date": task["window_from"][:10], **task} for task in tasks]


def stock_feeds(params: Mapping[str, Any], merchant_ids: list[str]) -> list[dict[str, str]]:
    """Merchant and feed of every stock task; no feed is that of several merchants."""
    default = f"{str(params['base_path']).rstrip('/')}/_inbox/stock.csv"
    path = (given(params["stock_path"]) or default).strip()
    if len(merchant_ids) > 1 and "{merchant_id}" not in path:
        raise ZDirectConfigurationError(
            f"stock_path={path!r} is one feed, and this run is for {len(merchant_ids)} merchants "
            f"({', '.join(merchant_ids[:5])}). It does not say whose stock it is.",
            remedy="Put {merchant_id} into stock_path, with a file for each, or name one merchant in merchant_ids.",
        )
    return [{"merchant_id": merchant_id, "stock_path": path} for merchant_id in merchant_ids]


def erases_customers(context: Mapping[str, Any], last: datetime | None) -> bool:
    """Whether this run applies a merchant's deletion requests.

    The first scheduled run of a day does, any other if the last time is more than a day ago, and every run that is
    triggered by hand; a backfill never does.

    :param last: when they were applied last.
    """
    if not context["params"]["erase_customers"]:
        return False
    if (kind := run_type(context)) != "scheduled":
        return kind == "manual"
    end = context["data_interval_end"]
    return end.hour == 0 or last is None or end - last > timedelta(days=1)


def changed_places(context: Mapping[str, Any]) -> list[str]:
    """Those of connection, base path and merchants for which this run has other values than the DAG."""
    own = context["dag"].params
    return [name for name in ("conn_id", "base_path", "merchant_ids") if context["params"][name] != own[name]]
