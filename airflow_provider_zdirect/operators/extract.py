# SPDX-License-Identifier: Apache-2.0
"""One window, or the present state, of one dataset for one merchant, from zDirect to object storage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_zdirect.datasets.personal_data import MODES, PersonalData
from airflow_provider_zdirect.datasets.table import check_stands_alone, get_dataset, published_with
from airflow_provider_zdirect.operators import argument_table as table
from airflow_provider_zdirect.operators.arguments import choice, literal, mapping, refusal
from airflow_provider_zdirect.operators.base import Flow, Outcome, Published, TaskRun, ZDirectOperator
from airflow_provider_zdirect.operators.outcome import with_current

if TYPE_CHECKING:
    from airflow_provider_zdirect.datasets.table import Dataset


class ZDirectExtractOperator(ZDirectOperator):
    """Fetches every record of a window and publishes it under ``base_path``, once (``docs/exactly-once.md``).

    A dataset without windows (``docs/datasets.md``) is a present state: each snapshot, or each version of each record,
    is published once, and the latest under ``<dataset>_current``. A retry resumes where the last try ended.

    :param dataset: name in the datasets table, for example ``received_items``.
    :param merchant_id: id or name; None means the connection's merchant, or the only one that the app may use.
    :param window_from: first instant of the window (aware datetime or ISO 8601 text); None: the run's data interval.
        For ``item_quantities`` without ``filters`` it is the time since when stock has changed.
    :param window_to: first instant after the window.
    :param base_path: URL for ObjectStoragePath, or absolute local path, below which the data is written.
    :param storage_conn_id: Airflow connection of the storage.
    :param overlap: how far before the window to look for late records (timedelta, ISO 8601 text); None: the dataset's.
    :param format: ``parquet`` or ``jsonl``.
    :param max_rejected: how many invalid records may be rejected before the task fails.
    :param clip_to_retention: fetch what is left of a window that lies partly past zDirect's retention.
    :param timezone: time zone of whole days, for datasets that are asked for by date.
    :param replace_with_empty: let an answer without any record replace the published ones of a date, or end all records
        of a history; otherwise it fails the task and changes nothing.
    :param variant: another path for the dataset, for example ``legacy`` for ``received_items``.
    :param path: another path than the dataset's own, with ``{merchant_id}`` in it, should zDirect's differ; with
        ``variant="single_request"`` the one that pages, which is asked where a day holds too many movements.
    :param filters: only records with these values, by field, such as ``{"ean": [...]}``; blank ones are left out.
        What is published of a date is then these records.
    :param accept_outside: publish records outside of the dates or times that were asked for, instead of failing.
    :param personal_data: what to do with personal fields: ``keep``, ``drop``, or ``hash``, keyed with
        ``personal_data_secret`` of the connection's extra. The country of an address stays.
    :param conn_id: the zDirect connection.
    :param deferrable: wait in the triggerer after a retriable error.
    :returns: ``uri``, window or time, number of records and rejected ones, files; never records.
    :raises ZDirectConfigurationError: at parse, if a literal argument is wrong.
    """

    arguments = (
        {"dataset": table.TEXT, "overlap": table.OPTIONAL_DURATION}
        | table.PLACE
        | table.WINDOW
        | table.FORMAT
        | dict.fromkeys(("variant", "path"), table.OPTIONAL_TEXT)
        | {"filters": table.Argument(mapping, blank={}), "personal_data": table.Argument(choice(*MODES))}
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
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(values=locals(), **kwargs)

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> None:
        table.check_window(values)
        if not table.is_known(values["dataset"]):
            return
        dataset = _dataset(values)
        check_stands_alone(dataset)
        dataset.selection.filter_parameters(dataset.name, table.if_known(values["filters"]) or {})
        mode = values["personal_data"]
        if not dataset.has_windows and table.is_known(mode) and mode != "keep":
            what = f"personal_data={mode!r}: {dataset.name} is a present state, which is stored as it is"
            raise refusal(what, "Leave personal_data out; it is for datasets of windows.")

    @classmethod
    def check_at_parse(cls, values: Mapping[str, Any]) -> None:
        cls.check(values)
        if not table.is_known(values["dataset"]) or _dataset(values).selection.takes_window:
            return
        for name in ("window_from", "window_to"):
            if table.if_known(values[name]) is not None:
                what = f"{name}={values[name]}: {values['dataset']} is a present state, and has no windows"
                raise refusal(what, "Leave window_from and window_to out.")

    @classmethod
    def updated(cls, values: Mapping[str, Any]) -> Sequence[str]:
        name = literal(values.get("dataset"))
        return published_with(name) if isinstance(name, str) else ()

    @classmethod
    def flow(cls, values: Mapping[str, Any]) -> Flow:
        name = values["dataset"]
        return Flow(fetched=(name,), published=tuple(with_current(*published_with(name))))

    def perform(self, run: TaskRun) -> Outcome:
        from airflow_provider_zdirect.pipeline.extract import extract

        values, dataset = run.values, _dataset(run.values)
        mode = values["personal_data"]
        personal_data = PersonalData(mode, run.hook.personal_data_key() if mode == "hash" else None)
        job = run.extract_job(dataset, personal_data=personal_data, **run.pick("overlap", "filters"))
        result = run.ask(lambda client: extract(job, client))
        published = {
            each.dataset: Published(each.records, each.rejected, len(each.files), each.file_bytes)
            for each in (result.manifest, *result.parts)
        }
        return Outcome(result.as_dict(), result.by_dataset(), published)


def _dataset(values: Mapping[str, Any]) -> Dataset:
    return get_dataset(values["dataset"], table.if_known(values["variant"]), table.if_known(values["path"]))
