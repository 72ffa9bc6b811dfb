# SPDX-License-Identifier: Apache-2.0
"""Alerts about reports that are late, where Airflow has deadlines (3.1+)."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow_provider_zdirect.airflow_sdk import AIRFLOW_V_3_1_PLUS
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError

HOURS = "ZDIRECT_DEADLINE_HOURS"
CALLBACK = "ZDIRECT_DEADLINE_CALLBACK"
OWN_CALLBACK = "airflow_provider_zdirect.dag_support.deadline.log_late"

log = logging.getLogger(__name__)


def report_deadline(due_after: timedelta) -> dict[str, Any]:
    """``deadline`` for a DAG of reports; nothing unless the environment sets ``ZDIRECT_DEADLINE_HOURS``.

    A run is late if it has not ended that many hours after its report was due. Then Airflow's triggerer awaits the
    function that ``ZDIRECT_DEADLINE_CALLBACK`` names (``my_package.alerts.notify``), or else logs an error.

    :param due_after: how long after a run is queued its report is due. Not after its data interval, so that a
        backfill of days long past raises no alarm.
    :raises ZDirectConfigurationError: if the hours are not a positive number.
    """
    text = os.environ.get(HOURS, "").strip()
    if not text or not AIRFLOW_V_3_1_PLUS:
        return {}
    # Not in airflow.sdk before 3.3.
    from airflow.sdk.definitions.deadline import AsyncCallback, DeadlineAlert, DeadlineReference  # type: ignore[attr-defined]

    alert = DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=due_after + _hours(text),
        callback=AsyncCallback(os.environ.get(CALLBACK, "").strip() or OWN_CALLBACK),
    )
    return {"deadline": alert}


async def log_late(context: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
    """Write to the triggerer's log which run is late.

    :param context: as Airflow hands it to the callback of a deadline.
    """
    run = (context or {}).get("dag_run") or {}
    log.error(
        "%s: the run %s has not ended by its deadline. What to do: see which of its tasks still wait, and whether the "
        "report is in the zDirect portal.",
        run.get("dag_id", "unknown DAG"), run.get("dag_run_id") or run.get("run_id", "unknown"),
    )  # fmt: skip


def _hours(text: str) -> timedelta:
    try:
        hours = timedelta(hours=float(text))
    except (ValueError, OverflowError):
        hours = timedelta()
    if hours <= timedelta():
        raise ZDirectConfigurationError(
            f"The environment variable {HOURS}={text[:60]!r} is not a number of hours above 0.",
            remedy="Set it to a number such as 6, or unset it.",
        )
    return hours
