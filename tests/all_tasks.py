"""Every operator and sensor of this package that has a table of arguments, and the least that each needs."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import Any

from airflow_provider_zdirect import operators, sensors
from airflow_provider_zdirect.operators.argument_table import TaskArguments

MERCHANT = "01924c48-49bb-40c2-9c32-ab582e6db6f4"
OTHER = "0a7bd8c1-0000-4fc0-8cd9-86e454e6dfa3"


def _classes() -> list[type[Any]]:
    modules = [
        importlib.import_module(f"{package.__name__}.{name}")
        for package in (operators, sensors)
        for _, name, _ in pkgutil.iter_modules(package.__path__)
    ]
    found = {each for module in modules for _, each in inspect.getmembers(module, inspect.isclass)}
    return sorted(
        (each for each in found if issubclass(each, TaskArguments) and each.arguments), key=lambda each: each.__name__
    )


TASKS = _classes()
NEEDED: dict[str, dict[str, Any]] = {
    "ZDirectExtractOperator": {"dataset": "returned_items"},
    "ZDirectOrderUpdateOperator": {"updates_path": "/data/updates.csv"},
    "ZDirectReportReadySensor": {"dataset": "intra_community_movements"},
    "ZDirectShippingNoticeOperator": {"operations": "create", "notice": {"carrier_name": "DHL"}},
}


def needed(task: type[Any], base_path: str = "/data/zdirect") -> dict[str, Any]:
    """Arguments by which a task can be made."""
    place = {"base_path": base_path} if "base_path" in task.arguments else {}
    return place | NEEDED.get(task.__name__, {})
