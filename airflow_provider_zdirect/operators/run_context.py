# SPDX-License-Identifier: Apache-2.0
"""What the run of a DAG gives its tasks: above all, the window to fetch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from airflow_provider_zdirect.exceptions import WindowError
from airflow_provider_zdirect.operators.arguments import given
from airflow_provider_zdirect.windows import Window, parse_instant

WINDOW_REMEDY = (
    "Give from and to as DAG params, on the command line with --conf "
    '\'{"from": "2026-11-12T00:00:00Z", "to": "2026-11-13T00:00:00Z"}\' (window_from and window_to of the operator)'
)
NO_INTERVAL_REMEDY = (
    f"{WINDOW_REMEDY}, or trigger the run in the UI with a logical date: its data interval is then the last complete "
    "one before. A schedule needs CronDataIntervalTimetable."
)


def run_type(context: Mapping[str, Any]) -> str:
    """``scheduled``, ``manual``, ``backfill``, ...; blank outside of a run."""
    kind = getattr(context.get("dag_run"), "run_type", "")
    return str(getattr(kind, "value", kind))


def run_interval(context: Mapping[str, Any]) -> Window:
    """The run's data interval.

    :raises WindowError: if it has none, or one that is not its logical date's.
    """
    start, end = context.get("data_interval_start"), context.get("data_interval_end")
    if start is None or end is None:
        raise WindowError(
            "This run has no data interval, and from and to (window_from, window_to) are not given.",
            remedy=NO_INTERVAL_REMEDY,
        )
    logical_date = context.get("logical_date")
    if logical_date is not None and logical_date < start:
        # Airflow 3's command line: the interval is the last one before the present, whatever the logical date is.
        raise WindowError(
            f"The run's logical date is {logical_date.isoformat()}, and its data interval begins after it, at "
            f"{start.isoformat()}: `airflow dags trigger --logical-date` does not choose the interval.",
            remedy=f"{WINDOW_REMEDY}.",
        )
    return Window(start, end)


def run_window(values: Mapping[str, Any], context: Mapping[str, Any]) -> Window:
    """The window from ``window_from`` and ``window_to``, else the run's data interval.

    :param values: the task's arguments.
    :raises WindowError: if there is neither, or the interval is not that of the logical date; in a backfill also if
        the window is that of the run's parameters, and not the run's.
    """
    if values["window_from"] is None:
        return run_interval(context)
    window = Window(values["window_from"], values["window_to"])
    _check_backfill(context, window)
    return window


def fixed_window(params: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the DAG parameters ``from`` and ``to`` that are given."""
    return {name: params[name] for name in ("from", "to") if name in params and given(params[name]) is not None}


def refuse_in_backfill(fixed: Mapping[str, Any], of_run: object) -> NoReturn:
    """Raise because parameters fix what every run of a backfill fetches, which is not what the run is for.

    Airflow shows the parameters in the dialog of a backfill too, and gives them to every run of it.

    :param fixed: the parameters, by name.
    :param of_run: what the run itself is for.
    """
    names, values = (" and ".join(texts) for texts in (fixed, [f"{name}={value}" for name, value in fixed.items()]))
    raise WindowError(
        f"This run of a backfill is for {of_run}, and its parameters say {values}. Every run of the backfill has the "
        "same parameters, so all of them would fetch the same, and nothing of what they are for. Nothing was fetched.",
        remedy=f"Start the backfill again with {names} empty: the backfill's own dates choose what is fetched. Let it "
        "reprocess the failed runs, which Airflow leaves out otherwise, with an empty configuration: `airflow backfill "
        "create ... --reprocess-behavior failed --dag-run-conf '{}'` (Airflow 2: `airflow dags backfill "
        "--reset-dagruns`). "
        f"For {values}, trigger the DAG by hand.",
    )


def _check_backfill(context: Mapping[str, Any], window: Window) -> None:
    """Raise for a run of a backfill if the window is that of the parameters ``from`` and ``to``, and not the run's.

    An author's own window in a task is left alone.
    """
    fixed = fixed_window(context.get("params") or {})
    if len(fixed) < 2 or run_type(context) != "backfill":
        return
    try:
        of_params = Window(*(parse_instant(fixed[name], name=name) for name in ("from", "to")))
    except (WindowError, TypeError, AttributeError):
        # Parameters of the author's own, which mean something else.
        return
    if window == of_params and window != (of_run := run_interval(context)):
        refuse_in_backfill(fixed, of_run)
