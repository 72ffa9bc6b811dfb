"""From an operator's arguments to a job that extracts a present state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_zdirect.datasets.table import WindowKind
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.operators import arguments
from airflow_provider_zdirect.operators.base_path import open_place
from airflow_provider_zdirect.operators.window_job import WindowTask, run_window

if TYPE_CHECKING:
    from airflow_provider_zdirect.datasets.table import Dataset
    from airflow_provider_zdirect.hooks.zdirect import ZDirectHook
    from airflow_provider_zdirect.pipeline.state_job import StateJob


def check_no_window(dataset: Dataset, values: Mapping[str, Any]) -> None:
    """Raise ZDirectConfigurationError if a window is known at parse, and the dataset has none."""
    for name in ("window_from", "window_to"):
        if dataset.window is WindowKind.NONE and arguments.literal(values[name]) is not None:
            raise ZDirectConfigurationError(
                f"{name}={values[name]!r}: {dataset.name} tells what is now, not what was in a window.",
                remedy="Leave window_from and window_to out.",
            )


def state_job(
    task: WindowTask, hook: ZDirectHook, context: Mapping[str, Any], dataset: Dataset, *, filters: Mapping[str, str]
) -> StateJob:
    """The job of this task instance.

    Where a dataset can be asked for what changed since a time, that is the start of the run's window, unless
    ``filters`` say what to ask for.

    :raises ZDirectConfigurationError: if an argument is wrong.
    :raises WindowError: as :func:`~.window_job.run_window`.
    """
    from airflow_provider_zdirect.pipeline.state_job import StateJob

    # Everything that can be wrong is looked at before the first request, which may be that for the merchant.
    asks_since = dataset.window is WindowKind.SINCE and not filters
    since = run_window(task, context).start if asks_since else None
    max_rejected = arguments.count(task.max_rejected, name="max_rejected")
    replace_with_empty = arguments.flag(task.replace_with_empty, name="replace_with_empty")
    return StateJob(dataset, open_place(task, hook), since, filters, max_rejected, replace_with_empty)
