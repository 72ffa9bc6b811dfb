# SPDX-License-Identifier: Apache-2.0
"""The sensors. A name is imported when it is first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_zdirect.sensors.http import ZDirectHttpSensor
    from airflow_provider_zdirect.sensors.report import ZDirectReportReadySensor

__all__ = [
    "ZDirectHttpSensor",
    "ZDirectReportReadySensor",
]

_MODULE_OF = {
    "ZDirectHttpSensor": "http",
    "ZDirectReportReadySensor": "report",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
