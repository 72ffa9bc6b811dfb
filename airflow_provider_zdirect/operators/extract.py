"""One window, or the present state, of one dataset for one merchant, from zDirect to object storage."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import conf

from airflow_provider_zdirect.datasets.personal_data import PersonalData, personal_data_mode
from airflow_provider_zdirect.datasets.table import check_stands_alone, get_dataset, published_with
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError, ZDirectRetriableError
from airflow_provider_zdirect.operators import arguments
from airflow_provider_zdirect.operators.base import ZDirectOperator
from airflow_provider_zdirect.operators.retry import fail_fast
from airflow_provider_zdirect.operators.state_job import check_no_window, state_job
from airflow_provider_zdirect.operators.window_job import check_window_arguments, resume_key, wait_out, window_job

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_zdirect.hooks.zdirect import ZDirectHook
    from airflow_provider_zdirect.pipeline.extract import ExtractJob, ExtractResult
    from airflow_provider_zdirect.pipeline.state_job import StateJob, StateResult

__all__ = ["ZDirectExtractOperator", "resume_key"]


class ZDirectExtractOperator(ZDirectOperator):
    """Fetches every record of a window and publishes it under ``base_path``, once.

    A dataset without windows (``docs/datasets.md``) tells what is now: each snapshot is published once, or each version
    of each record, with from when until when it was seen, and the latest under ``<dataset>_current``.

    A retry of the same task instance resumes where the last try ended. Retriable errors are raised with the delay
    that zDirect asks for, or, with ``deferrable=True``, waited for without a worker slot. All arguments but
    ``deferrable`` are templates; what is wrong and known at parse is refused at parse.

    :param dataset: name in the datasets table, for example ``received_items``.
    :param merchant_id: UUID; None means the connection's merchant, or the only one that the app may use.
    :param window_from: first instant of the window (aware datetime or ISO 8601 text); None, blank and ``None``
        as text mean the run's data interval, for ``window_to`` likewise. For ``item_quantities`` without ``filters`` it
        is the time since when stock has changed.
    :param window_to: first instant after the window.
    :param base_path: URL for ObjectStoragePath, or absolute local path, below which the data is written.
    :param storage_conn_id: Airflow connection of the storage.
    :param overlap: how far before the window to look for late records (timedelta, or ISO 8601 text such as
        ``PT1H``); None means the dataset's own overlap.
    :param format: ``parquet`` or ``jsonl``.
    :param max_rejected: how many invalid records may be put aside before the task fails.
    :param clip_to_retention: fetch what is left of a window that lies partly past zDirect's retention.
    :param timezone: time zone of whole days, for datasets that are asked for by date.
    :param replace_with_empty: let an answer without any record replace the published ones of a date, for datasets that
        are asked for by date, or end all records of a history; without it such an answer fails the task and changes
        nothing.
    :param variant: another path for the dataset, for example ``legacy`` for ``received_items``.
    :param path: another path than the dataset's own, with ``{merchant_id}`` in it, should zDirect's differ; with
        ``variant="single_request"`` the one that pages, which is asked where a day holds too many movements.
    :param filters: only records with these values, by field (``{"purchase_order_number": "PO123"}``; several, for
        ``{"ean": [...]}``, as a list or comma separated); which a dataset has is in ``docs/datasets.md``. Blank values
        are left out. What is published of a date is then these records.
    :param accept_outside: publish records that lie outside of the dates or times that were asked for, instead of
        failing.
    :param personal_data: what becomes of names, addresses, e-mail and customer numbers: ``keep``, ``drop``, or
        ``hash``, keyed with ``personal_data_secret`` of the connection's extra. The country of an address stays.
    :param conn_id: the zDirect connection.
    :param deferrable: wait in the triggerer after a retriable error.
    :returns: ``uri``, window or time, number of records and rejected ones, files; never records.
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
        "filters",
        "accept_outside",
        "personal_data",
        "conn_id",
    )

    def __init__(
        self,
        *,
        dataset: str,
        base_path: str,
        merchant_id: str | None = None,
        window_from: datetime | str | None = None,
        window_to: datetime | str | None = None,
        storage_conn_id: str | None = None,
        overlap: timedelta | str | None = None,
        format: str = "parquet",
        max_rejected: int | str = 0,
        clip_to_retention: bool | str = False,
        timezone: str = "UTC",
        replace_with_empty: bool | str = False,
        variant: str | None = None,
        path: str | None = None,
        filters: Mapping[str, Any] | str | None = None,
        accept_outside: bool | str = False,
        personal_data: str = "keep",
        conn_id: str = "zdirect_default",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(values=locals(), **kwargs)
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
        self.filters = filters
        self.accept_outside = accept_outside
        self.personal_data = personal_data
        self.conn_id = conn_id
        self.deferrable = deferrable

    @classmethod
    def check_literals(cls, values: Mapping[str, Any]) -> None:
        arguments.check_not_empty(values["dataset"], name="dataset")
        variant, path = arguments.literal(values["variant"]), arguments.literal(values["path"])
        filters = arguments.literal_mapping(values["filters"], name="filters")

        def check_dataset(name: Any) -> None:
            dataset = get_dataset(name, variant, path)
            check_stands_alone(dataset)
            dataset.filter_parameters(filters)
            check_no_window(dataset, values)

        arguments.check(values["dataset"], check_dataset)
        check_window_arguments(values)
        arguments.check(values["personal_data"], lambda mode: personal_data_mode(mode))
        arguments.check(values["overlap"], lambda overlap: arguments.duration(overlap, name="overlap"))

    @classmethod
    def updated(cls, values: Mapping[str, Any]) -> Sequence[str]:
        name = arguments.literal(values["dataset"])
        return published_with(name) if isinstance(name, str) else ()

    def execute(self, context: Context) -> dict[str, Any]:
        return self._extract(context, waits=0)

    def resume(self, context: Context, event: Any = None, waits: int = 0) -> dict[str, Any]:
        """Go on after a wait in the triggerer."""
        return self._extract(context, waits=waits)

    def _extract(self, context: Context, *, waits: int) -> dict[str, Any]:
        from airflow_provider_zdirect.hooks.zdirect import ZDirectHook

        try:
            with fail_fast():
                hook = ZDirectHook(self.conn_id)
                result = asyncio.run(_fetch(hook, self._job(hook, context)))
        except ZDirectRetriableError as error:
            if not self.deferrable:
                raise
            wait_out(self, error, waits)
        for name, change in result.by_dataset().items():
            self.record_change(context, name, change)
        return result.as_dict()

    def _job(self, hook: ZDirectHook, context: Context) -> ExtractJob | StateJob:
        overlap = arguments.given(self.overlap)
        dataset = get_dataset(
            self.dataset,
            arguments.given_text(self.variant),
            arguments.given_text(self.path),
        )
        filters = arguments.mapping(self.filters, name="filters")
        mode = personal_data_mode(self.personal_data)
        if dataset.keeping is not None:
            if mode != "keep":
                raise ZDirectConfigurationError(
                    f"personal_data={mode!r}: {dataset.name} tells a present state, which is stored as it is.",
                    remedy="Leave personal_data out; it is for datasets of windows.",
                )
            return state_job(self, hook, context, dataset, filters=filters)
        return window_job(
            self,
            hook,
            context,
            dataset,
            filters=filters,
            personal_data=PersonalData(mode, hook.personal_data_key() if mode == "hash" else None),
            overlap=None if overlap is None else arguments.duration(overlap, name="overlap"),
        )


async def _fetch(hook: ZDirectHook, job: ExtractJob | StateJob) -> ExtractResult | StateResult:
    from airflow_provider_zdirect.pipeline.extract import ExtractJob, extract
    from airflow_provider_zdirect.pipeline.extract_state import extract_state

    async with hook.client() as client:
        return await (extract(job, client) if isinstance(job, ExtractJob) else extract_state(job, client))
