"""One window of one dataset for one merchant, from zDirect to object storage."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator, conf
from airflow.providers.common.compat.standard.triggers import TimeDeltaTrigger

from airflow_provider_zdirect.assets import dataset_asset, with_asset
from airflow_provider_zdirect.datasets import get_dataset
from airflow_provider_zdirect.exceptions import WindowError, ZDirectRetriableError
from airflow_provider_zdirect.operators import arguments
from airflow_provider_zdirect.operators.base_path import BasePath, check_base_path, open_base_path
from airflow_provider_zdirect.operators.defaults import set_retries
from airflow_provider_zdirect.operators.retry import RETRIES, RETRY_DELAY, fail_fast, set_retry_policy
from airflow_provider_zdirect.windows import Window

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_zdirect.extract import ExtractJob, ExtractResult
    from airflow_provider_zdirect.hooks.zdirect import ZDirectHook

MAX_WAITS = 10


class ZDirectExtractOperator(BaseOperator):
    """Fetches every record of a window and publishes it under ``base_path``, once.

    A retry of the same task instance resumes where the last try ended. Retriable errors are raised with the delay
    that zDirect asks for, or, with ``deferrable=True``, waited for without a worker slot. All arguments but
    ``deferrable`` are templates; what is wrong and known at parse is refused at parse.

    :param dataset: name in the datasets table, for example ``received_items``.
    :param merchant_id: UUID; None means the connection's merchant, or the only one that the app may use.
    :param window_from: first instant of the window (aware datetime or ISO 8601 text); None, blank and ``None``
        as text mean the run's data interval, for ``window_to`` likewise.
    :param window_to: first instant after the window.
    :param base_path: URL for ObjectStoragePath, or absolute local path, below which the data is written.
    :param storage_conn_id: Airflow connection of the storage.
    :param overlap: how far before the window to look for late records (timedelta or seconds); None means
        the dataset's own overlap.
    :param format: ``parquet`` or ``jsonl``.
    :param max_rejected: how many invalid records may be put aside before the task fails.
    :param clip_to_retention: fetch what is left of a window that lies partly past zDirect's retention.
    :param timezone: time zone of whole days, for datasets that are asked for by date.
    :param replace_with_empty: let an answer without any record replace the published ones of a date, for datasets that
        are asked for by date; without it such an answer fails the task and changes nothing.
    :param variant: another path for the dataset, for example ``legacy`` for ``received_items``.
    :param path: another path than the dataset's own, with ``{merchant_id}`` in it, should zDirect's differ; with
        ``variant="single_request"`` the one that pages, which is asked where a day holds too many movements.
    :param conn_id: the zDirect connection.
    :param deferrable: wait in the triggerer after a retriable error.
    :returns: ``uri``, window, number of records and rejected ones, files; never records.
    :raises ZDirectConfigurationError: at parse, if a literal argument is wrong.
    :raises AirflowFailException: if a retry cannot help; chained to the typed error.
    :raises ZDirectRetriableError: if it can.
    """

    template_fields: Sequence[str] = (
        "dataset",
        "merchant_id",
        "window_from",
        "window_to",
        "base_path",
        "storage_conn_id",
        "overlap",
        "format",
        "max_rejected",
        "clip_to_retention",
        "timezone",
        "replace_with_empty",
        "variant",
        "path",
        "conn_id",
    )
    ui_color = "#ffe8d6"

    def __init__(
        self,
        *,
        dataset: str,
        base_path: str,
        merchant_id: str | None = None,
        window_from: datetime | str | None = None,
        window_to: datetime | str | None = None,
        storage_conn_id: str | None = None,
        overlap: timedelta | float | str | None = None,
        format: str = "parquet",
        max_rejected: int | str = 0,
        clip_to_retention: bool | str = False,
        timezone: str = "UTC",
        replace_with_empty: bool | str = False,
        variant: str | None = None,
        path: str | None = None,
        conn_id: str = "zdirect_default",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        retries: int | None = RETRIES,
        retry_delay: timedelta | float = RETRY_DELAY,
        outlets: Any = None,
        **kwargs: Any,
    ) -> None:
        # An unmapped task has been given its arguments by another task; execute() judges them.
        if not getattr(self, "_BaseOperator__from_mapped", False):
            _check_literals(kwargs.get("task_id"), locals())
        set_retry_policy(kwargs)
        super().__init__(retries=retries, retry_delay=retry_delay, outlets=_with_asset(outlets, dataset), **kwargs)
        self.dataset = dataset
        self.merchant_id = merchant_id
        self.window_from = window_from
        self.window_to = window_to
        self.base_path = base_path
        self.storage_conn_id = storage_conn_id
        self.overlap = overlap
        self.format = format
        self.max_rejected = max_rejected
        self.clip_to_retention = clip_to_retention
        self.timezone = timezone
        self.replace_with_empty = replace_with_empty
        self.variant = variant
        self.path = path
        self.conn_id = conn_id
        self.deferrable = deferrable

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """As for every operator; a mapped task's retries, assets and errors are seen at parse only if done here."""
        mapped_over = dict.fromkeys(cls.template_fields, "{{ known later }}")
        _check_literals(kwargs.get("task_id"), mapped_over | kwargs)
        set_retries(kwargs)
        if "dataset" in kwargs:
            kwargs["outlets"] = _with_asset(kwargs.get("outlets"), kwargs["dataset"])
        return super().partial(**kwargs)

    def execute(self, context: Context) -> dict[str, Any]:
        return self._extract(context, waits=0)

    def resume(self, context: Context, event: Any = None, waits: int = 0) -> dict[str, Any]:
        """Go on after a wait in the triggerer."""
        return self._extract(context, waits=waits)

    def _extract(self, context: Context, *, waits: int) -> dict[str, Any]:
        from airflow_provider_zdirect.hooks.zdirect import ZDirectHook

        try:
            with fail_fast():
                window = self._window(context)
                base_path = open_base_path(self.base_path, arguments.given_text(self.storage_conn_id))
                hook = ZDirectHook(self.conn_id)
                job = self._job(hook, window, base_path, resume_key(context["ti"]))
                result = asyncio.run(_fetch(hook, job))
        except ZDirectRetriableError as error:
            if not self.deferrable or waits >= MAX_WAITS:
                raise
            self.log.warning(
                "%s Waiting %.0f s without a worker slot (wait %d of %d).",
                error,
                error.retry_after,
                waits + 1,
                MAX_WAITS,
            )
            self.defer(
                trigger=TimeDeltaTrigger(timedelta(seconds=error.retry_after)),
                method_name="resume",
                kwargs={"waits": waits + 1},
            )
        summary = result.as_dict()
        self._tell_asset(context, summary)
        return summary

    def _window(self, context: Context) -> Window:
        window = arguments.window(self.window_from, self.window_to)
        if window is not None:
            return window
        start, end = context.get("data_interval_start"), context.get("data_interval_end")
        if start is None or end is None:
            raise WindowError(
                "This run has no data interval, and window_from and window_to are not given.",
                remedy=arguments.NO_INTERVAL_REMEDY,
            )
        return Window(start, end)

    def _job(self, hook: ZDirectHook, window: Window, base_path: BasePath, key: str) -> ExtractJob:
        from airflow_provider_zdirect.extract import ExtractJob

        overlap = arguments.given(self.overlap)
        merchant_id = arguments.given(self.merchant_id)
        # Everything that can be wrong is looked at before the first request, which may be that for the merchant.
        dataset = get_dataset(self.dataset, arguments.given_text(self.variant), arguments.given_text(self.path))
        settings: dict[str, Any] = {
            "overlap": None if overlap is None else arguments.duration(overlap, name="overlap"),
            "format": arguments.file_format(self.format),
            "max_rejected": arguments.count(self.max_rejected, name="max_rejected"),
            "clip_to_retention": arguments.flag(self.clip_to_retention, name="clip_to_retention"),
            "timezone": arguments.time_zone(self.timezone),
            "replace_with_empty": arguments.flag(self.replace_with_empty, name="replace_with_empty"),
            "environment": hook.config().environment,
        }
        return ExtractJob(
            dataset=dataset,
            merchant_id=str(merchant_id) if merchant_id else hook.merchant_id(),
            window=window,
            fs=base_path.fs,
            root=base_path.root,
            base_uri=base_path.uri,
            resume_key=key,
            **settings,
        )

    def _tell_asset(self, context: Context, summary: dict[str, Any]) -> None:
        asset = dataset_asset(self.dataset)
        if asset not in self.outlets:
            return
        told = ("uri", "merchant_id", "window_from", "window_to", "records", "rejected")
        context["outlet_events"][asset].extra = {name: summary[name] for name in told}


