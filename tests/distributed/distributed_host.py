"""What each simulated host is called, for ``[core] hostname_callable``.

A process of a worker imports this module before its first task, and forks for each. What tasks need is imported here
too: not by each task, which on two processors would be half of its work.
"""

from __future__ import annotations

import os
from importlib import import_module

NAME = os.environ["ZDIRECT_TEST_HOST"]
NEEDED_BY_TASKS = (
    "airflow.sdk.execution_time.task_runner",
    "airflow.providers.amazon.aws.fs.s3",
    "airflow_provider_zdirect.dag_support.tasks",
    "airflow_provider_zdirect.hooks.zdirect",
    "airflow_provider_zdirect.pipeline.extract",
    "airflow_provider_zdirect.pipeline.staged_rows",
    "s3fs",
)


def name() -> str:
    return NAME


if NAME.startswith("worker"):
    for module in NEEDED_BY_TASKS:
        import_module(module)
