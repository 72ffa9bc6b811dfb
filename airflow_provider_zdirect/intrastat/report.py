"""The reports of a month: from published movements to files per country of declaration, without Airflow.

manifests of daily reports -> days -> sums -> lines per country -> files -> manifest

This is not tax advice.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.exceptions import MissingReportsError
from airflow_provider_zdirect.intrastat.findings import Finding, country_findings, fetched_too_early, month_findings
from airflow_provider_zdirect.intrastat.landed_days import LandedDay, landed_days, uncertain_days
from airflow_provider_zdirect.intrastat.lines import CountryReport, country_report
from airflow_provider_zdirect.intrastat.master_data import MasterDataFile
from airflow_provider_zdirect.intrastat.movements import DATASET, Movements, read_movements
from airflow_provider_zdirect.intrastat.publish import MonthPublisher
from airflow_provider_zdirect.intrastat.selection import Month, as_runs
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.reports.calendar import DueCalendar
from airflow_provider_zdirect.windows import subject

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class IntrastatJob:
    """What to report, and where from and to.

    :param countries: countries of declaration; None: every country that a movement of the month touches.
    :param place: of the movements and of the reports.
    :param allow_missing_days: report although daily reports are missing; they are named in whatever is written.
    """

    month: Month
    place: Place
    countries: tuple[str, ...] | None = None
    master_data: MasterDataFile | None = None
    allow_missing_days: bool = False


@dataclass(frozen=True)
class ReportSummary:
    """One country's report in numbers.

    :param arrivals: net quantity.
    :param dispatches: net quantity.
    :param without_master_data: lines whose goods the master data does not know; None if there is no master data.
    :param findings: what concerns this country only and may be wrong or missing, in words.
    :param uri: the folder of its table; page and CSV lie elsewhere.
    """

    country: str
    arrivals: int
    dispatches: int
    lines: int
    without_master_data: int | None
    findings: tuple[str, ...]
    uri: str
    html: str
    csv: str
    parquet: str

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {**self.__dict__, "findings": list(self.findings)}


@dataclass(frozen=True)
class IntrastatResult:
    """The reports of a month; small enough for XCom.

    :param days: days of the month that have a report.
    :param missing_days: the others, if that is allowed.
    :param movements: rows of the month, those without a country included.
    :param without_country: rows that no report can hold, because a country is missing.
    :param within_country: rows that cross no border.
    :param findings: what concerns the reports of all countries and may be wrong or missing, in words.
    :param uri: the folder of the month's tables.
    """

    month: Month
    merchant_id: str
    days: int
    missing_days: tuple[date, ...]
    movements: int
    without_country: int
    within_country: int
    findings: tuple[str, ...]
    uri: str
    manifest: str
    reports: tuple[ReportSummary, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            **self.__dict__,
            "month": str(self.month),
            "missing_days": [day.isoformat() for day in self.missing_days],
            "findings": list(self.findings),
            "reports": [report.as_dict() for report in self.reports],
        }


def report_month(job: IntrastatJob, *, clock: Clock | None = None) -> IntrastatResult:
    """Write the reports of a month and merchant, over those of an earlier run.

    :raises MissingReportsError: if daily reports of the month are missing and that is not allowed, or all are missing;
        nothing is written then.
    :raises ZDirectConfigurationError: if the master data cannot be used; nothing is written then.
    :raises ConcurrentRunError: if other runs kept replacing files while they were read.
    """
    master_data = job.master_data.read() if job.master_data else None
    clock = clock or SystemClock()
    landed = landed_days(job.place, job.month)
    _check_complete(job, landed, clock.now())
    movements = read_movements(job.place, landed, frozenset(day for day in landed if landed[day].has_file))
    landed = {day: found for day, found in landed.items() if day not in movements.lost_days}
    uncertain = uncertain_days(landed, movements.empty_days)
    landed = {day: found for day, found in landed.items() if day not in uncertain}
    movements = replace(movements, empty_days=tuple(day for day in movements.empty_days if day in landed))
    _check_complete(job, landed, clock.now(), uncertain)
    return _publish(job, movements, landed, uncertain, master_data, clock)


def _check_complete(
    job: IntrastatJob, landed: dict[date, LandedDay], now: datetime, uncertain: tuple[date, ...] = ()
) -> None:
    missing = _missing(job, landed)
    if not missing or (job.allow_missing_days and landed):
        return
    first, last = job.month.days[0], job.month.days[-1]
    due = {day for day in job.month.days if DueCalendar().due(day) <= now}
    overdue = due.intersection(missing).difference(uncertain)
    problems, remedy = [], []
    if due.issuperset(missing):
        if overdue:
            problems.append(
                f"{len(overdue)} of {len(job.month.days)} daily reports of {DATASET.name} are not published under "
                f"{job.place.uri}: {as_runs(overdue)}."
            )
    else:
        state = "has not begun" if now.date() < first else "is not over" if now.date() <= last else "has just ended"
        last_due = f"{DueCalendar().due(last):%Y-%m-%d %H:%M} UTC"
        problems.append(f"the month {state}. Its last daily report, that of {last}, is due at {last_due}.")
        remedy.append(f"Run it after {last_due}, once the last report has landed.")
        if overdue:
            problems.append(
                f"Not published under {job.place.uri} so far: {as_runs(missing)}; of these are due: {as_runs(overdue)}."
            )
    if uncertain:
        problems.append(fetched_too_early(uncertain))
    if overdue or uncertain:
        kept_from = DATASET.windows.retention.earliest(now).date()
        lost = [day for day in overdue if day < kept_from]
        if lost:
            remedy.append(f"zDirect no longer has the reports of {as_runs(lost)}: it keeps those from {kept_from} on.")
        if len(lost) < len(overdue) + len(uncertain):
            remedy.append(
                "Run or backfill zdirect_icm_daily for these days (a report is there at 12:00 UTC of the day after)."
            )
    if landed:
        remedy.append("Or set allow_missing_days=True for a report that names the missing days.")
    else:
        remedy.append(
            "Check month, merchant_id and base_path if reports should be there. allow_missing_days does not help, "
            f"since there is no report of {job.month} at all."
        )
    raise MissingReportsError(
        f"Intrastat {job.month} of merchant {job.place.merchant_id}: {' '.join(problems)}", remedy=" ".join(remedy)
    )


def _missing(job: IntrastatJob, landed: dict[date, LandedDay]) -> tuple[date, ...]:
    return tuple(day for day in job.month.days if day not in landed)


def _publish(
    job: IntrastatJob,
    movements: Movements,
    landed: dict[date, LandedDay],
    uncertain: tuple[date, ...],
    master_data: pa.Table | None,
    clock: Clock,
) -> IntrastatResult:
    missing = _missing(job, landed)
    findings = month_findings(movements, missing, uncertain, landed)
    for finding in findings:
        log.warning("%s: %s", subject(f"intrastat {job.month}", job.place.merchant_id, full_id=True), finding)
    publisher = MonthPublisher(job.place, job.month, movements, landed, missing, findings)
    summaries = []
    for country in job.countries or movements.countries:
        report = country_report(movements.flows, country, job.month, job.place.merchant_id, master_data)
        own = country_findings(report, movements)
        for finding in own:
            log.warning("%s: %s", subject(f"intrastat {job.month} {country}", job.place.merchant_id), finding)
        publisher.write_country(report, own, with_master_data=master_data is not None)
        summaries.append(_summary(job, publisher, report, own, master_data is not None))
        log.info(
            "%s: arrivals %s, dispatches %s (net quantities), %s lines. This is not tax advice. -> %s",
            subject(f"intrastat {job.month} {country}", job.place.merchant_id),
            *(f"{report.net_quantity(flow):,}" for flow in ("arrival", "dispatch")),
            f"{report.lines.num_rows:,}",
            summaries[-1].uri,
        )
    used = None
    if job.master_data is not None and master_data is not None:
        used = {"uri": job.master_data.uri, "eans": master_data.num_rows}
    manifest = publisher.finish(job.countries, [summary.as_dict() for summary in summaries], used, clock.now())
    return IntrastatResult(
        month=job.month,
        merchant_id=job.place.merchant_id,
        days=len(landed),
        missing_days=missing,
        movements=movements.count,
        without_country=movements.unplaced.num_rows,
        within_country=movements.within_country,
        findings=tuple(map(str, findings)),
        uri=job.place.uri_of(publisher.names.folder),
        manifest=job.place.uri_of(manifest),
        reports=tuple(summaries),
    )


def _summary(
    job: IntrastatJob, publisher: MonthPublisher, report: CountryReport, findings: list[Finding], with_master: bool
) -> ReportSummary:
    names = publisher.names.of(report.country)
    return ReportSummary(
        country=report.country,
        arrivals=report.net_quantity("arrival"),
        dispatches=report.net_quantity("dispatch"),
        lines=report.lines.num_rows,
        without_master_data=report.without_master_data.num_rows if with_master else None,
        findings=tuple(map(str, findings)),
        uri=job.place.uri_of(names.folder),
        html=job.place.uri_of(f"{names.report_folder}/{names.html}"),
        csv=job.place.uri_of(f"{names.report_folder}/{names.csv}"),
        parquet=job.place.uri_of(f"{names.folder}/{names.parquet}"),
    )
