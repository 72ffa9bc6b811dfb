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
from airflow_provider_zdirect.intrastat.csv_text import lines_as_csv, table_as_csv
from airflow_provider_zdirect.intrastat.findings import Finding, country_findings, fetched_too_early, month_findings
from airflow_provider_zdirect.intrastat.html_page import page_html
from airflow_provider_zdirect.intrastat.lines import FOLDERS, CountryReport, country_report
from airflow_provider_zdirect.intrastat.master_data import read_master_data
from airflow_provider_zdirect.intrastat.movements import DATASET, Movements, read_movements
from airflow_provider_zdirect.intrastat.publish import MonthWriter
from airflow_provider_zdirect.intrastat.published_days import LandedDay, landed_days, uncertain_days
from airflow_provider_zdirect.intrastat.selection import Month, as_runs
from airflow_provider_zdirect.intrastat.summaries import goods_without_master_data
from airflow_provider_zdirect.merchant_files.tables import TableFile
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.reports.calendar import DueCalendar
from airflow_provider_zdirect.storage.row_files import parquet_bytes
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
    master_data: TableFile | None = None
    allow_missing_days: bool = False


def report_month(job: IntrastatJob, *, clock: Clock | None = None) -> dict[str, Any]:
    """Write the reports of a month and merchant, over those of an earlier run.

    :returns: ``month``, ``merchant_id``, ``days`` (that have a report), ``missing_days``, ``movements``,
        ``without_country`` (rows that no report can hold), ``within_country`` (rows that cross no border),
        ``findings``, ``uri`` (of the tables), ``manifest``, ``reports`` (per country); small, for XCom.
    :raises MissingReportsError: if daily reports of the month are missing and that is not allowed, or all are missing;
        nothing is written then.
    :raises ZDirectConfigurationError: if the master data cannot be used; nothing is written then.
    :raises ConcurrentRunError: if other runs kept replacing files while they were read.
    """
    master_data = read_master_data(job.master_data) if job.master_data else None
    clock = clock or SystemClock()
    landed = landed_days(job.place, job.month)
    _check_complete(job, landed, clock.now())
    movements = read_movements(job.place, landed, frozenset(day for day in landed if landed[day].has_file))
    landed = {day: found for day, found in landed.items() if day not in movements.lost_days}
    uncertain = uncertain_days(landed, movements.empty_days)
    landed = {day: found for day, found in landed.items() if day not in uncertain}
    movements = replace(movements, empty_days=tuple(day for day in movements.empty_days if day in landed))
    _check_complete(job, landed, clock.now(), uncertain)
    return _publish(job, movements, landed, uncertain, master_data, clock.now())


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
    now: datetime,
) -> dict[str, Any]:
    place, month = job.place, job.month
    missing = _missing(job, landed)
    findings = month_findings(movements, missing, uncertain, landed)
    for finding in findings:
        log.warning("%s: %s", subject(f"intrastat {month}", place.merchant_id, full_id=True), finding)
    writer = MonthWriter(place, month)
    reports = []
    for country in job.countries or movements.countries:
        report = country_report(movements.flows, country, month, place.merchant_id, master_data)
        own = country_findings(report, movements)
        what = subject(f"intrastat {month} {country}", place.merchant_id)
        for finding in own:
            log.warning("%s: %s", what, finding)
        _write_country(writer, report, movements, len(landed), findings + own)
        files = writer.of(country)
        summary = {
            "country": country,
            "arrivals": report.net_quantity("arrival"),
            "dispatches": report.net_quantity("dispatch"),
            "lines": report.lines.num_rows,
            "without_master_data": report.without_master_data,
            "findings": list(map(str, own)),
            "uri": place.uri_of(files["parquet"].rpartition("/")[0]),
            **{kind: place.uri_of(files[kind]) for kind in ("html", "csv", "parquet")},
        }
        reports.append(summary)
        log.info(
            "%s: arrivals %s, dispatches %s (net quantities), %s lines. This is not tax advice. -> %s",
            what, *(f"{summary[name]:,}" for name in ("arrivals", "dispatches", "lines")), summary["uri"],
        )  # fmt: skip
    unplaced = movements.unplaced
    if unplaced.num_rows:
        writer.write(writer.unplaced, table_as_csv(unplaced), unplaced.num_rows)
    used = None
    if job.master_data is not None and master_data is not None:
        used = {"uri": job.master_data.uri, "eans": master_data.num_rows}
    missing_days = [day.isoformat() for day in missing]
    numbers = {
        "movements": movements.count,
        "without_country": unplaced.num_rows,
        "within_country": movements.within_country,
        "findings": list(map(str, findings)),
    }
    facts = {
        "merchant_id": place.merchant_id,
        "month": str(month),
        "countries": job.countries,
        "days": [day.isoformat() for day in landed],
        "missing_days": missing_days,
        "empty_days": [day.isoformat() for day in movements.empty_days],
        **numbers,
        "master_data": used,
    }
    writer.finish(job.countries, facts, reports, now.isoformat())
    return {
        "month": str(month),
        "merchant_id": place.merchant_id,
        "days": len(landed),
        "missing_days": missing_days,
        **numbers,
        "uri": place.uri_of(writer.folder),
        "manifest": place.uri_of(writer.manifest),
        "reports": reports,
    }


def _write_country(
    writer: MonthWriter, report: CountryReport, movements: Movements, days_used: int, findings: list[Finding]
) -> None:
    files, rows = writer.of(report.country), report.lines.num_rows
    writer.write(files["parquet"], parquet_bytes(report.lines.drop_columns(FOLDERS)), rows)
    writer.write(files["csv"], lines_as_csv(report.lines), rows)
    goods = None
    if report.without_master_data is not None:
        goods = goods_without_master_data(report)
        writer.write(files["goods"], table_as_csv(goods), goods.num_rows)
    merchant_id = writer.place.merchant_id
    html = page_html(report, movements, merchant_id, days_used=days_used, findings=findings, goods=goods, files=files)
    writer.write(files["html"], html, rows)
