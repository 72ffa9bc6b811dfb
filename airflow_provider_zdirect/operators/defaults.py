"""Which default arguments a task inherits; Airflow knows, but does not tell before a mapped operator is made."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

from airflow_provider_zdirect.operators.retry import RETRIES, RETRY_DELAY

_MODULES = (
    (
        "airflow.sdk.bases.operator",
        "airflow.sdk.definitions._internal.contextmanager",
        "airflow.sdk.definitions._internal.contextmanager",
    )
    if AIRFLOW_V_3_0_PLUS
    else ("airflow.models.baseoperator", "airflow.models.dag", "airflow.utils.task_group")
)


def inherited_default_args(dag: Any, task_group: Any, own: dict[str, Any] | None) -> dict[str, Any]:
    """``default_args`` of the DAG, the task group and the task, merged as ``BaseOperator.partial`` does.

    :param dag: the DAG that was passed, or None for the one of the enclosing ``with``.
    :param task_group: likewise.
    """
    operators, contexts, groups = map(import_module, _MODULES)
    get_group = getattr(groups.TaskGroupContext, "get_current", None) or groups.TaskGroupContext.get_current_task_group
    get_dag = getattr(contexts.DagContext, "get_current", None) or contexts.DagContext.get_current_dag
    dag = dag or get_dag()
    group = task_group or (get_group(dag) if dag else None)
    merged, _ = operators.get_merged_defaults(dag=dag, task_group=group, task_params=None, task_default_args=own)
    return dict(merged)


def set_retries(kwargs: dict[str, Any]) -> None:
    """Put this provider's retries into the arguments of ``partial()``, unless the author has set others."""
    inherited = inherited_default_args(kwargs.get("dag"), kwargs.get("task_group"), kwargs.get("default_args"))
    for name, value in (("retries", RETRIES), ("retry_delay", RETRY_DELAY)):
        if name not in inherited:
            kwargs.setdefault(name, value)
