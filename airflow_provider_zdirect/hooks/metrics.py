# SPDX-License-Identifier: Apache-2.0
"""The metrics of this package among those of the deployment: StatsD, Datadog or OpenTelemetry, if Airflow sends any."""

from __future__ import annotations

import logging
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Any

from airflow_provider_zdirect.client.metrics import Metric

log = logging.getLogger(__name__)

_COPIES = ("airflow.sdk.observability.stats", "airflow.observability.stats")
"""Where Airflow has its metrics since 3.2, twice; tasks set up the first, the triggerer the second."""


def count(metric: Metric, value: float, /, **tags: str) -> None:
    """Add to a counter of Airflow's own metrics; does nothing where the deployment has none."""
    try:
        _stats().incr(metric.name, value, tags=tags)
    except Exception as error:
        # No task fails for a metric.
        _warn(f"{type(error).__name__}: {error}")


@cache
def _stats() -> Any:
    copies = []
    for name in _COPIES:
        with suppress(ImportError):
            copies.append(import_module(name).Stats)
    if not copies:
        return import_module("airflow.stats").Stats
    return next(filter(_is_set_up, copies), copies[0])


def _is_set_up(stats: Any) -> bool:
    # 3.2 keeps it in the class, 3.3 in the module.
    return getattr(stats, "factory", getattr(import_module(stats.__module__), "_factory", None)) is not None


@cache
def _warn(reason: str) -> None:
    log.warning("Metrics of zDirect could not be sent: %s. The task goes on without them.", reason)
