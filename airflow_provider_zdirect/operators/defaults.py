"""Which default arguments a task inherits; Airflow knows, but does not tell before a mapped operator is made."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS


def inherited_default_args(dag: Any, task_group: Any, own: dict[str, Any] | None) -> dict[str, Any]:
    """``default_args`` of the DAG, the task group and the task, merged as ``BaseOperator.partial`` does.

    :param dag: the DAG that was passed, or None for the one of the enclosing ``with``.
    :param task_group: likewise.
    """
    if AIRFLOW_V_3_0_PLUS:
        from airflow.sdk.bases.operator import get_merged_defaults
        from airflow.sdk.definitions._internal.contextmanager import DagContext, TaskGroupContext

        dag = dag or DagContext.get_current()
        group = task_group or (TaskGroupContext.get_current(dag) if dag else None)
    else:
        from airflow.models.baseoperator import get_merged_defaults
        from airflow.models.dag import DagContext
        from airflow.utils.task_group import TaskGroupContext

        dag = dag or DagContext.get_current_dag()
        group = task_group or (TaskGroupContext.get_current_task_group(dag) if dag else None)
    return get_merged_defaults(dag=dag, task_group=group, task_params=None, task_default_args=own)[0]
