# SPDX-License-Identifier: Apache-2.0
"""When a task of this provider is tried again: only if that can help, and not before zDirect allows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from typing import Any

from airflow_provider_zdirect.airflow_sdk import AIRFLOW_V_3_0_PLUS, AIRFLOW_V_3_3_PLUS, AirflowFailException
from airflow_provider_zdirect.exceptions import ZDirectDataError, ZDirectFatalError, ZDirectRetriableError

RETRIES = 5
# zDirect asks to wait at least 2 minutes after a failed answer (zDirect docs, Stock Movements).
RETRY_DELAY = timedelta(minutes=2)

if AIRFLOW_V_3_3_PLUS:
    from airflow_provider_zdirect.airflow_sdk import RetryDecision, RetryPolicy

    class ZDirectRetryPolicy(RetryPolicy):
        """Retries when the error says so, fails at once where retrying cannot help; other errors as the task says."""

        def evaluate(
            self, exception: BaseException, try_number: int, max_tries: int, context: Any = None
        ) -> RetryDecision:
            if isinstance(exception, ZDirectRetriableError):
                return RetryDecision.retry(
                    delay=timedelta(seconds=exception.retry_after), reason=type(exception).__name__
                )
            if isinstance(exception, ZDirectFatalError | ZDirectDataError):
                return RetryDecision.fail(reason=type(exception).__name__)
            return RetryDecision.default()

        def serialize(self) -> dict[str, Any]:
            return {"__type": "ZDirectRetryPolicy"}

        @classmethod
        def deserialize(cls, data: dict[str, Any]) -> ZDirectRetryPolicy:
            return cls()


def retry_arguments() -> dict[str, Any]:
    """``retries``, ``retry_delay`` and, where Airflow has them (3.3+), ``retry_policy``: for ``default_args``."""
    arguments: dict[str, Any] = {"retries": RETRIES, "retry_delay": RETRY_DELAY}
    if AIRFLOW_V_3_3_PLUS:
        arguments["retry_policy"] = ZDirectRetryPolicy()
    return arguments


def set_retries(kwargs: dict[str, Any], inherited: Mapping[str, Any]) -> None:
    """Put this provider's retries into a task's arguments, unless the author has set others.

    :param inherited: ``default_args`` of the DAG, the task group and the task.
    """
    for name, value in retry_arguments().items():
        if name not in inherited:
            kwargs.setdefault(name, value)


def inherited_default_args(dag: Any, task_group: Any, own: dict[str, Any] | None) -> dict[str, Any]:
    """``default_args`` of the DAG, the task group and the task, merged as ``BaseOperator.partial`` does.

    :param dag: None: that of the enclosing ``with``; ``task_group`` likewise.
    """
    if AIRFLOW_V_3_0_PLUS:
        base = "airflow.sdk.bases.operator"
        contexts = import_module("airflow.sdk.definitions._internal.contextmanager")
        dag = dag or contexts.DagContext.get_current()
        group = task_group or (contexts.TaskGroupContext.get_current(dag) if dag else None)
    else:
        base = "airflow.models.baseoperator"
        dag = dag or import_module("airflow.models.dag").DagContext.get_current_dag()
        groups = import_module("airflow.utils.task_group").TaskGroupContext
        group = task_group or (groups.get_current_task_group(dag) if dag else None)
    merge = import_module(base).get_merged_defaults
    return dict(merge(dag=dag, task_group=group, task_params=None, task_default_args=own)[0])


@contextmanager
def fail_fast() -> Iterator[None]:
    """Turn errors that a retry cannot help into AirflowFailException, which no version of Airflow retries."""
    try:
        yield
    except (ZDirectFatalError, ZDirectDataError) as error:
        raise AirflowFailException(str(error)) from error
