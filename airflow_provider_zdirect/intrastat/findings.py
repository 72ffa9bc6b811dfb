# SPDX-License-Identifier: Apache-2.0
"""What a reader of a report has to know before relying on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import pyarrow.compute as pc

from airflow_provider_zdirect.intrastat.countries import EU, titled
from airflow_provider_zdirect.intrastat.country_report import CountryReport
from airflow_provider_zdirect.intrastat.movements import Movements
from airflow_provider_zdirect.intrastat.selection import as_runs
from airflow_provider_zdirect.reports.calendar import EMPTY_IS_CERTAIN_AFTER
from airflow_provider_zdirect.words import counted


@dataclass(frozen=True)
class Finding:
    """Something that may be wrong or missing, in one headline and a sentence or two."""

    headline: str
    text: str

    def __str__(self) -> str:
        return f"{self.headline}: {self.text}"


def month_findings(movements: Movements) -> Iterator[Finding]:
    """What concerns the reports of all countries."""
    if missing := movements.missing_days:
        yield Finding(
            f"{counted(len(missing), 'daily report is', 'daily reports are')} missing",
            f"The movements that Zalando reported on {as_runs(missing)} are not in these figures.",
        )
    if not movements.count:
        yield Finding("No movements", "None of the daily reports that were used holds a movement.")
    if unplaced := movements.unplaced.num_rows:
        yield Finding(
            f"{counted(unplaced, 'movement')} without a country",
            f"Net quantity {pc.sum(movements.unplaced.column('quantity')).as_py():,}. Zalando gave no country of "
            "source or destination, so that no report can hold them. They are listed in movements-without-country.csv, "
            "in the folder above this one.",
        )
    if within := movements.within_country:
        yield Finding(
            f"{counted(within, 'movement')} within one country",
            "Source and destination are the same country; no border was crossed, and no report holds them.",
        )
    if movements.uncertain_days:
        yield Finding("Empty reports that were fetched too early", fetched_too_early(movements.uncertain_days))
    landed = movements.landed.values()
    # A run may have fetched several of the days; its manifest counts the records that it rejected in all.
    if count := sum({day.manifest: day.rejected for day in landed}.values()):
        yield Finding(
            f"{counted(count, 'record was', 'records were')} rejected as invalid",
            f"These figures lack them. The runs that fetched {as_runs(day.day for day in landed if day.rejected)} have "
            "put them under _rejected/.",
        )
    if samples := [day.day for day in landed if day.environment != "production"]:
        yield Finding("Sandbox data", f"The reports of {as_runs(samples)} come from the sandbox; they are samples.")


def country_findings(report: CountryReport, movements: Movements) -> Iterator[Finding]:
    """What concerns the report of one country.

    :param movements: those of the month.
    """
    country, name = report.country, titled(report.country)
    counterparts = report.lines.column("counterpart_country").unique().to_pylist()
    if counterparts and (outside := sorted({country, *counterparts}.difference(EU))):
        yield Finding(
            "Movements from or to places outside of the EU",
            f"Not in the EU: {', '.join(outside)}. Such movements are in the tables, and are not part of Intrastat; "
            "they may be imports or exports.",
        )
    elif not counterparts and country in movements.countries:
        yield Finding(
            f"No movement crosses the border of {name}",
            f"The movements of {report.month} from or to it lie within the country, or lack the other country.",
        )
    elif not counterparts:
        text = (
            f"In no movement of {report.month} is it the country of source or of destination, so this report is empty."
        )
        if country == "XI":
            text += (
                " Zalando names countries by ISO codes, which have none for Northern Ireland: goods there are under GB."
            )
        yield Finding(f"No movement touches {name}", text)


def fetched_too_early(uncertain: tuple[date, ...]) -> str:
    return (
        f"The reports of {as_runs(uncertain)} held no movement when they were fetched, less than "
        f"{EMPTY_IS_CERTAIN_AFTER.days} days after they were due and before a later report was seen; they may not have "
        "been made by then. Fetch them again."
    )
