"""The job that fetches a window, for the operators that do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_zdirect.operators.base_path import open_place
from airflow_provider_zdirect.operators.run import resume_key, run_window

if TYPE_CHECKING:
    from airflow_provider_zdirect.datasets.table import Dataset
    from airflow_provider_zdirect.hooks.zdirect import ZDirectHook
    from airflow_provider_zdirect.pipeline.extract import ExtractJob


def window_job(
    values: Mapping[str, Any], context: Mapping[str, Any], hook: ZDirectHook, dataset: Dataset, **more: Any
) -> ExtractJob:
    """The job of this task instance; a retry has the same.

    :param values: the task's arguments, of which ``PLACE``, ``FORMAT`` and ``WINDOW`` are used.
    :param more: other fields of the job.
    :raises WindowError: as :func:`~.run.run_window`.
    """
    from airflow_provider_zdirect.pipeline.extract import ExtractJob

    return ExtractJob(
        dataset=dataset,
        window=run_window(values, context),
        place=open_place(values, hook),
        max_rejected=values["max_rejected"],
        clip_to_retention=values["clip_to_retention"],
        timezone=values["timezone"],
        replace_with_empty=values["replace_with_empty"],
        accept_outside=values["accept_outside"],
        resume_key=resume_key(context["ti"]),
        **more,
    )
