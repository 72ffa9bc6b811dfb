# SPDX-License-Identifier: Apache-2.0
"""The reports of a month: from published movements to files per country of declaration, without Airflow.

manifests of daily reports -> days -> sums -> lines per country -> files -> manifest

This is not tax advice.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.exceptions import MissingReportsError
from airflow_provider_zdirect.intrastat.country_report import IN_FILES, country_report
from airflow_provider_zdirect.intrastat.csv_text import lines_as_csv, table_as_csv
from airflow_provider_zdirect.intrastat.findings import Finding, country_findings, fetched_too_early, month_findings
from airflow_provider_zdirect.intrastat.html_page import page_html
from airflow_provider_zdirect.intrastat.master_data import read_master_data
from airflow_provider_zdirect.intrastat.movements import DATASET, Movements, read_movements
from airflow_provider_zdirect.intrastat.publish import MonthWriter
from airflow_provider_zdirect.intrastat.selection import Month, as_runs
from airflow_provider_zdirect.merchant_files.tables import TableFile
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.reports.calendar import DueCalendar
from airflow_provider_zdirect.storage.row_files import parquet_bytes
from airflow_provider_zdirect.words import counted

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
    now = (clock or SystemClock()).now()
    place, month = job.place, job.month
    movements = read_movements(place, month)
    _refuse_incomplete(job, movements, now)
    findings = _logged(place.subject(f"intrastat {month}", full_id=True), month_findings(movements))
    writer = MonthWriter(place, month)
    reports = [
        _report_country(writer, country, movements, findings, master_data)
        for country in job.countries or movements.countries
    ]
    unplaced = movements.unplaced
    if unplaced.num_rows:
        writer.write(writer.unplaced, table_as_csv(unplaced), unplaced.num_rows)
    facts = {
        "merchant_id": place.merchant_id,
        "month": str(month),
        "missing_days": [day.isoformat() for day in movements.missing_days],
        "movements": movements.count,
        "without_country": unplaced.num_rows,
        "within_country": movements.within_country,
        "findings": list(map(str, findings)),
    }
    used = None
    if job.master_data is not None and master_data is not None:
        used = {"uri": job.master_data.uri, "eans": master_data.num_rows}
    days = {
        "days": [day.isoformat() for day in movements.landed],
        "empty_days": [day.isoformat() for day in movements.empty_days],
    }
    writer.finish({**facts, **days, "countries": job.countries, "master_data": used}, reports, now)
    where = {"uri": place.uri_of(writer.folder), "manifest": place.uri_of(writer.manifest)}
    return {**facts, "days": len(movements.landed), **where, "reports": reports}


def _refuse_incomplete(job: IntrastatJob, movements: Movements, now: datetime) -> None:
    month, missing, uncertain = job.month, movements.missing_days, movements.uncertain_days
    if not missing or (job.allow_missing_days and movements.landed):
        return
    first, last = month.days[0], month.days[-1]
    due = [day for day in missing if DueCalendar().due(day) <= now]
    overdue = [day for day in due if day not in uncertain]
    problems, remedy = [], []
    if len(due) < len(missing):
        state = "has not begun" if now.date() < first else "is not over" if now.date() <= last else "has just ended"
        last_due = f"{DueCalendar().due(last):%Y-%m-%d %H:%M} UTC"
        problems.append(f"the month {state}. Its last daily report, that of {last}, is due at {last_due}.")
        remedy.append(f"Run it after {last_due}, once the last report has landed.")
        if overdue:
            problems.append(
                f"Not published under {job.place.uri} so far: {as_runs(missing)}; of these are due: {as_runs(overdue)}."
            )
    elif overdue:
        problems.append(
            f"{len(overdue)} of {len(month.days)} daily reports of {DATASET.name} are not published under "
            f"{job.place.uri}: {as_runs(overdue)}."
        )
    if uncertain:
        problems.append(fetched_too_early(uncertain))
    kept_from = DATASET.windows.retention.earliest(now).date()
    lost = [day for day in overdue if day < kept_from]
    if lost:
        remedy.append(f"zDirect no longer has the reports of {as_runs(lost)}: it keeps those from {kept_from} on.")
    if len(lost) < len(overdue) + len(uncertain):
        remedy.append(
            "Run or backfill zdirect_icm_daily for these days (a report is there at 12:00 UTC of the day after)."
        )
    if movements.landed:
        remedy.append("Or set allow_missing_days=True for a report that names the missing days.")
    else:
        remedy.append(
            "Check month, merchant_id and base_path if reports should be there. allow_missing_days does not help, "
            f"since there is no report of {month} at all."
        )
    raise MissingReportsError(
        f"Intrastat {month} of merchant {job.place.merchant}: {' '.join(problems)}", remedy=" ".join(remedy)
    )


def _report_country(
    writer: MonthWriter, country: str, movements: Movements, of_month: list[Finding], master_data: pa.Table | None
) -> dict[str, Any]:
    """Write the report of a country; what the month's result says of it."""
    place, files = writer.place, writer.of(country)
    report = country_report(movements.flows, country, writer.month, place.merchant_id, master_data)
    what, rows = place.subject(f"intrastat {writer.month} {country}"), report.lines.num_rows
    findings = _logged(what, country_findings(report, movements))
    writer.write(files["parquet"], parquet_bytes(report.lines.select(IN_FILES.names)), rows)
    writer.write(files["csv"], lines_as_csv(report.lines), rows)
    if report.goods is not None:
        writer.write(files["goods"], table_as_csv(report.goods), report.goods.num_rows)
    writer.write(files["html"], page_html(report, movements, of_month + findings, files, place.merchant_name), rows)
    arrivals, dispatches = (total["net_quantity"] for total in report.totals)
    uri = place.uri_of(files["parquet"].rpartition("/")[0])
    log.info(
        "%s: arrivals %s, dispatches %s (net quantities), %s. This is not tax advice. -> %s",
        what, f"{arrivals:,}", f"{dispatches:,}", counted(rows, "line"), uri,
    )  # fmt: skip
    return {
        "country": country,
        "arrivals": arrivals,
        "dispatches": dispatches,
        "lines": rows,
        "without_master_data": report.lines_without_master_data,
        "findings": list(map(str, findings)),
        "uri": uri,
        **{kind: place.uri_of(files[kind]) for kind in ("html", "csv", "parquet")},
    }


def _logged(what: str, findings: Iterable[Finding]) -> list[Finding]:
    found = list(findings)
    for finding in found:
        log.warning("%s: %s", what, finding)
    return found
