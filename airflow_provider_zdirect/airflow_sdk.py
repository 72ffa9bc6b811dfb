# SPDX-License-Identifier: Apache-2.0
"""Airflow's names, each from where the installed version has it.

The modules moved between Airflow 2.11 and 3.3, and the constraints of older Airflow releases pin versions of
``apache-airflow-providers-common-compat`` that do not know these names yet. Authors of DAGs may import from here, too.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow import __version__ as _version

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import DAG as DAG
    from airflow.providers.common.compat.sdk import AirflowException as AirflowException
    from airflow.providers.common.compat.sdk import AirflowFailException as AirflowFailException
    from airflow.providers.common.compat.sdk import AirflowNotFoundException as AirflowNotFoundException
    from airflow.providers.common.compat.sdk import AirflowPlugin as AirflowPlugin
    from airflow.providers.common.compat.sdk import AirflowSensorTimeout as AirflowSensorTimeout
    from airflow.providers.common.compat.sdk import AirflowSkipException as AirflowSkipException
    from airflow.providers.common.compat.sdk import Asset as Asset
    from airflow.providers.common.compat.sdk import AssetAlias as AssetAlias
    from airflow.providers.common.compat.sdk import BaseHook as BaseHook
    from airflow.providers.common.compat.sdk import BaseNotifier as BaseNotifier
    from airflow.providers.common.compat.sdk import BaseOperator as BaseOperator
    from airflow.providers.common.compat.sdk import BaseOperatorLink as BaseOperatorLink
    from airflow.providers.common.compat.sdk import BaseSensorOperator as BaseSensorOperator
    from airflow.providers.common.compat.sdk import Connection as Connection
    from airflow.providers.common.compat.sdk import Context as Context
    from airflow.providers.common.compat.sdk import ObjectStoragePath as ObjectStoragePath
    from airflow.providers.common.compat.sdk import Param as Param
    from airflow.providers.common.compat.sdk import PokeReturnValue as PokeReturnValue
    from airflow.providers.common.compat.sdk import RetryDecision as RetryDecision
    from airflow.providers.common.compat.sdk import RetryPolicy as RetryPolicy
    from airflow.providers.common.compat.sdk import Stats as Stats
    from airflow.providers.common.compat.sdk import TaskDeferred as TaskDeferred
    from airflow.providers.common.compat.sdk import TaskInstanceKey as TaskInstanceKey
    from airflow.providers.common.compat.sdk import Variable as Variable
    from airflow.providers.common.compat.sdk import XCom as XCom
    from airflow.providers.common.compat.sdk import conf as conf
    from airflow.providers.common.compat.sdk import get_current_context as get_current_context
    from airflow.providers.common.compat.sdk import mask_secret as mask_secret
    from airflow.providers.common.compat.sdk import redact as redact
    from airflow.providers.common.compat.sdk import task as task
    from airflow.providers.common.compat.sdk import task_group as task_group
    from airflow.providers.common.compat.standard.triggers import TimeDeltaTrigger as TimeDeltaTrigger

_AIRFLOW = tuple(int(part) for part in _version.split(".")[:2])
AIRFLOW_V_3_0_PLUS = _AIRFLOW >= (3, 0)
AIRFLOW_V_3_1_PLUS = _AIRFLOW >= (3, 1)
AIRFLOW_V_3_2_PLUS = _AIRFLOW >= (3, 2)
AIRFLOW_V_3_3_PLUS = _AIRFLOW >= (3, 3)

_EXCEPTIONS = ("airflow.sdk.exceptions", "airflow.exceptions")
_MASKERS = (
    "airflow.sdk.log",
    "airflow.sdk._shared.secrets_masker",
    "airflow.sdk.execution_time.secrets_masker",
    "airflow.utils.log.secrets_masker",
)
_RETRY_POLICIES = ("airflow.sdk.definitions.retry_policy",)

# Newest first.
_MODULES: dict[str, tuple[str, ...]] = {
    "AirflowException": _EXCEPTIONS,
    "AirflowFailException": _EXCEPTIONS,
    "AirflowNotFoundException": _EXCEPTIONS,
    "AirflowPlugin": ("airflow.sdk.plugins_manager", "airflow.plugins_manager"),
    "AirflowRescheduleException": _EXCEPTIONS,
    "AirflowSensorTimeout": _EXCEPTIONS,
    "AirflowSkipException": _EXCEPTIONS,
    "Asset": ("airflow.sdk", "airflow.datasets"),
    "AssetAlias": ("airflow.sdk", "airflow.datasets"),
    "BaseHook": ("airflow.sdk", "airflow.hooks.base"),
    "BaseNotifier": ("airflow.sdk", "airflow.sdk.bases.notifier", "airflow.notifications.basenotifier"),
    "BaseOperator": ("airflow.sdk", "airflow.models.baseoperator"),
    "BaseOperatorLink": ("airflow.sdk", "airflow.models.baseoperatorlink"),
    "BaseSensorOperator": ("airflow.sdk", "airflow.sensors.base"),
    "Connection": ("airflow.sdk", "airflow.models.connection"),
    "Context": ("airflow.sdk", "airflow.utils.context"),
    "DAG": ("airflow.sdk", "airflow.models.dag"),
    "ObjectStoragePath": ("airflow.sdk", "airflow.io.path"),
    "Param": ("airflow.sdk", "airflow.models.param"),
    "PokeReturnValue": ("airflow.sdk", "airflow.sensors.base"),
    "RetryDecision": _RETRY_POLICIES,
    "RetryPolicy": _RETRY_POLICIES,
    "Stats": ("airflow.sdk.observability.stats", "airflow.observability.stats", "airflow.stats"),
    "TaskDeferred": _EXCEPTIONS,
    "TaskInstanceKey": ("airflow.sdk.types", "airflow.models.taskinstancekey"),
    "TimeDeltaTrigger": ("airflow.providers.standard.triggers.temporal", "airflow.triggers.temporal"),
    "Variable": ("airflow.sdk", "airflow.models.variable"),
    "XCom": ("airflow.sdk.execution_time.xcom", "airflow.models.xcom"),
    "conf": ("airflow.sdk.configuration", "airflow.configuration"),
    "get_current_context": ("airflow.sdk", "airflow.operators.python"),
    "mask_secret": _MASKERS,
    "redact": _MASKERS,
    "task": ("airflow.sdk", "airflow.decorators"),
    "task_group": ("airflow.sdk", "airflow.decorators"),
}
# What Airflow 2 called assets.
_NAMES_IN = {"airflow.datasets": {"Asset": "Dataset", "AssetAlias": "DatasetAlias"}}


def __getattr__(name: str) -> Any:
    for module_name in _MODULES.get(name, ()):
        try:
            module = import_module(module_name)
        except ModuleNotFoundError as missing:
            # Only the module that this version does not have; not one that it fails to import.
            if not module_name.startswith(missing.name or "-"):
                raise
            continue
        try:
            found = getattr(module, _NAMES_IN.get(module_name, {}).get(name, name))
        except AttributeError:
            continue
        globals()[name] = found
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r} with Airflow {_version}")
