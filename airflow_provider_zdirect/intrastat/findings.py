"""What a reader of a report has to know before relying on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from airflow_provider_zdirect.intrastat.countries import EU, titled
from airflow_provider_zdirect.intrastat.lines import CountryReport
from airflow_provider_zdirect.intrastat.movements import Movements
from airflow_provider_zdirect.intrastat.published_days import LandedDay
from airflow_provider_zdirect.intrastat.selection import as_runs
from airflow_provider_zdirect.reports.calendar import EMPTY_IS_CERTAIN_AFTER


@dataclass(frozen=True)
class Finding:
    """Something that may be wrong or missing, in one headline and a sentence or two."""

    headline: str
    text: str

    def __str__(self) -> str:
        return f"{self.headline}: {self.text}"


def month_findings(
    movements: Movements, missing: tuple[date, ...], uncertain: tuple[date, ...], landed: dict[date, LandedDay]
) -> list[Finding]:
    """What concerns the reports of all countries.

    :param missing: days without a report.
    :param uncertain: those of them whose report was fetched, and was empty at a time when it may not have been made.
    :param landed: the other days.
    """
    found: list[Finding] = []

    def add(headline: str, text: str) -> None:
        found.append(Finding(headline, text))

    if missing:
        add(
            f"{len(missing)} daily report{'s are' if len(missing) > 1 else ' is'} missing",
            f"The movements that Zalando reported on {as_runs(missing)} are not in these figures.",
        )
    if not movements.count:
        add("No movements", "None of the daily reports that were used holds a movement.")
    if unplaced := movements.unplaced.num_rows:
        quantity = sum(movements.unplaced.column("quantity").to_pylist())
        add(
            f"{_counted(unplaced)} without a country",
            f"Net quantity {quantity:,}. Zalando gave no country of source or destination, so that no report can "
            "hold them. They are listed in movements-without-country.csv, in the folder above this one.",
        )
    if within := movements.within_country:
        add(
            f"{_counted(within)} within one country",
            "Source and destination are the same country; no border was crossed, and no report holds them.",
        )
    if uncertain:
        add("Empty reports that were fetched too early", fetched_too_early(uncertain))
    # A run may have fetched several of the days; its manifest counts the records that it rejected in all.
    rejected = {day.manifest: day.rejected for day in landed.values() if day.rejected}
    if count := sum(rejected.values()):
        days = as_runs(day.day for day in landed.values() if day.rejected)
        add(
            f"{count:,} record{'s were' if count > 1 else ' was'} rejected as invalid",
            f"These figures lack them. The runs that fetched {days} have put them under _rejected/.",
        )
    if samples := [day.day for day in landed.values() if day.environment != "production"]:
        add("Sandbox data", f"The reports of {as_runs(samples)} come from the sandbox; they are samples.")
    return found


def country_findings(report: CountryReport, movements: Movements) -> list[Finding]:
    """What concerns the report of one country.

    :param movements: those of the month.
    """
    if not report.lines.num_rows:
        return [_nothing_to_report(report, movements)]
    codes = {report.country, *report.lines.column("counterpart_country").unique().to_pylist()}
    outside = sorted(codes.difference(EU))
    text = (
        f"Not in the EU: {', '.join(outside)}. Such movements are in the tables, and are not part of Intrastat; they "
        "may be imports or exports."
    )
    return [Finding("Movements from or to places outside of the EU", text)] if outside else []


def _nothing_to_report(report: CountryReport, movements: Movements) -> Finding:
    name = titled(report.country)
    if report.country in movements.countries:
        return Finding(
            f"No movement crosses the border of {name}",
            f"The movements of {report.month} from or to it lie within the country, or lack the other country.",
        )
    text = f"In no movement of {report.month} is it the country of source or of destination, so this report is empty."
    if report.country == "XI":
        text += " Zalando names countries by ISO codes, which have none for Northern Ireland: goods there are under GB."
    return Finding(f"No movement touches {name}", text)


def fetched_too_early(uncertain: tuple[date, ...]) -> str:
    return (
        f"The reports of {as_runs(uncertain)} held no movement when they were fetched, less than "
        f"{EMPTY_IS_CERTAIN_AFTER.days} days after they were due and before a later report was seen; they may not have "
        "been made by then. Fetch them again."
    )


def _counted(movements: int) -> str:
    return f"{movements:,} movement{'s' if movements != 1 else ''}"
