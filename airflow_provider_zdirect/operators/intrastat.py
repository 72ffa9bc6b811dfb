# SPDX-License-Identifier: Apache-2.0
"""A month of intra-community movements as a report per country of declaration. This is not tax advice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.intrastat.selection import Month, country
from airflow_provider_zdirect.operators import argument_table as table
from airflow_provider_zdirect.operators.arguments import entries
from airflow_provider_zdirect.operators.base import Flow, Outcome, Published, TaskRun, ZDirectOperator


def country_codes(value: Any, name: str = "countries") -> tuple[str, ...] | None:
    """Countries of declaration, sorted, each once; None if none is given.

    :raises ZDirectConfigurationError: as :func:`~.arguments.entries`.
    """
    return tuple(sorted(entries(value, name=name, parse=country))) or None


class ZDirectIntrastatReportOperator(ZDirectOperator):
    """Makes a month's report per country of declaration from the published ``intra_community_movements``.

    What is in it, and where its files are, is in ``docs/movement-reports.md``. **This is not tax advice.**

    :param base_path: URL for ObjectStoragePath, or absolute local path, below which the movements are published; the
        reports are written there too.
    :param month: ``2026-11``; None: the run's partition key if that is a month, else the month that the run's data
        interval starts in (UTC; a month that began up to 14 hours before in another time zone is that month).
    :param merchant_id: id or name; None means the connection's merchant, or the only one that the app may use.
    :param countries: countries of declaration, ISO 3166-1 alpha-2: one code, a list, or comma separated text. None:
        every country that a movement of the month touches; then files of countries that no longer occur are deleted.
    :param master_data: CSV, TSV, Parquet or JSON-lines file (absolute path or URL, same storage connection) with a row
        per EAN; see
        :mod:`airflow_provider_zdirect.intrastat.master_data`.
    :param allow_missing_days: report although daily reports of the month are missing; they are then named in the
        report, the manifest and the result. A month without any report is still refused.
    :param storage_conn_id: Airflow connection of the storage.
    :param conn_id: the zDirect connection. If it exists, its environment has to be that of ``base_path``.
    :returns: ``month``, ``merchant_id``, ``days``, ``missing_days``, ``movements``, ``without_country``,
        ``within_country``, ``findings`` (what may be wrong or missing, in words), ``uri``, ``manifest``, and
        ``reports``: per country net quantities of ``arrivals`` and ``dispatches``, ``lines``, ``without_master_data``
        (lines), ``findings``, and the URIs of folder and files.
    :raises ZDirectConfigurationError: at parse, if a literal argument is wrong.
    """

    asset_names = ("intrastat",)
    arguments = table.PLACE | {
        "month": table.optional(lambda value, name: Month.parse(value)),
        "countries": table.optional(country_codes),
        "master_data": table.TABLE_FILE,
        "allow_missing_days": table.FLAG,
    }

    clock: Clock = SystemClock()

    def __init__(
        self,
        *,
        base_path: str,
        month: str | None = None,
        merchant_id: str | None = None,
        countries: str | Sequence[str] | None = None,
        master_data: str | None = None,
        allow_missing_days: bool | str = False,
        storage_conn_id: str | None = None,
        conn_id: str = "zdirect_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(values=locals(), **kwargs)

    @classmethod
    def flow(cls, values: Mapping[str, Any]) -> Flow:
        return Flow(read=("intra_community_movements",), published=("intrastat",), files=(values["master_data"],))

    def perform(self, run: TaskRun) -> Outcome:
        from airflow_provider_zdirect.intrastat.master_data import ALIASES
        from airflow_provider_zdirect.intrastat.report import IntrastatJob, report_month

        run_of = (run.context.get(name) for name in ("partition_key", "data_interval_start", "data_interval_end"))
        month = run.values["month"] or Month.of_run(*run_of)
        job = IntrastatJob(
            month=month,
            master_data=run.table("master_data", ALIASES),
            place=run.place(f"intrastat {month}", needs_connection=False),
            **run.pick("countries", "allow_missing_days"),
        )
        summary = report_month(job, clock=self.clock)
        reports = summary["reports"]
        files = {
            "countries": [report["country"] for report in reports],
            "files": [report["parquet"] for report in reports[:10]],
            "file_count": len(reports),
        }
        lines = Published(sum(report["lines"] for report in reports), files=len(reports))
        return Outcome(summary, {"intrastat": {**summary, **files}}, {"intrastat": lines})
