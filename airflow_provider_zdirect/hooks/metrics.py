"""The metrics of this package among those of the deployment: StatsD, Datadog or OpenTelemetry, if Airflow sends any."""

from __future__ import annotations

import logging
from functools import cache
from importlib import import_module
from typing import Any

from airflow_provider_zdirect.client.metrics import Metric

log = logging.getLogger(__name__)

_PLACES = ("airflow.sdk.observability.stats", "airflow.observability.stats", "airflow.stats")
"""Where Airflow's metrics have been, the newest first. The first two are copies; each process has set up one."""


def count(metric: Metric, value: float, /, **tags: str) -> None:
    """Add to a counter of Airflow's own metrics; does nothing where the deployment has none."""
    try:
        _stats().incr(metric.name, value, tags=tags)
    except Exception as error:
        # No task fails for a metric.
        _warn(f"{type(error).__name__}: {error}")


@cache
def _stats() -> Any:
    found = []
    for place in _PLACES:
        try:
            found.append(import_module(place).Stats)
        except ImportError:
            continue
        if getattr(import_module(found[-1].__module__), "_factory", found) is not None:
            return found[-1]
    return found[0]


@cache
def _warn(reason: str) -> None:
    log.warning("Metrics of zDirect could not be sent: %s. The task goes on without them.", reason)
