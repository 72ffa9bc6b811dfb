"""From an operator's arguments to a job that extracts a window, and what is done with it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from airflow.providers.common.compat.standard.triggers import TimeDeltaTrigger

from airflow_provider_zdirect.clock import SystemClock
from airflow_provider_zdirect.exceptions import RateLimitedError, ZDirectRetriableError
from airflow_provider_zdirect.operators import arguments
from airflow_provider_zdirect.operators.base_path import check_place, open_place
from airflow_provider_zdirect.windows import Window, moment_in_words

if TYPE_CHECKING:
    from airflow_provider_zdirect.datasets.table import Dataset
    from airflow_provider_zdirect.hooks.zdirect import ZDirectHook
    from airflow_provider_zdirect.operators.base import ZDirectOperator
    from airflow_provider_zdirect.pipeline.extract import ExtractJob

MAX_WAITS = 10


class WindowTask(Protocol):
    """A task that extracts windows, its arguments rendered."""

    merchant_id: Any
    merchant_may_be_blank: bool
    window_from: Any
    window_to: Any
    base_path: str
    storage_conn_id: Any
    format: Any
    max_rejected: Any
    clip_to_retention: Any
    timezone: Any
    replace_with_empty: Any
    accept_outside: Any


def check_window_arguments(values: Mapping[str, Any]) -> None:
    """Raise ZDirectConfigurationError for those of :class:`WindowTask` that are known at parse and wrong."""
    check_place(values)
    arguments.check_window(values["window_from"], values["window_to"])
    arguments.check(values["format"], arguments.file_format)
    arguments.check(values["max_rejected"], lambda most: arguments.count(most, name="max_rejected"))
    arguments.check(values["timezone"], arguments.time_zone)
    for name in ("clip_to_retention", "replace_with_empty", "accept_outside"):
        arguments.check_flag(values[name], name=name)


def run_window(task: WindowTask, context: Mapping[str, Any]) -> Window:
    """The window from the arguments, else the run's data interval.

    :raises WindowError: if there is neither, or the interval is not that of the logical date; in a backfill also if
        the window is that of the run's parameters, and not the run's.
    """
    window = arguments.window(task.window_from, task.window_to)
    if window is None:
        return arguments.run_interval(context)
    arguments.check_backfill_window(context, window)
    return window


def window_job(
    task: WindowTask,
    hook: ZDirectHook,
    context: Mapping[str, Any],
    dataset: Dataset,
    *,
    filters: Mapping[str, str],
    overlap: timedelta | None = None,
    **more: Any,
) -> ExtractJob:
    """The job of this task instance; a retry has the same.

    :param more: other fields of the job.

    :raises ZDirectConfigurationError: if an argument is wrong.
    :raises WindowError: as :func:`run_window`.
    """
    from airflow_provider_zdirect.pipeline.extract import ExtractJob

    # Everything that can be wrong is looked at before the first request, which may be that for the merchant.
    window = run_window(task, context)
    settings: dict[str, Any] = {
        "overlap": overlap,
        "max_rejected": arguments.count(task.max_rejected, name="max_rejected"),
        "clip_to_retention": arguments.flag(task.clip_to_retention, name="clip_to_retention"),
        "timezone": arguments.time_zone(task.timezone),
        "replace_with_empty": arguments.flag(task.replace_with_empty, name="replace_with_empty"),
        "accept_outside": arguments.flag(task.accept_outside, name="accept_outside"),
        "filters": filters,
        **more,
    }
    return ExtractJob(
        dataset=dataset,
        window=window,
        place=open_place(task, hook),
        resume_key=resume_key(context["ti"]),
        **settings,
    )


def resume_key(task_instance: Any) -> str:
    """What a retry of this task instance has in common with its first try, and no other run."""
    parts = (
        task_instance.dag_id,
        task_instance.run_id,
        task_instance.task_id,
        str(getattr(task_instance, "map_index", -1)),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def wait_out(task: ZDirectOperator, error: ZDirectRetriableError, waits: int) -> NoReturn:
    """Defer until the time that zDirect wants; the task's ``resume(context, event, waits)`` goes on then.

    :param waits: waits before, one after the other.
    :raises ZDirectRetriableError: the error, if there were too many.
    """
    if waits >= MAX_WAITS:
        raise error
    task.log.warning("%s Wait %d of %d: %s.", error, waits + 1, MAX_WAITS, waiting_in_words(error.retry_after))
    task.defer(
        trigger=TimeDeltaTrigger(timedelta(seconds=error.retry_after)),
        method_name="resume",
        kwargs={"waits": waits + 1},
    )


def waiting_in_words(seconds: float) -> str:
    """How long a task is deferred, and until when."""
    until = SystemClock().now() + timedelta(seconds=seconds)
    return f"waiting {seconds:.0f} s, until {moment_in_words(until.replace(microsecond=0))}, without a worker slot"


def wait_or_raise(task: Any, error: ZDirectRetriableError, waits: int, turns: int, most_turns: int) -> NoReturn:
    """As :func:`wait_out`, for a task that may not be deferrable, and that waits for its turn where a limit is used up:
    that is no failure, so there may be more of these waits.

    The task's ``resume(context, event, waits, turns)`` goes on then.

    :param waits: waits after failures before.
    :param turns: waits for its turn before.
    """
    if not task.deferrable:
        raise error
    if not isinstance(error, RateLimitedError) or turns >= most_turns:
        wait_out(task, error, waits)
    task.log.info("%s This task's turn is still to come: %s.", error.message, waiting_in_words(error.retry_after))
    task.defer(
        trigger=TimeDeltaTrigger(timedelta(seconds=error.retry_after)),
        method_name="resume",
        kwargs={"waits": waits, "turns": turns + 1},
    )
    raise AssertionError("defer() raises")