def resume_key(task_instance: Any) -> str:
    """What a retry of this task instance has in common with its first try, and no other run."""
    parts = (
        task_instance.dag_id,
        task_instance.run_id,
        task_instance.task_id,
        str(getattr(task_instance, "map_index", -1)),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def _check_literals(task_id: Any, values: Mapping[str, Any]) -> None:
    """Raise ZDirectConfigurationError for what is known at parse and wrong."""
    with arguments.naming(task_id):
        for name in ("dataset", "base_path", "conn_id"):
            arguments.check_not_empty(values[name], name=name)
        variant, path = arguments.literal(values["variant"]), arguments.literal(values["path"])
        arguments.check(values["dataset"], lambda dataset: get_dataset(dataset, variant, path))
        arguments.check(values["merchant_id"], arguments.check_merchant_id)
        arguments.check_window(values["window_from"], values["window_to"])
        arguments.check(values["base_path"], check_base_path)
        arguments.check(values["overlap"], lambda overlap: arguments.duration(overlap, name="overlap"))
        arguments.check(values["format"], arguments.file_format)
        arguments.check(values["max_rejected"], lambda most: arguments.count(most, name="max_rejected"))
        arguments.check(values["clip_to_retention"], lambda clip: arguments.flag(clip, name="clip_to_retention"))
        arguments.check(values["timezone"], arguments.time_zone)
        arguments.check(
            values["replace_with_empty"], lambda replace: arguments.flag(replace, name="replace_with_empty")
        )


async def _fetch(hook: ZDirectHook, job: ExtractJob) -> ExtractResult:
    from airflow_provider_zdirect.extract import extract

    async with hook.client() as client:
        return await extract(job, client)


def _with_asset(outlets: Any, dataset: Any) -> list[Any]:
    """The author's outlets and the dataset's asset, if the dataset is known at parse."""
    known = isinstance(dataset, str) and arguments.is_literal(dataset) and dataset
    return with_asset(outlets, dataset_asset(dataset) if known else None)
