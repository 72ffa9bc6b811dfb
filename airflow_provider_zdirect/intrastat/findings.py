"""What a reader of a report has to know before relying on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from airflow_provider_zdirect.intrastat.countries import EU, titled
from airflow_provider_zdirect.intrastat.landed_days import LandedDay
from airflow_provider_zdirect.intrastat.lines import CountryReport
from airflow_provider_zdirect.intrastat.movements import Movements
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
    return [
        *_missing(missing),
        *_no_movement(movements),
        *_without_country(movements),
        *_within_country(movements.within_country),
        *_empty_too_early(uncertain),
        *_rejected(landed.values()),
        *_sandbox(landed.values()),
    ]


def country_findings(report: CountryReport, movements: Movements) -> list[Finding]:
    """What concerns the report of one country.

    :param movements: those of the month.
    """
    return [*_nothing_to_report(report, movements), *_outside_of_the_eu(report)]


def _nothing_to_report(report: CountryReport, movements: Movements) -> list[Finding]:
    if report.lines.num_rows:
        return []
    name = titled(report.country)
    if report.country in movements.countries:
        return [
            Finding(
                f"No movement crosses the border of {name}",
                f"The movements of {report.month} from or to it lie within the country, or lack the other country.",
            )
        ]
    text = f"In no movement of {report.month} is it the country of source or of destination, so this report is empty."
    if report.country == "XI":
        text += " Zalando names countries by ISO codes, which have none for Northern Ireland: goods there are under GB."
    return [Finding(f"No movement touches {name}", text)]


def _outside_of_the_eu(report: CountryReport) -> list[Finding]:
    codes = {report.country, *report.lines.column("counterpart_country").unique().to_pylist()}
    outside = sorted(codes.difference(EU))
    if not outside or not report.lines.num_rows:
        return []
    return [
        Finding(
            "Movements from or to places outside of the EU",
            f"Not in the EU: {', '.join(outside)}. Such movements are in the tables, and are not part of "
            "Intrastat; they may be imports or exports.",
        )
    ]


def _missing(missing: tuple[date, ...]) -> list[Finding]:
    if not missing:
        return []
    return [
        Finding(
            f"{len(missing)} daily report{'s are' if len(missing) > 1 else ' is'} missing",
            f"The movements that Zalando reported on {as_runs(missing)} are not in these figures.",
        )
    ]


def _no_movement(movements: Movements) -> list[Finding]:
    if movements.count:
        return []
    return [Finding("No movements", "None of the daily reports that were used holds a movement.")]


def _without_country(movements: Movements) -> list[Finding]:
    rows = movements.unplaced
    if not rows.num_rows:
        return []
    quantity = sum(rows.column("quantity").to_pylist())
    return [
        Finding(
            f"{_counted(rows.num_rows)} without a country",
            f"Net quantity {quantity:,}. Zalando gave no country of source or destination, so that no report can hold "
            "them. They are listed in movements-without-country.csv, in the folder above this one.",
        )
    ]


def _within_country(count: int) -> list[Finding]:
    if not count:
        return []
    return [
        Finding(
            f"{_counted(count)} within one country",
            "Source and destination are the same country; no border was crossed, and no report holds them.",
        )
    ]


def _empty_too_early(uncertain: tuple[date, ...]) -> list[Finding]:
    if not uncertain:
        return []
    return [Finding("Empty reports that were fetched too early", fetched_too_early(uncertain))]


def fetched_too_early(uncertain: tuple[date, ...]) -> str:
    return (
        f"The reports of {as_runs(uncertain)} held no movement when they were fetched, less than "
        f"{EMPTY_IS_CERTAIN_AFTER.days} days after they were due and before a later report was seen; they may not have "
        "been made by then. Fetch them again."
    )


def _rejected(landed: Iterable[LandedDay]) -> list[Finding]:
    # A run may have fetched several of the days; it says how many records it put aside in all.
    by_run: dict[str, list[LandedDay]] = {}
    for day in landed:
        if day.rejected:
            by_run.setdefault(day.manifest, []).append(day)
    if not by_run:
        return []
    count = sum(days[0].rejected for days in by_run.values())
    days = [day.day for run in by_run.values() for day in run]
    return [
        Finding(
            f"{count:,} record{'s were' if count > 1 else ' was'} put aside as invalid",
            f"These figures lack them. The runs that fetched {as_runs(days)} have put them under _rejected/.",
        )
    ]


def _sandbox(landed: Iterable[LandedDay]) -> list[Finding]:
    days = [day.day for day in landed if day.environment != "production"]
    if not days:
        return []
    return [Finding("Sandbox data", f"The reports of {as_runs(days)} come from the sandbox; they are samples.")]


def _counted(movements: int) -> str:
    return f"{movements:,} movement{'s' if movements != 1 else ''}"
