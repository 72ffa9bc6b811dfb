"""A month of intra-community movements as a report per country of declaration. This is not tax advice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.intrastat.selection import Month, country, master_data_kind
from airflow_provider_zdirect.operators import arguments
from airflow_provider_zdirect.operators.base import ZDirectOperator
from airflow_provider_zdirect.operators.base_path import (
    check_path,
    check_place,
    known_environment,
    open_base_path,
    open_path,
)
from airflow_provider_zdirect.operators.retry import fail_fast

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_zdirect.intrastat.master_data import MasterDataFile
    from airflow_provider_zdirect.intrastat.report import IntrastatJob


class ZDirectIntrastatReportOperator(ZDirectOperator):
    """Makes a month's report per country of declaration from the landed ``intra_community_movements``.

    For every country: arrivals and dispatches, net of corrections, per counterpart country, article and month of
    transaction, as Parquet under ``<base_path>/intrastat/``, as CSV and one HTML page under
    ``<base_path>/_reports/intrastat/``. A movement belongs to the month of the daily report that names it. Every day of
    the month needs a published report; running again replaces the files.
    It asks zDirect for nothing but, where none is given, the merchant. All arguments are templates; what is wrong and
    known at parse is refused at parse. **This is not tax advice.**

    :param base_path: URL for ObjectStoragePath, or absolute local path, below which ``ZDirectExtractOperator`` has
        written the movements; the reports are written there too.
    :param month: ``2026-11``; None, blank and ``None`` as text mean the run's partition key if that is a month, else
        the month that the run's data interval starts in (UTC; if the interval is a month that began up to 14 hours
        before in another time zone, that month).
    :param merchant_id: UUID; None means the connection's merchant, or the only one that the app may use.
    :param countries: countries of declaration, ISO 3166-1 alpha-2: one code, a list, or comma separated text; blanks
        and case do not matter, ``EL`` is ``GR``, ``UK`` is ``GB``, ``XI`` is Northern Ireland. None means every country
        that a movement of the month comes from or goes to. With None, files of countries that no longer occur are
        deleted.
    :param master_data: CSV or Parquet file (absolute path or URL, same storage connection) with a row per EAN and any
        of ``cn8_code``, ``net_mass_kg``, ``statistical_value`` (of one piece) and ``country_of_origin``; see
        :mod:`airflow_provider_zdirect.intrastat.master_data`.
    :param allow_missing_days: report although daily reports of the month are missing; they are then named in the
        report, the manifest and the result. A month without any report is refused all the same.
    :param storage_conn_id: Airflow connection of the storage.
    :param conn_id: the zDirect connection. If it exists, its environment has to be that of ``base_path``.
    :returns: ``month``, ``merchant_id``, ``days``, ``missing_days``, ``movements``, ``without_country``,
        ``within_country``, ``findings`` (what may be wrong or missing, in words), ``uri``, ``manifest``, and
        ``reports``: per country net quantities of ``arrivals`` and ``dispatches``, ``lines``, ``without_master_data``
        (lines), ``findings``, and the URIs of folder and files.
    :raises ZDirectConfigurationError: at parse, if a literal argument is wrong.
    :raises AirflowFailException: if a retry cannot help, as when daily reports are missing (``MissingReportsError``);
        chained to the typed error.
    :raises ZDirectRetriableError: if it can.
    """

    asset_names = ("intrastat",)
    template_fields: Sequence[str] = (
        "base_path",
        "month",
        "merchant_id",
        "countries",
        "master_data",
        "allow_missing_days",
        "storage_conn_id",
        "conn_id",
    )

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
        self.base_path = base_path
        self.month = month
        self.merchant_id = merchant_id
        self.countries = countries
        self.master_data = master_data
        self.allow_missing_days = allow_missing_days
        self.storage_conn_id = storage_conn_id
        self.conn_id = conn_id

    @classmethod
    def check_literals(cls, values: Mapping[str, Any]) -> None:
        check_place(values)
        arguments.check(values["month"], Month.parse)
        arguments.check(values["countries"], country_codes)
        arguments.check(values["master_data"], _check_master_data)
        arguments.check_flag(values["allow_missing_days"], name="allow_missing_days")

    def execute(self, context: Context) -> dict[str, Any]:
        from airflow_provider_zdirect.intrastat.report import report_month

        with fail_fast():
            summary = report_month(self._job(context), clock=self.clock).as_dict()
        reports = summary["reports"]
        own = {
            "countries": [report["country"] for report in reports],
            "files": [report["parquet"] for report in reports[:10]],
            "file_count": len(reports),
        }
        self.record_change(context, "intrastat", {**summary, **own})
        return summary

    def _job(self, context: Context) -> IntrastatJob:
        from airflow_provider_zdirect.hooks.zdirect import ZDirectHook
        from airflow_provider_zdirect.intrastat.report import IntrastatJob
        from airflow_provider_zdirect.publish.place import Place

        # Everything that can be wrong is looked at before the merchant is asked for, which may take a request.
        month = self._month(context)
        countries = country_codes(self.countries)
        allow_missing_days = arguments.flag(self.allow_missing_days, name="allow_missing_days")
        merchant_id = arguments.own_merchant_id(self)
        storage_conn_id = arguments.given_text(self.storage_conn_id)
        master_data = self._master_data(storage_conn_id)
        hook = ZDirectHook(self.conn_id)
        environment = known_environment(hook)
        base_path = open_base_path(self.base_path, storage_conn_id, environment=environment)
        merchant_id = merchant_id or hook.merchant_id()
        return IntrastatJob(
            month=month,
            place=Place(base_path.fs, base_path.root, base_path.uri, merchant_id, environment or ""),
            countries=countries,
            master_data=master_data,
            allow_missing_days=allow_missing_days,
        )

    def _month(self, context: Context) -> Month:
        month = arguments.given(self.month)
        if month is not None:
            return Month.parse(month)
        return Month.of_run(
            context.get("partition_key"), context.get("data_interval_start"), context.get("data_interval_end")
        )

    def _master_data(self, storage_conn_id: str | None) -> MasterDataFile | None:
        from airflow_provider_zdirect.intrastat.master_data import MasterDataFile

        text = arguments.given_text(self.master_data)
        if text is None:
            return None
        _check_master_data(text)
        opened = open_path(text, storage_conn_id, name="master_data")
        return MasterDataFile(opened.fs, opened.root, opened.uri)


def country_codes(value: Any) -> tuple[str, ...] | None:
    """Countries of declaration, sorted, each once; None if none is given.

    :raises ZDirectConfigurationError: as :func:`~.arguments.entries`.
    """
    return tuple(sorted(arguments.entries(value, name="countries", parse=country))) or None


def _check_master_data(text: Any) -> None:
    check_path(str(text), name="master_data")
    master_data_kind(str(text))
